//! Shared code of the kernels' tests: data, access by index, and the two properties that every kernel has.

use proptest::prelude::*;

use crate::{InstructionSet, LANES, Maps, on_instruction_set};

/// Batch sizes to test: one sample, a full bundle, and bundles with a tail.
pub(crate) fn batches() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1usize, 5, 16, 17, 37])
}

/// Pseudo-random values in −1..1.
pub(crate) fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Noise as activations, with zeros in the tail and NaN in the gaps, which nothing may read.
pub(crate) fn noisy_maps(maps: &Maps, seed: u32) -> Vec<f32> {
    let mut values = noise(maps.len(), seed);
    for (index, plane) in values.chunks_mut(maps.plane).enumerate() {
        let (used, gap) = plane.split_at_mut(maps.used());
        maps.zero_tail(maps.bundle_and_channel(index).0, used);
        gap.fill(f32::NAN);
    }
    values
}

/// Index of a value in a buffer.
pub(crate) fn at(maps: &Maps, channel: usize, pixel: usize, sample: usize) -> usize {
    maps.start(sample / LANES, channel) + pixel * LANES + sample % LANES
}

/// Every (channel, pixel, sample) of some maps.
pub(crate) fn places(maps: &Maps) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
    let Maps { channels, height, width, batch, .. } = *maps;
    (0..channels * height * width * batch)
        .map(move |i| (i / batch / (height * width), i / batch % (height * width), i % batch))
}

/// Compares `found` with `expected(channel, pixel, sample)`, relative to the largest value, and the tail with zero.
pub(crate) fn assert_maps(what: &str, maps: &Maps, found: &[f32], expected: impl Fn(usize, usize, usize) -> f64) {
    let scale = places(maps).map(|(c, p, n)| expected(c, p, n).abs()).fold(1.0, f64::max);
    assert_maps_within(what, maps, found, |c, p, n| (expected(c, p, n), 1e-5 * scale));
}

/// Compares `found` with a value and its tolerance at each (channel, pixel, sample), and the tail with zero.
pub(crate) fn assert_maps_within(
    what: &str,
    maps: &Maps,
    found: &[f32],
    expected: impl Fn(usize, usize, usize) -> (f64, f64),
) {
    for (c, p, n) in places(maps) {
        let (found, (expected, tolerance)) = (f64::from(found[at(maps, c, p, n)]), expected(c, p, n));
        assert!(
            (found - expected).abs() <= tolerance,
            "{what} {c} {p} {n}: {found}, expected {expected} ± {tolerance}"
        );
    }
    for (index, plane) in found.chunks(maps.plane).enumerate() {
        let samples = maps.samples(maps.bundle_and_channel(index).0);
        for lanes in plane[..maps.used()].chunks(LANES) {
            assert!(lanes[samples..].iter().all(|v| *v == 0.0), "{what}: the tail is not zero");
        }
    }
}

/// Compares sums with their exact values. The tolerance is relative to the magnitudes of a sum's terms, because the
/// terms may cancel in the result.
pub(crate) fn assert_sums(what: &str, found: &[f32], expected: &[f64], magnitudes: &[f64], tolerance: f64) {
    assert_eq!((found.len(), magnitudes.len()), (expected.len(), expected.len()), "{what}");
    for (i, (found, (expected, magnitude))) in found.iter().zip(expected.iter().zip(magnitudes)).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error <= tolerance * magnitude,
            "{what} {i}: {found}, expected {expected} ± {tolerance} of {magnitude}"
        );
    }
}

/// Runs a check on every instruction set of this machine.
pub(crate) fn on_every_instruction_set(check: impl Fn() + Sync) {
    for set in InstructionSet::detected() {
        eprintln!("on {set}:");
        on_instruction_set(set, &check).unwrap();
    }
}

/// Compares the bits of a result on one thread with those on three and sixteen.
pub(crate) fn same_bits_on_any_threads(run: impl Fn() -> Vec<f32> + Sync) {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run().iter().map(|v| v.to_bits()).collect::<Vec<_>>())
    };
    let one = on(1);
    for threads in [3, 16] {
        assert!(on(threads) == one, "{threads} threads differ from one");
    }
}
