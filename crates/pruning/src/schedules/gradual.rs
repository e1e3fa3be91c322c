//! `gradual`: prunes during training, fast at first and slower later. After e epochs, the sparsity is
//! s · (1 − (1 − (e − b)/(n − b))³), where b and n are the first and last epoch of pruning (Zhu & Gupta 2017, arXiv 1710.01878,
//! equation 1, with initial sparsity 0).
//!
//! The paper counts steps and lets pruned weights return. Here, pruning happens between epochs and is permanent. The
//! optimiser keeps its velocity except for pruned weights. `select = "best"` chooses among the epochs after the last
//! pruning. `rewind` says which weights training starts from.

use serde::{Deserialize, Serialize};
use unlearn_training::{Recipe, range};

use crate::{Outcome, Request, Result, Rewind, Settings, method::Schedule, selection::current_mask, settings::Config};

pub(super) struct Gradual;

/// Keys of `gradual`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Keys {
    /// Start of pruning, as a share of the run's epochs, in 0..1.
    begin: f64,
    /// End of pruning, as a share of the run's epochs, in 0..1.
    end: f64,
    /// Epochs between prunings.
    every: usize,
}

impl Schedule for Gradual {
    const NAME: &'static str = "gradual";
    const SUMMARY: &'static str = "prune between epochs of one training run, along a cubic curve";
    const SOURCE: &'static str = "Zhu & Gupta 2017, arXiv 1710.01878, equation 1";
    type Keys = Keys;

    fn defaults() -> Config<Keys> {
        let shared = Settings { rewind: Rewind::Lt, ..Settings::default() };
        Config { shared, own: Keys { begin: 0.0, end: 0.5, every: 1 } }
    }

    fn check(Config { own: Keys { begin, end, every }, .. }: &Config<Keys>) -> std::result::Result<(), String> {
        if !(0.0 <= *begin && begin < end && *end <= 1.0) {
            return Err(format!("`begin` and `end` must satisfy 0 <= begin < end <= 1, found {begin} and {end}"));
        }
        range::one_or_more("every", *every)
    }

    fn check_against(config: &Config<Keys>, recipe: &Recipe) -> std::result::Result<(), String> {
        let Span { begin, end } = Span::new(config, recipe.epochs);
        if begin < end {
            return Ok(());
        }
        Err(format!("no pruning takes place between epochs {begin} and {end} of the {} in [train]", recipe.epochs))
    }

    fn run(config: &Config<Keys>, request: &mut Request<'_>) -> Result<Outcome> {
        let Config { shared, own } = config;
        let span = Span::new(config, request.task.recipe.epochs);
        let start_epoch = request.rewind::<Self>(shared)?;
        let sparsity_after = |epochs| Some(shared.sparsity * span.progress_after(epochs, own.every)?);
        let epochs = request.train_while_pruning(request.task.recipe, start_epoch, shared, sparsity_after)?;
        let mask = current_mask(request.network, shared.include_classifier)?;
        Ok(Outcome { mask, epochs })
    }
}

/// Numbers of finished epochs between which the schedule prunes: after `begin`, up to and including `end`.
struct Span {
    begin: usize,
    end: usize,
}

impl Span {
    /// A run that was rewound to an epoch cannot prune before that epoch.
    fn new(config: &Config<Keys>, epochs: usize) -> Self {
        let at = |share: f64| (share * epochs as f64).round() as usize;
        let Settings { rewind, rewind_epoch, .. } = config.shared;
        let first = if rewind == Rewind::RewindLt { rewind_epoch } else { 0 };
        Self { begin: at(config.own.begin).max(first), end: at(config.own.end) }
    }

    /// The share of the final sparsity that is due after this number of epochs. `None` if the schedule does not prune
    /// then.
    fn progress_after(&self, epochs: usize, every: usize) -> Option<f64> {
        let since = epochs.checked_sub(self.begin).filter(|since| *since > 0 && epochs <= self.end)?;
        let due = epochs == self.end || since.is_multiple_of(every);
        due.then(|| 1.0 - (1.0 - since as f64 / (self.end - self.begin) as f64).powi(3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_cubic_and_ends_at_one() {
        let span = Span { begin: 2, end: 7 };
        let at = |every| (0..10).map(|epochs| span.progress_after(epochs, every)).collect::<Vec<_>>();
        let cubic = |t: f64| Some(1.0 - (1.0 - t).powi(3));
        let [a, b, c, d] = [0.2, 0.4, 0.6, 0.8].map(cubic);
        assert_eq!(at(1), [None, None, None, a, b, c, d, Some(1.0), None, None]);
        assert_eq!(at(3), [None, None, None, None, None, c, None, Some(1.0), None, None]);
    }
}
