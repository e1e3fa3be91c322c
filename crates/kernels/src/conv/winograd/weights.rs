//! Kernels transformed to their 36 places, in the order in which the matrix products read them, and the inverse
//! transform for their gradient.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::{
    super::{blocks::even_blocks, product::tile_channels, scratch::Scratch},
    PLACES,
    gather::across,
    transform::{kernel_gradient_line, kernel_line},
};
use crate::{
    ConvShape, LANES,
    shared::Shared,
    simd::{self, BundleKernel},
};

/// Which transformed kernels lie together in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All places of a block of written channels: `[block][place][channel read][channel written]`.
    Blocks,
    /// All blocks of a place: `[place][block][channel read][channel written]`.
    Places,
}

/// Transformed kernels.
pub(super) struct TransformedWeights {
    values: Scratch,
    layout: Layout,
    /// Written channels of each block.
    pub(super) blocks: Vec<Range<usize>>,
}

/// Layout of the transformed kernels.
#[derive(Debug, Clone, Copy)]
struct Layout {
    order: Order,
    read: usize,
    written: usize,
}

impl Layout {
    /// Offset of a block's first place, and distance from one place to the next.
    #[inline(always)]
    fn place(&self, block: &Range<usize>) -> (usize, usize) {
        let first = block.start * self.read;
        match self.order {
            Order::Blocks => (first * PLACES, block.len() * self.read),
            Order::Places => (first, self.written * self.read),
        }
    }
}

impl TransformedWeights {
    /// For the forward pass, from weights `[out, in, 3, 3]`.
    pub(super) fn forward(shape: &ConvShape, weights: &[f32], order: Order) -> Self {
        let kernels = Kernels { weights, written: shape.in_channels, read: 1, turned: false };
        Self::transform(shape.out_channels, shape.in_channels, &kernels, order)
    }

    /// For the input gradient, which is a convolution with the kernels rotated by 180°.
    pub(super) fn transposed(shape: &ConvShape, weights: &[f32], order: Order) -> Self {
        let kernels = Kernels { weights, written: 1, read: shape.in_channels, turned: true };
        Self::transform(shape.in_channels, shape.out_channels, &kernels, order)
    }

    fn transform(written: usize, read: usize, kernels: &Kernels<'_>, order: Order) -> Self {
        let (blocks, layout) = (even_blocks(written, tile_channels()), Layout { order, read, written });
        let mut values = Scratch::default();
        let to = Shared::new(values.resize(PLACES * written * read));
        blocks.par_iter().for_each_init(Scratch::default, |memory, block| {
            simd::dispatch_bundle(TransformBlock { kernels, block, layout, to, memory });
        });
        Self { values, layout, blocks }
    }

    /// The order of the kernels.
    pub(super) fn order(&self) -> Order {
        self.layout.order
    }

    /// The transformed kernels of a block at a place, `[channel read][channel written]`.
    #[inline(always)]
    pub(super) fn at(&self, block: &Range<usize>, place: usize) -> &[f32] {
        let (start, place_len) = self.layout.place(block);
        &self.values.values()[start + place * place_len..][..self.layout.read * block.len()]
    }
}

/// Kernels, and the distances between them, in units of one kernel.
struct Kernels<'a> {
    weights: &'a [f32],
    /// Distance from one written channel to the next.
    written: usize,
    /// Distance from one read channel to the next.
    read: usize,
    /// Whether kernels are rotated by 180°.
    turned: bool,
}

impl Kernels<'_> {
    #[inline(always)]
    fn at(&self, written: usize, read: usize) -> &[f32; 9] {
        let start = 9 * (written * self.written + read * self.read);
        self.weights[start..].first_chunk().expect("a kernel has nine weights")
    }
}

/// Transforms the kernels of one block of written channels, for as many read channels at a time as a bundle has
/// lanes.
struct TransformBlock<'a> {
    kernels: &'a Kernels<'a>,
    block: &'a Range<usize>,
    layout: Layout,
    to: Shared<'a>,
    memory: &'a mut Scratch,
}

impl BundleKernel for TransformBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { kernels, block, layout, to, memory } = self;
        let (start, place_len) = layout.place(block);
        let (count, read) = (block.len(), layout.read);
        // The buffer is `[place][channel written][channel read]`. Places are one vector further apart than needed.
        // Otherwise they would fall into the same few cache sets.
        let run = (count + 1) * LANES;
        let transformed = memory.resize(PLACES * run);
        for first in (0..read).step_by(LANES) {
            let lanes = (read - first).min(LANES);
            for (index, channel) in block.clone().enumerate() {
                let mut taps = [[0.0; LANES]; 9];
                for lane in 0..lanes {
                    let kernel = kernels.at(channel, first + lane);
                    for (tap, taps) in taps.iter_mut().enumerate() {
                        taps[lane] = kernel[if kernels.turned { 8 - tap } else { tap }];
                    }
                }
                let places = transformed[index * LANES..].chunks_mut(run);
                transform::<S, V>(simd, &taps, places);
            }
            for (place, transformed) in transformed.chunks_exact(run).enumerate() {
                // SAFETY: the kernels of a block at a place lie in the buffer, and no other task writes those of this
                // block.
                let to = unsafe { to.slice_mut(start + place * place_len + first * count, lanes * count) };
                for (lane, to) in to.chunks_exact_mut(count).enumerate() {
                    for (index, to) in to.iter_mut().enumerate() {
                        *to = transformed[index * LANES + lane];
                    }
                }
            }
        }
    }
}

/// G g Gᵀ of several kernels at once, `[tap][lane]`. Writes the lanes of each place.
#[inline(always)]
fn transform<'a, S: Simd, const V: usize>(
    simd: S,
    taps: &[[f32; LANES]; 9],
    places: impl Iterator<Item = &'a mut [f32]>,
) {
    let mut lines = [[[simd.splat_f32s(0.0); 6]; 6]; V];
    for (v, lines) in lines.iter_mut().enumerate() {
        let columns = [
            kernel_line(simd, column::<S>(taps, v, 0)),
            kernel_line(simd, column::<S>(taps, v, 1)),
            kernel_line(simd, column::<S>(taps, v, 2)),
        ];
        for (row, line) in lines.iter_mut().enumerate() {
            *line = kernel_line(simd, across(&columns, row));
        }
    }
    for (place, to) in places.enumerate().take(PLACES) {
        let (to, _) = S::as_mut_simd_f32s(&mut to[..LANES]);
        for v in 0..V {
            to[v] = lines[v][place / 6][place % 6];
        }
    }
}

/// Register `v` of one column of taps.
#[inline(always)]
fn column<S: Simd>(taps: &[[f32; LANES]; 9], v: usize, column: usize) -> [S::f32s; 3] {
    [
        S::as_simd_f32s(&taps[column]).0[v],
        S::as_simd_f32s(&taps[column + 3]).0[v],
        S::as_simd_f32s(&taps[column + 6]).0[v],
    ]
}

/// Gᵀ u G: the gradients of several kernels at once, `[tap][lane]`, from the gradients at their places. Each place is
/// a run of lanes, `place_len` values apart.
#[inline(always)]
pub(super) fn kernel_gradient<S: Simd, const V: usize>(
    simd: S,
    places: &[f32],
    place_len: usize,
    taps: &mut [[f32; LANES]; 9],
) {
    for v in 0..V {
        let mut rows = [[simd.splat_f32s(0.0); 3]; 6];
        for (row, line) in rows.iter_mut().enumerate() {
            let mut places_of_row = [simd.splat_f32s(0.0); 6];
            for (column, place) in places_of_row.iter_mut().enumerate() {
                let run = &places[(row * 6 + column) * place_len..][..LANES];
                *place = S::as_simd_f32s(run).0[v];
            }
            *line = kernel_gradient_line(simd, places_of_row);
        }
        for column in 0..3 {
            let line = kernel_gradient_line(simd, across(&rows, column));
            for (row, value) in line.iter().enumerate() {
                S::as_mut_simd_f32s(&mut taps[row * 3 + column]).0[v] = *value;
            }
        }
    }
}
