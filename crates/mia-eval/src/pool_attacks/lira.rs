//! LiRA, online: the likelihood of the attacked model's score under models with the sample, over that under models
//! without it.
//!
//! Carlini et al. 2022 (arXiv 2112.03570), algorithm 1: `log N(φ; μ_in, σ²_in) − log N(φ; μ_out, σ²_out)`, per sample. A
//! score above 0 says "member".
//!
//! Deviations: the variance of all samples together is the mean square distance to each sample's own mean; the authors'
//! code takes the distance to the grand mean, which also counts how samples differ. Their code puts the median in the
//! place of the mean; here it is the mean, as in the paper. Variances have n − 1 in the denominator.

use crate::Result;
use crate::likelihood::{Normals, choose_variance};
use crate::pool::{Attacked, PoolAttack, PoolNeed, PoolRun, PoolSettings, Question, SampleScores, Seen, Used};

/// The entry of the registry.
pub const ATTACK: PoolAttack = PoolAttack {
    name: "lira",
    summary: "ratio of Gaussian likelihoods under models trained with the sample and without it",
    source: "Carlini et al. 2022, arXiv 2112.03570",
    needs: &[
        PoolNeed { seen: Seen::Trained, least: 2, wanted: PoolSettings::MODELS_FOR_A_VARIANCE },
        PoolNeed { seen: Seen::Never, least: 2, wanted: PoolSettings::MODELS_FOR_A_VARIANCE },
    ],
    population: false,
    run: PoolRun::Scores(&[Question::MEMBERSHIP], gaussian_ratio),
};

/// log N(φ; positives) − log N(φ; negatives) of every sample.
pub(super) fn gaussian_ratio(
    attacked: &Attacked<'_>,
    question: Question,
    settings: &PoolSettings,
) -> Result<SampleScores> {
    let Attacked { pool, target, .. } = attacked;
    let sides = [question.positive, question.negative];
    let (variance, models) = choose_variance(pool, sides, settings);
    let positive = Normals::fit(pool, sides[0], variance)?;
    let negative = Normals::fit(pool, sides[1], variance)?;
    let ratio = |(sample, &at): (usize, &f64)| positive.log_density(sample, at) - negative.log_density(sample, at);
    let scores = target.iter().enumerate().map(ratio).collect();
    let used = Used { variance: Some(variance), ..Used::default() };
    Ok(SampleScores { scores, threshold: Some(0.0), models, used })
}
