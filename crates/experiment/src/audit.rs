//! `[audit]`: how a suite looks for what is left of the forgotten data in its models.

use serde::{Deserialize, Serialize};
use unlearn_training::range;

/// `[audit]`: settings of the audit of each model. A suite without this section has no audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AuditSection {
    /// Maximum number of samples that a probe is fitted on, that it is judged on, and that features and logits are compared on. More are
    /// thinned out evenly.
    pub samples: usize,
    /// Inverse of the strength of the probe's L2 penalty, as scikit-learn's `C`, on standardised features.
    pub c: f64,
    /// Learning rate of relearning.
    pub lr: f64,
    /// Batch size of relearning. The training's if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Maximum number of steps of relearning.
    pub max_steps: usize,
    /// Relearning is done when the accuracy on the forget set is at most this many points below that of the model before unlearning.
    pub margin: f64,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self { samples: 2000, c: 1.0, lr: 0.01, batch_size: None, max_steps: 100, margin: 5.0 }
    }
}

impl AuditSection {
    /// Most samples: features of that many are compared pair by pair.
    const MOST_SAMPLES: usize = 20_000;
    /// Most steps of relearning. The accuracy on the forget set is measured after each.
    const MOST_STEPS: usize = 10_000;

    /// Refuses settings that are out of range. The error is a reason for users.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fail = |reason: String| Err(format!("[audit]: {reason}"));
        let Self { samples, c, lr, batch_size, max_steps, margin } = self;
        if !(2..=Self::MOST_SAMPLES).contains(samples) {
            return fail(format!("`samples` must be 2 to {}, found {samples}", Self::MOST_SAMPLES));
        }
        if !(1..=Self::MOST_STEPS).contains(max_steps) {
            return fail(format!("`max-steps` must be 1 to {}, found {max_steps}", Self::MOST_STEPS));
        }
        for (key, value) in [("c", c), ("lr", lr)] {
            range::positive(key, *value).or_else(fail)?;
        }
        batch_size.map_or(Ok(()), |size| range::one_or_more("batch-size", size)).or_else(fail)?;
        if !(0.0..100.0).contains(margin) {
            return fail(format!("`margin` must be 0 or more and below 100 points, found {margin}"));
        }
        Ok(())
    }
}
