//! On how many samples a model was measured.

use serde::{Deserialize, Serialize};
use unlearn_metrics::{Figure, Need};

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

impl Samples {
    /// The number of samples that a figure is a mean over.
    pub fn behind(&self, figure: &Figure) -> usize {
        let of = |need: &Need| match need {
            Need::Forget => Some(self.forget),
            Need::Retain => Some(self.retain),
            Need::Test | Need::Triggered => Some(self.test),
            Need::Validation => Some(self.validation),
            _ => None,
        };
        figure.needs.iter().find_map(of).unwrap_or(self.forget)
    }
}
