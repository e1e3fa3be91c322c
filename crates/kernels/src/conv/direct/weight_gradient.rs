//! The weight gradient: dot products over output pixels and samples, for a block of channel pairs at a time.
//!
//! Work is cut into tiles of a few output rows of one bundle. A tile is copied into panels `[pixel][channel][lane]`
//! of three or four channels. So everything that one register block reads for all its kernel positions lies densely
//! in the first-level cache. The number of groups of tiles depends on shapes alone. Each group sums its tiles in
//! order, and the groups are summed in order. The result is therefore independent of the number of threads.
//!
//! Lanes are samples. If every lane keeps its own sum over one bundle, these sums are the gradients of the bundle's
//! samples.

use std::ops::Range;

use pulp::{NullaryFnOnce, Simd};

use super::{
    super::{blocks::even_blocks, scratch::Scratch},
    panel::Panel,
    taps::meeting,
};
use crate::{
    ConvShape, Element, LANES, Maps,
    ahead::Ahead,
    simd::{self, BundleKernel, sum_lanes},
    threads,
};

/// Maximum number of pixels in a tile, unless one row has more.
const TILE_PIXELS: usize = 64;
/// Input channels per job.
const JOB_CHANNELS: usize = 16;
/// Output channels per job when gradients are kept per sample.
const JOB_OUTPUTS: usize = 24;
/// Target number of jobs: enough to balance a handful of cores.
const JOBS: usize = 16;

/// Output rows of one bundle.
#[derive(Debug, Clone)]
struct Tile {
    bundle: usize,
    rows: Range<usize>,
}

/// dw = gradient with respect to the weights `[out, in, kernel, kernel]`, written over `dw`.
pub(crate) fn weight_gradient<E: Element>(
    shape: &ConvShape,
    x: &[E],
    input: &Maps,
    dy: &[E],
    output: &Maps,
    dw: &mut [f32],
) {
    let tiles: Vec<Tile> = (0..output.bundles()).flat_map(|bundle| tiles_of(shape, output, bundle)).collect();
    let channel_jobs = even_blocks(shape.in_channels, JOB_CHANNELS);
    let groups = even_blocks(tiles.len(), tiles.len().div_ceil(JOBS.div_ceil(channel_jobs.len())));
    let jobs: Vec<(Range<usize>, &[Tile])> = groups
        .iter()
        .flat_map(|group| channel_jobs.iter().map(|channels| (channels.clone(), &tiles[group.clone()])))
        .collect();
    let outputs = 0..shape.out_channels;
    let partial = threads::results_of_tasks(jobs.len(), &|(): &mut (), number| {
        let (inputs, tiles) = jobs[number].clone();
        simd::dispatch_bundle(Total(Job { shape, inputs, outputs: outputs.clone(), tiles, x, input, dy, output }))
    });
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

/// Per-sample gradients with respect to all weights. Calls `take(bundle, weights, gradients)` for each bundle and
/// each block of output channels, with the range of weights and the samples' gradients for each of them. Returns the
/// results of `take`, in order.
pub(crate) fn gradients_by_sample<T: Send, E: Element>(
    shape: &ConvShape,
    (x, input): (&[E], &Maps),
    (dy, output): (&[E], &Maps),
    take: impl Fn(usize, Range<usize>, &[[f32; LANES]]) -> T + Sync,
) -> Vec<T> {
    let blocks = shape.out_channels.div_ceil(JOB_OUTPUTS).max(JOBS.div_ceil(output.bundles().max(1)));
    let blocks = even_blocks(shape.out_channels, shape.out_channels.div_ceil(blocks));
    let jobs: Vec<_> =
        (0..output.bundles()).flat_map(|bundle| blocks.iter().map(move |block| (bundle, block))).collect();
    let run = |gradients: &mut Scratch, number: usize| {
        let (bundle, outputs) = jobs[number];
        let tiles: Vec<_> = tiles_of(shape, output, bundle).collect();
        let (inputs, outputs) = (0..shape.in_channels, outputs.clone());
        let of_channel = shape.weights() / shape.out_channels;
        let weights = outputs.start * of_channel..outputs.end * of_channel;
        let job = Job { shape, inputs, outputs, tiles: &tiles, x, input, dy, output };
        let gradients = gradients.resize(weights.len() * LANES);
        simd::dispatch_bundle(BySample { job, gradients });
        take(bundle, weights, gradients.as_chunks().0)
    };
    threads::results_of_tasks(jobs.len(), &run)
}

/// The tiles of one bundle.
fn tiles_of(shape: &ConvShape, output: &Maps, bundle: usize) -> impl Iterator<Item = Tile> + use<> {
    let (height, rows) = (output.height, (TILE_PIXELS / (output.width * shape.stride)).clamp(1, output.height));
    (0..height).step_by(rows).map(move |start| Tile { bundle, rows: start..(start + rows).min(height) })
}

/// Products of some input channels with some output channels, over some tiles.
struct Job<'a, E> {
    shape: &'a ConvShape,
    inputs: Range<usize>,
    outputs: Range<usize>,
    tiles: &'a [Tile],
    x: &'a [E],
    input: &'a Maps,
    dy: &'a [E],
    output: &'a Maps,
}

/// A job's gradient, `[outputs, inputs, kernel, kernel]`.
struct Total<'a, E>(Job<'a, E>);

impl<E: Element> BundleKernel for Total<'_, E> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) -> Vec<f32> {
        let mut sums = vec![simd.splat_f32s(0.0); self.0.weights() * V];
        self.0.add::<S, V>(simd, &mut sums);
        let (sums, _) = sums.as_chunks::<V>();
        let mut gradient = Vec::with_capacity(sums.len());
        for sum in sums {
            gradient.push(sum_lanes(simd, *sum));
        }
        gradient
    }
}

/// The gradients of one bundle's samples in a job, `[outputs, inputs, kernel, kernel, LANES]`, written over
/// `gradients`.
struct BySample<'a, E> {
    job: Job<'a, E>,
    gradients: &'a mut [f32],
}

impl<E: Element> BundleKernel for BySample<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        self.gradients.fill(0.0);
        self.job.add::<S, V>(simd, S::as_mut_simd_f32s(self.gradients).0);
    }
}

/// Most input channels of a register block, for bundles that fill `registers`. Scalar code is compiled for one size only.
const fn in_block(registers: usize) -> usize {
    if registers == LANES { 1 } else { 4 }
}

/// Most output channels of a register block: their sums fit the registers beside the input channels.
const fn out_block(registers: usize) -> usize {
    match registers {
        1 | 4 => 6,
        2 => 3,
        _ => 1,
    }
}

impl<E: Element> Job<'_, E> {
    /// Number of weights that the job covers.
    fn weights(&self) -> usize {
        self.outputs.len() * self.inputs.len() * self.shape.kernel * self.shape.kernel
    }

    /// Adds the products of the job's tiles to `sums`, `[outputs, inputs, kernel, kernel, V]`. Every register of a
    /// bundle has its own sums. So each lane sums the same values in the same order for every register width.
    #[inline(always)]
    fn add<S: Simd, const V: usize>(self, simd: S, sums: &mut [S::f32s]) {
        let Self { shape, inputs, outputs, tiles, x, input, dy, output } = self;
        let kernel = shape.kernel;
        let in_blocks = even_blocks(inputs.len(), const { in_block(V) });
        let out_blocks = even_blocks(outputs.len(), const { out_block(V) });
        let shift = |blocks: &[Range<usize>], by: usize| -> Vec<_> {
            blocks.iter().map(|block| by + block.start..by + block.end).collect()
        };
        let (in_channels, out_channels) = (shift(&in_blocks, inputs.start), shift(&out_blocks, outputs.start));
        let columns: Vec<_> = (0..kernel).map(|k| meeting(shape, input.width, output.width, k)).collect();
        let of_pair = kernel * kernel * V;
        let (mut in_panels, mut out_panels) = (Panel::default(), Panel::default());
        let steps = in_blocks.len() * out_blocks.len() * kernel * kernel * V;
        for (index, tile) in tiles.iter().enumerate() {
            let in_rows = input_rows(shape, input, &tile.rows);
            // The next tile is read while this one is computed.
            let (mut ahead_in, mut ahead_out) = match tiles.get(index + 1) {
                Some(next) => (
                    Ahead::channels(x, input, &inputs, next.bundle, input_rows(shape, input, &next.rows), steps),
                    Ahead::channels(dy, output, &outputs, next.bundle, next.rows.clone(), steps),
                ),
                None => (Ahead::nothing(), Ahead::nothing()),
            };
            let in_pixels = in_rows.len() * input.width * LANES;
            let out_pixels = tile.rows.len() * output.width * LANES;
            in_panels.fill(simd, x, input, &in_channels, &in_rows, tile.bundle);
            out_panels.fill(simd, dy, output, &out_channels, &tile.rows, tile.bundle);
            let rows: Vec<_> = (0..kernel)
                .map(|k| {
                    let rows = meeting(shape, input.height, output.height, k);
                    rows.start.max(tile.rows.start)..rows.end.min(tile.rows.end)
                })
                .collect();
            for in_block in &in_blocks {
                let in_panel = &in_panels.values()[in_block.start * in_pixels..in_block.end * in_pixels];
                for out_block in &out_blocks {
                    let out_panel = &out_panels.values()[out_block.start * out_pixels..out_block.end * out_pixels];
                    let first_rows = (in_rows.start, tile.rows.start);
                    let row_len = inputs.len() * of_pair;
                    let panels = Panels {
                        size: (out_block.len(), in_block.len()),
                        shape,
                        input,
                        output,
                        first_rows,
                        in_panel,
                        out_panel,
                        sum_strides: (row_len, of_pair),
                    };
                    let sums = &mut sums[out_block.start * row_len + in_block.start * of_pair..];
                    let mut place = 0;
                    for (kernel_row, rows) in rows.iter().enumerate() {
                        for (kernel_column, columns) in columns.iter().enumerate() {
                            let position = Position { kernel_row, kernel_column, rows, columns };
                            for register in 0..V {
                                ahead_in.step();
                                ahead_out.step();
                                let to = &mut sums[place..];
                                simd.vectorize(Dot::<S, V> { simd, panels: &panels, position, register, to });
                                place += 1;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Input rows that the output rows of a tile read.
fn input_rows(shape: &ConvShape, input: &Maps, rows: &Range<usize>) -> Range<usize> {
    let start = (rows.start * shape.stride).saturating_sub(shape.padding);
    let end = ((rows.end - 1) * shape.stride + shape.kernel).saturating_sub(shape.padding).min(input.height);
    start.min(end)..end
}

/// One block of input channels and one block of output channels of a tile.
struct Panels<'a> {
    /// Number of output channels, and of input channels.
    size: (usize, usize),
    shape: &'a ConvShape,
    input: &'a Maps,
    output: &'a Maps,
    /// First input row and first output row of the panels.
    first_rows: (usize, usize),
    in_panel: &'a [f32],
    out_panel: &'a [f32],
    /// Distance in `sums` from one output channel to the next, and from one input channel to the next.
    sum_strides: (usize, usize),
}

/// A kernel position, and the output pixels whose tap at this position lies inside the input.
#[derive(Clone, Copy)]
struct Position<'a> {
    kernel_row: usize,
    kernel_column: usize,
    rows: &'a Range<usize>,
    columns: &'a Range<usize>,
}

/// Adds the products at one kernel position to one sum per channel pair, for one of a bundle's `V` registers. It is a function
/// of its own for each instruction set, which all formats and both kinds of gradients share.
struct Dot<'a, S: Simd, const V: usize> {
    simd: S,
    panels: &'a Panels<'a>,
    position: Position<'a>,
    register: usize,
    to: &'a mut [S::f32s],
}

impl<S: Simd, const V: usize> NullaryFnOnce for Dot<'_, S, V> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        macro_rules! sizes {
            ($($out:literal: $($input:literal)+;)+) => {
                match self.panels.size {
                    $($(($out, $input) if const { $out <= out_block(V) && $input <= in_block(V) } => {
                        self.add::<$out, $input>();
                    })+)+
                    _ => unreachable!("blocks are at most six by four channels"),
                }
            };
        }
        sizes! { 1: 1 2 3 4; 2: 1 2 3 4; 3: 1 2 3 4; 4: 1 2 3 4; 5: 1 2 3 4; 6: 1 2 3 4; }
    }
}

impl<S: Simd, const V: usize> Dot<'_, S, V> {
    #[inline(always)]
    fn add<const O: usize, const I: usize>(self) {
        let Self { simd, panels, position, register, to } = self;
        let Panels { shape, input, output, first_rows: (first_in_row, first_out_row), in_panel, out_panel, .. } =
            *panels;
        let (of_output, of_input) = panels.sum_strides;
        let Position { kernel_row, kernel_column, rows, columns } = position;
        if columns.is_empty() {
            return;
        }
        // This assertion before the loop lets the compiler drop the bounds check inside.
        assert!(register < V, "register {register} of {V}");
        let in_column = columns.start * shape.stride + kernel_column - shape.padding;
        let mut sums = [[simd.splat_f32s(0.0); I]; O];
        for o in 0..O {
            for i in 0..I {
                sums[o][i] = to[o * of_output + i * of_input];
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
                for i in 0..I {
                    for o in 0..O {
                        let (d, x) = (&d[o * V..(o + 1) * V], &x[i * V..(i + 1) * V]);
                        sums[o][i] = simd.mul_add_f32s(d[register], x[register], sums[o][i]);
                    }
                }
            }
        }
        for o in 0..O {
            for i in 0..I {
                to[o * of_output + i * of_input] = sums[o][i];
            }
        }
    }
}
