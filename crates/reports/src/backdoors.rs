//! The poison in a suite's training sets, and what detectors found of it.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use unlearn_run_store::{CLEAN, Stage, Store, SuiteIndex, SuiteRow};

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
