//! What the tests of every kernel share: data, a view by index, and the two promises that hold for all of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;

use crate::{Maps, force_scalar};

/// Batches worth trying: one sample, a group exactly, and groups with a tail.
pub(crate) fn batches() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1usize, 5, 16, 17, 37])
}

/// Values in −1..1 that look random.
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

/// Noise as activations: zero in the tail, NaN in the gaps that nothing may read.
pub(crate) fn noisy_maps(maps: &Maps, seed: u32) -> Vec<f32> {
    let mut values = noise(maps.len(), seed);
    for plane in values.chunks_mut(maps.plane) {
        for lanes in plane[..maps.used()].chunks_mut(maps.lanes) {
            lanes[maps.batch..].fill(0.0);
        }
        plane[maps.used()..].fill(f32::NAN);
    }
    values
}

/// Place of a value in a buffer.
pub(crate) fn at(maps: &Maps, channel: usize, pixel: usize, sample: usize) -> usize {
    channel * maps.plane + pixel * maps.lanes + sample
}

/// Every (channel, pixel, sample) of some maps.
pub(crate) fn places(maps: &Maps) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
    let Maps { channels, height, width, batch, .. } = *maps;
    (0..channels * height * width * batch)
        .map(move |i| (i / batch / (height * width), i / batch % (height * width), i % batch))
}

/// Holds `found` against `expected(channel, pixel, sample)`, relative to the largest value, and the tail against zero.
pub(crate) fn assert_maps(what: &str, maps: &Maps, found: &[f32], expected: impl Fn(usize, usize, usize) -> f64) {
    let scale = places(maps).map(|(c, p, n)| expected(c, p, n).abs()).fold(1.0, f64::max);
    for (c, p, n) in places(maps) {
        let (found, expected) = (f64::from(found[at(maps, c, p, n)]), expected(c, p, n));
        assert!((found - expected).abs() <= 1e-5 * scale, "{what} {c} {p} {n}: {found}, expected {expected}");
    }
    for plane in found.chunks(maps.plane) {
        for lanes in plane[..maps.used()].chunks(maps.lanes) {
            assert!(lanes[maps.batch..].iter().all(|v| *v == 0.0), "{what}: the tail is not zero");
        }
    }
}

/// Holds a vector against its expected values, relative to the largest.
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0f64, |max, v| max.max(v.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() <= 2e-5 * scale, "{what} {i}: {found}, expected {expected}");
    }
}

/// Runs a check on the instructions of this machine and on scalar code.
pub(crate) fn on_both_paths(check: impl Fn()) {
    let _alone = alone();
    check();
    force_scalar(true);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&check));
    force_scalar(false);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// Holds the bits of a result on one thread against those on three and sixteen.
pub(crate) fn same_bits_on_any_threads(run: impl Fn() -> Vec<f32> + Sync) {
    let _alone = alone();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run().iter().map(|v| v.to_bits()).collect::<Vec<_>>())
    };
    let one = on(1);
    for threads in [3, 16] {
        assert!(on(threads) == one, "{threads} threads differ from one");
    }
}

/// The choice of instructions is global, so tests that make it or depend on it run one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
