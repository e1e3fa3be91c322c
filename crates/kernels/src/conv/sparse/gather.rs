//! Forward pass and input gradient. The kernel holds a few pixels of one channel in registers while it visits the
//! channel's kept weights.

use std::ops::Range;

use pulp::Simd;

use super::{
    super::{
        blocks::even_blocks,
        epilogue::{Epilogue, Shift},
        scratch::Scratch,
        source::Source,
    },
    axis::Axis,
    panel::{PanelLayout, Walks},
    pattern::{KeptWeight, Pattern},
};
use crate::{
    ConvShape, Element, LANES, Maps, NormReduction,
    ahead::Ahead,
    norm::Moments,
    shared::Shared,
    simd::{self, BundleKernel},
    threads,
};

/// Maximum number of values in a panel, unless one row needs more: 256 KiB, half of a second-level cache.
const PANEL_LEN: usize = 64 * 1024;
/// The same for passes whose sums do not end with a band. A taller band copies fewer rows twice.
const TALL_PANEL_LEN: usize = 2 * PANEL_LEN;
/// Least number of rows in a band. Each band also copies the rows around it, which costs more than a panel that
/// exceeds the cache.
const LEAST_ROWS: usize = 4;
/// Target number of tasks: enough to balance a handful of cores.
const TASKS: usize = 16;

/// y = convolution of x. Returns the results of the epilogue, task by task.
#[expect(clippy::too_many_arguments, reason = "inputs, outputs and geometry of a pass")]
pub(in super::super) fn forward<E: Element>(
    shape: &ConvShape,
    pattern: &Pattern,
    weights: &[f32],
    x: Source<'_, E>,
    input: &Maps,
    y: &mut [E],
    output: &Maps,
    epilogue: Epilogue<'_, E>,
) -> Vec<Vec<Moments>> {
    // The statistics of a band are sums of their own.
    let panel = if matches!(epilogue, Epilogue::Statistics) { PANEL_LEN } else { TALL_PANEL_LEN };
    let layout = forward_layout(shape, input, output, rows_per_task(shape, input, output, TASKS, panel));
    let walks = Walks::new(pattern.by_output(), output.channels, &layout, (0, 0), KeptWeight::forward);
    let ending = Ending { accumulate: false, shift: epilogue.shift() };
    gather(&layout, &[Part::new(&layout, (0, 0), walks, weights)], x, input, y, output, ending, |to, bundle, rows| {
        // SAFETY: a task finishes only rows that no other task writes. `gather` asserts that they exist.
        unsafe { epilogue.finish_shifted(to, output, bundle, rows) }
    })
}

/// Panel layout of a pass that reads the input at the output's pixels, for bands of at most `band` rows.
pub(super) fn forward_layout(shape: &ConvShape, input: &Maps, output: &Maps, band: usize) -> PanelLayout {
    let rows = Axis::forward(shape, input.height, output.height);
    let columns = Axis::forward(shape, input.width, output.width);
    PanelLayout::new(rows, columns, shape.kernel, output, band)
}

/// Bands of the weight gradient, each of which may be a sum of its own, for at least `tasks` tasks; and the most rows
/// that may be copied together.
pub(super) fn weight_gradient_bands(
    shape: &ConvShape,
    input: &Maps,
    output: &Maps,
    tasks: usize,
) -> (Vec<Range<usize>>, usize) {
    let band = rows_per_task(shape, input, output, tasks, PANEL_LEN);
    let bands = (0..output.height).step_by(band).map(|first| first..(first + band).min(output.height));
    (bands.collect(), rows_per_task(shape, input, output, 1, TALL_PANEL_LEN).max(band))
}

/// dx = gradient with respect to the input, written over `dx` or added to it. If the input is the result of a
/// normalisation, returns the totals of `reduction` per channel, and nothing otherwise.
#[expect(clippy::too_many_arguments, reason = "inputs, outputs and geometry of a pass")]
pub(in super::super) fn input_gradient<E: Element>(
    shape: &ConvShape,
    pattern: &Pattern,
    weights: &[f32],
    dy: &[E],
    output: &Maps,
    dx: &mut [E],
    input: &Maps,
    accumulate: bool,
    reduction: Option<NormReduction<'_, E>>,
) -> Vec<(f64, f64)> {
    let rows = Axis::transposed(shape, input.height, output.height);
    let columns = Axis::transposed(shape, input.width, output.width);
    let mut band = rows_per_task(shape, output, input, TASKS, TALL_PANEL_LEN);
    if let Some(rows) = reduction.and_then(|_| NormReduction::<E>::rows_together(input)) {
        band = band.next_multiple_of(rows);
    }
    let layout = PanelLayout::new(rows, columns, shape.kernel, input, band);
    let phases = (0..shape.stride).flat_map(|row| (0..shape.stride).map(move |column| (row, column)));
    let parts: Vec<_> = phases
        .map(|phases| {
            let walks = Walks::new(pattern.by_input(), input.channels, &layout, phases, KeptWeight::transposed);
            Part::new(&layout, phases, walks, weights)
        })
        .collect();
    let ending = Ending { accumulate, shift: None };
    let parts_of_bands = gather(&layout, &parts, Source::Written(dy), output, dx, input, ending, |to, bundle, rows| {
        let row = input.width * LANES;
        let of_channel = |reduction: NormReduction<'_, E>, channel| {
            let start = input.start(bundle, channel) + rows.start * row;
            // SAFETY: the rows lie in the buffer, as `gather` asserts, and this task alone writes them.
            reduction.of_rows(channel, start, unsafe { to.slice(start, rows.len() * row) })
        };
        reduction.map(|reduction| (0..input.channels).map(|channel| of_channel(reduction, channel)).collect())
    });
    let bands = layout.bands(input.height).len().max(1);
    let parts: Option<Vec<Vec<_>>> = parts_of_bands.into_iter().collect();
    parts
        .filter(|_| reduction.is_some())
        .map_or(vec![], |parts| NormReduction::<E>::totals(&parts, bands, input.channels))
}

/// Number of rows that one task writes: as many as its panel holds, not too few, and few enough for `tasks` tasks.
fn rows_per_task(shape: &ConvShape, read: &Maps, written: &Maps, tasks: usize, panel: usize) -> usize {
    let read_rows = panel / ((read.width + shape.kernel) * read.channels * LANES);
    let fitting = read_rows.saturating_sub(shape.kernel - 1) * written.height / read.height;
    fitting.max(LEAST_ROWS).min(written.height.div_ceil(tasks.div_ceil(written.bundles().max(1)))).max(1)
}

/// The pixels of one phase of rows and one phase of columns, with the kept weights that they read through.
struct Part {
    phases: (usize, usize),
    walks: Walks,
    /// Weights in the order of the offsets in `walks`.
    weights: Vec<f32>,
    /// Pixels of a row, as the `t` of the phase, cut into tiles.
    tiles: Vec<Range<usize>>,
}

/// Maximum number of pixels that a kernel holds in registers. With more, what a tile reads would not stay in the
/// first-level cache from one written channel to the next.
const TILE: usize = 6;

impl Part {
    fn new(layout: &PanelLayout, phases: (usize, usize), walks: Walks, weights: &[f32]) -> Self {
        let weights = walks.indices.iter().map(|&index| weights[index as usize]).collect();
        Self { phases, walks, weights, tiles: even_blocks(layout.columns.phases[phases.1].count, TILE) }
    }
}

/// What happens to a sum.
#[derive(Clone, Copy)]
struct Ending<'a, E> {
    /// Whether it is added to what is there.
    accumulate: bool,
    /// What is done to it before it is written.
    shift: Option<Shift<'a, E>>,
}

/// Runs every task, and `finish(to, bundle, rows)` while the task's output is in cache. Returns the results of
/// `finish`, in order.
#[expect(clippy::too_many_arguments, reason = "inputs, outputs and geometry of a pass")]
fn gather<T: Send, E: Element>(
    layout: &PanelLayout,
    parts: &[Part],
    from: Source<'_, E>,
    read: &Maps,
    to: &mut [E],
    written: &Maps,
    ending: Ending<'_, E>,
    finish: impl Fn(Shared<'_, E>, usize, &Range<usize>) -> T + Sync,
) -> Vec<T> {
    assert!(
        from.stored().len() >= read.len() && to.len() >= written.len() && read.batch == written.batch,
        "maps do not fit"
    );
    let to = Shared::new(to);
    let bands = layout.bands(written.height);
    let task = |panel: &mut Scratch, task: usize| {
        let place = |task: usize| (task / bands.len(), &bands[task % bands.len()]);
        let (bundle, rows) = place(task);
        // Neighbouring tasks mostly run on one thread.
        let (next_bundle, next_rows) = place(task + 1);
        let tiles = parts.iter().map(|part| part.tiles.len()).sum::<usize>() * rows.len() / layout.rows.phases.len();
        let ahead =
            Ahead::rows(from.stored(), read, next_bundle, layout.source_rows(next_rows), tiles * written.channels);
        simd::dispatch_bundle(Band { layout, parts, from, read, to, written, ending, bundle, rows, panel, ahead });
        finish(to, bundle, rows)
    };
    threads::results_of_tasks(written.bundles() * bands.len(), &task)
}

/// Rows of one bundle that one task writes.
struct Band<'a, E> {
    layout: &'a PanelLayout,
    parts: &'a [Part],
    from: Source<'a, E>,
    read: &'a Maps,
    to: Shared<'a, E>,
    written: &'a Maps,
    ending: Ending<'a, E>,
    bundle: usize,
    rows: &'a Range<usize>,
    panel: &'a mut Scratch,
    /// Prefetches the input of the next band.
    ahead: Ahead<'a, E>,
}

impl<E: Element> BundleKernel for Band<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { layout, parts, from, read, to, written, ending, bundle, rows, panel, mut ahead } = self;
        layout.fill(simd, panel, from, read, bundle, rows);
        let first = layout.first_row(rows);
        for part in parts {
            let (row_phase, column_phase) = (&layout.rows.phases[part.phases.0], &layout.columns.phases[part.phases.1]);
            for t in row_phase.within(rows) {
                let panel_row = (layout.rows.step * (row_phase.base + t)).saturating_sub(first);
                for tile in &part.tiles {
                    let pixel = row_phase.position(t) * written.width + column_phase.position(tile.start);
                    let place = layout.place(panel_row, column_phase.base + tile.start);
                    let tile_of = Tile {
                        part,
                        // A phase without taps has a place too. It may lie past everything that the other phases
                        // read.
                        panel: panel.values().get(place..).unwrap_or_default(),
                        to,
                        place: written.start(bundle, 0) + pixel * LANES,
                        spacing: column_phase.spacing * LANES,
                        written,
                        ending,
                    };
                    match tile.len() {
                        // Scalar code is compiled for one pixel only.
                        pixels if const { S::F32_LANES == 1 } => {
                            (0..pixels).for_each(|pixel| tile_of.from(pixel).run::<S, 1, V>(simd, &mut ahead));
                        }
                        1 => tile_of.run::<S, 1, V>(simd, &mut ahead),
                        2 => tile_of.run::<S, 2, V>(simd, &mut ahead),
                        3 => tile_of.run::<S, 3, V>(simd, &mut ahead),
                        4 => tile_of.run::<S, 4, V>(simd, &mut ahead),
                        5 => tile_of.run::<S, 5, V>(simd, &mut ahead),
                        _ => tile_of.run::<S, 6, V>(simd, &mut ahead),
                    }
                }
            }
        }
    }
}

/// A few pixels of one row.
#[derive(Clone, Copy)]
struct Tile<'a, E> {
    part: &'a Part,
    /// Panel values from the place of the first pixel on.
    panel: &'a [f32],
    to: Shared<'a, E>,
    /// Offset in `to` of the first pixel's lanes in the first channel.
    place: usize,
    /// Distance from one pixel to the next in `to`, in values.
    spacing: usize,
    written: &'a Maps,
    ending: Ending<'a, E>,
}

impl<E: Element> Tile<'_, E> {
    /// The tile without its first pixels.
    fn from(self, pixels: usize) -> Self {
        let panel = self.panel.get(pixels * LANES..).unwrap_or_default();
        Self { panel, place: self.place + pixels * self.spacing, ..self }
    }

    /// Computes every channel of `P` pixels.
    #[inline(always)]
    fn run<S: Simd, const P: usize, const V: usize>(&self, simd: S, ahead: &mut Ahead<'_, E>) {
        for channel in 0..self.written.channels {
            ahead.step();
            let place = self.place + channel * self.written.plane;
            for pixel in P..2 * P {
                simd::prefetch(self.to.start().wrapping_add(place + pixel * self.spacing));
                if let Some(shift) = &self.ending.shift {
                    shift.prefetch(place + pixel * self.spacing);
                }
            }
            let kept = self.part.walks.of(channel);
            if self.ending.accumulate && kept.is_empty() {
                continue;
            }
            let mut sums = [[simd.splat_f32s(0.0); V]; P];
            for (&offset, &weight) in self.part.walks.offsets[kept.clone()].iter().zip(&self.part.weights[kept]) {
                let (x, _) = S::as_simd_f32s(&self.panel[offset as usize..][..P * LANES]);
                let weight = simd.splat_f32s(weight);
                for p in 0..P {
                    for v in 0..V {
                        sums[p][v] = simd.mul_add_f32s(x[p * V + v], weight, sums[p][v]);
                    }
                }
            }
            if let Some(shift) = &self.ending.shift {
                shift.apply(simd, &mut sums, (channel, place, self.spacing));
            }
            for (p, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let at = self.to.at(place + p * self.spacing + v * S::F32_LANES);
                    // SAFETY: `gather` asserts that `to` holds all planes, and no other task uses the lanes of this
                    // task's rows.
                    unsafe {
                        let sum = if self.ending.accumulate { simd.add_f32s(simd::load(simd, at), *sum) } else { *sum };
                        simd::store(simd, at, sum);
                    }
                }
            }
        }
    }
}
