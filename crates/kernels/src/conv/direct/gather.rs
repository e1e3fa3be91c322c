//! Forward pass and input gradient. Both gather taps: the forward pass from the input, the input gradient from the
//! output's gradient.
//!
//! A task covers a few rows of one bundle. It copies what it reads into a [`Panel`]. There, the taps of one pixel in
//! one kernel row form one contiguous stretch, and a border only shortens the stretch. The kernel holds a block of
//! channels of one pixel in registers while it walks over the pixel's stretches.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::{
    super::{epilogue::Epilogue, product::add_products},
    packed::PackedWeights,
    panel::Panel,
    taps::{ColumnTaps, RowTap, Taps},
};
use crate::{
    ConvShape, LANES, Maps,
    ahead::{Ahead, ask_for_pixel},
    norm::Moments,
    shared::Shared,
    simd::{self, BundleKernel},
};

/// Maximum number of values in a panel, unless one row needs more: 192 KiB, so that the panel stays in the
/// second-level cache.
const PANEL_LEN: usize = 48 * 1024;

/// y = convolution of x. Returns the results of the epilogue, task by task.
pub(crate) fn forward(
    shape: &ConvShape,
    weights: &[f32],
    x: &[f32],
    input: &Maps,
    y: &mut [f32],
    output: &Maps,
    epilogue: Epilogue<'_>,
) -> Vec<Vec<Moments>> {
    let (packed, taps) = (PackedWeights::forward(shape, weights), Taps::forward(shape, input, output));
    gather(shape, &taps, &packed, x, input, y, output, |to, bundle, rows| {
        // SAFETY: a task finishes only rows that no other task writes. `gather` asserts that they exist.
        unsafe { epilogue.finish(to, output, bundle, &rows) }
    })
}

/// dx = gradient with respect to the input, written over `dx` or added to it.
pub(crate) fn input_gradient(
    shape: &ConvShape,
    weights: &[f32],
    dy: &[f32],
    output: &Maps,
    dx: &mut [f32],
    input: &Maps,
    accumulate: bool,
) {
    let (packed, taps) = (PackedWeights::transposed(shape, weights), Taps::transposed(shape, input, output));
    let taps = Taps { accumulate, ..taps };
    gather(shape, &taps, &packed, dy, output, dx, input, |_, _, _| ());
}

/// Runs every task, and `finish(to, bundle, rows)` while the task's output is in cache. Returns the results of
/// `finish`, in order.
#[expect(clippy::too_many_arguments, reason = "inputs, outputs and geometry of a pass")]
fn gather<T: Send>(
    shape: &ConvShape,
    taps: &Taps,
    packed: &PackedWeights,
    from: &[f32],
    read: &Maps,
    to: &mut [f32],
    written: &Maps,
    finish: impl Fn(Shared<'_>, usize, Range<usize>) -> T + Sync,
) -> Vec<T> {
    assert!(from.len() >= read.len() && to.len() >= written.len() && read.batch == written.batch, "maps do not fit");
    let to = Shared::new(to);
    let bundles = written.bundles();
    let band = rows_per_task(shape, read, written);
    let place = |task: usize| {
        let first = task / bundles * band;
        (task % bundles, first..(first + band).min(written.height))
    };
    let task = |panel: &mut Panel, task: usize| {
        let (bundle, rows) = place(task);
        // Neighbouring tasks mostly run on one thread.
        let (next_bundle, next_rows) = place(task + 1);
        let ahead = Ahead::rows(from, read, next_bundle, taps.sources(&next_rows), rows.len() * written.width);
        let kernel = shape.kernel;
        simd::dispatch_bundle(Band {
            kernel,
            taps,
            from,
            read,
            packed,
            to,
            written,
            rows: rows.clone(),
            bundle,
            panel,
            ahead,
        });
        finish(to, bundle, rows)
    };
    (0..bundles * written.height.div_ceil(band)).into_par_iter().map_init(Panel::default, task).collect()
}

/// Number of rows that one task writes: as many as its panel holds, but few enough for sixteen tasks.
fn rows_per_task(shape: &ConvShape, read: &Maps, written: &Maps) -> usize {
    let read_rows = PANEL_LEN / (read.width * read.channels * LANES);
    let fitting = read_rows.saturating_sub(shape.kernel - 1) * written.height / read.height;
    let tasks = 16usize.div_ceil(written.bundles());
    fitting.min(written.height.div_ceil(tasks)).max(1)
}

/// Rows of one bundle that one task writes.
struct Band<'a> {
    kernel: usize,
    taps: &'a Taps,
    from: &'a [f32],
    read: &'a Maps,
    packed: &'a PackedWeights,
    to: Shared<'a>,
    written: &'a Maps,
    rows: Range<usize>,
    bundle: usize,
    panel: &'a mut Panel,
    /// Prefetches the input of the next task.
    ahead: Ahead<'a>,
}

/// A stretch of taps: where its values start in the panel, where its weights start, and their number.
#[derive(Clone, Copy)]
struct Stretch {
    panel: usize,
    weight: usize,
    length: usize,
}

impl BundleKernel for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { kernel, taps, from, read, packed, to, written, rows, bundle, panel, mut ahead } = self;
        let sources = taps.sources(&rows);
        let (first, channels) = (sources.start, read.channels);
        panel.fill(from, read, std::slice::from_ref(&(0..channels)), &sources, bundle);
        let mut stretches = Vec::with_capacity(kernel);
        for row in rows {
            for (column, &ColumnTaps { source, packed: place, count }) in taps.columns.iter().enumerate() {
                stretches.clear();
                stretches.extend(taps.rows[row].iter().map(|&RowTap { source: source_row, kernel_row }| Stretch {
                    panel: ((source_row - first) * read.width + source) * channels,
                    weight: (kernel_row * kernel + place) * channels,
                    length: count * channels,
                }));
                let pixel = Pixel {
                    stretches: &stretches,
                    panel: panel.values(),
                    to,
                    place: written.start(bundle, 0) + (row * written.width + column) * LANES,
                    plane: written.plane,
                    accumulate: taps.accumulate,
                };
                ahead.step();
                ask_for_pixel(to, pixel.place + LANES, written.plane, written.channels);
                for block in &packed.blocks {
                    let weights = packed.block(block);
                    match block.len() {
                        1 => pixel.block::<S, 1, V>(simd, weights, block.start),
                        2 => pixel.block::<S, 2, V>(simd, weights, block.start),
                        3 => pixel.block::<S, 3, V>(simd, weights, block.start),
                        4 => pixel.block::<S, 4, V>(simd, weights, block.start),
                        5 => pixel.block::<S, 5, V>(simd, weights, block.start),
                        _ => pixel.block::<S, 6, V>(simd, weights, block.start),
                    }
                }
            }
        }
    }
}

/// One pixel of one bundle.
struct Pixel<'a> {
    stretches: &'a [Stretch],
    panel: &'a [f32],
    to: Shared<'a>,
    /// Offset in `to` of the lanes of the pixel's first channel.
    place: usize,
    /// Distance from one channel of `to` to the next, in values.
    plane: usize,
    accumulate: bool,
}

impl Pixel<'_> {
    /// Computes `C` channels, starting at `first`.
    #[inline(always)]
    fn block<S: Simd, const C: usize, const V: usize>(&self, simd: S, weights: &[f32], first: usize) {
        let mut sums = [[simd.splat_f32s(0.0); V]; C];
        for stretch in self.stretches {
            let values = &self.panel[stretch.panel * LANES..(stretch.panel + stretch.length) * LANES];
            let weights = &weights[stretch.weight * C..(stretch.weight + stretch.length) * C];
            add_products(simd, values, weights, &mut sums);
        }
        for (c, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let at = self.to.at((first + c) * self.plane + self.place + v * S::F32_LANES);
                // SAFETY: `gather` asserts that `to` holds all planes, and no other task uses the lanes of this
                // pixel.
                unsafe {
                    let sum = if self.accumulate { simd.add_f32s(simd::load(simd, at), *sum) } else { *sum };
                    simd::store(simd, at, sum);
                }
            }
        }
    }
}
