//! What differs between two stages, or between two suites, and where the difference begins.
//!
//! Two stages with different keys often differ in an input only. So a comparison follows the inputs by their roles to
//! the stages whose own descriptions differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::configured::Configured;
use crate::error::Result;
use crate::evaluation::Evaluation;
use crate::key::StageKey;
use crate::lineage::StageName;
use crate::manifest::Manifest;
use crate::stage::Stage;
use crate::store::Store;
use crate::suite_index::{SuiteIndex, SuiteRow};

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The kind of stage.
    Kind,
    /// Which stages it read.
    Inputs,
    /// Its configuration, without what the next three say.
    Configuration,
    /// The seed.
    Seed,
    /// The data and their fingerprint.
    Data,
    /// The arithmetic.
    Arithmetic,
    /// The machine, and the version of the program.
    Machine,
    /// Time and memory.
    Cost,
    /// What was measured.
    Figures,
    /// The files that it left.
    Files,
}

impl Aspect {
    /// Whether it decides the result of a stage. The others follow from the result, or describe how it came about.
    pub fn decides(self) -> bool {
        self < Self::Machine
    }

    /// Its name for users.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Inputs => "inputs",
            Self::Configuration => "configuration",
            Self::Seed => "seed",
            Self::Data => "data",
            Self::Arithmetic => "arithmetic",
            Self::Machine => "machine",
            Self::Cost => "cost",
            Self::Figures => "figures",
            Self::Files => "files",
        }
    }
}

/// One value that differs. `None` where one of the two lacks it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What it is about.
    pub aspect: Aspect,
    /// The name of the value. Keys in a configuration are joined by dots.
    pub key: String,
    /// The value of the first.
    pub one: Option<Value>,
    /// The value of the second.
    pub other: Option<Value>,
}

/// A stage with its store.
#[derive(Debug)]
pub struct Side<'a, T> {
    /// The store.
    pub store: &'a Store,
    /// What is compared.
    pub of: &'a T,
}

// Derived ones would demand that `T` can be copied too.
impl<T> Clone for Side<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Side<'_, T> {}

/// What differs between two stages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageDifferences {
    /// The first stage.
    pub one: StageName,
    /// The second stage.
    pub other: StageName,
    /// Whether the descriptions are equal, so that both have the same key.
    pub same_key: bool,
    /// What differs between the two stages themselves.
    pub differences: Vec<Difference>,
    /// Where it begins: the stages, among the two and what they were computed from, that differ although their inputs
    /// are equal, or lack one that the other has. Empty if the keys are equal.
    pub origins: Vec<Origin>,
}

/// A pair of stages in which a difference begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Origin {
    /// The roles of the inputs that lead to it, from the compared stages on: `["model", "model"]`.
    pub through: Vec<String>,
    /// The first stage.
    pub one: StageName,
    /// The second stage.
    pub other: StageName,
    /// What differs, of what decides the result.
    pub differences: Vec<Difference>,
}

/// What differs between two suites.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuiteDifferences {
    /// The first suite.
    pub one: String,
    /// The second suite.
    pub other: String,
    /// Settings that differ, by section, name and key.
    pub settings: Vec<Difference>,
    /// Labels of the rows that only the first has.
    pub only_in_one: Vec<String>,
    /// Labels of the rows that only the second has.
    pub only_in_other: Vec<String>,
    /// Labels of the rows with the same stages in both.
    pub same: Vec<String>,
    /// The other rows that both have.
    pub rows: Vec<RowDifferences>,
    /// Where the rows begin to differ, each pair of stages once.
    pub origins: Vec<Origin>,
}

/// What differs between the rows of two suites with the same label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowDifferences {
    /// The label of both rows.
    pub row: String,
    /// The evaluation of the first.
    pub one: StageName,
    /// The evaluation of the second.
    pub other: StageName,
    /// The figures that differ.
    pub figures: Vec<Difference>,
}

/// Compares two stages, and follows their inputs to where they begin to differ.
///
/// # Errors
/// If a stage of one of them cannot be read.
pub fn between_stages(one: Side<'_, Stage>, other: Side<'_, Stage>) -> Result<StageDifferences> {
    let mut origins = Vec::new();
    follow(one, other, &[], &mut BTreeSet::new(), &mut origins)?;
    let (first, second) = (one.of.manifest(), other.of.manifest());
    let mut differences = described(first, second);
    differences.extend(observed(first, second));
    differences.extend(compared(Aspect::Figures, &figures(one.of)?, &figures(other.of)?));
    Ok(StageDifferences {
        one: named(first),
        other: named(second),
        same_key: first.key == second.key,
        differences,
        origins,
    })
}

/// Compares two suites: their settings, their rows by label, and where the rows begin to differ.
///
/// # Errors
/// If a stage of a row is missing or cannot be read.
pub fn between_suites(one: Side<'_, SuiteIndex>, other: Side<'_, SuiteIndex>) -> Result<SuiteDifferences> {
    let labelled = |index: &'_ SuiteIndex| -> BTreeMap<String, SuiteRow> {
        index.rows.iter().map(|row| (row_name(row), row.clone())).collect()
    };
    let (first, second) = (labelled(one.of), labelled(other.of));
    let only = |of: &BTreeMap<String, SuiteRow>, without: &BTreeMap<String, SuiteRow>| -> Vec<String> {
        of.keys().filter(|label| !without.contains_key(*label)).cloned().collect()
    };
    let mut found = SuiteDifferences {
        one: one.of.suite.clone(),
        other: other.of.suite.clone(),
        settings: compared(Aspect::Configuration, &settings(&one.of.configured), &settings(&other.of.configured)),
        only_in_one: only(&first, &second),
        only_in_other: only(&second, &first),
        same: Vec::new(),
        rows: Vec::new(),
        origins: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for (label, row) in &first {
        let Some(counterpart) = second.get(label) else { continue };
        let (here, there) = (one.store.row(row)?, other.store.row(counterpart)?);
        let figures = compared(Aspect::Figures, &figures(&here.evaluate)?, &figures(&there.evaluate)?);
        if row.evaluate == counterpart.evaluate && figures.is_empty() {
            found.same.push(label.clone());
            continue;
        }
        follow(
            Side { store: one.store, of: &here.evaluate },
            Side { store: other.store, of: &there.evaluate },
            &[],
            &mut seen,
            &mut found.origins,
        )?;
        let (here, there) = (named(here.evaluate.manifest()), named(there.evaluate.manifest()));
        found.rows.push(RowDifferences { row: label.clone(), one: here, other: there, figures });
    }
    Ok(found)
}

/// A row's label, with its place in a sequence: two rows of a suite never have the same.
fn row_name(row: &SuiteRow) -> String {
    let turn = row.turn.as_ref().map(|turn| format!(" · {} {}/{}", turn.sequence, turn.number, turn.of));
    format!("{}{}", row.label(), turn.unwrap_or_default())
}

fn named(Manifest { kind, key, .. }: &Manifest) -> StageName {
    StageName { kind: kind.clone(), key: key.clone() }
}

/// Adds the pairs of stages in which the difference between two stages begins. Each pair is looked at once.
fn follow(
    one: Side<'_, Stage>,
    other: Side<'_, Stage>,
    through: &[String],
    seen: &mut BTreeSet<(StageKey, StageKey)>,
    origins: &mut Vec<Origin>,
) -> Result<()> {
    let (first, second) = (one.of.manifest(), other.of.manifest());
    if first.key == second.key || !seen.insert((first.key.clone(), second.key.clone())) {
        return Ok(());
    }
    let mut own = described(first, second);
    for (role, key) in &first.inputs {
        let Some(counterpart) = second.inputs.get(role).filter(|counterpart| *counterpart != key) else { continue };
        if let (Some(here), Some(there)) = (one.store.locate(key)?, other.store.locate(counterpart)?) {
            // That an input differs is said where it begins to differ.
            own.retain(|difference| (difference.aspect, &difference.key) != (Aspect::Inputs, role));
            let through: Vec<String> = through.iter().chain([role]).cloned().collect();
            let (here, there) = (Side { store: one.store, of: &here }, Side { store: other.store, of: &there });
            follow(here, there, &through, seen, origins)?;
        }
    }
    if !own.is_empty() {
        let (one, other) = (named(first), named(second));
        origins.push(Origin { through: through.to_vec(), one, other, differences: own });
    }
    Ok(())
}

/// What differs in the descriptions of two stages.
fn described(one: &Manifest, other: &Manifest) -> Vec<Difference> {
    let of = |manifest: &Manifest| {
        let mut values = BTreeMap::new();
        flatten(String::new(), &manifest.config, &mut values);
        values
    };
    let mut found = Vec::new();
    let mut differ = |aspect, key: &str, one: Value, other: Value| {
        if one != other {
            found.push(Difference { aspect, key: key.to_owned(), one: Some(one), other: Some(other) });
        }
    };
    differ(Aspect::Kind, "kind", json!(one.kind), json!(other.kind));
    differ(Aspect::Seed, "seed", json!(one.seed), json!(other.seed));
    differ(Aspect::Data, "fingerprint", json!(one.data_fingerprint), json!(other.data_fingerprint));
    let keys = |manifest: &Manifest| manifest.inputs.iter().map(|(role, key)| (role.clone(), json!(key))).collect();
    found.extend(compared(Aspect::Inputs, &keys(one), &keys(other)));
    found.extend(compared(Aspect::Configuration, &of(one), &of(other)).into_iter().map(|difference| {
        let aspect = match difference.key.split('.').next() {
            Some("arithmetic") => Aspect::Arithmetic,
            Some("data") => Aspect::Data,
            _ => Aspect::Configuration,
        };
        Difference { aspect, ..difference }
    }));
    found.sort_by(|one, other| (one.aspect, &one.key).cmp(&(other.aspect, &other.key)));
    found
}

/// What differs in how two stages came about, and in what they left.
fn observed(one: &Manifest, other: &Manifest) -> Vec<Difference> {
    let values = |values: Value| {
        let mut flat = BTreeMap::new();
        flatten(String::new(), &values, &mut flat);
        flat
    };
    let machine = |it: &Manifest| values(json!({ "machine": it.machine, "program": it.crate_version }));
    let cost = |it: &Manifest| {
        values(json!({
            "wall seconds": it.wall_seconds, "CPU seconds": it.cpu_seconds, "peak memory in MiB": it.peak_rss_mib
        }))
    };
    // A log holds times, so it always differs.
    let files = |it: &Manifest| {
        let named = it.artifacts.iter().filter(|(name, _)| *name != crate::stage::LOG);
        named.map(|(name, artifact)| (name.clone(), json!(artifact.blake3))).collect()
    };
    let mut found = compared(Aspect::Machine, &machine(one), &machine(other));
    found.extend(compared(Aspect::Cost, &cost(one), &cost(other)));
    found.extend(compared(Aspect::Files, &files(one), &files(other)));
    found
}

/// The figures of a stage: those of an evaluation, or the last row of its metrics.
fn figures(stage: &Stage) -> Result<BTreeMap<String, Value>> {
    let mut values = BTreeMap::new();
    if stage.manifest().kind == "evaluate" {
        for (name, value) in Evaluation::of(stage)?.figures {
            let undefined = value.undefined.map(|reason| json!(format!("undefined: {reason}")));
            values.insert(name, undefined.unwrap_or_else(|| json!(value.value)));
        }
    } else if let Some(row) = stage.metrics::<Value>()?.pop() {
        flatten(String::new(), &row, &mut values);
    }
    Ok(values)
}

/// The settings of a suite, by section, name and key.
fn settings(parts: &[Configured]) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for part in parts {
        let only = if part.only_for.is_empty() { String::new() } else { format!(" ({})", part.only_for.join(", ")) };
        let whole = format!("{} {}{only}", part.section, part.name);
        for setting in &part.settings {
            values.insert(format!("{}: {}", whole.trim_end(), setting.key), setting.value.clone());
        }
    }
    values
}

/// The leaves of a JSON value, by their keys joined by dots. A list is one leaf.
fn flatten(path: String, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(path, value, into);
            }
        }
        leaf => drop(into.insert(path, leaf.clone())),
    }
}

/// The values that differ between two maps.
fn compared(aspect: Aspect, one: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>) -> Vec<Difference> {
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differing = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
    differing
        .map(|key| Difference { aspect, key: key.clone(), one: one.get(key).cloned(), other: other.get(key).cloned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::StageSpec;
    use crate::store::Begin;

    fn finish(store: &Store, spec: &StageSpec, loss: f64) -> Stage {
        let Begin::Run(mut writer) = store.begin(spec).unwrap() else { panic!("it is done already") };
        writer.append_metrics(&json!({ "loss": loss })).unwrap();
        writer.finish().unwrap()
    }

    /// Train, prune and unlearn with one rate of the training.
    fn chain(store: &Store, lr: f64, epochs: u64) -> [Stage; 3] {
        let train = StageSpec::new("train", json!({ "recipe": { "lr": lr }, "arithmetic": "cpu 1" }), "data", 1);
        let train = match store.find("train", &train.key()).unwrap() {
            Some(done) => done,
            None => finish(store, &train, lr),
        };
        let prune = StageSpec::new("prune", json!({ "method": "omp" }), "data", 1);
        let prune = prune.with_input("model", train.key().clone());
        let prune = match store.find("prune", &prune.key()).unwrap() {
            Some(done) => done,
            None => finish(store, &prune, 0.5),
        };
        let unlearn = StageSpec::new("unlearn", json!({ "method": "ft", "epochs": epochs }), "data", 1);
        let unlearn = finish(store, &unlearn.with_input("model", prune.key().clone()), 0.25);
        [train, prune, unlearn]
    }

    #[test]
    fn a_difference_is_followed_to_the_stage_in_which_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let (one, other) = (chain(&store, 0.1, 1), chain(&store, 0.2, 1));
        let side = |of| Side { store: &store, of };
        let found = between_stages(side(&one[2]), side(&other[2])).unwrap();
        assert!(!found.same_key);
        let [origin] = &found.origins[..] else { panic!("{found:?}") };
        assert_eq!(origin.through, ["model", "model"]);
        assert_eq!((&origin.one.key, &origin.other.key), (one[0].key(), other[0].key()));
        let lr = Difference {
            aspect: Aspect::Configuration,
            key: "recipe.lr".into(),
            one: Some(json!(0.1)),
            other: Some(json!(0.2)),
        };
        assert_eq!(origin.differences, [lr]);
        let own: Vec<Aspect> = found.differences.iter().map(|found| found.aspect).filter(|it| it.decides()).collect();
        assert_eq!(own, [Aspect::Inputs]);

        // Two things differ at once: both are named, each at its own stage.
        let third = chain(&store, 0.2, 3);
        let found = between_stages(side(&one[2]), side(&third[2])).unwrap();
        let at: Vec<&str> = found.origins.iter().map(|origin| origin.one.kind.as_str()).collect();
        assert_eq!(at, ["train", "unlearn"]);
        let same = between_stages(side(&one[2]), side(&one[2])).unwrap();
        assert!(same.same_key && same.differences.is_empty() && same.origins.is_empty(), "{same:?}");
    }

    #[test]
    fn the_same_description_may_have_led_to_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = ["here", "there"].map(|name| Store::open(folder.path().join(name)).unwrap());
        let spec = StageSpec::new("train", json!({}), "data", 1);
        let (one, other) = (finish(&here, &spec, 0.1), finish(&there, &spec, 0.2));
        let found = between_stages(Side { store: &here, of: &one }, Side { store: &there, of: &other }).unwrap();
        assert!(found.same_key && found.origins.is_empty());
        let of = |aspect| found.differences.iter().filter(|found| found.aspect == aspect).count();
        assert_eq!((of(Aspect::Figures), of(Aspect::Files)), (1, 1), "{found:?}");
    }

    #[test]
    fn rows_of_suites_are_compared_by_their_labels() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let index = |name: &str, lr: f64, seed: u64| {
            let [.., unlearn] = chain(&store, lr, seed);
            let spec = StageSpec::new("evaluate", json!({}), "data", 1).with_input("model", unlearn.key().clone());
            let Begin::Run(mut writer) = store.begin(&spec).unwrap() else { panic!("it is done already") };
            let figures = [("ua".to_owned(), unlearn_metrics::Value::exact(100.0 * lr))];
            writer.append_metrics(&Evaluation::new(figures.into())).unwrap();
            let evaluate = writer.finish().unwrap();
            let mut index = SuiteIndex::new(name, "a test");
            index.rows.push(SuiteRow::example(unlearn.key().clone(), evaluate.key().clone()));
            index
        };
        let (one, mut other) = (index("a", 0.1, 1), index("b", 0.2, 1));
        let compare = |one: &SuiteIndex, other: &SuiteIndex| {
            between_suites(Side { store: &store, of: one }, Side { store: &store, of: other }).unwrap()
        };
        let found = compare(&one, &other);
        let [row] = &found.rows[..] else { panic!("{found:?}") };
        assert_eq!((row.figures[0].key.as_str(), &row.figures[0].other), ("ua", &Some(json!(20.0))));
        assert_eq!((found.origins.len(), found.origins[0].one.kind.as_str()), (1, "train"));
        assert_eq!(compare(&one, &one).same.len(), 1);
        other.rows[0].method = "ga".into();
        let found = compare(&one, &other);
        assert_eq!((found.only_in_one.len(), found.only_in_other.len(), found.rows.len()), (1, 1, 0));
    }
}
