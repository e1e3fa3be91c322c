//! Detectors of poison: their interface and their results.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::features::Features;
use crate::parameter::Parameter;
use crate::settings::{self, Settings};

/// A detector. Each has one file, and one line in the registry. It is not told which samples are poison, nor which class
/// is the target.
pub trait Detector {
    /// Name in suites, files and reports.
    const NAME: &'static str;
    /// Description in one line.
    const SUMMARY: &'static str;
    /// Paper and section.
    const SOURCE: &'static str;
    /// Its settings. Each key occurs once.
    const PARAMETERS: &'static [Parameter];
    /// Its settings as a type.
    type Config: DeserializeOwned + Serialize;

    /// The default settings.
    fn defaults() -> Self::Config;

    /// Checks ranges.
    ///
    /// # Errors
    /// A message with the key, the value, and the values that are allowed.
    fn check(config: &Self::Config) -> std::result::Result<(), String>;

    /// Judges the samples of one class: `rows` of the features, ascending, all with the same label.
    fn judge(config: &Self::Config, features: &Features<'_>, rows: &[usize]) -> Judged;
}

/// The judgement of a detector on one class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// Suspicious rows of the features, in any order.
    pub suspicious: Vec<usize>,
    /// The numbers that decided the judgement, by name.
    pub statistics: Vec<(&'static str, f64)>,
}

/// The result of a detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Detection {
    /// Positions of suspicious samples in the training set, ascending.
    pub suspicious: Vec<u32>,
    /// The classes of the samples, ascending.
    pub classes: Vec<ClassFinding>,
}

/// The result of a detector for one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClassFinding {
    /// The label.
    pub class: u32,
    /// Samples with this label.
    pub samples: usize,
    /// The number of suspicious samples.
    pub suspicious: usize,
    /// The numbers that decided the judgement, by name; none if there were too few samples, or if all were equal.
    pub statistics: Vec<(String, f64)>,
}

/// A detector with its types erased, for the registry. [`detector_entry`] makes one.
pub struct DetectorEntry {
    /// Name in suites, files and reports.
    pub name: &'static str,
    /// Description in one line.
    pub summary: &'static str,
    /// Paper and section.
    pub source: &'static str,
    /// Its settings.
    pub parameters: &'static [Parameter],
    resolve: fn(&Settings) -> Result<Settings>,
    detect: fn(&Settings, &Features<'_>) -> Result<Detection>,
}

impl fmt::Debug for DetectorEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetectorEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The registry entry of a detector.
pub const fn detector_entry<D: Detector>() -> DetectorEntry {
    DetectorEntry {
        name: D::NAME,
        summary: D::SUMMARY,
        source: D::SOURCE,
        parameters: D::PARAMETERS,
        resolve: resolve::<D>,
        detect: detect::<D>,
    }
}

impl DetectorEntry {
    /// Fills in the defaults and checks every key.
    ///
    /// # Errors
    /// If a key is unknown, or a value has the wrong type or is out of range.
    pub fn resolve(&self, settings: &Settings) -> Result<Settings> {
        (self.resolve)(settings)
    }

    /// Looks for poison in each class.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn detect(&self, settings: &Settings, features: &Features<'_>) -> Result<Detection> {
        (self.detect)(settings, features)
    }
}

fn parse<D: Detector>(settings: &Settings) -> Result<D::Config> {
    let fail = |reason| Error::Settings { kind: "detector", name: D::NAME, reason };
    let config = settings::over(D::defaults(), settings).map_err(fail)?;
    D::check(&config).map_err(fail)?;
    Ok(config)
}

fn resolve<D: Detector>(settings: &Settings) -> Result<Settings> {
    let fail = |reason| Error::Settings { kind: "detector", name: D::NAME, reason };
    match serde_json::to_value(parse::<D>(settings)?) {
        Ok(Value::Object(keys)) => Ok(keys),
        Ok(other) => Err(fail(format!("its settings are no table: {other}"))),
        Err(error) => Err(fail(error.to_string())),
    }
}

fn detect<D: Detector>(settings: &Settings, features: &Features<'_>) -> Result<Detection> {
    let config = parse::<D>(settings)?;
    let mut detection = Detection { suspicious: Vec::new(), classes: Vec::new() };
    for class in features.classes() {
        let rows = features.rows_of(class);
        let Judged { suspicious, statistics } = D::judge(&config, features, &rows);
        detection.classes.push(ClassFinding {
            class,
            samples: rows.len(),
            suspicious: suspicious.len(),
            statistics: statistics.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        });
        detection.suspicious.extend(suspicious.into_iter().map(|row| features.positions()[row]));
    }
    detection.suspicious.sort_unstable();
    Ok(detection)
}
