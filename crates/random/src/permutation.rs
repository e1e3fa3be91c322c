//! Bounded draws, shuffles and draws without replacement, the same in every release.
//!
//! These are the algorithms of NumPy's legacy `RandomState` (`random_interval`, `shuffle`, `choice` without
//! replacement), over any generator. With [`Mt19937`](crate::Mt19937) they give exactly NumPy's numbers. They are
//! written here and not taken from `rand`, because a release of `rand` may change its algorithms.

use rand::Rng;

/// A uniform draw from `0..=max`, by masking and rejecting.
///
/// NumPy masks 64-bit words if `max` exceeds 32 bits. Positions here are `u32`, so that branch is not needed.
pub fn interval<R: Rng + ?Sized>(rng: &mut R, max: u32) -> u32 {
    if max == 0 {
        return 0; // NumPy uses no word here, which the following draws depend on.
    }
    let mask = u32::MAX >> max.leading_zeros();
    loop {
        let value = rng.next_u32() & mask;
        if value <= max {
            return value;
        }
    }
}

/// Fisher–Yates, from the last element down.
pub fn shuffle<R: Rng + ?Sized>(rng: &mut R, values: &mut [u32]) {
    for i in (1..values.len()).rev() {
        values.swap(i, interval(rng, i as u32) as usize);
    }
}

/// `count` distinct elements of `values`, in the order drawn: the first `count` of a permutation, as NumPy does it.
///
/// Returns all of `values` if `count` exceeds their number.
pub fn choice<R: Rng + ?Sized>(rng: &mut R, values: &[u32], count: usize) -> Vec<u32> {
    let mut permuted = values.to_vec();
    shuffle(rng, &mut permuted);
    permuted.truncate(count);
    permuted
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    use super::*;

    #[test]
    fn interval_reaches_both_ends_evenly() {
        let mut rng = Pcg64::seed_from_u64(1);
        let mut seen = [0_u32; 6];
        for _ in 0..60_000 {
            seen[interval(&mut rng, 5) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (9_600..10_400).contains(&count)), "{seen:?}");
        assert_eq!(interval(&mut rng, 0), 0);
    }

    #[test]
    fn choice_repeats_nothing() {
        let values: Vec<u32> = (100..150).collect();
        let drawn = choice(&mut Pcg64::seed_from_u64(2), &values, 20);
        assert_eq!(drawn.len(), 20);
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 20);
        assert!(drawn.iter().all(|value| values.contains(value)));
    }
}
