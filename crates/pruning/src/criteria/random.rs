//! `random`: independent uniform numbers, a baseline for the other criteria (for example Frankle et al. 2021, arXiv
//! 2009.08576). A weight's number depends only on the seed and the weight's position, so masks of several sparsities
//! nest.

use rand::RngExt;
use unlearn_network::ParameterId;
use unlearn_random::stream;

use super::{Criterion, Scores, Subject};
use crate::Result;

pub(super) const CRITERION: Criterion = Criterion {
    name: "random",
    summary: "a random number from the seed",
    source: "baseline, as in Frankle et al. 2021, arXiv 2009.08576",
    rounds: 1,
    score,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every criterion")]
fn score(subject: &mut Subject<'_>, covered: &[ParameterId]) -> Result<Vec<Scores>> {
    let parameters = subject.network.state().parameters();
    let scores = |id: ParameterId| {
        let mut rng = stream("random pruning", &[subject.seed, id as u64]);
        Scores { parameter: id, values: parameters[id].iter().map(|_| rng.random()).collect() }
    };
    Ok(covered.iter().map(|id| scores(*id)).collect())
}
