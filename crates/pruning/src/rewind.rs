//! Rewinding: which weights the pruned network starts its retraining from.

use serde::{Deserialize, Serialize};

/// Where the kept weights go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rewind {
    /// To the initialisation: the lottery ticket (Frankle & Carbin 2019, arXiv 1803.03635).
    Lt,
    /// To the weights after an early epoch; the learning-rate schedule goes back with them (Frankle et al. 2020, arXiv
    /// 1912.05671; Renda et al. 2020, arXiv 2003.02389).
    RewindLt,
    /// Nowhere: the trained weights are fine-tuned with the whole recipe.
    Pt,
}
