//! `l1-prox`: ℓ1-sparse unlearning with weights that become exactly 0. The objective is that of arXiv 2304.04934,
//! equation 3, minimised by the proximal gradient method (Parikh & Boyd 2014, "Proximal Algorithms", sections 4.2 and
//! 6.5.2).
//!
//! After each step of SGD on ℓ(θ; D_r), every convolution weight is soft-thresholded:
//! θ ← sign(θ)·max(|θ| − lr·γₜ, 0). At the end the zeros are pruned, so that the result has its own mask, which is a
//! subset of the model's original mask.
//!
//! Deviations: the paper's code takes a subgradient step and penalises every parameter (`l1-sparse`). Here,
//! normalisation, biases and the classifier are not penalised. The optimiser's step has momentum, as everywhere.

use unlearn_network::{Graph, Kept, LossTerm, Network, Penalty};
use unlearn_samples::Batch;
use unlearn_training::{CrossEntropy, Objective};

use crate::{
    Method, Outcome, Prospect, Request, methods::l1_sparse::Config, parameter::Parameter,
    shared::l1_penalty::GammaSchedule,
};

/// Proximal ℓ1-sparse unlearning.
pub(crate) struct L1Prox;

impl Method for L1Prox {
    const NAME: &'static str = "l1-prox";
    const SUMMARY: &'static str = "fine-tuning on the retain set with soft-thresholded convolution weights";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, equation 3; Parikh & Boyd 2014, section 6.5.2";
    const PARAMETERS: &'static [&'static [Parameter]] = <crate::methods::l1_sparse::L1Sparse as Method>::PARAMETERS;
    type Config = Config;

    fn defaults() -> Config {
        Config::published()
    }

    fn check(config: &Config) -> Result<(), String> {
        config.check()
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_retained()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let Config { gamma, gamma_schedule, .. } = *config;
        let recipe = config.tuning.recipe(request.task.recipe);
        let convolutions = convolutions(request.network.graph());
        let mut objective = Thresholded { gamma, gamma_schedule, convolutions };
        let outcome = request.train(request.retain, &recipe, &mut objective)?;
        let kept = without_zeros(request.network, &objective.convolutions);
        request.network.prune(kept)?;
        Ok(outcome)
    }
}

/// Whether each parameter is the weight of a convolution.
fn convolutions(graph: &Graph) -> Vec<bool> {
    graph.parameters.iter().map(|parameter| parameter.kind.is_feature_weight()).collect()
}

/// The kept weights without the convolution weights that are zero.
fn without_zeros(network: &Network, convolutions: &[bool]) -> Kept {
    let tensors = network.kept().iter().zip(network.state().parameters()).zip(convolutions);
    let nonzero = |values: &Vec<f32>| values.iter().map(|theta| *theta != 0.0).collect();
    tensors
        .map(|((kept, values), thresholded)| if *thresholded { Some(nonzero(values)) } else { kept.clone() })
        .collect()
}

/// Cross-entropy + γₜ‖θ‖₁ over convolution weights. The penalty is applied by its proximal step.
struct Thresholded {
    gamma: f64,
    gamma_schedule: GammaSchedule,
    convolutions: Vec<bool>,
}

impl Objective for Thresholded {
    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        CrossEntropy::default().loss(batch, logits, dlogits)
    }

    /// Only for reporting: the proximal step replaces the gradient.
    fn known_loss<'a>(&'a self, batch: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        Some(vec![CrossEntropy::default().term(1.0, &batch.labels, batch.mixed.as_ref())])
    }

    fn penalty(&self, progress: f64) -> Penalty<'_> {
        Penalty::SoftThreshold { gamma: self.gamma_schedule.at(self.gamma, progress), over: &self.convolutions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_alone_are_thresholded() {
        let convolutions = vec![true, false];
        let objective = Thresholded { gamma: 4.0, gamma_schedule: GammaSchedule::Falling, convolutions };
        let Penalty::SoftThreshold { gamma, over } = objective.penalty(0.5) else { panic!("another penalty") };
        assert_eq!((gamma, over), (2.0, &[true, false][..]));
    }
}
