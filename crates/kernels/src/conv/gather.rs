//! Forward pass and input gradient: both gather taps, one from the input, one from the output's gradient.
//!
//! For one pixel and one group of lanes, a block of channels is held in registers while all taps of all channels read go
//! by; each tap is one contiguous run of lanes. A border pixel just has fewer taps.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{ConvShape, PackedWeights, packed::BLOCK};
use crate::{LANE_GROUP, Maps, shared::Shared, simd};

/// Lanes that one task covers.
const TASK_LANES: usize = 64;

/// y = convolution of x. `packed` comes from [`PackedWeights::forward`].
pub fn forward(shape: &ConvShape, x: &[f32], input: &Maps, packed: &PackedWeights, y: &mut [f32], output: &Maps) {
    assert_lengths(x, input, y, output);
    let taps = |row: usize, column: usize| {
        let mut taps = Vec::with_capacity(shape.kernel * shape.kernel);
        for kh in 0..shape.kernel {
            let Some(h) = shape.input_position(row, kh, input.height) else { continue };
            for kw in 0..shape.kernel {
                let Some(w) = shape.input_position(column, kw, input.width) else { continue };
                taps.push(Tap::new(shape, (kh, kw), (h, w), input, packed));
            }
        }
        taps
    };
    gather(x, input, packed, y, output, false, &taps);
}

/// dx = gradient with respect to the input, written over `dx` or added to it. `packed` comes from
/// [`PackedWeights::transposed`].
pub fn input_gradient(
    shape: &ConvShape,
    dy: &[f32],
    output: &Maps,
    packed: &PackedWeights,
    dx: &mut [f32],
    input: &Maps,
    accumulate: bool,
) {
    assert_lengths(dy, output, dx, input);
    let taps = |row: usize, column: usize| {
        let mut taps = Vec::with_capacity(shape.kernel * shape.kernel);
        for kh in 0..shape.kernel {
            let Some(h) = shape.output_position(row, kh, output.height) else { continue };
            for kw in 0..shape.kernel {
                let Some(w) = shape.output_position(column, kw, output.width) else { continue };
                taps.push(Tap::new(shape, (kh, kw), (h, w), output, packed));
            }
        }
        taps
    };
    gather(dy, output, packed, dx, input, accumulate, &taps);
}

fn assert_lengths(read: &[f32], from: &Maps, written: &[f32], to: &Maps) {
    assert!(read.len() >= from.len() && written.len() >= to.len() && from.lanes == to.lanes, "maps do not fit");
}

/// One tap of one pixel: where its lanes and its weights begin.
#[derive(Clone, Copy)]
struct Tap {
    lanes: usize,
    weights: usize,
}

impl Tap {
    fn new(shape: &ConvShape, at: (usize, usize), from: (usize, usize), read: &Maps, packed: &PackedWeights) -> Self {
        Self {
            lanes: (from.0 * read.width + from.1) * read.lanes,
            weights: (at.0 * shape.kernel + at.1) * packed.tap_len,
        }
    }
}

fn gather(
    from: &[f32],
    read: &Maps,
    packed: &PackedWeights,
    to: &mut [f32],
    written: &Maps,
    accumulate: bool,
    taps: &(dyn Fn(usize, usize) -> Vec<Tap> + Sync),
) {
    let to = Shared::new(to);
    let parts = written.lanes.div_ceil(TASK_LANES);
    (0..written.height * parts).into_par_iter().for_each(|task| {
        let (row, part) = (task / parts, task % parts);
        let taps: Vec<Vec<Tap>> = (0..written.width).map(|column| taps(row, column)).collect();
        let first_lane = part * TASK_LANES;
        let lanes = TASK_LANES.min(written.lanes - first_lane);
        simd::dispatch(GatherRow { from, read, packed, to, written, accumulate, taps: &taps, row, first_lane, lanes });
    });
}

/// One row of pixels of one range of lanes.
struct GatherRow<'a> {
    from: &'a [f32],
    read: &'a Maps,
    packed: &'a PackedWeights,
    to: Shared<'a>,
    written: &'a Maps,
    accumulate: bool,
    taps: &'a [Vec<Tap>],
    row: usize,
    first_lane: usize,
    lanes: usize,
}

impl WithSimd for GatherRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F32_LANES == LANE_GROUP {
            self.run::<S, 4, 1>(simd);
        } else {
            self.run::<S, 2, 2>(simd);
        }
    }
}

impl GatherRow<'_> {
    /// `WIDE` registers of lanes at a time while that many are left, then `NARROW`.
    #[inline(always)]
    fn run<S: Simd, const WIDE: usize, const NARROW: usize>(&self, simd: S) {
        let end = self.first_lane + self.lanes;
        let mut lane = self.first_lane;
        while end - lane >= WIDE * S::F32_LANES {
            self.pixels::<S, WIDE>(simd, lane);
            lane += WIDE * S::F32_LANES;
        }
        while lane < end {
            self.pixels::<S, NARROW>(simd, lane);
            lane += NARROW * S::F32_LANES;
        }
    }

    #[inline(always)]
    fn pixels<S: Simd, const V: usize>(&self, simd: S, lane: usize) {
        for (column, taps) in self.taps.iter().enumerate() {
            let pixel = (self.row * self.written.width + column) * self.written.lanes + lane;
            for (block, (first, size)) in self.packed.blocks.iter().enumerate() {
                let place = first * self.written.plane + pixel;
                let weights = self.packed.block(block);
                match size {
                    1 => self.block::<S, 1, V>(simd, taps, weights, lane, place),
                    2 => self.block::<S, 2, V>(simd, taps, weights, lane, place),
                    3 => self.block::<S, 3, V>(simd, taps, weights, lane, place),
                    4 => self.block::<S, 4, V>(simd, taps, weights, lane, place),
                    5 => self.block::<S, 5, V>(simd, taps, weights, lane, place),
                    _ => self.block::<S, 6, V>(simd, taps, weights, lane, place),
                }
            }
        }
    }

    /// `C` channels × `V` registers of lanes of one pixel.
    #[inline(always)]
    fn block<S: Simd, const C: usize, const V: usize>(
        &self,
        simd: S,
        taps: &[Tap],
        weights: &[f32],
        lane: usize,
        place: usize,
    ) {
        // SAFETY: `assert_lengths` holds for both buffers; a tap's lanes lie inside a plane of `from`, and its weights
        // inside the block; this task alone writes the lanes of this row.
        unsafe {
            let mut sums = [[simd.splat_f32s(0.0); V]; C];
            if self.accumulate {
                for (channel, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        let at = place + channel * self.written.plane + v * S::F32_LANES;
                        *sum = simd::load(simd, self.to.at(at));
                    }
                }
            }
            for tap in taps {
                let mut weight = weights.as_ptr().add(tap.weights);
                let mut x = self.from.as_ptr().add(tap.lanes + lane);
                for _ in 0..self.read.channels {
                    let mut values = [simd.splat_f32s(0.0); V];
                    for (v, value) in values.iter_mut().enumerate() {
                        *value = simd::load(simd, x.add(v * S::F32_LANES));
                    }
                    for (channel, sums) in sums.iter_mut().enumerate() {
                        let w = simd.splat_f32s(*weight.add(channel));
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum = simd.mul_add_f32s(value, w, *sum);
                        }
                    }
                    weight = weight.add(BLOCK);
                    x = x.wrapping_add(self.read.plane);
                }
            }
            for (channel, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let at = place + channel * self.written.plane + v * S::F32_LANES;
                    simd::store(simd, self.to.at(at), *sum);
                }
            }
        }
    }
}
