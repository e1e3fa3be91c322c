//! `snip`: |θ ⊙ ∂ℓ/∂θ| on one class-balanced draw of 25 training images per class without augmentation (Lee et al.
//! 2019, arXiv 1810.02340, equation 6, without its normalisation, which changes no ranking).
//!
//! The reference code of arXiv 2304.04934 omits the factor θ and ranks by |∂ℓ/∂θ|. This is the criterion of the SNIP
//! paper.

use unlearn_network::ParameterId;

use super::{Criterion, Scores, Subject};
use crate::Result;

pub(super) const CRITERION: Criterion = Criterion {
    name: "snip",
    summary: "|weight × gradient| on 25 images per class: effect of its removal on the loss",
    source: "Lee et al. 2019, arXiv 1810.02340, equation 6",
    rounds: 1,
    score,
};

/// Number of images per class.
pub(super) const PER_CLASS: usize = 25;

fn score(subject: &mut Subject<'_>, covered: &[ParameterId]) -> Result<Vec<Scores>> {
    let batches = subject.balanced_batches("snip", PER_CLASS)?;
    let gradient = subject.mean_gradient(&batches, 1.0)?;
    let parameters = subject.network.state().parameters();
    let values = |id: ParameterId| parameters[id].iter().zip(&gradient[id]).map(|(w, g)| (w * g).abs()).collect();
    Ok(covered.iter().map(|id| Scores { parameter: *id, values: values(*id) }).collect())
}
