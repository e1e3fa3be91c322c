//! mixup (Zhang and others 2018, arXiv 1710.09412): overlays each sample of a batch with another, and gives it the
//! labels of both.
//!
//! As in the authors' code, a batch has one share λ ~ Beta(α, α), and the partners are a permutation of the batch. λ
//! and 1 − λ have the same distribution, so the larger one is taken. Then a sample's own label, which counts for
//! accuracy, weighs at least a half.

use rand::Rng;
use statrs::distribution::{Beta, ContinuousCDF as _};
use unlearn_random::{shuffle, stream};

use crate::batches::Batch;

/// The partners of a batch's samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixed {
    /// Each sample's second label.
    pub labels: Vec<u32>,
    /// Share λ of a sample's own picture and label, in 0.5..=1.
    pub share: f64,
}

/// Maximum α. Above it, λ is a half in practice, and drawing it takes ever longer.
pub const MOST_MIXUP: f64 = 1000.0;

/// The distribution of λ. `None` if α is not positive, or above [`MOST_MIXUP`].
pub(crate) fn distribution(alpha: f64) -> Option<Beta> {
    Beta::new(alpha, alpha).ok().filter(|_| alpha <= MOST_MIXUP)
}

/// Overlays the samples of batch `number` of `epoch`, images of `image_len` values, with one another.
pub(crate) fn mix(key @ [_, _, _]: [u64; 3], distribution: &Beta, image_len: usize, batch: &mut Batch) {
    let mut rng = stream("mixup", &key);
    // 53 bits, in the middle between two steps: neither 0 nor 1.
    let even = ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let drawn = distribution.inverse_cdf(even);
    let share = drawn.max(1.0 - drawn);
    let mut partners: Vec<u32> = (0..batch.len() as u32).collect();
    shuffle(&mut rng, &mut partners);
    let whole = batch.images.clone();
    let (own, other) = (share as f32, (1.0 - share) as f32);
    for (image, &partner) in batch.images.chunks_exact_mut(image_len).zip(&partners) {
        let partner = &whole[partner as usize * image_len..][..image_len];
        image.iter_mut().zip(partner).for_each(|(value, partner)| *value = own * *value + other * partner);
    }
    let labels = partners.iter().map(|&partner| batch.labels[partner as usize]).collect();
    batch.mixed = Some(Mixed { labels, share });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of two values, a sample's number and its negative. The number is also the label.
    fn batch(count: u32) -> Batch {
        let images = (0..count).flat_map(|i| [i as f32, -(i as f32)]).collect();
        let labels: Vec<u32> = (0..count).collect();
        Batch { images, indices: labels.clone(), labels, mixed: None }
    }

    fn mixed(number: u64, alpha: f64, count: u32) -> (Batch, Mixed) {
        let mut batch = batch(count);
        mix([1, 2, number], &distribution(alpha).unwrap(), 2, &mut batch);
        let mixed = batch.mixed.clone().unwrap();
        (batch, mixed)
    }

    #[test]
    fn pictures_and_labels_are_those_of_the_same_two() {
        for number in 0..50 {
            let (batch, Mixed { labels, share }) = mixed(number, 0.4, 9);
            assert_eq!(batch.labels, (0..9).collect::<Vec<_>>());
            let mut partners = labels.clone();
            partners.sort_unstable();
            assert_eq!(partners, batch.labels, "a permutation");
            for (sample, image) in batch.images.chunks(2).enumerate() {
                let expected = share * sample as f64 + (1.0 - share) * f64::from(labels[sample]);
                assert!((f64::from(image[0]) - expected).abs() < 1e-5 && image[1] == -image[0], "{image:?}");
            }
        }
    }

    #[test]
    fn shares_are_distributed_as_beta() {
        // Beta(α, α) has the variance 1/(4(2α + 1)). Folding at a half keeps the squared distance from it.
        for alpha in [0.2, 1.0, 3.0] {
            let shares: Vec<f64> = (0..20_000).map(|number| mixed(number, alpha, 2).1.share).collect();
            assert!(shares.iter().all(|share| (0.5..=1.0).contains(share)));
            let square = shares.iter().map(|share| (share - 0.5).powi(2)).sum::<f64>() / 20_000.0;
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((square - expected).abs() < 0.02 * expected, "α = {alpha}: {square}, {expected}");
        }
    }

    #[test]
    fn a_batch_is_mixed_by_its_seed_epoch_and_number() {
        assert_eq!(mixed(3, 1.0, 8), mixed(3, 1.0, 8));
        assert_ne!(mixed(3, 1.0, 8), mixed(4, 1.0, 8));
    }

    #[test]
    fn no_distribution_has_a_parameter_that_is_not_positive() {
        for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(distribution(alpha).is_none(), "{alpha}");
        }
    }
}
