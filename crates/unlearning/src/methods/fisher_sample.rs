//! `fisher-sample`: the older Fisher noise in the code of arXiv 2304.04934, θ ← θ + N(0, 1)·min(√(α/F), 1e-3), and
//! ten times that for the head. F is the mean over D_r of (∂ ln p(label)/∂θ)², the empirical Fisher information
//! ([`empirical_fisher`]).
//!
//! Deviation: that code takes a tensor for the head if its last dimension is ten. For a head of ten classes, this is
//! only the bias. Here the head is weight and bias of the last layer, for any number of classes.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{
    Method, Outcome, Prospect, Request, empirical_fisher,
    methods::ff,
    parameter::{Origin, Parameter, log, searched},
    shared::{noise::standard_normal, range::positive},
};

/// The older Fisher noise.
pub(crate) struct FisherSample;

/// Keys of `fisher-sample`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Scale of the noise's variance.
    pub(crate) alpha: f64,
}

/// Largest standard deviation of the noise.
const BOUND: f64 = 1e-3;
/// Factor of the head's noise.
const AMPLIFIED: f64 = 10.0;

impl Method for FisherSample {
    const NAME: &'static str = "fisher-sample";
    const SUMMARY: &'static str = "bounded noise, scaled by the Fisher information at the true labels";
    const SOURCE: &'static str = "code of Jia et al. 2023, arXiv 2304.04934, its older Fisher forgetting";
    const PARAMETERS: &'static [&'static [Parameter]] =
        &[&[searched("alpha", "scale of the noise", Origin::Ours, log(1e-12, 1e-8))]];
    type Config = Config;

    /// No value is published. With this value, weights differ by F from 3e-5 on. For smaller F, the bound applies.
    fn defaults() -> Config {
        Config { alpha: 3e-11 }
    }

    fn check(config: &Config) -> Result<(), String> {
        positive("alpha", config.alpha)
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_retained()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let clock = Instant::now();
        let fisher = empirical_fisher(request, request.retain)?;
        let head = ff::head(request.network.graph());
        let mut state = request.network.state().clone();
        for (id, values) in state.parameters_mut().iter_mut().enumerate() {
            let scale = if head.contains(&id) { AMPLIFIED } else { 1.0 };
            let noise = standard_normal(request.task.seed, id, values.len());
            for ((value, fisher), noise) in values.iter_mut().zip(&fisher[id]).zip(noise) {
                // If F is 0, the quotient is infinite and the bound applies.
                *value += (scale * (config.alpha / fisher).sqrt().min(BOUND)) as f32 * noise;
            }
        }
        // Pruned weights become 0 again.
        request.network.set_state(state);
        Ok(Outcome { epochs: vec![], seconds: clock.elapsed().as_secs_f64() })
    }
}
