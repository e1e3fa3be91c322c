//! `ssd`: selective synaptic dampening, without training (Foster et al. 2024, arXiv 2308.07707). f is the mean
//! squared gradient over the samples of D_f at their labels, and a is that over all samples. Where f > α·a,
//! θ ← θ·min(λ·a/f, 1).
//!
//! Deviation: the paper's code squares mean gradients of batches. Here per-sample gradients are squared, as the
//! Fisher information is defined. Because D_f is part of all samples, f/a is at most 1/share of D_f. So nothing is
//! dampened if the forget set is larger than 1/α of the training set.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, log, searched},
    shared::{fisher::squares_at_labels, range::positive},
};

/// Selective synaptic dampening.
pub(crate) struct Ssd;

/// Keys of `ssd`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Ratio of a weight's importance to D_f and to all samples above which it is dampened.
    pub(crate) alpha: f64,
    /// Strength λ of dampening.
    pub(crate) lambda: f64,
}

impl Method for Ssd {
    const NAME: &'static str = "ssd";
    const SUMMARY: &'static str = "dampens weights that are far more important to the forget set than to all data";
    const SOURCE: &'static str = "Foster et al. 2024, arXiv 2308.07707";
    const PARAMETERS: &'static [&'static [Parameter]] = &[&[
        searched(
            "alpha",
            "ratio of a weight's importance to the forget set and to all samples above which it is dampened",
            Origin::Paper,
            log(1.0, 100.0),
        ),
        searched("lambda", "strength of the dampening", Origin::Paper, log(0.1, 10.0)),
    ]];
    type Config = Config;

    /// The values of the paper.
    fn defaults() -> Config {
        Config { alpha: 10.0, lambda: 1.0 }
    }

    fn check(config: &Config) -> Result<(), String> {
        positive("alpha", config.alpha)?;
        positive("lambda", config.lambda)
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_forgotten()?;
        prospect.needs_retained()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let clock = Instant::now();
        let of_forget = squares_at_labels(request, request.forget, (0, 2))?;
        let of_retain = squares_at_labels(request, request.retain, (1, 2))?;
        let share = request.forget.len() as f64 / (request.forget.len() + request.retain.len()) as f64;
        let (mut dampened, mut of) = (0_usize, 0);
        let mut state = request.network.state().clone();
        let squares = of_forget.iter().flatten().zip(of_retain.iter().flatten());
        for (value, (of_forget, of_retain)) in state.parameters_mut().iter_mut().flatten().zip(squares) {
            let of_all = share * of_forget + (1.0 - share) * of_retain;
            of += 1;
            if *of_forget > config.alpha * of_all {
                *value *= (config.lambda * of_all / of_forget).min(1.0) as f32;
                dampened += 1;
            }
        }
        if dampened == 0 {
            let alpha = config.alpha;
            tracing::warn!(
                "ssd changed nothing: no weight is {alpha} times as important to the forget set as to all data (no \
                 weight can be if the forget set is more than 1/{alpha} of the data); lower `alpha`"
            );
        }
        tracing::info!("ssd dampened {dampened} of {of} values");
        request.network.set_state(state);
        Ok(Outcome { epochs: vec![], seconds: clock.elapsed().as_secs_f64() })
    }
}
