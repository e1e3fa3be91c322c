//! `taylor`: (θ · ∂ℓ/∂θ)², averaged over batches of 250 plain training images, 100 a class in all (Molchanov et al. 2019,
//! arXiv 1906.10771, equation 8, for single weights).

use unlearn_network::ParameterId;

use super::{Criterion, Scores, Subject};
use crate::Result;

pub(super) const CRITERION: Criterion = Criterion {
    name: "taylor",
    summary: "(weight × gradient)², averaged over batches, 100 images a class",
    source: "Molchanov et al. 2019, arXiv 1906.10771, equation 8",
    rounds: 1,
    score,
};

/// Images a class.
const PER_CLASS: usize = 100;

fn score(subject: &mut Subject<'_>, covered: &[ParameterId]) -> Result<Vec<Scores>> {
    let batches = subject.balanced_batches("taylor", PER_CLASS)?;
    let zeros = |id: ParameterId| vec![0.0; subject.network.state().parameters()[id].len()];
    let mut scores: Vec<_> = covered.iter().map(|id| Scores { parameter: *id, values: zeros(*id) }).collect();
    subject.for_each_gradient(&batches, 1.0, |share, parameters, gradients| {
        for Scores { parameter, values } in &mut scores {
            let products = parameters[*parameter].iter().zip(&gradients[*parameter]).map(|(w, g)| w * g);
            values.iter_mut().zip(products).for_each(|(score, product)| *score += share * product * product);
        }
    })?;
    Ok(scores)
}
