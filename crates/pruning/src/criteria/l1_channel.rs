//! `l1-channel`: mean |θ| over the weight's input channel. All weights of the channel have the same score, so that
//! whole input channels are pruned (Li et al. 2017, arXiv 1608.08710, section 3.1). The number of pruned weights is
//! exact, so the channel at the threshold may be pruned in part.

use unlearn_network::ParameterId;

use super::{Criterion, Scores, Subject, slices::mean_magnitudes};
use crate::Result;

pub(super) const CRITERION: Criterion = Criterion {
    name: "l1-channel",
    summary: "mean absolute value over the weight's input channel (structured)",
    source: "Li et al. 2017, arXiv 1608.08710, section 3.1",
    rounds: 1,
    score,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every criterion")]
fn score(subject: &mut Subject<'_>, covered: &[ParameterId]) -> Result<Vec<Scores>> {
    Ok(mean_magnitudes(subject, covered, 1))
}
