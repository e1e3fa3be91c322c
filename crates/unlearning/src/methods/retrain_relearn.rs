//! `retrain-relearn`: fresh weights, trained on the retain set and pruned again as the original was. `retrain` keeps
//! a mask that was learnt with the forget set in the data, as the paper's code does (arXiv 2304.04934), so the choice
//! of kept weights may still contain information about the forget set. Here it cannot. For a dense model, the method
//! equals `retrain`.

use serde::{Deserialize, Serialize};
use unlearn_training::{CrossEntropy, Error, Update};

use crate::{Method, Outcome, Prospect, Pruned, Request, parameter::Parameter};

/// Retraining from scratch, including the mask.
pub(crate) struct RetrainRelearn;

/// Keys of `retrain-relearn`: none. Everything is as in the original training and pruning.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Config {}

/// The refusal for a model that cannot be pruned again as it was.
const UNKNOWN: &str =
    "it must know how the model was pruned, which only a suite says; use `retrain`, which keeps the mask";

impl Method for RetrainRelearn {
    const NAME: &'static str = "retrain-relearn";
    const SUMMARY: &'static str =
        "fresh weights trained on the retain set and pruned again, so that the mask is new too";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, section 4 (prune first) without the forget set";
    const PARAMETERS: &'static [&'static [Parameter]] = &[];
    const BEGINS_AGAIN: bool = true;
    type Config = Config;

    fn defaults() -> Config {
        Config {}
    }

    fn check(_: &Config) -> Result<(), String> {
        Ok(())
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_epochs(prospect.recipe.epochs)?;
        prospect.needs_what_selects()?;
        prospect.needs_retained()?;
        if prospect.pruned == Pruned::Unknown { Err(UNKNOWN.into()) } else { Ok(()) }
    }

    fn run(_: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        if request.network.kept().iter().all(Option::is_none) {
            request.initialize_afresh()?;
            let label_smoothing = request.task.recipe.label_smoothing;
            let recipe = request.task.recipe.clone();
            return request.train_by(Update::default(), request.retain, &recipe, &mut CrossEntropy { label_smoothing });
        }
        match request.prune_anew {
            Some(prune_anew) => prune_anew(request.network, request.retain, request.task.session),
            None => Err(Error::Unsuitable(UNKNOWN.into())),
        }
    }
}
