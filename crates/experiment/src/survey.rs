//! An overview of a store: every stage with its labels, its size and its age, and a choice among them.

use std::{
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;
use unlearn_names::Unknown;
use unlearn_run_store::{Manifest, Record, StageKey, StageState, Store, clock};

use crate::{
    Labels, Result,
    labels::{Manifests, manifests},
    stages::{Audit, Evaluate, Import, Kind, Prune, Train, TransferStage, Unlearn, Validate},
};

/// The state of a stage in an overview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Finished.
    Done,
    /// Being computed, or interrupted.
    Partial,
    /// Its manifest cannot be read.
    Damaged,
}

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Damaged => "damaged",
        }
    }
}

/// One stage of an overview.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its kind.
    pub kind: String,
    /// Its key.
    pub key: StageKey,
    /// Its state.
    pub state: State,
    /// What is damaged, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Size of its files in bytes.
    pub bytes: u64,
    /// Seconds since it was finished, imported or last saved.
    pub age_seconds: Option<u64>,
    /// That time, RFC 3339 in UTC.
    pub modified: Option<String>,
    /// Its label, which begins with the kind. `None` for a stage that is not finished.
    pub label: Option<String>,
    /// The suites that need it.
    pub suites: Vec<String>,
    /// The unlearning method that made its model, or the model that it judges; of a `prune` stage, the pruning method.
    pub method: Option<String>,
    /// The name of that method in its suite, if it has another there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// The name of the data that its model was trained on.
    pub data: Option<String>,
    /// The architecture of its model.
    pub arch: Option<String>,
    /// Its seed.
    pub seed: Option<u64>,
    /// Wall time of its computation in seconds.
    pub seconds: Option<f64>,
    /// Its folder. JSON holds no path that is not UTF-8, so there such a path is shown as well as it can be.
    #[serde(serialize_with = "shown")]
    pub folder: PathBuf,
}

fn shown<S: serde::Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// Which stages are wanted. An empty list, or `None`, asks for nothing in particular.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Kinds.
    pub kinds: Vec<String>,
    /// Suites that need the stage.
    pub suites: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Data sets.
    pub data: Vec<String>,
    /// Architectures.
    pub archs: Vec<String>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// States.
    pub states: Vec<State>,
    /// Least age.
    pub older_than: Option<Duration>,
    /// Greatest age.
    pub newer_than: Option<Duration>,
    /// Least size in bytes, which the stage must exceed.
    pub larger_than: Option<u64>,
    /// Only stages that no suite needs.
    pub orphaned: bool,
}

/// The order of an overview.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// By kind, then by key.
    #[default]
    Kind,
    /// The largest first.
    Size,
    /// The youngest first.
    Age,
    /// By label.
    Label,
}

/// The stages of a store.
#[derive(Debug, Clone)]
pub struct Survey {
    /// All of them, by kind and key.
    pub entries: Vec<Entry>,
}

impl Survey {
    /// Looks at every stage of a store once.
    ///
    /// # Errors
    /// A store that cannot be listed.
    pub fn of(store: &Store) -> Result<Self> {
        let records = store.records()?;
        let labels = Labels::of_records(store, &records)?;
        let manifests = manifests(&records);
        let entries = records.iter().map(|record| entry(record, &labels, &manifests)).collect();
        Ok(Self { entries })
    }

    /// The stages that a selection wants, in order.
    ///
    /// # Errors
    /// A name that no stage of the store has: a misspelt name must not look like an empty store.
    pub fn select(&self, wanted: &Selection, order: Order) -> std::result::Result<Vec<&Entry>, Unknown> {
        let of = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        self.check("kind of stage", &wanted.kinds, |entry| vec![entry.kind.clone()])?;
        self.check("suite", &wanted.suites, |entry| entry.suites.clone())?;
        self.check("method", &wanted.methods, |entry| [of(&entry.method), of(&entry.named)].concat())?;
        self.check("dataset", &wanted.data, |entry| of(&entry.data))?;
        self.check("architecture", &wanted.archs, |entry| of(&entry.arch))?;
        let mut chosen: Vec<&Entry> = self.entries.iter().filter(|entry| wanted.takes(entry)).collect();
        match order {
            Order::Kind => {}
            Order::Size => chosen.sort_by_key(|entry| std::cmp::Reverse(entry.bytes)),
            Order::Age => chosen.sort_by_key(|entry| entry.age_seconds.unwrap_or(u64::MAX)),
            Order::Label => chosen.sort_by(|one, other| one.label.cmp(&other.label)),
        }
        Ok(chosen)
    }

    fn check(
        &self,
        what: &'static str,
        wanted: &[String],
        of: impl Fn(&Entry) -> Vec<String>,
    ) -> std::result::Result<(), Unknown> {
        if wanted.is_empty() {
            return Ok(());
        }
        let held: std::collections::BTreeSet<String> = self.entries.iter().flat_map(of).collect();
        match wanted.iter().find(|name| !held.contains(*name)) {
            Some(name) => Err(Unknown::new(what, name, held.iter().map(String::as_str))),
            None => Ok(()),
        }
    }
}

impl Selection {
    fn takes(&self, entry: &Entry) -> bool {
        let among = |wanted: &[String], value: &Option<String>| {
            wanted.is_empty() || value.as_ref().is_some_and(|value| wanted.contains(value))
        };
        let age = entry.age_seconds.map(Duration::from_secs);
        (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && (self.suites.is_empty() || entry.suites.iter().any(|suite| self.suites.contains(suite)))
            && (among(&self.methods, &entry.method) || among(&self.methods, &entry.named))
            && among(&self.data, &entry.data)
            && among(&self.archs, &entry.arch)
            && (self.seeds.is_empty() || entry.seed.is_some_and(|seed| self.seeds.contains(&seed)))
            && (self.states.is_empty() || self.states.contains(&entry.state))
            && self.older_than.is_none_or(|least| age.is_some_and(|age| age >= least))
            && self.newer_than.is_none_or(|most| age.is_some_and(|age| age < most))
            && self.larger_than.is_none_or(|least| entry.bytes > least)
            && (!self.orphaned || entry.suites.is_empty())
    }
}

fn entry(record: &Record, labels: &Labels, manifests: &Manifests<'_>) -> Entry {
    let summary = &record.summary;
    let (state, problem) = match &summary.state {
        StageState::Finished => (State::Done, None),
        StageState::Unfinished => (State::Partial, None),
        StageState::Damaged(problem) => (State::Damaged, Some(problem.clone())),
    };
    let about = record.manifest.as_ref().map(|manifest| About::of(manifest, manifests)).unwrap_or_default();
    let label = record.manifest.as_ref().and_then(|_| labels.get(&summary.key)).map(str::to_owned);
    let named = label.as_deref().and_then(|label| name_in_label(&summary.kind, label)).map(str::to_owned);
    let since =
        |time: std::time::SystemTime| clock::rfc3339(time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs()));
    Entry {
        kind: summary.kind.clone(),
        key: summary.key.clone(),
        state,
        problem,
        bytes: summary.bytes,
        age_seconds: record.age().map(|age| age.as_secs()),
        modified: record.modified.map(since),
        label,
        suites: labels.suites(&summary.key).map(str::to_owned).collect(),
        named: named.filter(|name| about.method.is_some() && about.method.as_ref() != Some(name)),
        method: about.method,
        data: about.data,
        arch: about.arch,
        seed: record.manifest.as_ref().map(|manifest| manifest.seed),
        seconds: record.manifest.as_ref().map(|manifest| manifest.wall_seconds),
        folder: summary.folder.clone(),
    }
}

/// The method in a label that begins with one: `unlearn gentle · class 0 · …`.
fn name_in_label<'l>(kind: &str, label: &'l str) -> Option<&'l str> {
    let named = [Unlearn::NAME, Evaluate::NAME, Validate::NAME, Audit::NAME];
    let rest = label.strip_prefix(kind).filter(|_| named.contains(&kind))?;
    rest.split_once(" · ").map(|(name, _)| name.trim())
}

/// What a stage's model is, found in the stages that it was computed from.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct About {
    pub(crate) method: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) arch: Option<String>,
}

impl About {
    pub(crate) fn of(manifest: &Manifest, manifests: &Manifests<'_>) -> Self {
        let mut about = Self::default();
        let judges = [Unlearn::NAME, Evaluate::NAME, Validate::NAME, Audit::NAME, TransferStage::NAME];
        // A `rank` or `detect` stage looks at a model, whatever made that model.
        let has_method = judges.contains(&manifest.kind.as_str());
        let mut at = manifest;
        // A damaged store may hold a circle.
        for _ in 0..=manifests.len() {
            let text = |path: &str| at.config.pointer(path).and_then(|value| value.as_str()).map(str::to_owned);
            let is_pruned_here = at.kind == Prune::NAME && std::ptr::eq(at, manifest);
            if is_pruned_here || has_method && at.kind == Unlearn::NAME && about.method.is_none() {
                about.method = text("/method");
            }
            if at.kind == Train::NAME {
                (about.arch, about.data) = (text("/arch"), text("/data/name"));
            } else if at.kind == Import::NAME {
                about.data = text("/training/data/name");
            }
            match at.inputs.get("model").and_then(|key| manifests.get(key)) {
                Some(next) => at = next,
                None => break,
            }
        }
        about
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unlearn_run_store::{Begin, StageSpec};

    use super::*;

    fn finish(store: &Store, spec: &StageSpec) -> StageKey {
        let Begin::Run(writer) = store.begin(spec).unwrap() else { panic!("it is done already") };
        writer.finish().unwrap().key().clone()
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let with = |kind: &str, config, model: &StageKey| {
            StageSpec::new(kind, config, "d", 1).with_input("model", model.clone())
        };
        let train =
            |name: &str, arch: &str| StageSpec::new("train", json!({ "arch": arch, "data": { "name": name } }), "d", 1);
        let digits = finish(&store, &train("digits", "resnet8s"));
        finish(&store, &train("clothes", "vgg16"));
        let prune = finish(&store, &with("prune", json!({ "method": "omp" }), &digits));
        let unlearn = finish(&store, &with("unlearn", json!({ "method": "ft" }), &prune));
        finish(&store, &with("evaluate", json!({}), &unlearn));
        let Begin::Run(_killed) = store.begin(&StageSpec::new("train", json!({}), "d", 9)).unwrap() else { panic!() };
        (folder, store)
    }

    fn kinds(survey: &Survey, wanted: &Selection) -> Vec<String> {
        survey.select(wanted, Order::Kind).unwrap().iter().map(|entry| entry.kind.clone()).collect()
    }

    #[test]
    fn stages_are_chosen_by_what_their_models_are() {
        let (_folder, store) = store();
        let survey = Survey::of(&store).unwrap();
        let one = |name: &str| vec![name.to_owned()];
        let wanted = Selection::default();
        for (wanted, found) in [
            (wanted.clone(), &["evaluate", "prune", "train", "train", "train", "unlearn"][..]),
            (Selection { methods: one("ft"), ..wanted.clone() }, &["evaluate", "unlearn"]),
            (Selection { methods: one("omp"), ..wanted.clone() }, &["prune"]),
            (Selection { data: one("digits"), ..wanted.clone() }, &["evaluate", "prune", "train", "unlearn"]),
            (Selection { archs: one("vgg16"), ..wanted.clone() }, &["train"]),
            (Selection { states: vec![State::Partial], ..wanted.clone() }, &["train"]),
            (Selection { kinds: one("prune"), seeds: vec![1], ..wanted.clone() }, &["prune"]),
            (Selection { seeds: vec![7], ..wanted.clone() }, &[]),
            (Selection { older_than: Some(Duration::from_hours(1)), ..wanted.clone() }, &[]),
            (
                Selection { kinds: one("unlearn"), newer_than: Some(Duration::from_hours(1)), ..wanted.clone() },
                &["unlearn"],
            ),
            (Selection { larger_than: Some(1 << 30), ..wanted.clone() }, &[]),
            (Selection { kinds: one("unlearn"), orphaned: true, ..wanted }, &["unlearn"]),
        ] {
            assert_eq!(kinds(&survey, &wanted), found, "{wanted:?}");
        }
    }

    #[test]
    fn a_name_that_no_stage_has_is_refused_with_the_nearest() {
        let (_folder, store) = store();
        let survey = Survey::of(&store).unwrap();
        let wanted = Selection { archs: vec!["resnet9s".into()], ..Selection::default() };
        let message = survey.select(&wanted, Order::Kind).unwrap_err().to_string();
        assert!(message.contains("architecture") && message.contains("`resnet8s`"), "{message}");
    }

    #[test]
    fn the_largest_and_the_youngest_come_first() {
        let (_folder, store) = store();
        let mut survey = Survey::of(&store).unwrap();
        for (number, entry) in survey.entries.iter_mut().enumerate() {
            (entry.bytes, entry.age_seconds) = (number as u64 % 4, Some(10 - number as u64));
        }
        let bytes =
            |order| survey.select(&Selection::default(), order).unwrap().iter().map(|it| it.bytes).collect::<Vec<_>>();
        assert_eq!(bytes(Order::Size), [3, 2, 1, 1, 0, 0]);
        assert_eq!(bytes(Order::Age), [1, 0, 3, 2, 1, 0]);
    }
}
