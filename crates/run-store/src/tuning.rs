//! `tunings/<suite>.json`: a search for the settings of unlearning methods, with every trial and the chosen settings.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::document;
use crate::error::{Result, StoreError, counted};
use crate::key::StageKey;
use crate::store::{Store, check_name, entries};

/// Folder of the tunings inside the store.
pub(crate) const TUNINGS: &str = "tunings";

/// A search over settings of unlearning methods, with equal numbers of trials for each. Its format policy is that of
/// [`crate::Manifest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Version of this file's format.
    pub format: u32,
    /// The suite whose methods were tuned.
    pub suite: String,
    /// The command that ran the search.
    pub command: String,
    /// Time of the run, RFC 3339 in UTC.
    pub created: String,
    /// The commit of the program, if known.
    #[serde(default)]
    pub commit: Option<String>,
    /// Absolute path of the suite's file, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Name of the criterion.
    pub objective: String,
    /// The criterion in words. Lower is better.
    pub criterion: String,
    /// Number of trials of each method on each model and request, including the suite's own settings.
    pub budget: usize,
    /// Seed for drawing settings.
    pub seed: u64,
    /// Seed of the run on which trials were made.
    pub run_seed: u64,
    /// The searched settings.
    pub space: Vec<Searched>,
    /// Every trial, in the order of the search.
    pub trials: Vec<Trial>,
}

/// A setting that was searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Searched {
    /// Name of the method, as in the suite.
    pub method: String,
    /// The method's key.
    pub key: String,
    /// The range and the scale of the search.
    pub search: Value,
}

/// One setting of one method, tried on one model and one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Name of the method, as in the suite.
    pub method: String,
    /// Label of the request.
    pub forget: String,
    /// Name of the pruning method, `none` for dense.
    pub pruning: String,
    /// Share of zeros among the weights that the mask covers, 0..1.
    pub sparsity: f64,
    /// Number of the trial, from 0. Trial 0 has the suite's own settings.
    pub number: usize,
    /// All settings.
    pub config: Value,
    /// The measurements, made without a test set. `None` if the trial failed.
    pub validation: Option<Validation>,
    /// The criterion's value. `None` if the trial failed.
    pub value: Option<f64>,
    /// The reason of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The `unlearn` stage.
    pub unlearn: StageKey,
    /// Whether it is the best of its method, model and request.
    pub chosen: bool,
}

/// How well a model forgot, measured without a test set. A `validate` stage leaves this row. Values are percent,
/// 0..100, except the AUC.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// 100 − accuracy on the forget set.
    pub ua: f64,
    /// Accuracy on the retain set.
    pub ra: f64,
    /// Accuracy on the validation set, without classes that are forgotten completely.
    pub va: f64,
    /// Share of the forget set that an attack calls unseen. The attack is fitted on the retain set against the
    /// validation set. NaN, which JSON writes as `null`, if it is undefined.
    #[serde(deserialize_with = "number_or_nan")]
    pub mia_efficacy: f64,
    /// Probability, 0..1, that a forgotten sample has a lower loss than a validation sample of the forgotten classes.
    pub forget_auc: f64,
    /// Wall seconds of the method alone.
    pub rte_seconds: f64,
}

fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Tuning {
    /// The newest version of the format, which this program writes.
    pub const FORMAT: u32 = 1;

    /// Reads a tuning from a file that the user named.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::NewerFormat`], [`StoreError::NoTuning`].
    pub fn read(file: &Path) -> Result<Self> {
        Self::read_stored(file).map_err(|error| match error {
            StoreError::DamagedIndex { file, problem } => StoreError::NoTuning { file, problem },
            error => error,
        })
    }

    /// Reads a tuning of the store.
    pub(crate) fn read_stored(file: &Path) -> Result<Self> {
        document::read(file, Self::FORMAT)
    }

    /// Writes it to a file, atomically.
    ///
    /// # Errors
    /// [`crate::StoreError::Io`] if it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        document::write(file, self)
    }

    /// The chosen settings for a method, a request and a pruning. `None` if none was tried or all failed.
    pub fn chosen(&self, method: &str, forget: &str, pruning: &str, sparsity: f64) -> Option<&Trial> {
        self.trials.iter().find(|trial| {
            trial.chosen
                && trial.method == method
                && trial.forget == forget
                && trial.pruning == pruning
                && trial.sparsity == sparsity
        })
    }
}

impl Store {
    /// The files of the store's tunings, sorted.
    ///
    /// # Errors
    /// [`crate::StoreError::Io`] if the folder cannot be read.
    pub(crate) fn tuning_files(&self) -> Result<Vec<PathBuf>> {
        let folder = self.root().join(TUNINGS);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let files = entries(&folder)?.into_iter().map(|(_, path)| path);
        let mut files: Vec<PathBuf> =
            files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
        files.sort();
        Ok(files)
    }

    /// Refuses a tuning that would replace one made from another suite file of the same name. A tuning may be
    /// replaced if its suite file no longer exists, or if the tuning is damaged.
    ///
    /// # Errors
    /// [`StoreError::OtherSuite`], [`StoreError::NewerFormat`], [`StoreError::BadName`].
    pub fn check_replaces_tuning(&self, suite: &str, source: Option<&Path>) -> Result<()> {
        check_name("suite", suite)?;
        let file = self.tuning_file(suite);
        if !file.exists() {
            return Ok(());
        }
        let held = match Tuning::read_stored(&file) {
            Err(StoreError::DamagedIndex { .. }) => return Ok(()),
            held => held?,
        };
        match (held.source, source) {
            (Some(of), Some(source)) if of != source && of.exists() => {
                let (root, lost) = (self.root().to_path_buf(), counted(held.trials.len(), "trial"));
                Err(StoreError::OtherSuite { root, what: "the search of a suite", suite: suite.to_owned(), of, lost })
            }
            _ => Ok(()),
        }
    }

    fn tuning_file(&self, suite: &str) -> PathBuf {
        self.root().join(TUNINGS).join(format!("{suite}.json"))
    }

    /// Writes a tuning, and replaces an older one of the same suite. Returns the file.
    ///
    /// # Errors
    /// [`crate::StoreError::BadName`] if the name cannot be a file's, [`crate::StoreError::Io`] if it cannot be
    /// written.
    pub fn write_tuning(&self, tuning: &Tuning) -> Result<PathBuf> {
        check_name("suite", &tuning.suite)?;
        let file = self.tuning_file(&tuning.suite);
        tuning.write(&file)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn comes_back_as_written_and_tells_what_was_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let key: StageKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let trial = |number: usize, chosen: bool| Trial {
            method: "ft".to_owned(),
            forget: "class 0".to_owned(),
            pruning: "omp".to_owned(),
            sparsity: 0.95,
            number,
            config: json!({ "lr": 0.1 * number as f64 }),
            validation: None,
            value: Some(1.5),
            failure: None,
            unlearn: key.clone(),
            chosen,
        };
        let tuning = Tuning {
            format: Tuning::FORMAT,
            suite: "quick".to_owned(),
            command: "unlearn tune quick.toml".to_owned(),
            created: crate::clock::now(),
            commit: None,
            source: Some(folder.path().join("a.toml")),
            dataset: "d".to_owned(),
            arch: "a".to_owned(),
            objective: "gap".to_owned(),
            criterion: "distance".to_owned(),
            budget: 2,
            seed: 1,
            run_seed: 1,
            space: vec![Searched { method: "ft".to_owned(), key: "lr".to_owned(), search: json!([1e-3, 1e-1]) }],
            trials: vec![trial(0, false), trial(1, true)],
        };
        let file = store.write_tuning(&tuning).unwrap();
        let read = Tuning::read(&file).unwrap();
        assert_eq!(read, tuning);
        assert_eq!(read.chosen("ft", "class 0", "omp", 0.95).map(|trial| trial.number), Some(1));
        assert_eq!(read.chosen("ft", "class 1", "omp", 0.95), None);
        assert_eq!(read.chosen("ft", "class 0", "omp", 0.9), None);

        let [own, other] = ["a.toml", "b.toml"].map(|name| folder.path().join(name));
        store.check_replaces_tuning("quick", Some(&other)).unwrap();
        std::fs::write(&own, "").unwrap();
        store.check_replaces_tuning("quick", Some(&own)).unwrap();
        store.check_replaces_tuning("slow", Some(&other)).unwrap();
        let message = store.check_replaces_tuning("quick", Some(&other)).unwrap_err().to_string();
        assert!(
            message.contains("a.toml") && message.contains("2 trials") && message.contains("--replace"),
            "{message}"
        );

        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        assert!(matches!(Tuning::read(&file), Err(StoreError::NewerFormat { .. })));
        std::fs::write(&file, &text[..text.len() / 2]).unwrap();
        assert!(matches!(Tuning::read_stored(&file), Err(StoreError::DamagedIndex { .. })));
        let message = Tuning::read(&file).unwrap_err().to_string();
        assert!(message.contains("`unlearn tune`") && !message.contains("delete"), "{message}");
    }
}
