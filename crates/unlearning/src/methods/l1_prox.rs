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

use unlearn_network::{Graph, Kept, Network};
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
    fn penalty(&mut self, progress: f64, parameters: &[Vec<f32>], _: &mut [Vec<f32>]) -> f64 {
        let covered = parameters.iter().zip(&self.convolutions).filter(|(_, thresholded)| **thresholded);
        let norm: f64 = covered.flat_map(|(values, _)| values).map(|theta| f64::from(theta.abs())).sum();
        self.gamma_schedule.at(self.gamma, progress) * norm
    }

    fn proximal(&mut self, progress: f64, lr: f64, parameters: &mut [Vec<f32>]) {
        let threshold = (lr * self.gamma_schedule.at(self.gamma, progress)) as f32;
        let covered = parameters.iter_mut().zip(&self.convolutions).filter(|(_, thresholded)| **thresholded);
        for theta in covered.flat_map(|(values, _)| values) {
            *theta = if theta.abs() <= threshold { 0.0 } else { *theta - threshold * theta.signum() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_makes_exact_zeros_of_convolution_weights_alone() {
        let convolutions = vec![true, false];
        let mut objective = Thresholded { gamma: 4.0, gamma_schedule: GammaSchedule::Falling, convolutions };
        let mut parameters = vec![vec![1.0, -0.75, 0.5, -0.25, -0.0, 0.0], vec![0.25]];
        objective.proximal(0.5, 0.25, &mut parameters);
        assert_eq!(parameters, [vec![0.5, -0.25, 0.0, 0.0, 0.0, 0.0], vec![0.25]]);
        assert!(parameters[0][2..].iter().all(|theta| theta.to_bits() == 0));
    }

    #[test]
    fn the_threshold_minimises_what_it_should() {
        // θ′ = argmin over x of (x − θ)²/2 + lr·γ|x|, by search on a fine grid.
        let (lr, gamma) = (0.5, 0.6);
        for theta in [-1.3f32, -0.2, 0.1, 0.31, 2.0] {
            let cost = |x: f64| (x - f64::from(theta)).powi(2) / 2.0 + lr * gamma * x.abs();
            let grid = (-30_000..=30_000).map(|i| f64::from(i) * 1e-4);
            let best = grid.min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap();
            let mut parameters = vec![vec![theta]];
            let convolutions = vec![true];
            let mut objective = Thresholded { gamma, gamma_schedule: GammaSchedule::Constant, convolutions };
            objective.proximal(0.0, lr, &mut parameters);
            assert!((f64::from(parameters[0][0]) - best).abs() < 2e-4, "{theta}: {parameters:?}, {best}");
        }
    }
}
