//! `magnitude`: |θ| (Han et al. 2015, arXiv 1506.02626, section 3).

use unlearn_network::{Network, ParameterId};

use super::{Criterion, Scores};
use crate::Result;

pub(super) const CRITERION: Criterion = Criterion {
    name: "magnitude",
    summary: "absolute value of the weight",
    source: "Han et al. 2015, arXiv 1506.02626, section 3",
    score,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every criterion")]
fn score(network: &mut Network, parameters: &[ParameterId]) -> Result<Vec<Scores>> {
    let values = |id: ParameterId| network.state().parameters()[id].iter().map(|w| w.abs()).collect();
    Ok(parameters.iter().map(|id| Scores { parameter: *id, values: values(*id) }).collect())
}
