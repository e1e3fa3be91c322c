//! Named streams of randomness: one generator for one purpose and one key.
//!
//! A stream depends only on its purpose and its key. So the random numbers for a sample of an epoch are the same
//! whichever thread draws them, in whatever order, and after a resume.

use rand::SeedableRng;
use rand_pcg::Pcg64;

/// The generator of `purpose` at `key`, such as `("augmentation", &[seed, epoch, sample])`.
///
/// Streams of different purposes or keys are independent: the PCG state is a BLAKE3 hash of both.
pub fn stream(purpose: &str, key: &[u64]) -> Pcg64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(purpose.len() as u64).to_le_bytes());
    hasher.update(purpose.as_bytes());
    for part in key {
        hasher.update(&part.to_le_bytes());
    }
    Pcg64::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn purpose_and_every_part_of_the_key_matter() {
        let draw = |purpose, key: &[u64]| stream(purpose, key).next_u64();
        let reference = draw("order", &[1, 2]);
        assert_eq!(reference, draw("order", &[1, 2]));
        for other in [draw("other", &[1, 2]), draw("order", &[2, 1]), draw("order", &[1]), draw("order", &[1, 2, 0])] {
            assert_ne!(reference, other);
        }
    }

    #[test]
    fn streams_do_not_change_between_releases() {
        assert_eq!(stream("order", &[1, 2]).next_u64(), 7_299_677_441_647_945_969);
    }
}
