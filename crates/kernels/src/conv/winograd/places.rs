//! Forward pass and input gradient, place by place. A part is a number of tiles. First, all tiles of the part are
//! transformed. Then each place is one matrix product, which reads the transformed kernels of that place once. Last,
//! the products of all places are transformed back.

use std::ops::Range;

use pulp::Simd;

use super::{
    super::{
        blocks::even_blocks,
        epilogue::Epilogue,
        product::{OnTile, RegisterTile, add_products, on_tile},
        scratch::Scratch,
    },
    PLACES,
    gather::{Pass, transform_input},
    tiles::Tiles,
    weights::TransformedWeights,
};
use crate::{
    Element, LANES, Maps,
    norm::Moments,
    shared::Shared,
    simd::{self, BundleKernel},
    threads,
};

/// Maximum number of values in one place of the transformed tiles, unless one row of tiles needs more: 256 KiB, half
/// of a second-level cache.
const PLACE_LEN: usize = 64 * 1024;
/// Approximate number of channels that one task transforms.
const CHANNELS: usize = 32;
/// Approximate number of blocks of channels that one task multiplies.
const BLOCKS: usize = 12;

impl Pass<'_> {
    pub(super) fn run_by_places<E: Element>(
        &self,
        weights: &TransformedWeights,
        from: &[E],
        to: Shared<'_, E>,
        epilogue: Epilogue<'_, E>,
    ) -> Vec<Vec<Moments>> {
        let Self { read, written, .. } = *self;
        let tiles = Tiles::of(written);
        let part_rows = (PLACE_LEN / (read.channels * LANES * tiles.across)).clamp(1, tiles.rows);
        let of_part = |channels| Places::new(part_rows * tiles.across, channels);
        let (inputs, products) = (of_part(read.channels), of_part(written.channels));
        let (mut transformed, mut multiplied) = (Scratch::default(), Scratch::default());
        let (transformed, multiplied) = (transformed.resize(inputs.len()), multiplied.resize(products.len()));
        let mut moments = Vec::new();
        for first in (0..tiles.rows).step_by(part_rows) {
            let rows = first..(first + part_rows).min(tiles.rows);
            let count = rows.len() * tiles.across;
            let part = Part { pass: self, tiles, first: first * tiles.across };

            let into = Shared::new(transformed);
            each_tile_and_channels(count, read, |tile, channels| {
                simd::dispatch_bundle(TransformInput { part: &part, tile, channels, from, into, places: &inputs });
            });
            let (transformed, into) = (&*transformed, Shared::new(multiplied));
            let groups = even_blocks(weights.blocks.len(), BLOCKS);
            threads::each_task(PLACES * groups.len(), &|task| {
                let (place, blocks) = (task / groups.len(), &weights.blocks[groups[task % groups.len()].clone()]);
                let inputs = &transformed[inputs.at(place, 0, 0)..][..count * read.channels * LANES];
                simd::dispatch_bundle(Multiply { weights, blocks, place, inputs, read, into, places: &products });
            });
            let multiplied = &*multiplied;
            each_tile_and_channels(count, written, |tile, channels| {
                simd::dispatch_bundle(TransformOutput {
                    part: &part,
                    tile,
                    channels,
                    multiplied,
                    places: &products,
                    to,
                });
            });
            moments.extend(threads::results_of_tasks(rows.len(), &|(): &mut (), row| {
                let (bundle, rows) = tiles.output_rows(first + row, written);
                // SAFETY: these rows are written, and each belongs to one task. They exist by the assertion of `run`.
                unsafe { epilogue.finish(to, written, bundle, &rows) }
            }));
        }
        moments
    }
}

/// Calls `task(tile, channels)` for every tile and every range of channels.
fn each_tile_and_channels(tiles: usize, maps: &Maps, task: impl Fn(usize, Range<usize>) + Sync) {
    let blocks = even_blocks(maps.channels, CHANNELS);
    threads::each_task(tiles * blocks.len(), &|index| task(index / blocks.len(), blocks[index % blocks.len()].clone()));
}

/// Offsets in the layout `[place][tile][channel][lane]`.
struct Places {
    tiles: usize,
    channels: usize,
    /// Distance from one place to the next. It is one vector more than needed. Otherwise all places would fall into
    /// the same few cache sets.
    place: usize,
}

impl Places {
    fn new(tiles: usize, channels: usize) -> Self {
        Self { tiles, channels, place: tiles * channels * LANES + LANES }
    }

    fn len(&self) -> usize {
        PLACES * self.place
    }

    #[inline(always)]
    fn at(&self, place: usize, tile: usize, channel: usize) -> usize {
        debug_assert!(tile < self.tiles && channel < self.channels, "tile {tile}, channel {channel}");
        place * self.place + (tile * self.channels + channel) * LANES
    }
}

/// Tiles of a pass, starting at `first`.
struct Part<'a> {
    pass: &'a Pass<'a>,
    tiles: Tiles,
    first: usize,
}

/// Transforms some channels of one tile.
struct TransformInput<'a, E> {
    part: &'a Part<'a>,
    tile: usize,
    channels: Range<usize>,
    from: &'a [E],
    into: Shared<'a>,
    places: &'a Places,
}

impl<E: Element> BundleKernel for TransformInput<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { part: Part { pass, tiles, first }, tile: index, channels, from, into, places } = self;
        let tile = tiles.tile(first + index);
        for channel in channels {
            let plane = &from[pass.read.start(tile.bundle, channel)..][..pass.read.used()];
            let into = into.at(places.at(0, index, channel));
            transform_input::<S, _, V>(simd, plane, pass.read, tile, pass.padding, |place, v, value| {
                // SAFETY: every place of a tile and channel lies in the buffer, and no other task writes those of
                // this task.
                unsafe { simd::store(simd, into.wrapping_add(place * places.place + v * S::F32_LANES), value) }
            });
        }
    }
}

/// Multiplies all tiles at one place with the kernels of some blocks of channels.
struct Multiply<'a> {
    weights: &'a TransformedWeights,
    blocks: &'a [Range<usize>],
    place: usize,
    /// `[tile][channel read][lane]`
    inputs: &'a [f32],
    read: &'a Maps,
    into: Shared<'a>,
    places: &'a Places,
}

impl BundleKernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { weights, blocks, place, inputs, read, into, places } = self;
        for block in blocks {
            let tile_len = read.channels * LANES;
            let groups = inputs.chunks(const { RegisterTile::of::<S>().pixels } * tile_len);
            let mut first = 0;
            for inputs in groups {
                let (weights, tiles) = (weights.at(block, place), inputs.len() / tile_len);
                let mut tile = Products { weights, inputs, into, start: places.at(place, first, block.start), places };
                on_tile::<S, V>(simd, tiles, block.len(), &mut tile);
                first += tiles;
            }
        }
    }
}

/// The products of a few tiles with the kernels of one block of channels at one place.
struct Products<'a> {
    weights: &'a [f32],
    /// `[tile][channel read][lane]`
    inputs: &'a [f32],
    into: Shared<'a>,
    /// Offset of the products of the first tile and channel.
    start: usize,
    places: &'a Places,
}

impl OnTile for Products<'_> {
    #[inline(always)]
    fn run<S: Simd, const P: usize, const C: usize, const V: usize>(&mut self, simd: S) {
        let len = self.inputs.len() / P;
        let mut values = [&[][..]; P];
        for (tile, values) in values.iter_mut().enumerate() {
            *values = &self.inputs[tile * len..(tile + 1) * len];
        }
        for v in 0..V {
            let mut sums = [[simd.splat_f32s(0.0); C]; P];
            add_products::<S, P, C, V>(simd, values, self.weights, v, &mut sums);
            for (tile, sums) in sums.iter().enumerate() {
                for (c, sum) in sums.iter().enumerate() {
                    let at = self.start + (tile * self.places.channels + c) * LANES + v * S::F32_LANES;
                    // SAFETY: the products of a block of a tile lie in the buffer, and no other task writes them.
                    unsafe { simd::store(simd, self.into.at(at), *sum) };
                }
            }
        }
    }
}

/// Transforms the products of some channels of one tile back to output pixels.
struct TransformOutput<'a, E> {
    part: &'a Part<'a>,
    tile: usize,
    channels: Range<usize>,
    multiplied: &'a [f32],
    places: &'a Places,
    to: Shared<'a, E>,
}

impl<E: Element> BundleKernel for TransformOutput<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { part: Part { pass, tiles, first }, tile: index, channels, multiplied, places, to } = self;
        let tile = tiles.tile(first + index);
        for channel in channels {
            let products = &multiplied[places.at(0, index, channel)..];
            pass.transform_output::<S, _, V>(simd, products, places.place / S::F32_LANES, to, tile, channel);
        }
    }
}
