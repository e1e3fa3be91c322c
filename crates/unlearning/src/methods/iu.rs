//! `iu`: influence unlearning, one Newton step from the weights for all samples to those for D_r: θ ← θ + α·Ĥ⁻¹u (Koh
//! and Liang 2017, arXiv 1703.04730; Izzo et al. 2021, arXiv 2002.10077; arXiv 2304.04934, section 3). [`influence`]
//! defines u and Ĥ and computes them.
//!
//! Deviation from the code of arXiv 2304.04934: the product with the inverse is exact. The recursion in that code,
//! `solver = "wood-fisher"`, only subtracts a multiple of one sample's gradient from u.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{
    InfluenceOptions, Method, Outcome, Prospect, Request, Solver, influence,
    parameter::{Origin, Parameter, fixed, log, searched},
    shared::range::{MOST_SAMPLES, at_most, count, positive},
};

/// Influence unlearning.
pub(crate) struct Iu;

/// Keys of `iu`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Length of the step. The paper searches 1 to 20.
    pub(crate) alpha: f64,
    /// N: number of samples of D_r that Ĥ is computed from.
    pub(crate) samples: usize,
    /// Computation of Ĥ⁻¹u.
    pub(crate) solver: Solver,
    /// Memory that `auto` may use for the matrices of `woodbury`, in MiB.
    pub(crate) memory_mib: usize,
    /// Whether images are cropped and flipped as in training.
    pub(crate) augment: bool,
}

impl Method for Iu {
    const NAME: &'static str = "iu";
    const SUMMARY: &'static str = "influence unlearning: one Newton step to the weights without the forget set";
    const SOURCE: &'static str = "Koh and Liang 2017, arXiv 1703.04730; Jia et al. 2023, arXiv 2304.04934, section 3";
    const PARAMETERS: &'static [&'static [Parameter]] = &[&[
        searched("alpha", "length of the Newton step", Origin::Code, log(1.0, 20.0)),
        fixed("samples", "number of retain samples whose gradients make the Hessian", Origin::Code),
        fixed(
            "solver",
            "auto, woodbury, conjugate-gradients, or wood-fisher as in the code of arXiv 2304.04934",
            Origin::Ours,
        ),
        fixed("memory-mib", "memory for gradients, in MiB, above which auto uses conjugate gradients", Origin::Ours),
        fixed("augment", "random crops and flips, as the dataset prescribes", Origin::Code),
    ]];
    type Config = Config;

    /// α of the early scripts of arXiv 2304.04934, which is also the step in theory, and N of its code. The memory
    /// suffices for a twentieth of the weights of `resnet18`.
    fn defaults() -> Config {
        Config { alpha: 1.0, samples: 1000, solver: Solver::Auto, memory_mib: 4096, augment: false }
    }

    fn check(config: &Config) -> Result<(), String> {
        positive("alpha", config.alpha)?;
        count("samples", config.samples, MOST_SAMPLES)?;
        at_most("memory-mib", config.memory_mib, MOST_SAMPLES)
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_forgotten()?;
        prospect.needs_retained()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let clock = Instant::now();
        let Config { alpha, samples, solver, memory_mib, augment } = *config;
        let found = influence(request, &InfluenceOptions { solver, samples, memory_mib, augment })?;
        let mut state = request.network.state().clone();
        for (value, change) in state.parameters_mut().iter_mut().flatten().zip(found.change.iter().flatten()) {
            *value += (alpha * f64::from(*change)) as f32;
        }
        request.network.set_state(state);
        Ok(Outcome { epochs: vec![], seconds: clock.elapsed().as_secs_f64() })
    }
}
