//! The weight gradient: dot products over output pixels and samples, a block of channel pairs at a time.
//!
//! Work is cut into tiles of a few output rows of one bundle. A tile is copied into panels, `[pixel][channel][lane]`
//! for three or four channels, so that what one register block reads for all its kernel positions lies densely in the
//! first-level cache. Tiles form a number of groups that depends on shapes alone; each group sums its tiles in order
//! and the groups are summed in order, which makes the result independent of the number of threads.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::{super::blocks::even_blocks, panel::Panel, taps::meeting};
use crate::{
    ConvShape, LANES, Maps,
    simd::{self, BundleKernel},
};

/// Pixels of a tile, at most, unless one row has more.
const TILE_PIXELS: usize = 64;
/// Input channels that one job covers.
const JOB_CHANNELS: usize = 16;
/// Jobs to aim for: enough to balance a handful of cores.
const JOBS: usize = 16;

/// Some rows of the output in one bundle.
#[derive(Debug, Clone)]
struct Tile {
    bundle: usize,
    rows: Range<usize>,
}

/// dw = gradient with respect to the weights `[out, in, kernel, kernel]`, written over `dw`.
pub(crate) fn weight_gradient(shape: &ConvShape, x: &[f32], input: &Maps, dy: &[f32], output: &Maps, dw: &mut [f32]) {
    let tile_rows = (TILE_PIXELS / (output.width * shape.stride)).clamp(1, output.height);
    let tiles: Vec<Tile> = (0..output.bundles())
        .flat_map(|bundle| {
            (0..output.height).step_by(tile_rows).map(move |start| {
                let rows = start..(start + tile_rows).min(output.height);
                Tile { bundle, rows }
            })
        })
        .collect();
    let channel_jobs = even_blocks(shape.in_channels, JOB_CHANNELS);
    let groups = even_blocks(tiles.len(), tiles.len().div_ceil(JOBS.div_ceil(channel_jobs.len())));
    let jobs: Vec<(Range<usize>, &[Tile])> = groups
        .iter()
        .flat_map(|group| channel_jobs.iter().map(|channels| (channels.clone(), &tiles[group.clone()])))
        .collect();
    let partial: Vec<Vec<f32>> = jobs
        .into_par_iter()
        .map(|(channels, tiles)| simd::dispatch_bundle(Job { shape, channels, tiles, x, input, dy, output }))
        .collect();
    dw.fill(0.0);
    let taps = shape.kernel * shape.kernel;
    for (partial, channels) in partial.iter().zip(channel_jobs.iter().cycle()) {
        for (out, row) in partial.chunks_exact(channels.len() * taps).enumerate() {
            let start = (out * shape.in_channels + channels.start) * taps;
            for (sum, value) in dw[start..].iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

/// The gradient for some input channels from some tiles, as `[out_channels, channels, kernel, kernel]`.
struct Job<'a> {
    shape: &'a ConvShape,
    channels: Range<usize>,
    tiles: &'a [Tile],
    x: &'a [f32],
    input: &'a Maps,
    dy: &'a [f32],
    output: &'a Maps,
}

/// Input channels of a register block.
const IN_BLOCK: usize = 4;

impl BundleKernel for Job<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> Vec<f32> {
        // As many output channels as the registers hold sums of, beside `IN_BLOCK` input channels.
        let out_block = match V {
            1 | 4 => 6,
            2 => 3,
            _ => 1,
        };
        let Self { shape, channels, tiles, x, input, dy, output } = self;
        let kernel = shape.kernel;
        let in_blocks = even_blocks(channels.len(), IN_BLOCK);
        let shift = |block: &Range<usize>| channels.start + block.start..channels.start + block.end;
        let in_channels: Vec<_> = in_blocks.iter().map(shift).collect();
        let out_blocks = even_blocks(shape.out_channels, out_block);
        // One slot of vectors per register block and kernel position.
        let slot_len = IN_BLOCK * out_block;
        let columns: Vec<_> = (0..kernel).map(|k| meeting(shape, input.width, output.width, k)).collect();
        let mut sums = vec![simd.splat_f32s(0.0); in_blocks.len() * out_blocks.len() * kernel * kernel * slot_len];
        let (mut in_panels, mut out_panels) = (Panel::default(), Panel::default());
        for tile in tiles {
            let in_rows = input_rows(shape, input, &tile.rows);
            let in_pixels = in_rows.len() * input.width * LANES;
            let out_pixels = tile.rows.len() * output.width * LANES;
            in_panels.fill(x, input, &in_channels, &in_rows, tile.bundle);
            out_panels.fill(dy, output, &out_blocks, &tile.rows, tile.bundle);
            let rows: Vec<_> = (0..kernel)
                .map(|k| {
                    let rows = meeting(shape, input.height, output.height, k);
                    rows.start.max(tile.rows.start)..rows.end.min(tile.rows.end)
                })
                .collect();
            let mut slots = sums.chunks_exact_mut(slot_len);
            for in_block in &in_blocks {
                let in_panel = &in_panels.values()[in_block.start * in_pixels..in_block.end * in_pixels];
                for out_block in &out_blocks {
                    let out_panel = &out_panels.values()[out_block.start * out_pixels..out_block.end * out_pixels];
                    let size = (out_block.len(), in_block.len());
                    let panels = Panels {
                        shape,
                        input,
                        output,
                        first_rows: (in_rows.start, tile.rows.start),
                        in_panel,
                        out_panel,
                    };
                    for (kernel_row, rows) in rows.iter().enumerate() {
                        for (kernel_column, columns) in columns.iter().enumerate() {
                            let slot = slots.next().expect("one slot per register block and kernel position");
                            let position = Position { kernel_row, kernel_column, rows, columns };
                            panels.add::<S, V>(simd, size, &position, slot);
                        }
                    }
                }
            }
        }
        let mut gradient = vec![0.0; shape.out_channels * channels.len() * kernel * kernel];
        let mut slots = sums.chunks_exact(slot_len);
        for in_block in &in_blocks {
            for out_block in &out_blocks {
                for tap in 0..kernel * kernel {
                    let mut slot = slots.next().expect("one slot per register block and kernel position").iter();
                    for out in out_block.clone() {
                        for input in in_block.clone() {
                            let sum = slot.next().expect("one vector per channel pair");
                            gradient[(out * channels.len() + input) * kernel * kernel + tap] =
                                simd.reduce_sum_f32s(*sum);
                        }
                    }
                }
            }
        }
        gradient
    }
}

/// Input rows that the output rows of a tile read.
fn input_rows(shape: &ConvShape, input: &Maps, rows: &Range<usize>) -> Range<usize> {
    let start = (rows.start * shape.stride).saturating_sub(shape.padding);
    let end = ((rows.end - 1) * shape.stride + shape.kernel).saturating_sub(shape.padding).min(input.height);
    start.min(end)..end
}

/// One block of input channels and one of output channels of a tile.
struct Panels<'a> {
    shape: &'a ConvShape,
    input: &'a Maps,
    output: &'a Maps,
    /// First input row and first output row of the panels.
    first_rows: (usize, usize),
    in_panel: &'a [f32],
    out_panel: &'a [f32],
}

/// A kernel position and the output pixels whose tap there falls inside the input.
struct Position<'a> {
    kernel_row: usize,
    kernel_column: usize,
    rows: &'a Range<usize>,
    columns: &'a Range<usize>,
}

impl Panels<'_> {
    #[inline(always)]
    fn add<S: Simd, const V: usize>(
        &self,
        simd: S,
        size: (usize, usize),
        position: &Position<'_>,
        slot: &mut [S::f32s],
    ) {
        macro_rules! sizes {
            ($($out:literal: $($input:literal)+;)+) => {
                match size {
                    $($(($out, $input) => self.dot::<S, V, $out, $input>(simd, position, slot),)+)+
                    _ => unreachable!("blocks are at most six by four channels"),
                }
            };
        }
        sizes! { 1: 1 2 3 4; 2: 1 2 3 4; 3: 1 2 3 4; 4: 1 2 3 4; 5: 1 2 3 4; 6: 1 2 3 4; }
    }

    /// Adds the products at one kernel position to `slot`, `[output channel][input channel]`.
    #[inline(always)]
    fn dot<S: Simd, const V: usize, const O: usize, const I: usize>(
        &self,
        simd: S,
        position: &Position<'_>,
        slot: &mut [S::f32s],
    ) {
        let Self { shape, input, output, first_rows: (first_in_row, first_out_row), in_panel, out_panel } = *self;
        let Position { kernel_row, kernel_column, rows, columns } = *position;
        if columns.is_empty() {
            return;
        }
        let in_column = columns.start * shape.stride + kernel_column - shape.padding;
        let mut sums = [[simd.splat_f32s(0.0); I]; O];
        for o in 0..O {
            for i in 0..I {
                sums[o][i] = slot[o * I + i];
            }
        }
        for row in rows.clone() {
            let in_row = row * shape.stride + kernel_row - shape.padding - first_in_row;
            let out_start = (row - first_out_row) * output.width;
            let gradient = &out_panel[(out_start + columns.start) * O * LANES..(out_start + columns.end) * O * LANES];
            let input = &in_panel[(in_row * input.width + in_column) * I * LANES..];
            for (d, x) in gradient.chunks_exact(O * LANES).zip(input.chunks(shape.stride * I * LANES)) {
                let (d, _) = S::as_simd_f32s(d);
                let (x, _) = S::as_simd_f32s(&x[..I * LANES]);
                for v in 0..V {
                    for i in 0..I {
                        for o in 0..O {
                            sums[o][i] = simd.mul_add_e_f32s(d[o * V + v], x[i * V + v], sums[o][i]);
                        }
                    }
                }
            }
        }
        for o in 0..O {
            for i in 0..I {
                slot[o * I + i] = sums[o][i];
            }
        }
    }
}
