//! Forward pass and input gradient. Both gather taps: the forward pass from the input, the input gradient from the
//! output's gradient.
//!
//! A task covers a few rows of one bundle. It copies what it reads into a [`Panel`]. There, the taps of one pixel in
//! one kernel row form one contiguous stretch, and a border only shortens the stretch. Pixels whose stretches are alike
//! are cut into register tiles. The kernel holds a tile of pixels × channels in registers while it walks over the
//! stretches.

use std::ops::Range;

use pulp::Simd;

use super::{
    super::{
        epilogue::Epilogue,
        product::{OnTile, RegisterTile, add_products, on_tile, runs},
    },
    packed::PackedWeights,
    panel::Panel,
    taps::{AlikeColumns, Taps},
};
use crate::{
    ConvShape, Element, LANES, Maps,
    ahead::{Ahead, ask_for_pixel},
    norm::Moments,
    shared::Shared,
    simd::{self, BundleKernel},
    threads,
};

/// Maximum number of values in a panel, unless one row needs more: 192 KiB, so that the panel stays in the
/// second-level cache.
const PANEL_LEN: usize = 48 * 1024;

/// y = convolution of x. Returns the results of the epilogue, task by task.
pub(crate) fn forward<E: Element>(
    shape: &ConvShape,
    weights: &[f32],
    x: &[E],
    input: &Maps,
    y: &mut [E],
    output: &Maps,
    epilogue: Epilogue<'_, E>,
) -> Vec<Vec<Moments>> {
    let (packed, taps) = (PackedWeights::forward(shape, weights), Taps::forward(shape, input, output));
    gather(shape, &taps, &packed, x, input, y, output, |to, bundle, rows| {
        // SAFETY: a task finishes only rows that no other task writes. `gather` asserts that they exist.
        unsafe { epilogue.finish(to, output, bundle, &rows) }
    })
}

/// dx = gradient with respect to the input, written over `dx` or added to it.
pub(crate) fn input_gradient<E: Element>(
    shape: &ConvShape,
    weights: &[f32],
    dy: &[E],
    output: &Maps,
    dx: &mut [E],
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
fn gather<T: Send, E: Element>(
    shape: &ConvShape,
    taps: &Taps,
    packed: &PackedWeights,
    from: &[E],
    read: &Maps,
    to: &mut [E],
    written: &Maps,
    finish: impl Fn(Shared<'_, E>, usize, Range<usize>) -> T + Sync,
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
    threads::results_of_tasks(bundles * written.height.div_ceil(band), &task)
}

/// Number of rows that one task writes: as many as its panel holds, but few enough for sixteen tasks.
fn rows_per_task(shape: &ConvShape, read: &Maps, written: &Maps) -> usize {
    let read_rows = PANEL_LEN / (read.width * read.channels * LANES);
    let fitting = read_rows.saturating_sub(shape.kernel - 1) * written.height / read.height;
    let tasks = 16usize.div_ceil(written.bundles());
    fitting.min(written.height.div_ceil(tasks)).max(1)
}

/// Rows of one bundle that one task writes.
struct Band<'a, E> {
    kernel: usize,
    taps: &'a Taps,
    from: &'a [E],
    read: &'a Maps,
    packed: &'a PackedWeights,
    to: Shared<'a, E>,
    written: &'a Maps,
    rows: Range<usize>,
    bundle: usize,
    panel: &'a mut Panel,
    /// Prefetches the input of the next task.
    ahead: Ahead<'a, E>,
}

/// A stretch of taps: where its values start, counted from the pixel's first tap, where its weights start, and their
/// number. All in channels read.
#[derive(Clone, Copy)]
struct Stretch {
    values: usize,
    weights: usize,
    length: usize,
}

/// Where a pixel's first tap lies in the panel, in runs of lanes, and where the pixel's lanes lie in the first plane
/// that is written.
#[derive(Clone, Copy)]
struct Pixel {
    panel: usize,
    place: usize,
}

impl<E: Element> BundleKernel for Band<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { kernel, taps, from, read, packed, to, written, rows, bundle, panel, mut ahead } = self;
        let sources = taps.sources(&rows);
        let (first, channels) = (sources.start, read.channels);
        panel.fill(simd, from, read, std::slice::from_ref(&(0..channels)), &sources, bundle);
        let (mut stretches, mut pixels) = (Vec::with_capacity(kernel), Vec::new());
        for rows in taps.alike(rows) {
            let first_row = &taps.rows[rows.start];
            for AlikeColumns { packed: place, count, columns } in &taps.alike_columns {
                stretches.clear();
                stretches.extend(first_row.iter().map(|tap| Stretch {
                    values: (tap.source - first_row[0].source) * read.width * channels,
                    weights: (tap.kernel_row * kernel + place) * channels,
                    length: count * channels,
                }));
                pixels.clear();
                pixels.extend(rows.clone().flat_map(|row| {
                    let source_row = taps.rows[row].first().map_or(0, |tap| tap.source - first);
                    let start = written.start(bundle, 0) + row * written.width * LANES;
                    columns.iter().map(move |&(column, source)| Pixel {
                        panel: (source_row * read.width + source) * channels,
                        place: start + column * LANES,
                    })
                }));
                let (plane, accumulate) = (written.plane, taps.accumulate);
                let mut tiles = pixels.chunks(const { RegisterTile::of::<S>().pixels }).peekable();
                while let Some(pixels) = tiles.next() {
                    for _ in pixels {
                        ahead.step();
                    }
                    for pixel in tiles.peek().copied().unwrap_or_default() {
                        ask_for_pixel(to, pixel.place, plane, written.channels);
                    }
                    for block in &packed.blocks {
                        let (weights, first) = (packed.block(block), block.start);
                        let panel = panel.values();
                        let mut tile =
                            Tile { stretches: &stretches, panel, pixels, weights, to, first, plane, accumulate };
                        on_tile::<S, V>(simd, pixels.len(), block.len(), &mut tile);
                    }
                }
            }
        }
    }
}

/// A few pixels of one bundle and a block of channels.
struct Tile<'a, E> {
    stretches: &'a [Stretch],
    panel: &'a [f32],
    pixels: &'a [Pixel],
    weights: &'a [f32],
    to: Shared<'a, E>,
    /// First channel of the block.
    first: usize,
    /// Distance from one channel of `to` to the next, in values.
    plane: usize,
    accumulate: bool,
}

impl<E: Element> OnTile for Tile<'_, E> {
    #[inline(always)]
    fn run<S: Simd, const P: usize, const C: usize, const V: usize>(&mut self, simd: S) {
        let pixels: &[Pixel; P] = self.pixels.try_into().expect("a tile has this many pixels");
        for v in 0..V {
            let mut sums = [[simd.splat_f32s(0.0); C]; P];
            for stretch in self.stretches {
                let mut values = [&[][..]; P];
                for (values, pixel) in values.iter_mut().zip(pixels) {
                    *values = runs(self.panel, pixel.panel + stretch.values, stretch.length);
                }
                let weights = &self.weights[stretch.weights * C..(stretch.weights + stretch.length) * C];
                add_products::<S, P, C, V>(simd, values, weights, v, &mut sums);
            }
            for (sums, pixel) in sums.iter().zip(pixels) {
                for (c, sum) in sums.iter().enumerate() {
                    let at = self.to.at((self.first + c) * self.plane + pixel.place + v * S::F32_LANES);
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
}
