//! What was measured on a model, and on how many samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was measured on one model. All in percent, 0..100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Unlearning accuracy: 100 − accuracy on the forget set.
    pub ua: f64,
    /// Remaining accuracy: on the retain set.
    pub ra: f64,
    /// Testing accuracy: on the test set, less the classes forgotten whole.
    pub ta: f64,
    /// Accuracy on the validation set, where there is one.
    pub validation_accuracy: Option<f64>,
    /// Share of the forget set that a membership-inference attack calls non-member, by the attack's feature.
    pub mia_efficacy: BTreeMap<String, f64>,
}

/// How many samples the sets have that a model is judged on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// All that was to be forgotten, D_f.
    pub forget: usize,
    /// D_r.
    pub retain: usize,
    /// D_v.
    pub validation: usize,
    /// Test images, less those of classes forgotten whole.
    pub test: usize,
}

/// Prefix of the metrics of membership-inference attacks.
pub(crate) const MIA: &str = "mia.";

impl Metrics {
    /// Every figure with its name in thresholds and messages.
    pub fn named(&self) -> Vec<(String, f64)> {
        let fixed = [("ua", Some(self.ua)), ("ra", Some(self.ra)), ("ta", Some(self.ta))];
        let fixed = fixed.into_iter().chain([("validation-accuracy", self.validation_accuracy)]);
        let attacks = self.mia_efficacy.iter().map(|(feature, value)| (format!("{MIA}{feature}"), *value));
        fixed.filter_map(|(name, value)| Some((name.to_owned(), value?))).chain(attacks).collect()
    }
}

impl Samples {
    /// The number of samples that a metric is a share of.
    pub fn behind(&self, metric: &str) -> usize {
        match metric {
            "ra" => self.retain,
            "ta" => self.test,
            "validation-accuracy" => self.validation,
            _ => self.forget,
        }
    }
}
