//! The weight gradient of the kept weights. The kernel holds a few pixels of the output's gradient in registers,
//! multiplies them with the values that each kept weight reads, and sums the products lane by lane. Lanes are
//! samples, so these sums are per-sample gradients until their lanes are added.
//!
//! Shapes alone decide how work is cut into bands of one bundle and blocks of output channels. Each job sums its
//! bands in order, and the jobs are summed in order. The result is therefore independent of the number of threads.

use std::ops::Range;

use pulp::Simd;

use super::{
    super::{blocks::even_blocks, scratch::Scratch, source::Source},
    gather::{forward_layout, weight_gradient_bands},
    panel::{PanelLayout, Walks},
    pattern::{KeptWeight, Pattern},
    tile::{pixels_of, tile_pixels},
};
use crate::{
    ConvShape, Element, LANES, Maps, NormGradient,
    element::register,
    shared::Shared,
    simd::{self, BundleKernel},
    threads,
};

/// Target number of jobs: enough to balance a handful of cores.
const JOBS: usize = 16;
/// Approximate number of kept weights in a block of output channels: 1 MiB of sums. Every block fills the panels
/// again.
const BLOCK_WEIGHTS: usize = 16 * 1024;

/// dw = gradient with respect to the weights `[out, in, kernel, kernel]`, written over `dw`. Pruned weights get zero.
/// If `norm` is given, `dy` holds the gradient at the output of that normalisation, and the gradient at its input is
/// written over it.
pub(in super::super) fn weight_gradient<E: Element>(
    shape: &ConvShape,
    pattern: &Pattern,
    (x, input): (Source<'_, E>, &Maps),
    (dy, output): (Gradient<'_, E>, &Maps),
    dw: &mut [f32],
) {
    let pass = Pass::new(shape, pattern, (x, input), (dy, output));
    let bands = pass.bands();
    // Every group sums its own lanes. With more blocks there are fewer groups.
    let of_group = bands.len().div_ceil(JOBS.div_ceil(pass.blocks)).max(1);
    let groups: Vec<&[_]> = even_blocks(bands.len(), of_group).into_iter().map(|group| &bands[group]).collect();
    let partial = pass.sums_by_lane(&groups, |_, kept, sums| -> (Range<usize>, Vec<f32>) {
        (kept, sums.iter().map(|lanes| lanes.iter().sum()).collect())
    });
    dw.fill(0.0);
    for (kept, partial) in &partial {
        pattern.indices(kept).zip(partial).for_each(|(index, value)| dw[index] += value);
    }
}

/// Per-sample gradients with respect to the kept weights. Calls `take(bundle, kept, gradients)` for each bundle and
/// each block of kept weights, with the range of kept weights and the samples' gradients for each of them. Returns
/// the results of `take`, in order.
pub(in super::super) fn gradients_by_sample<T: Send, E: Element>(
    shape: &ConvShape,
    pattern: &Pattern,
    (x, input): (&[E], &Maps),
    (dy, output): (&[E], &Maps),
    take: impl Fn(usize, Range<usize>, &[[f32; LANES]]) -> T + Sync,
) -> Vec<T> {
    let pass = Pass::new(shape, pattern, (Source::Written(x), input), (Gradient::Written(dy), output));
    let bands = pass.bands();
    let groups: Vec<&[_]> = bands.chunk_by(|(bundle, _), (next, _)| bundle == next).collect();
    pass.sums_by_lane(&groups, take)
}

/// The gradient with respect to the output.
#[derive(Clone, Copy)]
pub(in super::super) enum Gradient<'a, E> {
    /// These maps.
    Written(&'a [E]),
    /// The gradient at the output of a normalisation, over which each job writes the gradient at its input for the
    /// bands and channels of the job.
    Through(NormGradient<'a, E>, Shared<'a, E>),
}

impl<'a, E: Element> Gradient<'a, E> {
    /// Writes the gradient at the input of the normalisation for some rows of some channels of a bundle.
    #[inline(always)]
    fn finish<S: Simd>(self, simd: S, maps: &Maps, bundle: usize, channels: Range<usize>, rows: &Range<usize>) {
        let Self::Through(norm, dy) = self else { return };
        let row = maps.width * LANES;
        for channel in channels {
            let start = maps.start(bundle, channel) + rows.start * row;
            // SAFETY: `Convolution` checks that the maps lie in the buffer. No two jobs share both a band and an output
            // channel, and a job reads no other.
            let dy = unsafe { dy.slice_mut(start, rows.len() * row) };
            norm.finish(simd, (channel, start, maps.samples(bundle)), dy);
        }
    }

    /// Some values of the job's bands and channels.
    #[inline(always)]
    fn values(&self, start: usize, len: usize) -> &'a [E] {
        match self {
            Self::Written(dy) => &dy[start..start + len],
            // SAFETY: as above.
            Self::Through(_, dy) => unsafe { dy.slice(start, len) },
        }
    }
}

/// The data and the geometry that all bands of a pass share.
struct Pass<'a, E> {
    layout: PanelLayout,
    walks: Walks,
    x: Source<'a, E>,
    input: &'a Maps,
    dy: Gradient<'a, E>,
    output: &'a Maps,
    /// Pixels of a row, cut into tiles.
    tiles: Vec<Range<usize>>,
    /// Number of blocks of output channels.
    blocks: usize,
    /// The bands of a bundle.
    bands: Vec<Range<usize>>,
    /// Most rows of neighbouring bands that are copied together.
    together: usize,
}

impl<'a, E: Element> Pass<'a, E> {
    fn new(
        shape: &ConvShape,
        pattern: &Pattern,
        (x, input): (Source<'a, E>, &'a Maps),
        (dy, output): (Gradient<'a, E>, &'a Maps),
    ) -> Self {
        let blocks = pattern.len().div_ceil(BLOCK_WEIGHTS).max(1);
        let (bands, together) = weight_gradient_bands(shape, input, output, JOBS.div_ceil(blocks));
        let layout = forward_layout(shape, input, output, together);
        let walks = Walks::new(pattern.by_output(), output.channels, &layout, (0, 0), KeptWeight::forward);
        Self {
            layout,
            walks,
            x,
            input,
            dy,
            output,
            tiles: even_blocks(output.width, tile_pixels()),
            blocks,
            bands,
            together,
        }
    }
}

impl<E: Element> Pass<'_, E> {
    /// Bundle and rows of every band.
    fn bands(&self) -> Vec<(usize, Range<usize>)> {
        (0..self.output.bundles())
            .flat_map(|bundle| self.bands.iter().map(move |rows| (bundle, rows.clone())))
            .collect()
    }

    /// The bands of a group, with neighbours joined as far as they may be copied together. The order of the rows, and
    /// so of every sum, stays the same.
    fn joined(&self, group: &[(usize, Range<usize>)]) -> Vec<(usize, Range<usize>)> {
        let mut joined: Vec<(usize, Range<usize>)> = Vec::new();
        for (bundle, rows) in group {
            match joined.last_mut() {
                Some((of, before))
                    if of == bundle && before.end == rows.start && rows.end - before.start <= self.together =>
                {
                    before.end = rows.end;
                }
                _ => joined.push((*bundle, rows.clone())),
            }
        }
        joined
    }

    /// Sums the products over each group of bands, lane by lane, one block of output channels after the other.
    /// Returns the results of `finish(first bundle of the group, kept weights of the block, sums)`, in order.
    fn sums_by_lane<T: Send>(
        &self,
        groups: &[&[(usize, Range<usize>)]],
        finish: impl Fn(usize, Range<usize>, &[[f32; LANES]]) -> T + Sync,
    ) -> Vec<T> {
        let channels = self.output.channels;
        let blocks = self.blocks.max(JOBS.div_ceil(groups.len().max(1)));
        let blocks = even_blocks(channels, channels.div_ceil(blocks));
        let jobs: Vec<_> = groups.iter().flat_map(|group| blocks.iter().map(move |block| (*group, block))).collect();
        let run = |panel: &mut Scratch, number: usize| {
            let (group, block) = jobs[number];
            let kept = self.walks.of(block.start).start..self.walks.of(block.end - 1).end;
            let mut sums = vec![[0.0; LANES]; kept.len()];
            for (bundle, rows) in self.joined(group) {
                let (channels, sums) = (block.clone(), &mut sums[..]);
                simd::dispatch_bundle(Band { pass: self, channels, bundle, rows: &rows, sums, panel });
            }
            finish(group[0].0, kept, &sums)
        };
        threads::results_of_tasks(jobs.len(), &run)
    }
}

/// Some rows of some output channels of one bundle.
struct Band<'a, E> {
    pass: &'a Pass<'a, E>,
    channels: Range<usize>,
    bundle: usize,
    rows: &'a Range<usize>,
    /// Sums of each kept weight of these channels.
    sums: &'a mut [[f32; LANES]],
    panel: &'a mut Scratch,
}

impl<E: Element> BundleKernel for Band<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { pass, channels, bundle, rows, sums, panel } = self;
        let Pass { layout, walks, output, .. } = pass;
        pass.dy.finish(simd, output, bundle, channels.clone(), rows);
        layout.fill(simd, panel, pass.x, pass.input, bundle, rows);
        let (step, base, first) = (layout.rows.step, layout.rows.phases[0].base, layout.first_row(rows));
        let start = walks.of(channels.start).start;
        // Rows that are shorter than a tile share one. The products of a weight are added row by row in any case.
        let rows_at_once = const { pixels_of::<S>() } / output.width;
        let at_once = if matches!((output.width, rows_at_once), (4, 4) | (8, 2)) { rows_at_once } else { 1 };
        let panel_row = step * layout.row();
        let mut row = rows.start;
        while row < rows.end {
            let rows = if row + at_once <= rows.end { at_once } else { 1 };
            for tile in &pass.tiles {
                let panel = &panel.values()[layout.place(step * (base + row) - first, tile.start)..];
                for channel in channels.clone() {
                    let kept = walks.of(channel);
                    let place = output.start(bundle, channel) + (row * output.width + tile.start) * LANES;
                    let gradient = pass.dy.values(place, rows * tile.len() * LANES);
                    let sums = &mut sums[kept.start - start..kept.end - start];
                    let offsets = &walks.offsets[kept];
                    let mut products = Products { gradient, panel, panel_row, offsets, sums };
                    macro_rules! sizes {
                        ($($pixels:literal)+) => {
                            match (rows, tile.len()) {
                                (2, 8) if const { pixels_of::<S>() >= 16 } => products.add::<S, 16, 8, V>(simd),
                                (4, 4) if const { pixels_of::<S>() >= 16 } => products.add::<S, 16, 4, V>(simd),
                                $((1, $pixels) if const { $pixels <= pixels_of::<S>() } => {
                                    products.add::<S, $pixels, $pixels, V>(simd);
                                })+
                                _ => unreachable!("a tile fits the registers"),
                            }
                        };
                    }
                    sizes! { 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 }
                }
            }
            row += rows;
        }
    }
}

/// Some pixels of one output channel, and the sums of its kept weights.
struct Products<'a, E> {
    gradient: &'a [E],
    /// Panel values from the place of the first pixel on.
    panel: &'a [f32],
    /// Distance in the panel between the values of one row of pixels and the next.
    panel_row: usize,
    offsets: &'a [u32],
    sums: &'a mut [[f32; LANES]],
}

impl<E: Element> Products<'_, E> {
    /// Adds to each sum the products of `P` pixels of the gradient, in rows of `C`, with the pixels at the sum's offset.
    #[inline(always)]
    fn add<S: Simd, const P: usize, const C: usize, const V: usize>(&mut self, simd: S) {
        let Self { gradient, panel, panel_row, offsets, sums } = self;
        let gradient = &gradient[..P * LANES].as_chunks::<LANES>().0;
        let mut held = [[simd.splat_f32s(0.0); V]; P];
        for (held, gradient) in held.iter_mut().zip(gradient.iter()) {
            for (v, held) in held.iter_mut().enumerate() {
                *held = register(simd, gradient, v);
            }
        }
        for (&offset, sums) in offsets.iter().zip(sums.iter_mut()) {
            let (sums, _) = S::as_mut_simd_f32s(sums);
            for row in 0..P / C {
                let (x, _) = S::as_simd_f32s(&panel[offset as usize + row * *panel_row..][..C * LANES]);
                for v in 0..V {
                    let mut sum = sums[v];
                    for c in 0..C {
                        sum = simd.mul_add_f32s(held[row * C + c][v], x[c * V + v], sum);
                    }
                    sums[v] = sum;
                }
            }
        }
    }
}
