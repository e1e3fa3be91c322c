//! Rewinding: which weights the pruned network's training goes on from.

use serde::{Deserialize, Serialize};

use crate::{Request, Result, Settings, method::Schedule, settings::refusal};

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

impl Rewind {
    /// As a suite writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lt => "lt",
            Self::RewindLt => "rewind-lt",
            Self::Pt => "pt",
        }
    }
}

impl Request<'_> {
    /// Puts the weights back as `settings` say, pruned ones staying 0, and gives the epoch to train on from.
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
