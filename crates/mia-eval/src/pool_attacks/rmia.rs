//! RMIA, online: by how much the attacked model prefers the sample, beside how much it prefers samples of the population.
//!
//! Zarifzadeh et al. 2024 (arXiv 2312.03262): LR(x, z) = (p(x|θ) / p(x)) / (p(z|θ) / p(z)), where p(·|θ) is the confidence
//! in the true class. The score of x is the share of the population's z with LR(x, z) ≥ γ, and γ is 2. Online, p(x) is the
//! mean of the mean confidences of models with x and of models without it.
//!
//! p(z) is the mean confidence of the pool's models that never saw z, as in the authors' code: samples of the population
//! are in no model's training set. Confidences are sigmoids of φ, in logarithms throughout. Scores are shares of
//! |z| samples, so they tie; a larger population gives a finer curve. The threshold is left open.

use crate::pool::{
    Attacked, ModelPool, PoolAttack, PoolNeed, PoolRun, PoolSettings, Question, SampleScores, Seen, Used,
};
use crate::{Error, Result};

/// The entry of the registry.
pub const ATTACK: PoolAttack = PoolAttack {
    name: "rmia",
    summary: "share of the population's samples that the model prefers less, by a factor, than this sample",
    source: "Zarifzadeh et al. 2024, arXiv 2312.03262",
    needs: &[
        PoolNeed { seen: Seen::Trained, least: 1, wanted: 2 },
        PoolNeed { seen: Seen::Never, least: 1, wanted: 2 },
    ],
    population: true,
    run: PoolRun::Scores(&[Question::MEMBERSHIP], scores),
};

fn scores(attacked: &Attacked<'_>, question: Question, settings: &PoolSettings) -> Result<SampleScores> {
    let gamma = settings.gamma()?;
    let of_sample = |pool: &ModelPool<'_>, sample: usize| {
        let [with, without] =
            [question.positive, question.negative].map(|seen| log_mean_confidence(pool, sample, seen));
        log_sum(with, without) - 2.0_f64.ln()
    };
    let of_population = |pool: &ModelPool<'_>, sample: usize| log_mean_confidence(pool, sample, question.negative);
    let scores = shares(attacked, question, gamma, of_sample, of_population)?;
    let models = [question.positive, question.negative].map(|seen| attacked.pool.least(seen).1);
    Ok(SampleScores { scores, threshold: None, models, used: Used { gamma: Some(gamma), ..Used::default() } })
}

/// The share of the population with LR ≥ γ for every sample, given how log p is estimated for a sample and for one of
/// the population.
pub(super) fn shares(
    attacked: &Attacked<'_>,
    question: Question,
    gamma: f64,
    of_sample: impl Fn(&ModelPool<'_>, usize) -> f64,
    of_population: impl Fn(&ModelPool<'_>, usize) -> f64,
) -> Result<Vec<f64>> {
    let Some(population) = attacked.population else { return Err(Error::NoPopulation) };
    let (sample, found) = population.pool.least(question.negative);
    if found == 0 {
        return Err(Error::PopulationSeen { sample });
    }
    let ratios = |pool: &ModelPool<'_>, target: &[f64], of: &dyn Fn(&ModelPool<'_>, usize) -> f64| -> Vec<f64> {
        target.iter().enumerate().map(|(sample, &at)| log_confidence(at) - of(pool, sample)).collect()
    };
    let mut theirs = ratios(&population.pool, population.target, &of_population);
    theirs.sort_by(f64::total_cmp);
    let least = gamma.ln();
    let preferred = |ratio: f64| theirs.partition_point(|z| ratio - z >= least) as f64 / theirs.len() as f64;
    Ok(ratios(&attacked.pool, attacked.target, &of_sample).into_iter().map(preferred).collect())
}

/// log of the mean confidence of the models that had this of a sample, −∞ if there is none.
pub(super) fn log_mean_confidence(pool: &ModelPool<'_>, sample: usize, seen: Seen) -> f64 {
    let (sum, count) = pool
        .of(sample, seen)
        .fold((f64::NEG_INFINITY, 0_u32), |(sum, count), at| (log_sum(sum, log_confidence(at)), count + 1));
    if count == 0 { sum } else { sum - f64::from(count).ln() }
}

/// log of the confidence in the true class, the sigmoid of φ. It does not round to 0.
pub(super) fn log_confidence(phi: f64) -> f64 {
    if phi > 0.0 { -(-phi).exp().ln_1p() } else { phi - phi.exp().ln_1p() }
}

/// log (exp a + exp b).
pub(super) fn log_sum(a: f64, b: f64) -> f64 {
    let (high, low) = (a.max(b), a.min(b));
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
