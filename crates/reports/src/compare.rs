//! Two reports beside each other: the rows that both have, joined by what they are, and the differences of their
//! figures over seeds.
//!
//! A row is the same on both sides if data set, architecture, forget set, sparsity, pruning, method, seed and turn are. A difference is
//! B − A, paired by seed, with a 95 % interval (Student's t) if there are two seeds. Rows of one side alone are named, never compared.

mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use unlearn_metrics::{Estimate, Figures};
use unlearn_run_store::{Configured, Machine, check_writable, write_atomic};

pub(crate) use text::NOTE;

use crate::error::{ReportError, Result};
use crate::html;
use crate::identity::Identity;
use crate::results::{ResultRow, Results, distinct};
use crate::settings;

/// Most bytes of a `results.json`.
const MOST: u64 = 1 << 30;

/// The files of a comparison. The first one holds everything.
const FILES: [&str; 3] = ["compare.json", "compare.md", "compare.html"];

/// Creates the folder of a comparison if needed, and checks that it can be written. Unless `replace`, files that are no comparison stay.
///
/// # Errors
/// [`ReportError::Folder`]; [`ReportError::TakenByOther`] for files of another program.
pub fn prepare(folder: &Path, replace: bool) -> Result<()> {
    let is_own = || {
        let text = unlearn_files::read(&folder.join(FILES[0]), MOST).ok();
        let value: Option<Value> = text.and_then(|text| serde_json::from_slice(&text).ok());
        value.is_some_and(|value| ["a", "b", "models"].iter().all(|key| value.get(key).is_some()))
    };
    if let Some(name) = FILES.iter().find(|name| std::fs::symlink_metadata(folder.join(name)).is_ok())
        && !replace
        && !is_own()
    {
        return Err(ReportError::TakenByOther { file: folder.join(name) });
    }
    let made = std::fs::create_dir_all(folder).and_then(|()| check_writable(folder));
    made.map_err(|source| ReportError::Folder { folder: folder.to_path_buf(), source })
}

/// Writes `compare.json`, `compare.md` and `compare.html` into a folder, and returns the path of the last.
///
/// # Errors
/// [`ReportError::Folder`], [`ReportError::Store`] if a file cannot be written, [`ReportError::Json`].
pub fn write(comparison: &Comparison, folder: &Path) -> Result<PathBuf> {
    let contents = [comparison.to_json()?, comparison.markdown().into_bytes(), html::compare(comparison).into_bytes()];
    std::fs::create_dir_all(folder).map_err(|source| ReportError::Folder { folder: folder.to_path_buf(), source })?;
    for (name, content) in FILES.iter().zip(&contents) {
        write_atomic(&folder.join(name), content)?;
    }
    Ok(folder.join(FILES[2]))
}

/// Two reports, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Version of the format: 1.
    pub format: u32,
    /// The first report.
    pub a: Side,
    /// The second report.
    pub b: Side,
    /// The models that both have, in the order of the first.
    pub models: Vec<Model>,
    /// The rows of the first alone, in words.
    pub only_a: Vec<String>,
    /// The rows of the second alone, in words.
    pub only_b: Vec<String>,
    /// The settings that differ.
    pub settings: Vec<Setting>,
    /// The figures for tables.
    #[serde(skip)]
    pub figures: Figures,
}

/// Where one side comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// What the user named.
    pub source: String,
    /// The suite.
    pub suite: String,
    /// Time of the run.
    pub date: String,
    /// The commit of the program, if known.
    pub commit: Option<String>,
    /// Versions of the program.
    pub versions: Vec<String>,
    /// The machines.
    pub machines: Vec<Machine>,
}

/// A model that both reports have, over the seeds that both have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Model {
    /// What it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// The seeds of both.
    pub seeds: Vec<u64>,
    /// Each figure that both have for at least one seed, by name.
    pub figures: BTreeMap<String, Difference>,
    /// Figures of one side alone, by name: `a` or `b`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub one_sided: BTreeMap<String, String>,
}

/// One figure on both sides, over the seeds for which both have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The first side's mean.
    pub a: Estimate,
    /// The second side's mean.
    pub b: Estimate,
    /// B − A, paired by seed.
    pub difference: Estimate,
    /// Whether every seed has exactly the same value on both sides.
    pub equal: bool,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// The part of the suite: `train`, `unlearn: ft`.
    pub part: String,
    /// The key.
    pub key: String,
    /// The first side's value. `None` if it has none.
    pub a: Option<Value>,
    /// The second side's value.
    pub b: Option<Value>,
}

impl Difference {
    fn of(a: &[f64], b: &[f64]) -> Option<Self> {
        let estimate = |values: &[f64]| Estimate::over_seeds(values).ok();
        let difference = Estimate::paired_difference(b, a).ok()?;
        Some(Self { a: estimate(a)?, b: estimate(b)?, difference, equal: a == b })
    }

    /// Whether the interval of the difference excludes zero. `None` with one seed, where nothing can be said.
    pub fn is_decided(&self) -> Option<bool> {
        let [low, high] = self.difference.interval()?;
        Some(low > 0.0 || high < 0.0)
    }
}

impl Results {
    /// Reads a `results.json`. `figures` are those that tables show.
    ///
    /// # Errors
    /// [`ReportError::Unreadable`] if it cannot be read, is no report, or a newer program wrote it.
    pub fn read(file: &Path, figures: &Figures) -> Result<Self> {
        let refuse = |problem: String| ReportError::Unreadable { file: file.to_path_buf(), problem };
        let text = unlearn_files::read(file, MOST).map_err(|error| refuse(error.to_string()))?;
        let value = unlearn_files::json::value(&text).map_err(|error| {
            let form = unlearn_files::Form::of(&text[..text.len().min(64)]);
            refuse(format!(
                "it is no results.json of a report ({error}){}",
                form.advice().map_or_else(String::new, |advice| format!("; {advice}"))
            ))
        })?;
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format > u64::from(Self::FORMAT) => {
                return Err(refuse(format!(
                    "it has format {format}, this program knows up to {}; compare with a newer one",
                    Self::FORMAT
                )));
            }
            _ => {}
        }
        let read = serde_json::from_value::<Self>(value);
        let read = read.map_err(|error| refuse(format!("it is no results.json of a report ({error})")))?;
        for row in &read.rows {
            let numbers = row.figures.iter().filter_map(|(name, value)| Some((name, value.number()?)));
            if let Some((name, value)) = numbers.into_iter().find(|(_, value)| !value.is_finite()) {
                return Err(refuse(format!(
                    "the {name} of the row `{}` is {value}, not a number; write the report again",
                    Row::new(row).words()
                )));
            }
        }
        Ok(Self { figures: figures.clone(), ..read })
    }
}

/// Compares two reports. The sources are what the user named.
///
/// # Errors
/// [`ReportError::Twice`] if a side has a row twice, [`ReportError::NothingInCommon`].
pub fn compare(a: (&str, &Results), b: (&str, &Results)) -> Result<Comparison> {
    let [of_a, of_b] = [a, b].map(|(_, results)| results.rows.iter().map(Row::new).collect::<Vec<_>>());
    for (source, rows) in [(a.0, &of_a), (b.0, &of_b)] {
        if let Some((_, row)) = rows.iter().enumerate().find(|(at, row)| rows[..*at].contains(row)) {
            return Err(ReportError::Twice { source_name: source.to_owned(), row: row.words() });
        }
    }
    let alone = |rows: &[Row<'_>], others: &[Row<'_>]| -> Vec<String> {
        rows.iter().filter(|row| !others.contains(row)).map(Row::words).collect()
    };
    let pairs: Vec<(&Row<'_>, &Row<'_>)> =
        of_a.iter().filter_map(|row| Some((row, of_b.iter().find(|other| *other == row)?))).collect();
    if pairs.is_empty() {
        let example = |rows: &[Row<'_>]| rows.first().map_or_else(String::new, Row::words);
        return Err(ReportError::NothingInCommon {
            a: a.0.to_owned(),
            b: b.0.to_owned(),
            example_a: example(&of_a),
            example_b: example(&of_b),
        });
    }
    let mut models: Vec<(Vec<(&ResultRow, &ResultRow)>, Model)> = Vec::new();
    for (one, other) in pairs {
        let pair = (one.row, other.row);
        match models.iter_mut().find(|(_, model)| model.identity == one.identity) {
            Some((pairs, _)) => pairs.push(pair),
            None => models.push((vec![pair], Model::new(one.identity.clone()))),
        }
    }
    let models = models.into_iter().map(|(pairs, model)| model.with(&pairs)).collect();
    Ok(Comparison {
        format: 1,
        a: Side::new(a.0, a.1),
        b: Side::new(b.0, b.1),
        models,
        only_a: alone(&of_a, &of_b),
        only_b: alone(&of_b, &of_a),
        settings: differing(&a.1.configured, &b.1.configured),
        figures: a.1.figures.clone(),
    })
}

impl Side {
    fn new(source: &str, results: &Results) -> Self {
        let provenance = &results.provenance;
        Self {
            source: source.to_owned(),
            suite: results.suite.clone(),
            date: provenance.date.clone(),
            commit: provenance.commit.clone(),
            versions: provenance.versions.clone(),
            machines: provenance.machines.clone(),
        }
    }

    fn line(&self) -> String {
        let commit = self.commit.as_deref().map_or_else(String::new, |commit| format!(", commit {commit}"));
        format!("{}: suite {}, {}, version {}{commit}", self.source, self.suite, self.date, self.versions.join(" and "))
    }
}

/// A row of a side. Two are of the same if identity and seed are.
struct Row<'r> {
    identity: Identity,
    row: &'r ResultRow,
}

impl PartialEq for Row<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.row.seed == other.row.seed && self.identity == other.identity
    }
}

impl<'r> Row<'r> {
    fn new(row: &'r ResultRow) -> Self {
        Self { identity: Identity::of(row), row }
    }

    fn words(&self) -> String {
        format!("{}, seed {}", self.identity.words(), self.row.seed)
    }
}

impl Model {
    fn new(identity: Identity) -> Self {
        Self { identity, seeds: Vec::new(), figures: BTreeMap::new(), one_sided: BTreeMap::new() }
    }

    fn with(mut self, pairs: &[(&ResultRow, &ResultRow)]) -> Self {
        self.seeds = pairs.iter().map(|(row, _)| row.seed).collect();
        let names = pairs.iter().flat_map(|(a, b)| a.figures.keys().chain(b.figures.keys()));
        for name in distinct(names.cloned()) {
            let both = pairs.iter().filter_map(|(a, b)| Some((a.value(&name)?, b.value(&name)?)));
            let (of_a, of_b): (Vec<f64>, Vec<f64>) = both.unzip();
            if let Some(difference) = Difference::of(&of_a, &of_b) {
                self.figures.insert(name, difference);
            } else if pairs.iter().any(|(a, _)| a.value(&name).is_some()) {
                self.one_sided.insert(name, "a".to_owned());
            } else if pairs.iter().any(|(_, b)| b.value(&name).is_some()) {
                self.one_sided.insert(name, "b".to_owned());
            }
        }
        self
    }
}

/// The settings of parts with the same name that differ. Where either side is of a program that stored none, there are none.
fn differing(a: &[Configured], b: &[Configured]) -> Vec<Setting> {
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    let name = |part: &Configured| {
        let places =
            if part.only_for.is_empty() { String::new() } else { format!(", for {}", part.only_for.join(", ")) };
        format!("{}{places}", settings::title(part))
    };
    let mut found = Vec::new();
    for part in distinct(a.iter().chain(b).map(name)) {
        let of = |side: &[Configured]| -> BTreeMap<String, Value> {
            let parts = side.iter().filter(|other| name(other) == part);
            parts.flat_map(|part| &part.settings).map(|setting| (setting.key.clone(), setting.value.clone())).collect()
        };
        let (of_a, of_b) = (of(a), of(b));
        for key in distinct(of_a.keys().chain(of_b.keys())) {
            let (a, b) = (of_a.get(key).cloned(), of_b.get(key).cloned());
            if a != b {
                found.push(Setting { part: part.clone(), key: key.clone(), a, b });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unlearn_run_store::Configuration;

    use super::*;

    fn results(rows: &[(&str, u64, f64)], lr: f64) -> Results {
        let row = |(method, seed, ua): &(&str, u64, f64)| {
            json!({ "dataset": "d", "arch": "a", "scenario": "class", "forget": "class 0", "sparsity": 0.0, "pruning": "none",
                    "method": method, "seed": seed, "ua": ua, "ra": 99.0, "ta": 90.0, "mia_efficacy": 50.0, "rte_seconds": 1.0 })
        };
        let value = json!({
            "format": 1, "suite": "s", "title": null, "rows": rows.iter().map(row).collect::<Vec<_>>(), "claims": [],
            "provenance": { "command": "c", "commit": null, "versions": ["1"], "date": "now", "machines": [], "notes": [] },
        });
        let configured = Configured {
            section: "train".to_owned(),
            name: String::new(),
            only_for: Vec::new(),
            summary: String::new(),
            source: String::new(),
            settings: vec![
                Configuration { key: "lr".to_owned(), value: json!(lr), origin: "suite".to_owned() },
                Configuration { key: "epochs".to_owned(), value: json!(3), origin: "suite".to_owned() },
            ],
        };
        Results { configured: vec![configured], figures: Figures::standard(), ..serde_json::from_value(value).unwrap() }
    }

    /// Differences 1, 2, 3: mean 2, standard deviation 1, and t(0.975; 2) = 4.302653 (R: `qt(0.975, 2)`).
    #[test]
    fn differences_are_paired_by_seed_whatever_the_order() {
        let a = results(&[("ft", 1, 10.0), ("ft", 2, 40.0), ("ft", 3, 70.0), ("ga", 1, 5.0), ("iu", 1, 5.0)], 0.1);
        let b = results(&[("ft", 3, 73.0), ("ft", 1, 11.0), ("ga", 1, 5.0), ("ft", 2, 42.0), ("ff", 1, 1.0)], 0.2);
        let found = compare(("one", &a), ("two", &b)).unwrap();
        assert_eq!(found.models.iter().map(|model| model.identity.method.as_str()).collect::<Vec<_>>(), ["ft", "ga"]);
        let ua = &found.models[0].figures["ua"];
        assert_eq!((ua.a.mean, ua.difference.mean, found.models[0].seeds.len()), (40.0, 2.0, 3));
        assert!((ua.difference.half_width.unwrap() - 4.302_653 / 3.0_f64.sqrt()).abs() < 1e-5);
        assert_eq!((ua.is_decided(), ua.equal), (Some(false), false));
        assert!(found.models[1].figures["ua"].equal && found.models[0].figures["ra"].equal);
        assert_eq!(found.only_a, ["iu · class 0 · dense · a on d, seed 1"]);
        assert_eq!(found.only_b, ["ff · class 0 · dense · a on d, seed 1"]);
        assert_eq!(found.settings.len(), 1, "only what differs");
        for text in [found.terminal(), found.markdown()] {
            for part in ["+2.00 ± 2.48", "only in A", "iu · class 0", "lr", "0.2"] {
                assert!(text.to_lowercase().contains(&part.to_lowercase()), "{part}: {text}");
            }
        }
    }

    #[test]
    fn what_cannot_be_joined_is_refused() {
        let a = results(&[("ft", 1, 10.0)], 0.1);
        let message = compare(("one", &a), ("two", &results(&[("ft", 2, 10.0)], 0.1))).unwrap_err().to_string();
        for part in ["one", "two", "no row in common", "seed 1", "seed 2"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        let message = compare(("one", &results(&[("ft", 1, 1.0); 2], 0.1)), ("two", &a)).unwrap_err().to_string();
        assert!(message.contains("one") && message.contains("twice"), "{message}");
    }

    #[test]
    fn a_file_that_is_no_report_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let read = |content: &[u8]| {
            let file = folder.path().join("results.json");
            std::fs::write(&file, content).unwrap();
            Results::read(&file, &Figures::standard()).map(|results| results.rows.len())
        };
        for (content, words) in [
            (&b"{}"[..], "no results.json of a report"),
            (b"PK\x03\x04", "no results.json of a report"),
            (b"{\"format\": 9}", "knows up to 1"),
        ] {
            let message = read(content).unwrap_err().to_string();
            assert!(message.contains(words) && message.contains("results.json"), "{message}");
        }
        assert_eq!(read(&results(&[("ft", 1, 10.0)], 0.1).to_json().unwrap()).unwrap(), 1);
    }
}
