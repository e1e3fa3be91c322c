//! `taylor`: (θ · ∂ℓ/∂θ)², averaged over batches of 250 training images without augmentation, with 100 images per
//! class in total (Molchanov et al. 2019, arXiv 1906.10771, equation 8, for single weights).

use unlearn_network::ParameterId;

use super::{Criterion, Scores, Subject};
use crate::Result;

pub(super) const CRITERION: Criterion = Criterion {
    name: "taylor",
    summary: "(weight × gradient)², averaged over batches, 100 images per class",
    source: "Molchanov et al. 2019, arXiv 1906.10771, equation 8",
    rounds: 1,
    score,
};

/// Number of images per class.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{criterion, prunable, tests};

    #[test]
    fn on_one_batch_it_is_snip_squared() {
        let (mut network, images) = (tests::network(), tests::images());
        let (covered, train) = (prunable(network.graph(), false), (0..24).collect::<Vec<_>>());
        let mut subject = Subject { network: &mut network, images: &images, train: &train, seed: 1 };
        let snip = (criterion("snip").unwrap().score)(&mut subject, &covered).unwrap();
        let taylor = score(&mut subject, &covered).unwrap();
        let values = |scores: &[Scores]| scores.iter().flat_map(|s| s.values.clone()).collect::<Vec<_>>();
        let (snip, taylor) = (values(&snip), values(&taylor));
        let largest = taylor.iter().copied().fold(0.0, f32::max);
        assert!(largest > 0.0);
        for (snip, taylor) in snip.iter().zip(&taylor) {
            assert!((snip * snip - taylor).abs() < 1e-5 * largest, "{snip}² {taylor}");
        }
    }
}
