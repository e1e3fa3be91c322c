//! `snip`: |θ ⊙ ∂ℓ/∂θ| on one class-balanced draw of 25 plain training images a class (Lee et al. 2019, arXiv 1810.02340,
//! equation 6, without its normalisation, which changes no ranking).
//!
//! The reference code of arXiv 2304.04934 drops the factor θ and ranks by |∂ℓ/∂θ|; this is the paper's criterion.

use unlearn_network::ParameterId;

use super::{Criterion, Scores, Subject};
use crate::Result;

pub(super) const CRITERION: Criterion = Criterion {
    name: "snip",
    summary: "|weight × gradient| on 25 images a class: how much the loss feels its removal",
    source: "Lee et al. 2019, arXiv 1810.02340, equation 6",
    rounds: 1,
    score,
};

/// Images a class.
pub(super) const PER_CLASS: usize = 25;

fn score(subject: &mut Subject<'_>, covered: &[ParameterId]) -> Result<Vec<Scores>> {
    let batches = subject.balanced_batches("snip", PER_CLASS)?;
    let gradient = subject.mean_gradient(&batches, 1.0)?;
    let parameters = subject.network.state().parameters();
    let values = |id: ParameterId| parameters[id].iter().zip(&gradient[id]).map(|(w, g)| (w * g).abs()).collect();
    Ok(covered.iter().map(|id| Scores { parameter: *id, values: values(*id) }).collect())
}
