//! `magnitude`: |θ| (Han et al. 2015, arXiv 1506.02626, section 3).

use unlearn_network::ParameterId;

use super::{Criterion, Scores, Subject};
use crate::Result;

pub(super) const CRITERION: Criterion = Criterion {
    name: "magnitude",
    summary: "absolute value of the weight",
    source: "Han et al. 2015, arXiv 1506.02626, section 3",
    rounds: 1,
    score,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every criterion")]
fn score(subject: &mut Subject<'_>, covered: &[ParameterId]) -> Result<Vec<Scores>> {
    let parameters = subject.network.state().parameters();
    let values = |id: ParameterId| parameters[id].iter().map(|w| w.abs()).collect();
    Ok(covered.iter().map(|id| Scores { parameter: *id, values: values(*id) }).collect())
}
