//! `ga`: gradient ascent on the forget set, which reverses training (arXiv 2304.04934, section 3; Graves et al. 2021,
//! arXiv 2010.10981; Thudi et al. 2022, arXiv 2109.13398).

use unlearn_training::NegatedCrossEntropy;

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, log},
    shared::fine_tuning::{self, FineTuning},
};

/// Gradient ascent on the forget set.
pub(crate) struct Ga;

impl Method for Ga {
    const NAME: &'static str = "ga";
    const SUMMARY: &'static str = "gradient ascent on the forget set";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, section 3";
    const PARAMETERS: &'static [&'static [Parameter]] =
        &[&fine_tuning::parameters(Origin::Paper, Origin::Code, log(1e-6, 1e-3))];
    type Config = FineTuning;

    /// The paper's number of epochs, and the learning rate of its code. The paper searches 1e-6 to 1e-3.
    fn defaults() -> FineTuning {
        FineTuning::new(5, 1e-4)
    }

    fn check(config: &FineTuning) -> Result<(), String> {
        config.check()
    }

    fn suits(_: &FineTuning, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_forgotten()
    }

    fn run(config: &FineTuning, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let recipe = config.recipe(request.task.recipe);
        request.train(request.forget, &recipe, &mut NegatedCrossEntropy)
    }
}
