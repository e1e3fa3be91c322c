//! Forward pass and input gradient.
//!
//! There are two schedules. *Tile by tile*: a task covers a few rows of tiles and transforms all its input tiles.
//! Then, for a block of channels of one tile, the 36 products fill a small buffer, which the output transform
//! empties. *Place by place* (`places.rs`): this is for layers whose transformed kernels are too large to be read
//! again for every few tiles.

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
    tiles::{INPUT_TILE, OUTPUT_TILE, Tile, Tiles, within},
    transform::{input_line, output_line},
    weights::{Order, TransformedWeights},
};
use crate::{
    ConvShape, Element, LANES, Maps,
    ahead::{Ahead, ask_for_pixel},
    norm::Moments,
    shared::Shared,
    simd::{self, BundleKernel},
    threads,
};

/// Maximum number of values in a task's transformed input tiles, unless one row of tiles needs more: 256 KiB, half of
/// a second-level cache.
const TRANSFORMED_LEN: usize = 64 * 1024;

/// Least number of channel pairs for which the schedule place by place measured faster.
const PAIRS_BY_PLACES: usize = 128 * 256;

fn order(shape: &ConvShape) -> Order {
    if shape.in_channels * shape.out_channels < PAIRS_BY_PLACES { Order::Blocks } else { Order::Places }
}

/// y = convolution of x. Returns the results of the epilogue, one per row of tiles.
pub(crate) fn forward<E: Element>(
    shape: &ConvShape,
    weights: &[f32],
    x: &[E],
    input: &Maps,
    y: &mut [E],
    output: &Maps,
    epilogue: Epilogue<'_, E>,
) -> Vec<Vec<Moments>> {
    let pass = Pass { read: input, written: output, padding: shape.padding, accumulate: false };
    pass.run(&TransformedWeights::forward(shape, weights, order(shape)), x, y, epilogue)
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
    let pass = Pass { read: output, written: input, padding: 2 - shape.padding, accumulate };
    pass.run(&TransformedWeights::transposed(shape, weights, order(shape)), dy, dx, Epilogue::None);
}

/// Inputs and outputs of a pass.
pub(super) struct Pass<'a> {
    pub(super) read: &'a Maps,
    pub(super) written: &'a Maps,
    pub(super) padding: usize,
    accumulate: bool,
}

/// Working memory of a task.
#[derive(Default)]
struct Memory {
    /// Transformed input tiles, `[place][tile][channel read][lane]`.
    transformed: Scratch,
    /// Products of one block of channels of a few tiles, `[place][tile][channel written][lane]`.
    products: Scratch,
}

impl Pass<'_> {
    fn run<E: Element>(
        &self,
        weights: &TransformedWeights,
        from: &[E],
        to: &mut [E],
        epilogue: Epilogue<'_, E>,
    ) -> Vec<Vec<Moments>> {
        let Self { read, written, .. } = *self;
        assert!(
            from.len() >= read.len() && to.len() >= written.len() && read.batch == written.batch,
            "maps do not fit"
        );
        let to = Shared::new(to);
        match weights.order() {
            Order::Blocks => self.run_by_tiles(weights, from, to, epilogue),
            Order::Places => self.run_by_places(weights, from, to, epilogue),
        }
    }

    fn run_by_tiles<E: Element>(
        &self,
        weights: &TransformedWeights,
        from: &[E],
        to: Shared<'_, E>,
        epilogue: Epilogue<'_, E>,
    ) -> Vec<Vec<Moments>> {
        let Self { read, written, .. } = *self;
        let tiles = Tiles::of(written);
        let rows_per_task = (TRANSFORMED_LEN / (PLACES * read.channels * LANES * tiles.across)).max(1);
        let task = |memory: &mut Memory, task: usize| {
            let rows = task * rows_per_task..((task + 1) * rows_per_task).min(tiles.rows);
            simd::dispatch_bundle(Task { pass: self, weights, from, to, tiles, rows: rows.clone(), memory });
            let finish = |row| {
                let (bundle, rows) = tiles.output_rows(row, written);
                // SAFETY: a task finishes only rows that no other task writes. They exist by the assertion above.
                unsafe { epilogue.finish(to, written, bundle, &rows) }
            };
            rows.map(finish).collect::<Vec<_>>()
        };
        let found = threads::results_of_tasks(tiles.rows.div_ceil(rows_per_task), &task);
        found.into_iter().flatten().collect()
    }
}

/// Rows of tiles that one task computes.
struct Task<'a, E> {
    pass: &'a Pass<'a>,
    weights: &'a TransformedWeights,
    from: &'a [E],
    to: Shared<'a, E>,
    tiles: Tiles,
    rows: Range<usize>,
    memory: &'a mut Memory,
}

impl<E: Element> BundleKernel for Task<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { pass, weights, from, to, tiles, rows, memory } = self;
        let channels = pass.read.channels;
        let first = rows.start * tiles.across;
        let count = rows.len() * tiles.across;
        // Places are one vector further apart than needed. Otherwise they would all fall into the same few cache
        // sets.
        let place_len = count * channels * LANES + LANES;
        let transformed = memory.transformed.resize(PLACES * place_len);
        for index in 0..count {
            let tile = tiles.tile(first + index);
            for channel in 0..channels {
                let plane = &from[pass.read.start(tile.bundle, channel)..][..pass.read.used()];
                let places = &mut transformed[(index * channels + channel) * LANES..];
                assert!(places.len() > (PLACES - 1) * place_len + LANES, "a tile has 36 places");
                let places = places.as_mut_ptr();
                transform_input::<S, _, V>(simd, plane, pass.read, tile, pass.padding, |place, v, value| {
                    // SAFETY: there are 36 places, each with one run of lanes, as asserted above.
                    unsafe { simd::store(simd, places.wrapping_add(place * place_len + v * S::F32_LANES), value) }
                });
            }
        }
        let most = const { RegisterTile::of::<S>().pixels * RegisterTile::of::<S>().channels };
        let products = memory.products.resize(PLACES * most * LANES);
        let groups = even_blocks(count, RegisterTile::of::<S>().pixels);
        let mut ahead = pass.ahead(from, tiles, first + count, weights.blocks.len() * groups.len() * PLACES);
        for block in &weights.blocks {
            for group in &groups {
                let tiles = group.clone().map(|tile| self.tiles.tile(first + tile));
                let mut multiply = Multiply {
                    pass,
                    weights,
                    block,
                    inputs: &transformed[group.start * channels * LANES..],
                    place_len,
                    products: &mut *products,
                    to,
                    tiles: tiles.clone(),
                    ahead: &mut ahead,
                };
                on_tile::<S, V>(simd, group.len(), block.len(), &mut multiply);
                let of_place = group.len() * block.len();
                for (index, tile) in tiles.enumerate() {
                    for channel in 0..block.len() {
                        let products = &products[(index * block.len() + channel) * LANES..];
                        pass.transform_output::<S, _, V>(simd, products, of_place * V, to, tile, block.start + channel);
                    }
                }
            }
        }
    }
}

/// Bᵀ d B of one input tile of one channel. Calls `store(place, register of lanes, value)`.
#[inline(always)]
pub(super) fn transform_input<S: Simd, E: Element, const V: usize>(
    simd: S,
    plane: &[E],
    maps: &Maps,
    tile: Tile,
    padding: usize,
    store: impl FnMut(usize, usize, S::f32s),
) {
    let (top, left) = (tile.row as isize - padding as isize, tile.column as isize - padding as isize);
    let (rows, columns) = (within::<INPUT_TILE>(top, maps.height), within::<INPUT_TILE>(left, maps.width));
    if rows.len() == INPUT_TILE && columns.len() == INPUT_TILE {
        let start = (top as usize * maps.width + left as usize) * LANES;
        transform_rows::<S, E, V>(simd, rows_of(&plane[start..], maps.width * LANES), store);
    } else {
        // Zeros complete a tile that extends beyond the maps.
        let mut pixels = [[[E::default(); LANES]; INPUT_TILE]; INPUT_TILE];
        for row in rows {
            let start = (top + row as isize) as usize * maps.width;
            for column in columns.clone() {
                let (from, _) = plane[(start + (left + column as isize) as usize) * LANES..].as_chunks::<LANES>();
                pixels[row][column] = from[0];
            }
        }
        transform_rows::<S, E, V>(simd, rows_of(pixels.as_flattened().as_flattened(), INPUT_TILE * LANES), store);
    }
}

/// `H` rows of a tile with `L` values each, `row_len` values apart.
#[inline(always)]
pub(super) fn rows_of<E, const H: usize, const L: usize>(pixels: &[E], row_len: usize) -> [&[E; L]; H] {
    std::array::from_fn(|row| pixels[row * row_len..].first_chunk().expect("a tile lies within its plane"))
}

/// The same transform, given the rows of a tile.
#[inline(always)]
fn transform_rows<S: Simd, E: Element, const V: usize>(
    simd: S,
    rows: [&[E; INPUT_TILE * LANES]; INPUT_TILE],
    mut store: impl FnMut(usize, usize, S::f32s),
) {
    for v in 0..V {
        // The transform is applied to every column, then to every row of the result.
        let columns = [
            input_line(simd, pixels_at(simd, rows, v, 0)),
            input_line(simd, pixels_at(simd, rows, v, 1)),
            input_line(simd, pixels_at(simd, rows, v, 2)),
            input_line(simd, pixels_at(simd, rows, v, 3)),
            input_line(simd, pixels_at(simd, rows, v, 4)),
            input_line(simd, pixels_at(simd, rows, v, 5)),
        ];
        for row in 0..6 {
            let line = input_line(simd, across(&columns, row));
            for (column, value) in line.iter().enumerate() {
                store(row * 6 + column, v, *value);
            }
        }
    }
}

/// Register `v` of the pixel in column `column` of each row.
#[inline(always)]
pub(super) fn pixels_at<S: Simd, E: Element, const H: usize, const L: usize>(
    simd: S,
    rows: [&[E; L]; H],
    v: usize,
    column: usize,
) -> [S::f32s; H] {
    let place = column * LANES + v * S::F32_LANES;
    let mut pixels = [simd.splat_f32s(0.0); H];
    for row in 0..H {
        pixels[row] = E::load(simd, &rows[row][place..]);
    }
    pixels
}

/// Row `row` across several columns.
#[inline(always)]
pub(super) fn across<T: Copy, const N: usize, const H: usize>(columns: &[[T; H]; N], row: usize) -> [T; N] {
    let mut line = [columns[0][row]; N];
    for (value, column) in line.iter_mut().zip(columns) {
        *value = column[row];
    }
    line
}

/// The products of a block of channels of a few tiles.
struct Multiply<'a, 'ahead, E, T> {
    pass: &'a Pass<'a>,
    weights: &'a TransformedWeights,
    block: &'a Range<usize>,
    /// Transformed input tiles from the first of these tiles on, `[place][tile][channel read][lane]`.
    inputs: &'a [f32],
    /// Distance from one place of the inputs to the next, in values.
    place_len: usize,
    /// Memory for the products, `[place][tile][channel][lane]`.
    products: &'a mut [f32],
    to: Shared<'a, E>,
    tiles: T,
    ahead: &'a mut Ahead<'ahead, E>,
}

impl<E: Element, T: Iterator<Item = Tile> + Clone> OnTile for Multiply<'_, '_, E, T> {
    #[inline(always)]
    fn run<S: Simd, const P: usize, const C: usize, const V: usize>(&mut self, simd: S) {
        let Self { pass, weights, block, inputs, place_len, products, to, tiles, ahead } = self;
        let len = pass.read.channels * LANES;
        for (place, products) in products.chunks_exact_mut(P * C * LANES).take(PLACES).enumerate() {
            if place < OUTPUT_TILE * OUTPUT_TILE {
                for tile in tiles.clone() {
                    ask_for_pixel(*to, pass.written_place(tile, block.start, place), pass.written.plane, C);
                }
            }
            ahead.step();
            let (inputs, weights) = (&inputs[place * *place_len..], weights.at(block, place));
            let mut values = [&[][..]; P];
            for (tile, values) in values.iter_mut().enumerate() {
                *values = &inputs[tile * len..(tile + 1) * len];
            }
            store_products::<S, P, C, V>(simd, values, weights, products);
        }
    }
}

/// Writes the products of each tile and channel, `[tile][channel][lane]`.
#[inline(always)]
fn store_products<S: Simd, const P: usize, const C: usize, const V: usize>(
    simd: S,
    values: [&[f32]; P],
    weights: &[f32],
    products: &mut [f32],
) {
    let (products, _) = S::as_mut_simd_f32s(products);
    let (products, _) = products.as_chunks_mut::<V>();
    let products = &mut products[..P * C];
    for v in 0..V {
        let mut sums = [[simd.splat_f32s(0.0); C]; P];
        add_products::<S, P, C, V>(simd, values, weights, v, &mut sums);
        for (products, sum) in products.iter_mut().zip(sums.as_flattened()) {
            products[v] = *sum;
        }
    }
}

impl Pass<'_> {
    /// Prefetches what the next row of tiles reads and this row does not. `next` is the index of that row's first
    /// tile.
    fn ahead<'a, E>(&self, from: &'a [E], tiles: Tiles, next: usize, steps: usize) -> Ahead<'a, E> {
        let Tile { bundle, row, .. } = tiles.tile(next);
        let end = (row + INPUT_TILE).saturating_sub(self.padding);
        let start = if row == 0 { 0 } else { end.saturating_sub(OUTPUT_TILE) };
        Ahead::rows(from, self.read, bundle, start..end, steps)
    }

    /// Offset in a channel at which a pixel of a tile is written. Pixels are counted row by row.
    #[inline(always)]
    fn written_place(&self, tile: Tile, channel: usize, pixel: usize) -> usize {
        let (row, column) = (tile.row + pixel / OUTPUT_TILE, tile.column + pixel % OUTPUT_TILE);
        self.written.start(tile.bundle, channel) + (row * self.written.width + column) * LANES
    }

    /// Writes Aᵀ m A of one tile of a channel, as far as it lies within the maps. The products `m` are one run of
    /// lanes per place, `place_len` registers apart.
    #[inline(always)]
    pub(super) fn transform_output<S: Simd, E: Element, const V: usize>(
        &self,
        simd: S,
        products: &[f32],
        place_len: usize,
        to: Shared<'_, E>,
        tile: Tile,
        channel: usize,
    ) {
        let maps = self.written;
        let rows = (maps.height - tile.row).min(OUTPUT_TILE);
        let columns = (maps.width - tile.column).min(OUTPUT_TILE);
        let (products, _) = S::as_simd_f32s(products);
        let start = self.written_place(tile, channel, 0);
        assert!(products.len() >= (PLACES - 1) * place_len + V, "a tile has 36 places");
        for v in 0..V {
            // SAFETY: the assertion above.
            let places = unsafe {
                [
                    output_line(simd, place_column::<S>(products, place_len, 0, v)),
                    output_line(simd, place_column::<S>(products, place_len, 1, v)),
                    output_line(simd, place_column::<S>(products, place_len, 2, v)),
                    output_line(simd, place_column::<S>(products, place_len, 3, v)),
                    output_line(simd, place_column::<S>(products, place_len, 4, v)),
                    output_line(simd, place_column::<S>(products, place_len, 5, v)),
                ]
            };
            for row in 0..OUTPUT_TILE {
                let line = output_line(simd, across(&places, row));
                let at = start + row * maps.width * LANES + v * S::F32_LANES;
                // Most tiles lie within the maps. For those, the compiler knows every bound here.
                if rows == OUTPUT_TILE && columns == OUTPUT_TILE {
                    for (column, value) in line.iter().enumerate() {
                        self.write(simd, to.at(at + column * LANES), *value);
                    }
                } else if row < rows {
                    for (column, value) in line.iter().enumerate().take(columns) {
                        self.write(simd, to.at(at + column * LANES), *value);
                    }
                }
            }
        }
    }

    /// Writes or adds one register of an output pixel.
    #[inline(always)]
    fn write<S: Simd, E: Element>(&self, simd: S, at: *mut E, value: S::f32s) {
        // SAFETY: `run` asserts that the buffer holds all planes. No other task uses the pixels of this task's tiles.
        unsafe {
            let value = if self.accumulate { simd.add_f32s(simd::load(simd, at), value) } else { value };
            simd::store(simd, at, value);
        }
    }
}

/// Register `v` of one column of places, which lie `place_len` registers apart.
///
/// # Safety
/// `products` has more than `(PLACES - 1) * place_len + v` registers.
#[inline(always)]
unsafe fn place_column<S: Simd>(products: &[S::f32s], place_len: usize, column: usize, v: usize) -> [S::f32s; 6] {
    let mut places = [products[0]; 6];
    for (row, register) in places.iter_mut().enumerate() {
        // SAFETY: guaranteed by the caller, since a column has six of the places.
        *register = unsafe { *products.get_unchecked((row * 6 + column) * place_len + v) };
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_every_instruction_set;

    #[test]
    fn by_tiles_and_by_places_give_the_same_bits() {
        on_every_instruction_set(check_orders);
    }

    fn check_orders() {
        for (in_channels, out_channels, side, batch, padding) in
            [(5, 7, 9, 19, 1), (16, 13, 4, 5, 1), (40, 3, 6, 33, 0), (1, 1, 3, 1, 2)]
        {
            let shape = ConvShape { in_channels, out_channels, kernel: 3, stride: 1, padding, groups: 1 };
            let input = Maps::new(in_channels, side, side + 2, batch);
            let output = shape.output(&input);
            let values = |len: usize| -> Vec<f32> { (0..len).map(|i| (i * 7919 % 101) as f32 / 50.0 - 1.0).collect() };
            let (weights, x) = (values(shape.weights()), values(input.len()));
            let pass = Pass { read: &input, written: &output, padding, accumulate: false };
            let run = |order| {
                let mut y = vec![0.0; output.len()];
                let weights = TransformedWeights::forward(&shape, &weights, order);
                let moments = pass.run(&weights, &x, &mut y, Epilogue::Statistics);
                (y, format!("{moments:?}"))
            };
            let by_tiles = run(Order::Blocks);
            assert!(by_tiles.0.iter().any(|value| *value != 0.0));
            assert_eq!(by_tiles, run(Order::Places), "{shape:?}");
        }
    }
}
