//! Weight gradient: for every weight, a dot product over pixels and lanes.
//!
//! A task owns some output channels and one kernel row, hence its weights alone: nothing is reduced over threads. Inside, a
//! few pixels at a time go through every pair of channel blocks, so that they stay in cache.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::ConvShape;
use crate::{Maps, shared::Shared, simd};

/// Output channels in registers at a time.
const OUT: usize = 4;
/// Values of one channel that go through all pairs of blocks together: 8 KiB for a block of output channels.
const RUN: usize = 512;

/// dw = gradient with respect to the weights `[out, in, kernel, kernel]`, written over `dw`.
pub fn weight_gradient(shape: &ConvShape, x: &[f32], input: &Maps, dy: &[f32], output: &Maps, dw: &mut [f32]) {
    assert!(x.len() >= input.len() && dy.len() >= output.len() && input.lanes == output.lanes, "maps do not fit");
    assert_eq!(dw.len(), shape.weights(), "weights do not fit");
    dw.fill(0.0);
    let dw = Shared::new(dw);
    let blocks = shape.out_channels.div_ceil(OUT);
    (0..blocks * shape.kernel).into_par_iter().for_each(|task| {
        let (block, kernel_row) = (task / shape.kernel, task % shape.kernel);
        simd::dispatch(Rows { shape, x, input, dy, output, dw, first: block * OUT, kernel_row });
    });
}

/// The weights of up to [`OUT`] output channels in one kernel row.
struct Rows<'a> {
    shape: &'a ConvShape,
    x: &'a [f32],
    input: &'a Maps,
    dy: &'a [f32],
    output: &'a Maps,
    dw: Shared<'a>,
    first: usize,
    kernel_row: usize,
}

/// Pixels of one output row that a tap reads inside the image.
#[derive(Clone, Copy)]
struct Strip {
    /// Where the first pixel's lanes begin in a plane of `dy`.
    dy: usize,
    /// Where its tap's lanes begin in a plane of `x`.
    x: usize,
    /// Number of pixels.
    pixels: usize,
    /// Kernel column.
    kernel_column: usize,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.shape.out_channels - self.first {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            3 => self.run::<S, 3>(simd),
            _ => self.run::<S, OUT>(simd),
        }
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn run<S: Simd, const C: usize>(&self, simd: S) {
        let chunk = (RUN / self.output.lanes).clamp(1, self.output.width);
        for row in 0..self.output.height {
            let Some(h) = self.shape.input_position(row, self.kernel_row, self.input.height) else { continue };
            for first in (0..self.output.width).step_by(chunk) {
                let end = (first + chunk).min(self.output.width);
                for kernel_column in 0..self.shape.kernel {
                    if let Some(strip) = self.strip(row, h, first, end, kernel_column) {
                        self.strip_gradient::<S, C>(simd, strip);
                    }
                }
            }
        }
    }

    fn strip(&self, row: usize, h: usize, first: usize, end: usize, kernel_column: usize) -> Option<Strip> {
        let inside = |column: &usize| self.shape.input_position(*column, kernel_column, self.input.width).is_some();
        let start = (first..end).find(inside)?;
        let pixels = (start..end).take_while(inside).count();
        let w = self.shape.input_position(start, kernel_column, self.input.width)?;
        Some(Strip {
            dy: (row * self.output.width + start) * self.output.lanes,
            x: (h * self.input.width + w) * self.input.lanes,
            pixels,
            kernel_column,
        })
    }

    #[inline(always)]
    fn strip_gradient<S: Simd, const C: usize>(&self, simd: S, strip: Strip) {
        let channels = self.shape.in_channels;
        let mut channel = 0;
        while channel + 2 <= channels {
            self.block::<S, C, 2>(simd, strip, channel);
            channel += 2;
        }
        if channel < channels {
            self.block::<S, C, 1>(simd, strip, channel);
        }
    }

    /// `C` output channels × `I` input channels, added to their weights.
    #[inline(always)]
    fn block<S: Simd, const C: usize, const I: usize>(&self, simd: S, strip: Strip, channel: usize) {
        let lanes = self.output.lanes;
        // SAFETY: the strip's pixels lie inside the planes of both buffers; this task alone writes these weights.
        unsafe {
            let mut sums = [[simd.splat_f32s(0.0); I]; C];
            let dy = self.dy.as_ptr().add(self.first * self.output.plane + strip.dy);
            let x = self.x.as_ptr().add(channel * self.input.plane + strip.x);
            for pixel in 0..strip.pixels {
                let dy = dy.add(pixel * lanes);
                let x = x.add(pixel * self.shape.stride * lanes);
                let mut lane = 0;
                while lane < lanes {
                    let mut values = [simd.splat_f32s(0.0); I];
                    for (i, value) in values.iter_mut().enumerate() {
                        *value = simd::load(simd, x.add(i * self.input.plane + lane));
                    }
                    for (c, sums) in sums.iter_mut().enumerate() {
                        let gradient = simd::load(simd, dy.add(c * self.output.plane + lane));
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum = simd.mul_add_f32s(gradient, value, *sum);
                        }
                    }
                    lane += S::F32_LANES;
                }
            }
            let kernel = self.shape.kernel;
            for (c, sums) in sums.iter().enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    let pair = (self.first + c) * self.shape.in_channels + channel + i;
                    let weight = self.dw.at((pair * kernel + self.kernel_row) * kernel + strip.kernel_column);
                    *weight += simd.reduce_sum_f32s(*sum);
                }
            }
        }
    }
}
