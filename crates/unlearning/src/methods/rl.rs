//! `rl`: random labels. Forget samples get random wrong labels, retain samples keep theirs, and the model is
//! fine-tuned on both, shuffled together (Golatkar et al. 2020, arXiv 1911.04933, "random labels"; Graves et al.
//! 2021, arXiv 2010.10981; on both sets as in the code of Fan et al. 2024, arXiv 2310.12508).
//!
//! A wrong label is uniform over the other classes and drawn again in each epoch.

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, log},
    shared::{
        fine_tuning::{self, FineTuning},
        wrong_labels::WrongLabels,
    },
};

/// Fine-tuning with random wrong labels on the forget set.
pub(crate) struct Rl;

impl Method for Rl {
    const NAME: &'static str = "rl";
    const SUMMARY: &'static str = "fine-tuning on all samples, with random wrong labels for the forget set";
    const SOURCE: &'static str = "Golatkar et al. 2020, arXiv 1911.04933; code of Jia et al. 2023, arXiv 2304.04934";
    const PARAMETERS: &'static [&'static [Parameter]] =
        &[&fine_tuning::parameters(Origin::Code, Origin::Code, log(1e-3, 1e-1))];
    type Config = FineTuning;

    fn defaults() -> FineTuning {
        FineTuning::new(10, 0.01)
    }

    fn check(config: &FineTuning) -> Result<(), String> {
        config.check()
    }

    fn suits(_: &FineTuning, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_wrong_labels()?;
        prospect.needs_forgotten()
    }

    fn run(config: &FineTuning, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let recipe = config.recipe(request.task.recipe);
        let mut objective = WrongLabels::new(request);
        request.train(&[request.forget, request.retain].concat(), &recipe, &mut objective)
    }
}
