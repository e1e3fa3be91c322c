//! `suites/<suite>.json`: the stages of a suite's rows, in the order of the suite.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::configured::Configured;
use crate::document;
use crate::error::{Result, StoreError, counted};
use crate::key::StageKey;
use crate::manifest::Manifest;
use crate::stage::Stage;
use crate::store::{Store, check_name};
use crate::tuning::Tuning;

/// Folder of the suites inside the store.
pub(crate) const SUITES: &str = "suites";

/// The index of a suite that was run: its command and its rows. Its format policy is that of [`crate::Manifest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteIndex {
    /// Version of this file's format.
    pub format: u32,
    /// The suite's name.
    pub suite: String,
    /// Title of the suite, in one line.
    #[serde(default)]
    pub title: Option<String>,
    /// The command that ran it.
    pub command: String,
    /// Time of the run, RFC 3339 in UTC.
    pub created: String,
    /// The commit of the program that ran it, if known.
    #[serde(default)]
    pub commit: Option<String>,
    /// Absolute path of the suite's file, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// The initial weights of training, and so of Retrain, if they were not fresh: a file, or a repository of the
    /// Hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// Notes that a reader of the results must know (active switches, omitted data, …).
    #[serde(default)]
    pub notes: Vec<String>,
    /// Average gap to Retrain, in points, above which a model that served several requests is due for a full retrain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_threshold: Option<f64>,
    /// The search that chose the methods' settings, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// The settings of the rows. Empty in an index of an older program that did not store them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configured: Vec<Configured>,
    /// The rows, in the order of the suite.
    pub rows: Vec<SuiteRow>,
}

/// One row: a model that was pruned, unlearned and evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteRow {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Kind of forget set: `class`, `random`, `indices`, `poisoned`, …
    pub scenario: String,
    /// Label of the forget set: "class 0", "random 10 %".
    pub forget: String,
    /// Share of zeros among the weights that the mask covers, 0..1.
    pub sparsity: f64,
    /// Name of the pruning method, `none` for dense.
    pub pruning: String,
    /// Name of the unlearning method.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// The `unlearn` stage that made the model. For [`CLEAN`], the stage that trained or pruned it.
    pub unlearn: StageKey,
    /// The `evaluate` stage that holds its figures.
    pub evaluate: StageKey,
    /// The `audit` stage that looked for what is left of the forgotten data. `None` for a suite without an audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<StageKey>,
    /// Position of the request in its sequence. `None` for a request alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
}

/// Position of a request among those that the same model served one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Name of the sequence, unique within a suite.
    pub sequence: String,
    /// Number of the request, from 1.
    pub number: usize,
    /// Number of requests in the sequence.
    pub of: usize,
}

/// The method in rows of a model that was trained on data without their poison. It made nothing forget.
pub const CLEAN: &str = "clean";

/// The stages of a row.
#[derive(Debug, Clone)]
pub struct RowStages {
    /// The `unlearn` stage that made the model.
    pub unlearn: Stage,
    /// The `evaluate` stage that judged it.
    pub evaluate: Stage,
    /// The `audit` stage that looked for what is left of the forgotten data.
    pub audit: Option<Stage>,
}

impl SuiteRow {
    /// The stages that the row names.
    pub fn stages(&self) -> impl Iterator<Item = &StageKey> {
        [&self.unlearn, &self.evaluate].into_iter().chain(&self.audit)
    }

    /// A row for tests, which change what they are about: `ft` on class 0 of a dense model with seed 1.
    #[doc(hidden)]
    pub fn example(unlearn: StageKey, evaluate: StageKey) -> Self {
        Self {
            dataset: "fashion-mnist-mini".to_owned(),
            arch: "resnet8s".to_owned(),
            scenario: "class".to_owned(),
            forget: "class 0".to_owned(),
            sparsity: 0.0,
            pruning: "none".to_owned(),
            method: "ft".to_owned(),
            seed: 1,
            unlearn,
            evaluate,
            audit: None,
            turn: None,
        }
    }
}

impl SuiteIndex {
    /// The newest version of the format, which this program writes.
    pub const FORMAT: u32 = 1;

    /// Refuses a name that cannot be a suite's.
    ///
    /// # Errors
    /// [`StoreError::BadName`].
    pub fn check_name(suite: &str) -> Result<()> {
        check_name("suite", suite)
    }

    /// An index without rows, with the current time.
    pub fn new(suite: impl Into<String>, command: impl Into<String>) -> Self {
        Self {
            format: Self::FORMAT,
            suite: suite.into(),
            title: None,
            command: command.into(),
            created: crate::clock::now(),
            commit: None,
            source: None,
            init: None,
            notes: Vec::new(),
            drift_threshold: None,
            tuning: None,
            configured: Vec::new(),
            rows: Vec::new(),
        }
    }
}

impl Store {
    /// Writes a suite's index, and replaces an older one of the same name.
    ///
    /// # Errors
    /// [`StoreError::BadName`] if the name cannot be a file's, [`StoreError::Io`] if it cannot be written.
    pub fn write_suite(&self, index: &SuiteIndex) -> Result<()> {
        check_name("suite", &index.suite)?;
        document::write(&self.suite_file(&index.suite), index)
    }

    /// The path of a suite's index, whether it exists or not. The name must have been checked.
    pub(crate) fn suite_file(&self, name: &str) -> PathBuf {
        self.root().join(SUITES).join(format!("{name}.json"))
    }

    /// Reads a suite's index.
    ///
    /// # Errors
    /// [`StoreError::NoSuite`] with the existing suites, [`StoreError::NewerFormat`], [`StoreError::DamagedIndex`].
    pub fn suite(&self, name: &str) -> Result<SuiteIndex> {
        check_name("suite", name)?;
        let file = self.suite_file(name);
        if !file.try_exists().map_err(StoreError::io("read", &file))? {
            let root = self.root().to_path_buf();
            return Err(StoreError::NoSuite { root, suite: name.to_owned(), held: self.suites()? });
        }
        document::read(&file, SuiteIndex::FORMAT)
    }

    /// Refuses an index that would replace one made from another suite file and lose rows of it. An index may be
    /// replaced if its suite file no longer exists (perhaps because it was moved), or if the index is damaged.
    ///
    /// # Errors
    /// [`StoreError::OtherSuite`], [`StoreError::NewerFormat`].
    pub fn check_replaces(&self, index: &SuiteIndex) -> Result<()> {
        check_name("suite", &index.suite)?;
        let held = match self.suite(&index.suite) {
            Ok(held) => held,
            Err(StoreError::NoSuite { .. } | StoreError::DamagedIndex { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let (Some(of), Some(source)) = (held.source, &index.source) else { return Ok(()) };
        let kept: HashSet<&StageKey> = index.rows.iter().map(|row| &row.evaluate).collect();
        let lost = held.rows.iter().filter(|row| !kept.contains(&row.evaluate)).count();
        if of == *source || !of.exists() || lost == 0 {
            return Ok(());
        }
        let (root, suite, lost) = (self.root().to_path_buf(), index.suite.clone(), counted(lost, "row"));
        Err(StoreError::OtherSuite { root, what: "a suite", suite, of, lost })
    }

    /// Labels of the rows that the stored index of a suite has and `index` lacks. `gc` may remove their stages. An index
    /// that cannot be read has none.
    pub fn dropped(&self, index: &SuiteIndex) -> Vec<String> {
        let Ok(held) = self.suite(&index.suite) else { return Vec::new() };
        let kept: HashSet<&StageKey> = index.rows.iter().map(|row| &row.evaluate).collect();
        held.rows.iter().filter(|row| !kept.contains(&row.evaluate)).map(SuiteRow::label).collect()
    }

    /// The stage that made a row's model: `unlearn`, or for [`CLEAN`] the one that trained or pruned it.
    ///
    /// # Errors
    /// [`StoreError::NoStage`], [`StoreError::Damaged`].
    pub fn model_of(&self, row: &SuiteRow) -> Result<Stage> {
        let pruned = if row.method == CLEAN { self.locate(&row.unlearn)? } else { None };
        pruned.map_or_else(|| self.stage("unlearn", &row.unlearn), Ok)
    }

    /// The stages of a row: the one that made its model, and those that judged the model.
    ///
    /// # Errors
    /// [`StoreError::NoStage`], [`StoreError::Damaged`]; [`StoreError::Row`] if another stage did not judge the
    /// model of the first, or one has another seed.
    pub fn row(&self, row: &SuiteRow) -> Result<RowStages> {
        let unlearn = self.model_of(row)?;
        let evaluate = self.stage("evaluate", &row.evaluate)?;
        let audit = row.audit.as_ref().map(|key| self.stage("audit", key)).transpose()?;
        let refuse = |problem: String| Err(StoreError::Row { row: row.label(), problem });
        for stage in [&evaluate].into_iter().chain(&audit) {
            let Manifest { kind, key, inputs, .. } = stage.manifest();
            if inputs.get("model") != Some(&row.unlearn) {
                let model = unlearn.manifest();
                return refuse(format!(
                    "the stage {kind}/{key} did not judge the model of {}/{}",
                    model.kind, model.key
                ));
            }
        }
        for stage in [&unlearn, &evaluate].into_iter().chain(&audit) {
            let Manifest { kind, key, seed, .. } = stage.manifest();
            if *seed != row.seed {
                return refuse(format!("the stage {kind}/{key} has the seed {seed}"));
            }
        }
        Ok(RowStages { unlearn, evaluate, audit })
    }

    /// Names of the suites with an index in the store, sorted.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be read.
    pub fn suites(&self) -> Result<Vec<String>> {
        let folder = self.root().join(SUITES);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(StoreError::io("list", &folder))? {
            let name = entry.map_err(StoreError::io("list", &folder))?.file_name();
            if let Some(suite) = name.to_str().and_then(|name| name.strip_suffix(".json")) {
                names.push(suite.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_written_and_refuses_what_it_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let mut index = SuiteIndex::new("quick", "unlearn run quick.toml");
        let key: StageKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let turn = Some(Turn { sequence: "sequence".to_owned(), number: 2, of: 3 });
        let example = SuiteRow::example(key.clone(), key);
        index.rows.push(SuiteRow { sparsity: 0.95, pruning: "omp".to_owned(), turn, ..example });
        store.write_suite(&index).unwrap();
        assert_eq!(store.suite("quick").unwrap(), index);
        assert_eq!(store.suites().unwrap(), ["quick"]);

        let source = |name: &str| {
            let file = folder.path().join(name);
            fs::write(&file, "").unwrap();
            Some(file)
        };
        let of =
            |source: Option<PathBuf>, rows: &[SuiteRow]| SuiteIndex { source, rows: rows.to_vec(), ..index.clone() };
        store.check_replaces(&of(source("b.toml"), &[])).unwrap();
        store.write_suite(&of(source("a.toml"), &index.rows)).unwrap();
        store.check_replaces(&of(source("a.toml"), &[])).unwrap();
        store.check_replaces(&of(source("b.toml"), &index.rows)).unwrap();
        let message = store.check_replaces(&of(source("b.toml"), &[])).unwrap_err().to_string();
        assert!(message.contains("a.toml") && message.contains("1 row") && message.contains("suite.name"), "{message}");
        fs::remove_file(folder.path().join("a.toml")).unwrap();
        store.check_replaces(&of(source("b.toml"), &[])).unwrap();
        store.write_suite(&index).unwrap();

        let missing = store.suite("slow").unwrap_err().to_string();
        assert!(missing.contains("`slow`") && missing.ends_with("it holds: quick"), "{missing}");
        assert!(matches!(store.suite("../quick"), Err(StoreError::BadName { .. })));

        let file = store.root().join("suites/quick.json");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        let newer = store.suite("quick").unwrap_err().to_string();
        assert!(newer.contains("format version 2") && newer.contains("reads up to 1"), "{newer}");
        for changed in
            [text.replace("\"seed\": 1", "\"seed\": 2"), text.replace("\"seed\": 1", "\"seed\": 2, \"seed\": 1")]
        {
            assert_ne!(changed, text);
            fs::write(&file, changed).unwrap();
            let message = store.suite("quick").unwrap_err().to_string();
            assert!(message.contains("seal differs") || message.contains("`rows[0].seed` stands twice"), "{message}");
        }
        let mut unsealed: serde_json::Value = serde_json::from_str(&text).unwrap();
        unsealed.as_object_mut().unwrap().remove("seal");
        fs::write(&file, unsealed.to_string()).unwrap();
        assert_eq!(store.suite("quick").unwrap(), index, "a program that did not seal wrote it");
        unsealed["seel"] = "0123".into();
        fs::write(&file, unsealed.to_string()).unwrap();
        let message = store.suite("quick").unwrap_err().to_string();
        assert!(message.contains("no seal") && message.contains("`seel`"), "{message}");
        fs::write(&file, text.replace("0123456789abcdef0123456789abcdef", "../../x")).unwrap();
        assert!(matches!(store.suite("quick"), Err(StoreError::DamagedIndex { .. })));
        fs::write(&file, &text[..text.len() / 2]).unwrap();
        let torn = store.suite("quick").unwrap_err().to_string();
        assert!(torn.contains("quick.json") && torn.contains("delete it"), "{torn}");
    }
}
