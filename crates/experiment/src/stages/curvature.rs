//! `curvature`: the two factors of the bound of the unlearning error that belong to a model and its mask (Jia et al. 2023, arXiv
//! 2304.04934, proposition 2). It leaves `curvature.json`. The audits of all models that begin with this one read it.
//!
//! **Training shift**, `‖m ⊙ (θ_t − θ_0)‖`: the Euclidean distance of the kept weights from those that training began with. If the model was
//! pruned and rewound to an early epoch, `θ_0` are the initial weights all the same.
//!
//! **Hessian eigenvalue**, σ(m): the largest eigenvalue of the Hessian of the mean cross-entropy of training samples over the kept weights,
//! by power iteration ([`unlearn_training::largest_eigenvalue`]). If the iteration does not converge, there is no value.

use serde::{Deserialize, Serialize};
use unlearn_random::{fill_normal, stream};
use unlearn_run_store::write_atomic;
use unlearn_training::{Curvature as Found, largest_eigenvalue};

use super::{Bench, Kind, audit::evenly};
use crate::{Result, audit::TheorySection};

/// Configuration of the measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct CurvatureConfig {
    /// `[audit.theory]` with its defaults filled in.
    pub(crate) theory: TheorySection,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// `‖m ⊙ (θ_t − θ_0)‖`.
    pub(crate) training_shift: f64,
    /// σ(m). `None` if the iteration did not converge.
    pub(crate) hessian_eigenvalue: Option<f64>,
    /// Number of kept weights.
    pub(crate) weights: usize,
    /// Number of samples of the loss.
    pub(crate) samples: usize,
    /// Number of products of the Hessian with a vector.
    pub(crate) products: usize,
    /// The peak learning rate of training, η.
    pub(crate) lr: f64,
    /// The number of steps of training, t.
    pub(crate) steps: usize,
}

/// The file that the stage leaves.
const FILE: &str = "curvature.json";

pub(crate) struct Curvature;

impl Kind for Curvature {
    const NAME: &'static str = "curvature";
    const SUMMARY: &'static str =
        "how far training moved a model's kept weights, and the largest eigenvalue of its Hessian";
    const INPUTS: &'static [&'static str] = &["model"];
    type Config = CurvatureConfig;

    fn run(config: &CurvatureConfig, bench: &mut Bench<'_>) -> Result<()> {
        let theory = &config.theory;
        theory.check().map_err(|reason| bench.failure(reason))?;
        let mut model = bench.model("model", &config.arithmetic)?;
        let setting = &model.setting;
        let graph = model.network.graph().clone();
        let layout = model.network.row_layout();
        let initial = bench.initial(setting)?;
        let initial = bench.fresh(&initial, &graph, setting)?;
        let [now, before] = [model.network.state(), &initial].map(|state| layout.gather(state.parameters()));
        let squares = now.iter().zip(&before).map(|(now, before)| (f64::from(*now) - f64::from(*before)).powi(2));
        let training_shift = squares.sum::<f64>().sqrt();
        let samples = evenly(&setting.split.train, theory.samples);
        let mut first = vec![0.0; layout.width()];
        fill_normal(&mut first, 1.0, &mut stream("power iteration", &[bench.spec.seed]));
        let (images, limits) = (&setting.dataset.train, (theory.products, theory.tolerance));
        let Found { eigenvalue, products, converged } =
            largest_eigenvalue(&mut model.network, (images, &samples), limits, &first, bench.session)
                .map_err(|error| bench.training_failure(&error, &error))?;
        if !converged {
            tracing::warn!(
                "{}: the largest eigenvalue has not converged after {products} products, so the report has none; raise `products` of [audit.theory]",
                bench.label
            );
        }
        let measured = Measured {
            training_shift,
            hessian_eigenvalue: converged.then_some(eigenvalue),
            weights: layout.width(),
            samples: samples.len(),
            products,
            lr: setting.history.recipe.lr,
            steps: setting.history.recipe.epochs
                * setting.split.train.len().div_ceil(setting.history.recipe.batch_size),
        };
        let text = serde_json::to_vec_pretty(&measured).map_err(|error| bench.failure(error))?;
        Ok(write_atomic(&bench.writer.path(FILE), &text)?)
    }
}

impl Measured {
    /// `η²·t·‖m ⊙ (θ_t − θ_0)‖·σ(m)`. `None` without an eigenvalue, or for a negative one, to which the proposition does not apply.
    pub(crate) fn bound(&self) -> Option<f64> {
        let eigenvalue = self.hessian_eigenvalue.filter(|eigenvalue| *eigenvalue >= 0.0)?;
        Some(self.lr.powi(2) * self.steps as f64 * self.training_shift * eigenvalue)
    }
}

impl Bench<'_> {
    /// What the `curvature` stage in a role measured.
    pub(super) fn measured_curvature(&self, role: &str) -> Result<Measured> {
        let bytes = self.input(role)?.read(FILE)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| self.failure(format!("{FILE} of its input `{role}` is damaged: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_the_product_of_its_factors_and_needs_an_eigenvalue() {
        let measured = Measured {
            training_shift: 3.0,
            hessian_eigenvalue: Some(5.0),
            weights: 7,
            samples: 9,
            products: 2,
            lr: 0.1,
            steps: 200,
        };
        assert!((measured.bound().unwrap() - 0.01 * 200.0 * 3.0 * 5.0).abs() < 1e-12);
        for hessian_eigenvalue in [None, Some(-1.0)] {
            assert_eq!(Measured { hessian_eigenvalue, ..measured }.bound(), None);
        }
    }
}
