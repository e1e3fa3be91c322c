//! `reg`: alternates fine-tuning and pruning. The trained weights are fine-tuned, and after every second epoch 1 − (1
//! − s)^(1/k) of the remaining weights are pruned, where k is the number of such points. This is the alternation in
//! the published code of arXiv 2304.04934 (`FT_prune_bi`).
//!
//! The last epochs always follow the last pruning, so that no run ends with a model that has just been pruned.

use serde::{Deserialize, Serialize};
use unlearn_training::{Recipe, Schedule as LearningRate, range};

use crate::{
    Outcome, Request, Result, Rewind, Settings,
    method::Schedule,
    selection::{current_mask, geometric},
    settings::Config,
};

pub(super) struct Reg;

/// Keys of `reg`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Keys {
    /// Total number of epochs of fine-tuning.
    epochs: usize,
    /// Constant learning rate.
    lr: f64,
    /// Epochs between prunings.
    every: usize,
}

impl Schedule for Reg {
    const NAME: &'static str = "reg";
    const SUMMARY: &'static str = "fine-tune the trained weights and prune a share of the remaining ones, in turns";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, published code (FT_prune_bi)";
    type Keys = Keys;

    fn defaults() -> Config<Keys> {
        let shared = Settings { rewind: Rewind::Pt, ..Settings::default() };
        Config { shared, own: Keys { epochs: 10, lr: 0.01, every: 2 } }
    }

    fn check(config: &Config<Keys>) -> std::result::Result<(), String> {
        let Keys { epochs, lr, every } = config.own;
        range::positive("lr", lr)?;
        range::one_or_more("epochs", epochs)?;
        if every == 0 || every >= epochs {
            return Err(format!("`every` must be 1 or more and less than `epochs`, found {every} and {epochs}"));
        }
        config.shared.require_rewind(
            Rewind::Pt,
            "it fine-tunes the trained weights; to train from the initial weights, use `gradual`",
        )
    }

    fn run(Config { shared, own }: &Config<Keys>, request: &mut Request<'_>) -> Result<Outcome> {
        let points = (own.epochs - 1) / own.every;
        let sparsity_after = |epochs: usize| {
            let point = epochs / own.every;
            let due = epochs.is_multiple_of(own.every) && point <= points;
            let sparsity = || 1.0 - geometric(1.0, 1.0 - shared.sparsity, point, points);
            due.then(|| if point == points { shared.sparsity } else { sparsity() })
        };
        let recipe = Recipe {
            epochs: own.epochs,
            lr: own.lr,
            schedule: LearningRate::Constant,
            warmup_epochs: 0.0,
            ..request.task.recipe.clone()
        };
        let epochs = request.train_while_pruning(&recipe, 0, shared, sparsity_after)?;
        let mask = current_mask(request.network, shared.include_classifier)?;
        Ok(Outcome { mask, epochs })
    }
}
