//! RULI: unlearning efficacy and privacy from one pool, a third each of models with the sample, models that unlearned it,
//! and models without it.
//!
//! arXiv 2506.13009: per sample, the likelihood ratio of the attacked model's score. The question `unlearning` compares
//! models that unlearned the sample with models that never saw it (efficacy); `membership` compares models trained with it
//! with the same (privacy). Densities are Gaussian, as in LiRA, or kernel densities
//! ([`Density`]). A score above 0 says "unlearned", or "member". Report it on the most vulnerable
//! samples apart ([`most_vulnerable`]): an average hides them.
//!
//! Deviations: the kernel's bandwidth is Scott's, as SciPy's `gaussian_kde`: s n^(−1/5), with the sample's own s where it
//! has 16 models on each side, and otherwise that of all samples.

use super::lira::gaussian_ratio;
use crate::likelihood::{Normals, choose_variance, log_kernel_density};
use crate::pool::{
    Attacked, Density, ModelPool, PoolAttack, PoolNeed, PoolRun, PoolSettings, Question, SampleScores, Seen, Used,
};
use crate::{Error, Result};

/// The entry of the registry.
pub const ATTACK: PoolAttack = PoolAttack {
    name: "ruli",
    summary: "likelihood ratios among models trained with the sample, models that unlearned it, and models without it",
    source: "arXiv 2506.13009",
    needs: &[
        PoolNeed { seen: Seen::Unlearned, least: 2, wanted: PoolSettings::MODELS_FOR_A_VARIANCE },
        PoolNeed { seen: Seen::Trained, least: 2, wanted: PoolSettings::MODELS_FOR_A_VARIANCE },
        PoolNeed { seen: Seen::Never, least: 2, wanted: PoolSettings::MODELS_FOR_A_VARIANCE },
    ],
    population: false,
    run: PoolRun::Scores(&[Question::UNLEARNING, Question::MEMBERSHIP], scores),
};

fn scores(attacked: &Attacked<'_>, question: Question, settings: &PoolSettings) -> Result<SampleScores> {
    let mut found = match settings.density {
        Density::Gaussian => gaussian_ratio(attacked, question, settings)?,
        Density::Kernel => kernel_ratio(attacked, question, settings)?,
    };
    found.used.density = Some(settings.density);
    Ok(found)
}

fn kernel_ratio(attacked: &Attacked<'_>, question: Question, settings: &PoolSettings) -> Result<SampleScores> {
    let Attacked { pool, target, .. } = attacked;
    let sides = [question.positive, question.negative];
    let (variance, models) = choose_variance(pool, sides, settings);
    let mut scores = vec![0.0; target.len()];
    for (seen, sign) in sides.into_iter().zip([1.0, -1.0]) {
        let normals = Normals::fit(pool, seen, variance)?;
        for (sample, (score, &at)) in scores.iter_mut().zip(*target).enumerate() {
            let around: Vec<f64> = pool.of(sample, seen).collect();
            let bandwidth = normals.variance(sample) * (around.len() as f64).powf(-0.4);
            *score += sign * log_kernel_density(&around, bandwidth, at);
        }
    }
    let used = Used { variance: Some(variance), ..Used::default() };
    Ok(SampleScores { scores, threshold: Some(0.0), models, used })
}

/// The share of samples, 0..1, that a model remembers most: those whose mean scores with and without the sample in
/// training are farthest apart, in standard deviations. `true` for each of them; at least one.
///
/// # Errors
/// If a sample has fewer than two models on a side, scores do not vary, or the share is not above 0 and at most 1.
pub fn most_vulnerable(pool: &ModelPool<'_>, share: f64) -> Result<Vec<bool>> {
    if !(share > 0.0 && share <= 1.0) {
        return Err(Error::PoolSetting {
            name: "the share of most vulnerable samples",
            value: share,
            range: "in 0..1",
        });
    }
    let sides = [Seen::Trained, Seen::Never];
    for seen in sides {
        let (sample, found) = pool.least(seen);
        if found < 2 {
            return Err(Error::TooFewModels { sample, found, seen: seen.words(), needed: 2 });
        }
    }
    let (variance, _) = choose_variance(pool, sides, &PoolSettings::default());
    let [trained, never] = [Normals::fit(pool, sides[0], variance)?, Normals::fit(pool, sides[1], variance)?];
    let apart = |sample: usize| {
        let spread = f64::midpoint(trained.variance(sample), never.variance(sample)).sqrt();
        (trained.moments[sample].mean - never.moments[sample].mean) / spread
    };
    let apart: Vec<f64> = (0..pool.samples()).map(apart).collect();
    let mut order: Vec<usize> = (0..pool.samples()).collect();
    order.sort_by(|&a, &b| apart[b].total_cmp(&apart[a]));
    let mut chosen = vec![false; pool.samples()];
    let count = ((share * pool.samples() as f64).round() as usize).max(1);
    order.iter().take(count).for_each(|&sample| chosen[sample] = true);
    Ok(chosen)
}
