//! Forward pass and input gradient.
//!
//! A task covers a few rows of tiles. It transforms all its input tiles; then, for a block of channels of one tile, the 36
//! products fill a small buffer that the output transform empties.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    super::{epilogue::Epilogue, product::add_products, scratch::Scratch},
    PLACES,
    tiles::{INPUT_TILE, OUTPUT_TILE, Tile, Tiles, within},
    transform::{input_line, output_line},
    weights::{BLOCK, TransformedWeights},
};
use crate::{ConvShape, LANES, Maps, norm::Moments, shared::Shared, simd};

/// Values of a task's transformed input tiles, at most, where a row of tiles fits: 256 KiB, half of a second-level cache.
const TRANSFORMED_LEN: usize = 64 * 1024;

/// y = convolution of x. Gives what the epilogue finds, row of tiles by row of tiles.
pub(crate) fn forward(
    shape: &ConvShape,
    weights: &[f32],
    x: &[f32],
    input: &Maps,
    y: &mut [f32],
    output: &Maps,
    epilogue: Epilogue<'_>,
) -> Vec<Vec<Moments>> {
    let pass = Pass { read: input, written: output, padding: shape.padding, accumulate: false };
    pass.run(&TransformedWeights::forward(shape, weights), x, y, epilogue)
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
    let pass = Pass { read: output, written: input, padding: 2 - shape.padding, accumulate };
    pass.run(&TransformedWeights::transposed(shape, weights), dy, dx, Epilogue::None);
}

/// What a pass reads and writes.
struct Pass<'a> {
    read: &'a Maps,
    written: &'a Maps,
    padding: usize,
    accumulate: bool,
}

/// Working memory of a task.
#[derive(Default)]
struct Memory {
    /// Transformed input tiles, `[place][tile][channel read][lane]`.
    transformed: Scratch,
    /// Products of one block of channels of one tile, `[place][channel written][lane]`.
    products: Scratch,
}

impl Pass<'_> {
    fn run(
        &self,
        weights: &TransformedWeights,
        from: &[f32],
        to: &mut [f32],
        epilogue: Epilogue<'_>,
    ) -> Vec<Vec<Moments>> {
        let Self { read, written, .. } = *self;
        assert!(
            from.len() >= read.len() && to.len() >= written.len() && read.batch == written.batch,
            "maps do not fit"
        );
        let to = Shared::new(to);
        let tiles = Tiles::of(written);
        let rows_per_task = (TRANSFORMED_LEN / (PLACES * read.channels * LANES * tiles.across)).max(1);
        let task = |memory: &mut Memory, task: usize| {
            let rows = task * rows_per_task..((task + 1) * rows_per_task).min(tiles.rows);
            simd::dispatch(Task { pass: self, weights, from, to, tiles, rows: rows.clone(), memory });
            let finish = |row| {
                let (bundle, rows) = tiles.output_rows(row, written);
                // SAFETY: a task finishes the rows that it alone has written; they exist by the assertion above.
                unsafe { epilogue.finish(to, written, bundle, &rows) }
            };
            rows.map(finish).collect::<Vec<_>>()
        };
        let tasks = (0..tiles.rows.div_ceil(rows_per_task)).into_par_iter();
        let found: Vec<_> = tasks.map_init(Memory::default, task).collect();
        found.into_iter().flatten().collect()
    }
}

/// Some rows of tiles.
struct Task<'a> {
    pass: &'a Pass<'a>,
    weights: &'a TransformedWeights,
    from: &'a [f32],
    to: Shared<'a>,
    tiles: Tiles,
    rows: Range<usize>,
    memory: &'a mut Memory,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match const { LANES / S::F32_LANES } {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            _ => self.run::<S, LANES>(simd),
        }
    }
}

impl Task<'_> {
    /// With `V` registers to the lanes of a bundle.
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { pass, weights, from, to, tiles, rows, memory } = self;
        let channels = pass.read.channels;
        let first = rows.start * tiles.across;
        let count = rows.len() * tiles.across;
        // One vector more than needed between places: they would all meet in the same few cache sets.
        let place_len = count * channels * LANES + LANES;
        let transformed = memory.transformed.resize(PLACES * place_len);
        for index in 0..count {
            let tile = tiles.tile(first + index);
            for channel in 0..channels {
                let plane = &from[pass.read.start(tile.bundle, channel)..][..pass.read.used()];
                let places = &mut transformed[(index * channels + channel) * LANES..];
                transform_input::<S, V>(simd, plane, pass.read, tile, pass.padding, |place, v, value| {
                    let start = place * place_len + v * S::F32_LANES;
                    S::as_mut_simd_f32s(&mut places[start..start + S::F32_LANES]).0[0] = value;
                });
            }
        }
        let products = memory.products.resize(PLACES * BLOCK * LANES);
        for block in &weights.blocks {
            for index in 0..count {
                let tile = tiles.tile(first + index);
                let inputs = &transformed[index * channels * LANES..];
                macro_rules! sizes {
                    ($($size:literal)+) => {
                        match block.len() {
                            $($size => {
                                multiply::<S, $size, V>(simd, weights, block, inputs, channels, place_len, products);
                                pass.transform_output::<S, $size, V>(simd, products, to, tile, block.start);
                            })+
                            _ => unreachable!("blocks are at most six channels"),
                        }
                    };
                }
                sizes! { 1 2 3 4 5 6 }
            }
        }
    }
}

/// Bᵀ d B of one input tile of one channel: calls `store(place, register of lanes, value)`.
#[inline(always)]
pub(super) fn transform_input<S: Simd, const V: usize>(
    simd: S,
    plane: &[f32],
    maps: &Maps,
    tile: Tile,
    padding: usize,
    mut store: impl FnMut(usize, usize, S::f32s),
) {
    let (top, left) = (tile.row as isize - padding as isize, tile.column as isize - padding as isize);
    let (rows, columns) = (within::<INPUT_TILE>(top, maps.height), within::<INPUT_TILE>(left, maps.width));
    let zero = simd.splat_f32s(0.0);
    let row_len = maps.width * LANES;
    for v in 0..V {
        // Column by column of the input, then row by row of what that gives.
        let mut lines = [[zero; 6]; 6];
        if rows.len() == INPUT_TILE {
            for column in columns.clone() {
                let start = (top as usize * maps.width + (left + column as isize) as usize) * LANES + v * S::F32_LANES;
                let mut d = [zero; 6];
                for (row, d) in d.iter_mut().enumerate() {
                    *d = S::as_simd_f32s(&plane[start + row * row_len..][..S::F32_LANES]).0[0];
                }
                let line = input_line(simd, d);
                for row in 0..6 {
                    lines[row][column] = line[row];
                }
            }
        } else {
            for column in columns.clone() {
                let mut d = [zero; 6];
                for row in rows.clone() {
                    let pixel = (top + row as isize) as usize * maps.width + (left + column as isize) as usize;
                    d[row] = S::as_simd_f32s(&plane[pixel * LANES + v * S::F32_LANES..][..S::F32_LANES]).0[0];
                }
                let line = input_line(simd, d);
                for row in 0..6 {
                    lines[row][column] = line[row];
                }
            }
        }
        for (row, line) in lines.into_iter().enumerate() {
            let line = input_line(simd, line);
            for (column, value) in line.into_iter().enumerate() {
                store(row * 6 + column, v, value);
            }
        }
    }
}

/// The 36 products of a block of `C` channels of one tile.
#[inline(always)]
fn multiply<S: Simd, const C: usize, const V: usize>(
    simd: S,
    weights: &TransformedWeights,
    block: &Range<usize>,
    inputs: &[f32],
    channels: usize,
    place_len: usize,
    products: &mut [f32],
) {
    for (place, products) in products.chunks_exact_mut(C * LANES).take(PLACES).enumerate() {
        let mut sums = [[simd.splat_f32s(0.0); V]; C];
        let inputs = &inputs[place * place_len..][..channels * LANES];
        add_products(simd, inputs, weights.at(block, place), &mut sums);
        let (products, _) = S::as_mut_simd_f32s(products);
        for c in 0..C {
            for v in 0..V {
                products[c * V + v] = sums[c][v];
            }
        }
    }
}

impl Pass<'_> {
    /// Writes Aᵀ m A of a tile of `C` channels from `first` on, as far as it lies within the maps.
    #[inline(always)]
    fn transform_output<S: Simd, const C: usize, const V: usize>(
        &self,
        simd: S,
        products: &[f32],
        to: Shared<'_>,
        tile: Tile,
        first: usize,
    ) {
        let maps = self.written;
        let rows = (maps.height - tile.row).min(OUTPUT_TILE);
        let columns = (maps.width - tile.column).min(OUTPUT_TILE);
        let (products, _) = S::as_simd_f32s(products);
        for c in 0..C {
            let start = maps.start(tile.bundle, first + c) + (tile.row * maps.width + tile.column) * LANES;
            for v in 0..V {
                let mut lines = [[simd.splat_f32s(0.0); 6]; 4];
                for column in 0..6 {
                    let mut m = [simd.splat_f32s(0.0); 6];
                    for (row, m) in m.iter_mut().enumerate() {
                        *m = products[((row * 6 + column) * C + c) * V + v];
                    }
                    let line = output_line(simd, m);
                    for row in 0..4 {
                        lines[row][column] = line[row];
                    }
                }
                for (row, line) in lines.into_iter().enumerate().take(rows) {
                    let line = output_line(simd, line);
                    for (column, value) in line.into_iter().enumerate().take(columns) {
                        let at = to.at(start + (row * maps.width + column) * LANES + v * S::F32_LANES);
                        // SAFETY: `run` asserts that `to` holds all planes, and this task alone uses the pixels of its tiles.
                        unsafe {
                            let value =
                                if self.accumulate { simd.add_f32s(simd::load(simd, at), value) } else { value };
                            simd::store(simd, at, value);
                        }
                    }
                }
            }
        }
    }
}
