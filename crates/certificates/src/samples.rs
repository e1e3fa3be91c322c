//! The numbers of samples behind a model's figures.

use serde::{Deserialize, Serialize};
use unlearn_metrics::{Figure, Need};

/// Sizes of the sets on which a model is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// Everything to be forgotten, D_f.
    pub forget: usize,
    /// D_r.
    pub retain: usize,
    /// D_v.
    pub validation: usize,
    /// Test images, without those of completely forgotten classes.
    pub test: usize,
}

impl Samples {
    /// The number of samples behind a figure's mean.
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
