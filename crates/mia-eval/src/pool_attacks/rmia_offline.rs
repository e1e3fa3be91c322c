//! RMIA, offline: RMIA without models trained with the sample.
//!
//! Zarifzadeh et al. 2024 (arXiv 2312.03262), section 2: `p(x) = ½ ((1 + a) p_out(x) + (1 − a))`, where `p_out` is the mean
//! confidence of models that never saw x. The same is done for samples of the population. The coefficient a says how
//! confident models are in samples that they were trained with: `p_in = a p_out + (1 − a)`.
//!
//! a is given, or calibrated: of 0, 0.1, … 1, the one with which attacks on up to eight models of the pool, whose members
//! are known, have the greatest mean AUC; the smallest of equals. The attacked model takes no part in it.

use unlearn_metrics::auc;

use super::rmia::{log_mean_confidence, log_sum, shares};
use crate::pool::{
    Attacked, ModelPool, OfflineA, PoolAttack, PoolNeed, PoolRun, PoolSettings, Population, Question, SampleScores,
    Seen, Used,
};
use crate::{Error, Result};

/// The most models that a is calibrated on.
const MODELS: usize = 8;

/// The entry of the registry.
pub const ATTACK: PoolAttack = PoolAttack {
    name: "rmia-offline",
    summary: "RMIA with models trained without the sample alone; the others' confidence is estimated",
    source: "Zarifzadeh et al. 2024, arXiv 2312.03262",
    needs: &[PoolNeed { seen: Seen::Never, least: 1, wanted: 2 }],
    population: true,
    run: PoolRun::Scores(&[Question::MEMBERSHIP], scores),
};

fn scores(attacked: &Attacked<'_>, question: Question, settings: &PoolSettings) -> Result<SampleScores> {
    let gamma = settings.gamma()?;
    let a = match settings.offline_a {
        OfflineA::Given(a) if (0.0..=1.0).contains(&a) => a,
        OfflineA::Given(value) => return Err(Error::PoolSetting { name: "offline a", value, range: "in 0..1" }),
        OfflineA::Calibrated => calibrate(attacked, question, gamma)?,
    };
    let scores = with(attacked, question, gamma, a)?;
    let models = [question.positive, question.negative].map(|seen| attacked.pool.least(seen).1);
    let used = Used { gamma: Some(gamma), offline_a: Some(a), ..Used::default() };
    Ok(SampleScores { scores, threshold: None, models, used })
}

/// The scores with this a.
fn with(attacked: &Attacked<'_>, question: Question, gamma: f64, a: f64) -> Result<Vec<f64>> {
    let estimate = |pool: &ModelPool<'_>, sample: usize| {
        let without = log_mean_confidence(pool, sample, question.negative);
        log_sum(f64::midpoint(1.0, a).ln() + without, ((1.0 - a) / 2.0).ln())
    };
    shares(attacked, question, gamma, estimate, estimate)
}

/// The a with the greatest mean AUC over attacks on models of the pool.
fn calibrate(attacked: &Attacked<'_>, question: Question, gamma: f64) -> Result<f64> {
    let mut best = (f64::NEG_INFINITY, None);
    for tenths in 0..=10_u32 {
        let a = f64::from(tenths) / 10.0;
        let (mut sum, mut models) = (0.0, 0_u32);
        for model in attacked.pool.inside() {
            if models as usize == MODELS {
                break;
            }
            let Some(area) = area(attacked, model, question, gamma, a)? else { continue };
            sum += area;
            models += 1;
        }
        if models > 0 && sum / f64::from(models) > best.0 {
            best = (sum / f64::from(models), Some(a));
        }
    }
    best.1.ok_or(Error::NothingToCalibrate)
}

/// The AUC of an attack on a model of the pool, over samples that other models never saw. `None` if those samples are not
/// of both kinds, or if nothing can be compared.
fn area(attacked: &Attacked<'_>, model: usize, question: Question, gamma: f64, a: f64) -> Result<Option<f64>> {
    let never = |pool: &ModelPool<'_>, sample: usize| pool.of(sample, question.negative).count();
    let inner = attacked.in_place(model)?;
    let enough = |population: Population<'_>| population.pool.least(question.negative).1 > 0;
    if !inner.population.is_some_and(enough) {
        return Ok(None);
    }
    let scores = with(&inner, question, gamma, a)?;
    let admitted: Vec<bool> = (0..scores.len()).map(|sample| never(&inner.pool, sample) > 0).collect();
    let truth = attacked.pool.seen_by(model);
    let of = |seen: Seen| -> Vec<f64> {
        (0..scores.len()).filter(|&i| truth[i] == seen && admitted[i]).map(|i| scores[i]).collect()
    };
    let (positives, negatives) = (of(question.positive), of(question.negative));
    if positives.is_empty() || negatives.is_empty() {
        return Ok(None);
    }
    Ok(Some(auc(&positives, &negatives)?))
}
