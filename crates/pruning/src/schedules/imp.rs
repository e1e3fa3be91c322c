//! `imp`: iterative pruning, the search for lottery tickets. Each of T rounds prunes a share of the remaining
//! weights, rewinds and retrains (Frankle & Carbin 2019, arXiv 1803.03635, section 1; Frankle et al. 2020, arXiv
//! 1912.05671).
//!
//! T rounds at rate p end at sparsity 1 − (1 − p)^T. A suite gives the sparsity s, as for every schedule, and p. T is
//! the whole number nearest to ln(1 − s) / ln(1 − p). Every round keeps (1 − s)^(1/T) of the remaining weights, so
//! that the last round ends at s exactly. For s = 1 − 0.8^T, each round prunes a fifth, as published.

use serde::{Deserialize, Serialize};
use unlearn_training::Rounds;

use crate::{
    Outcome, Request, Result, Settings,
    method::Schedule,
    selection::{current_mask, geometric},
    settings::Config,
};

pub(super) struct Imp;

/// Keys of `imp`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Keys {
    /// Approximate share of the remaining weights that a round prunes, in 0..1.
    rate: f64,
}

impl Schedule for Imp {
    const NAME: &'static str = "imp";
    const SUMMARY: &'static str = "rounds that prune a share of the remaining weights, rewind and retrain";
    const SOURCE: &'static str = "Frankle & Carbin 2019, arXiv 1803.03635, section 1";
    type Keys = Keys;

    fn defaults() -> Config<Keys> {
        Config { shared: Settings::default(), own: Keys { rate: 0.2 } }
    }

    fn check(config: &Config<Keys>) -> std::result::Result<(), String> {
        let (rate, sparsity) = (config.own.rate, config.shared.sparsity);
        if !(rate > 0.0 && rate < 1.0) {
            return Err(format!("`rate` must lie strictly between 0 and 1, found {rate}"));
        }
        if rounds(sparsity, rate) > MOST_ROUNDS {
            return Err(format!(
                "`rate = {rate:?}` reaches the sparsity {sparsity} in more than {MOST_ROUNDS} rounds, each of which trains; give a larger one"
            ));
        }
        Ok(())
    }

    fn run(config: &Config<Keys>, request: &mut Request<'_>) -> Result<Outcome> {
        let Config { shared, own } = config;
        let (density, total) = (1.0 - shared.sparsity, rounds(shared.sparsity, own.rate));
        let mut rounds = Rounds::load(request.task.session.checkpoints)?;
        for round in rounds.next()..=total {
            let mut start_epoch = 0;
            // A round with a saved state has already been pruned and rewound.
            if !rounds.resumes() {
                let sparsity =
                    if round == total { shared.sparsity } else { 1.0 - geometric(1.0, density, round, total) };
                request.prune(shared, sparsity)?;
                start_epoch = request.rewind::<Self>(shared)?;
            }
            let rows = request.retrain(start_epoch, rounds.session(request.task.session))?;
            // The time of pruning is not reported.
            rounds.finish(rows, 0.0);
        }
        let mask = current_mask(request.network, shared.include_classifier)?;
        Ok(Outcome { mask, epochs: rounds.into_rows() })
    }
}

/// Maximum number of rounds.
const MOST_ROUNDS: usize = 1000;

/// Number of rounds at about `rate` that lead to `sparsity`.
fn rounds(sparsity: f64, rate: f64) -> usize {
    ((1.0 - sparsity).ln() / (-rate).ln_1p()).round().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_of_a_fifth_end_at_the_published_sparsities() {
        for total in 1..20 {
            let sparsity = 1.0 - 0.8f64.powi(total);
            assert_eq!(rounds(sparsity, 0.2), total as usize);
            // A sparsity as users write it, with four digits.
            assert_eq!(rounds((1e4 * sparsity).round() / 1e4, 0.2), total as usize);
        }
        assert_eq!((rounds(0.95, 0.2), rounds(0.1, 0.9)), (13, 1));
    }

    #[test]
    fn a_rate_that_needs_endless_rounds_is_refused() {
        for rate in [1e-300, 1e-5] {
            let config = Config { shared: Settings::default(), own: Keys { rate } };
            let refusal = Imp::check(&config).unwrap_err();
            assert!(refusal.contains("in more than 1000 rounds"), "{refusal}");
        }
        assert_eq!(Imp::check(&Imp::defaults()), Ok(()));
    }
}
