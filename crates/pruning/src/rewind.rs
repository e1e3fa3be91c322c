//! Rewinding: the weights that training of the pruned network continues from.

use serde::{Deserialize, Serialize};

use crate::{Request, Result, Settings, method::Schedule, settings::refusal};

/// The weights that the kept weights are reset to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rewind {
    /// The initial weights: the lottery ticket (Frankle & Carbin 2019, arXiv 1803.03635).
    Lt,
    /// The weights after an early epoch. The learning-rate schedule is rewound too (Frankle et al. 2020, arXiv
    /// 1912.05671; Renda et al. 2020, arXiv 2003.02389).
    RewindLt,
    /// No rewinding: the trained weights are fine-tuned with the whole recipe.
    Pt,
}

impl Rewind {
    /// The name in a suite.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lt => "lt",
            Self::RewindLt => "rewind-lt",
            Self::Pt => "pt",
        }
    }
}

impl Request<'_> {
    /// Resets the weights as `settings` say and returns the epoch to continue from. Pruned weights stay 0.
    pub(crate) fn rewind<S: Schedule>(&mut self, settings: &Settings) -> Result<usize> {
        match settings.rewind {
            Rewind::Lt => {
                self.network.set_state(self.initial.clone());
                Ok(0)
            }
            Rewind::RewindLt => {
                let epoch = settings.rewind_epoch;
                let snapshot = (self.snapshot)(epoch).ok_or_else(|| {
                    refusal::<S>(format!("`rewind-epoch` is {epoch}, but dense training kept no weights of that epoch"))
                })?;
                self.network.set_state(snapshot);
                Ok(epoch)
            }
            Rewind::Pt => Ok(0),
        }
    }
}
