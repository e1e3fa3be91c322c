//! The poison in a suite's training sets, and what detectors found of it.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use unlearn_metrics::Scores;
use unlearn_run_store::{CLEAN, Stage, Store, StoredScores, SuiteIndex, SuiteRow};

use crate::error::{ReportError, Result};

/// Kind and role of the stage that records the poison.
const POISON: &str = "poison";
/// Kind of the stage that looks for poison.
const DETECT: &str = "detect";

/// The poison of one seed's training set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backdoor {
    /// The seed of the run.
    pub seed: u64,
    /// `patch, 10 % to class 0, dirty-label`.
    pub label: String,
    /// The class that the model should assign to triggered images.
    pub target: u32,
    /// Number of poisoned images.
    pub images: usize,
    /// Those of them where the trigger changed no pixel.
    pub unchanged: usize,
    /// Some poisoned images before and after, as a PNG file in Base64. Only the first seed has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<String>,
    /// What detectors found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detections: Vec<Detection>,
}

/// What a detector found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Its name.
    pub detector: String,
    /// Number of samples that it suspects.
    pub suspicious: usize,
    /// Number of samples that it examined.
    pub samples: usize,
    /// Share of the poison that it found, %.
    pub recall: Option<f64>,
    /// Share of the clean samples that it suspects, %.
    pub false_alarms: Option<f64>,
}

/// What one model does with each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassRates {
    /// Label of the forget set.
    pub forget: String,
    /// Share of zeros, 0..1.
    pub sparsity: f64,
    /// Name of the pruning method, `none` for dense.
    pub pruning: String,
    /// Name of the unlearning method.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// For each true class, the share of triggered test images that are classified as the target, %. `None` for a class without test
    /// images.
    pub asr: Vec<Option<f64>>,
    /// For each class, the accuracy on test images without the trigger, %.
    pub sa: Vec<Option<f64>>,
}

/// The part of `poison.json` that a report needs.
#[derive(Deserialize)]
struct Recorded {
    label: String,
    target: u32,
    positions: Vec<u32>,
    unchanged: Vec<u32>,
}

/// The fact of a `detect` stage.
#[derive(Deserialize)]
struct Found {
    suspicious: usize,
    samples: usize,
    recall: Option<f64>,
    false_alarms: Option<f64>,
}

/// Reads the poison of every seed's training set, in the order of the suite.
///
/// # Errors
/// [`ReportError::Store`] if a stage is missing or damaged, [`ReportError::Backdoor`] if its files are of another form.
pub fn gather(store: &Store, index: &SuiteIndex) -> Result<Vec<Backdoor>> {
    let mut backdoors: Vec<Backdoor> = Vec::new();
    let mut seen = BTreeSet::new();
    for row in index.rows.iter().filter(|row| row.method != CLEAN) {
        let unlearn = store.model_of(row)?;
        if !backdoors.iter().any(|known| known.seed == row.seed) {
            let Some(poison) = poison(store, unlearn.clone())? else { continue };
            backdoors.push(recorded(&poison, row, backdoors.is_empty())?);
        }
        let Some(found) = unlearn.manifest().inputs.get("found") else { continue };
        if seen.insert(found.clone())
            && let Some(stage) = store.find(DETECT, found)?
            && let Some(backdoor) = backdoors.iter_mut().find(|known| known.seed == row.seed)
        {
            backdoor.detections.push(detection(&stage)?);
        }
    }
    Ok(backdoors)
}

/// What every model of a suite with a backdoor does with each class, from its stored scores.
///
/// # Errors
/// [`ReportError::Store`] if a stage is missing or damaged.
pub fn class_rates(store: &Store, index: &SuiteIndex) -> Result<Vec<ClassRates>> {
    let mut rates = Vec::new();
    for row in &index.rows {
        let evaluate = store.stage("evaluate", &row.evaluate)?;
        let scores = StoredScores::of(&evaluate)?.scores;
        let Some(triggered) = &scores.triggered else { return Ok(Vec::new()) };
        let classes = 0..scores.test.classes() as u32;
        rates.push(ClassRates {
            forget: row.forget.clone(),
            sparsity: row.sparsity,
            pruning: row.pruning.clone(),
            method: row.method.clone(),
            seed: row.seed,
            asr: classes.clone().map(|class| triggered.success_rate(|label| label == class).ok()).collect(),
            sa: classes.map(|class| accuracy(&scores.test, class)).collect(),
        });
    }
    Ok(rates)
}

/// The accuracy on the samples of a class, %. `None` if there are none.
fn accuracy(scores: &Scores, class: u32) -> Option<f64> {
    let of_class = scores.labels().iter().zip(scores.predictions()).filter(|(label, _)| **label == class);
    let hits: Vec<bool> = of_class.map(|(label, predicted)| *label as usize == predicted).collect();
    let right = hits.iter().filter(|hit| **hit).count();
    (!hits.is_empty()).then(|| 100.0 * right as f64 / hits.len() as f64)
}

/// The stage that records the poison below a model, if there is one.
fn poison(store: &Store, model: Stage) -> Result<Option<Stage>> {
    let mut stage = model;
    loop {
        let inputs = &stage.manifest().inputs;
        if let Some(key) = inputs.get(POISON) {
            return Ok(store.find(POISON, key)?);
        }
        let Some(below) = inputs.get("model") else { return Ok(None) };
        let Some(below) = store.locate(below)? else { return Ok(None) };
        stage = below;
    }
}

fn recorded(stage: &Stage, row: &SuiteRow, with_samples: bool) -> Result<Backdoor> {
    let Recorded { label, target, positions, unchanged } =
        serde_json::from_slice(&stage.read("poison.json")?).map_err(|error| damaged(stage, &error))?;
    let samples = if with_samples { Some(BASE64_STANDARD.encode(stage.read("samples.png")?)) } else { None };
    let (images, unchanged) = (positions.len(), unchanged.len());
    Ok(Backdoor { seed: row.seed, label, target, images, unchanged, samples, detections: Vec::new() })
}

fn detection(stage: &Stage) -> Result<Detection> {
    let manifest = stage.manifest();
    let fact = manifest.facts.get("detection").cloned().unwrap_or_default();
    let Found { suspicious, samples, recall, false_alarms } =
        serde_json::from_value(fact).map_err(|error| damaged(stage, &error))?;
    let detector = manifest.config["detector"].as_str().unwrap_or_default().to_owned();
    Ok(Detection { detector, suspicious, samples, recall, false_alarms })
}

fn damaged(stage: &Stage, problem: &serde_json::Error) -> ReportError {
    ReportError::Backdoor { folder: stage.path().to_path_buf(), problem: problem.to_string() }
}
