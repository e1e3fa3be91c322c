//! U-LiRA: was the sample unlearned, or was it never seen?
//!
//! Hayes et al. 2024 (arXiv 2403.01218): LiRA with other groups. One group of models was trained *with* the sample and
//! then unlearned it by the method under test; the other never saw it. If forgetting worked, nothing tells the groups
//! apart. A score above 0 says "unlearned".
//!
//! Deviations: as LiRA's. The paper fits per sample and always has enough models; with fewer than 16 on a side, all
//! samples share a variance.

use super::lira::gaussian_ratio;
use crate::pool::{PoolAttack, PoolNeed, PoolRun, PoolSettings, Question, Seen};

/// The entry of the registry.
pub const ATTACK: PoolAttack = PoolAttack {
    name: "u-lira",
    summary: "ratio of Gaussian likelihoods under models that unlearned the sample and models that never saw it",
    source: "Hayes et al. 2024, arXiv 2403.01218",
    needs: &[
        PoolNeed { seen: Seen::Unlearned, least: 2, wanted: PoolSettings::MODELS_FOR_A_VARIANCE },
        PoolNeed { seen: Seen::Never, least: 2, wanted: PoolSettings::MODELS_FOR_A_VARIANCE },
    ],
    population: false,
    run: PoolRun::Scores(&[Question::UNLEARNING], gaussian_ratio),
};
