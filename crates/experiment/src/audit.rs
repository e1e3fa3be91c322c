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
    /// `[audit.theory]`: whether to measure the unlearning error and the factors of its bound, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theory: Option<TheorySection>,
}

/// `[audit.theory]`: the unlearning error and the factors of its bound (Jia et al. 2023, arXiv 2304.04934, proposition 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TheorySection {
    /// Maximum number of training samples of the loss whose Hessian is examined. More are thinned out evenly.
    pub samples: usize,
    /// Maximum number of products of the Hessian with a vector. Each takes two passes over the samples.
    pub products: usize,
    /// The search for the largest eigenvalue ends when two consecutive estimates differ by less than this share.
    pub tolerance: f64,
}

impl Default for TheorySection {
    fn default() -> Self {
        Self { samples: 512, products: 100, tolerance: 1e-3 }
    }
}

impl TheorySection {
    /// Most products.
    const MOST_PRODUCTS: usize = 10_000;

    /// Refuses settings that are out of range. The error is a reason for users.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fail = |reason: String| Err(format!("[audit.theory]: {reason}"));
        let Self { samples, products, tolerance } = self;
        if *samples == 0 {
            return fail("`samples` must be 1 or more".into());
        }
        if !(2..=Self::MOST_PRODUCTS).contains(products) {
            return fail(format!("`products` must be 2 to {}, found {products}", Self::MOST_PRODUCTS));
        }
        if !(*tolerance > 0.0 && *tolerance < 1.0) {
            return fail(format!("`tolerance` must lie between 0 and 1, found {tolerance}"));
        }
        Ok(())
    }
}

impl Default for AuditSection {
    fn default() -> Self {
        Self { samples: 2000, c: 1.0, lr: 0.01, batch_size: None, max_steps: 100, margin: 5.0, theory: None }
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
        let Self { samples, c, lr, batch_size, max_steps, margin, theory } = self;
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
        theory.as_ref().map_or(Ok(()), TheorySection::check)?;
        if !(0.0..100.0).contains(margin) {
            return fail(format!("`margin` must be 0 or more and below 100 points, found {margin}"));
        }
        Ok(())
    }
}
