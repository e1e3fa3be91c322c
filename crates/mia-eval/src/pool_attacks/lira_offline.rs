//! LiRA, offline: how far the attacked model's score is above those of models without the sample.
//!
//! Carlini et al. 2022 (arXiv 2112.03570), section V-B: `Λ = 1 − Pr[Z > φ]` with `Z ~ N(μ_out, σ²_out)`. It needs no model
//! trained with the sample, so one pool serves every sample that is asked about later.
//!
//! Deviation: the score is `(φ − μ_out) / σ_out`. Λ is its normal distribution function, which has the same order but
//! rounds to 1 above 8. The authors' code scores by the density instead, which takes samples far *below* their mean for
//! members. The threshold is left open.

use crate::Result;
use crate::likelihood::{Normals, choose_variance};
use crate::pool::{Attacked, PoolAttack, PoolNeed, PoolRun, PoolSettings, Question, SampleScores, Seen, Used};

/// The entry of the registry.
pub const ATTACK: PoolAttack = PoolAttack {
    name: "lira-offline",
    summary: "distance of the score above models trained without the sample, in their standard deviations",
    source: "Carlini et al. 2022, arXiv 2112.03570",
    needs: &[PoolNeed { seen: Seen::Never, least: 2, wanted: PoolSettings::MODELS_FOR_A_VARIANCE }],
    population: false,
    run: PoolRun::Scores(&[Question::MEMBERSHIP], scores),
};

fn scores(attacked: &Attacked<'_>, question: Question, settings: &PoolSettings) -> Result<SampleScores> {
    let Attacked { pool, target, .. } = attacked;
    let side = question.negative;
    let (variance, [_, negatives]) = choose_variance(pool, [side; 2], settings);
    let models = [pool.least(question.positive).1, negatives];
    let normals = Normals::fit(pool, side, variance)?;
    let above = |(sample, &at): (usize, &f64)| (at - normals.moments[sample].mean) / normals.variance(sample).sqrt();
    let scores = target.iter().enumerate().map(above).collect();
    let used = Used { variance: Some(variance), ..Used::default() };
    Ok(SampleScores { scores, threshold: None, models, used })
}
