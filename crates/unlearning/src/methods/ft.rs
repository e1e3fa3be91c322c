//! `ft`: fine-tuning on the retain set. Catastrophic forgetting removes the rest (arXiv 2304.04934, section 3;
//! Warnecke et al. 2021, arXiv 2108.11577; Golatkar et al. 2020, arXiv 1911.04933).

use unlearn_training::CrossEntropy;

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, log},
    shared::fine_tuning::{self, FineTuning},
};

/// Fine-tuning on the retain set.
pub(crate) struct Ft;

impl Method for Ft {
    const NAME: &'static str = "ft";
    const SUMMARY: &'static str = "fine-tuning on the retain set";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, section 3";
    const PARAMETERS: &'static [&'static [Parameter]] =
        &[&fine_tuning::parameters(Origin::Paper, Origin::Code, log(1e-3, 1e-1))];
    type Config = FineTuning;

    /// The paper's number of epochs, and the learning rate of its code. The paper searches 1e-3 to 1e-1.
    fn defaults() -> FineTuning {
        FineTuning::new(10, 0.01)
    }

    fn check(config: &FineTuning) -> Result<(), String> {
        config.check()
    }

    fn suits(_: &FineTuning, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_retained()
    }

    fn run(config: &FineTuning, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let recipe = config.recipe(request.task.recipe);
        request.train(request.retain, &recipe, &mut CrossEntropy::default())
    }
}
