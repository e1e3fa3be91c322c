//! The weight gradient. At each place, transformed input tiles are multiplied with transformed tiles of the output's
//! gradient, and the products are summed over tiles and samples.
//!
//! Tiles are processed in parts. First, all tiles of a part are transformed, channel by channel. Then the sums are
//! taken, place by place. The order of summation never depends on the number of threads.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::{
    super::{blocks::even_blocks, scratch::Scratch},
    PLACES,
    gather::{across, pixels_at, rows_of, transform_input},
    tiles::{OUTPUT_TILE, Tile, Tiles},
    transform::gradient_line,
    weights::kernel_gradient,
};
use crate::{
    ConvShape, Element, LANES, Maps,
    shared::Shared,
    simd::{self, BundleKernel, sum_lanes},
    threads,
};

/// Maximum number of values in the transformed tiles of one part: 8 MiB.
const PART_LEN: usize = 2 * 1024 * 1024;
/// Least number of tiles in a part, if there are so many. With fewer, the work after a sum dominates the sum itself.
const PART_TILES: usize = 8;

/// dw = gradient with respect to the weights `[out, in, 3, 3]`, written over `dw`.
pub(crate) fn weight_gradient<E: Element>(
    shape: &ConvShape,
    x: &[E],
    input: &Maps,
    dy: &[E],
    output: &Maps,
    dw: &mut [f32],
) {
    let (inputs, outputs) = (shape.in_channels, shape.out_channels);
    let tiles = Tiles::of(output);
    let part_tiles = (PART_LEN / (PLACES * LANES * (inputs + outputs))).max(PART_TILES).min(tiles.count());
    // Channels are one vector further apart than needed. Otherwise they would fall into the same few cache sets.
    let run = part_tiles * LANES + LANES;
    let (mut in_places, mut out_places) = (Scratch::default(), Scratch::default());
    let (in_places, out_places) = (in_places.resize(PLACES * inputs * run), out_places.resize(PLACES * outputs * run));
    let pairs = inputs * outputs;
    // The same applies to places.
    let place_len = pairs + LANES;
    let mut sums = Scratch::default();
    let sums = sums.resize(PLACES * place_len);
    sums.fill(0.0);
    for first in (0..tiles.count()).step_by(part_tiles) {
        let part = first..(first + part_tiles).min(tiles.count());
        let (to_in, to_out) = (Shared::new(in_places), Shared::new(out_places));
        threads::each_task(inputs + outputs, &|channel| {
            let transform = Transform { tiles, part: part.clone(), run };
            if channel < inputs {
                simd::dispatch_bundle(InputChannel { transform, x, input, padding: shape.padding, channel, to: to_in });
            } else {
                let channel = channel - inputs;
                simd::dispatch_bundle(OutputChannel { transform, dy, output, channel, to: to_out });
            }
        });
        let (in_places, out_places) = (&*in_places, &*out_places);
        threads::each_chunk(sums, place_len, &|place, sums| {
            let of_place = |channels: usize| place * channels * run..(place + 1) * channels * run;
            let (in_run, out_run) = (&in_places[of_place(inputs)], &out_places[of_place(outputs)]);
            simd::dispatch_bundle(Products { in_run, out_run, run, len: part.len() * LANES, sums, inputs, outputs });
        });
    }
    let sums = &*sums;
    dw.par_chunks_mut(9 * LANES).enumerate().with_min_len(16).for_each(|(index, dw)| {
        simd::dispatch_bundle(KernelGradients { sums: &sums[index * LANES..], place_len, dw });
    });
}

/// Transforms the sums of channel pairs to gradients of their kernels, for as many pairs at a time as a bundle has
/// lanes.
struct KernelGradients<'a> {
    /// Sums from the first of these pairs on.
    sums: &'a [f32],
    place_len: usize,
    dw: &'a mut [f32],
}

impl BundleKernel for KernelGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { sums, place_len, dw } = self;
        let mut taps = [[0.0; LANES]; 9];
        kernel_gradient::<S, V>(simd, sums, place_len, &mut taps);
        for (pair, dw) in dw.chunks_exact_mut(9).enumerate() {
            for (tap, dw) in dw.iter_mut().enumerate() {
                *dw = taps[tap][pair];
            }
        }
    }
}

/// The tiles to transform, and the distance from one channel of a place to the next.
struct Transform {
    tiles: Tiles,
    part: Range<usize>,
    run: usize,
}

/// Transforms the tiles of one input channel to `[place][channel][tile][lane]`.
struct InputChannel<'a, E> {
    transform: Transform,
    x: &'a [E],
    input: &'a Maps,
    padding: usize,
    channel: usize,
    to: Shared<'a>,
}

impl<E: Element> BundleKernel for InputChannel<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { transform: Transform { tiles, part, run }, x, input, padding, channel, to } = self;
        let place_len = input.channels * run;
        for (index, tile) in part.map(|tile| tiles.tile(tile)).enumerate() {
            let plane = &x[input.start(tile.bundle, channel)..][..input.used()];
            let to = to.at(channel * run + index * LANES);
            transform_input::<S, _, V>(simd, plane, input, tile, padding, |place, v, value| {
                // SAFETY: a place of a tile of a channel lies in the buffer, and no other task writes those of this
                // channel.
                unsafe { simd::store(simd, to.wrapping_add(place * place_len + v * S::F32_LANES), value) }
            });
        }
    }
}

/// Transforms the gradient's tiles of one output channel to `[place][channel][tile][lane]`.
struct OutputChannel<'a, E> {
    transform: Transform,
    dy: &'a [E],
    output: &'a Maps,
    channel: usize,
    to: Shared<'a>,
}

impl<E: Element> BundleKernel for OutputChannel<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { transform: Transform { tiles, part, run }, dy, output, channel, to } = self;
        let place_len = output.channels * run;
        for (index, tile) in part.map(|tile| tiles.tile(tile)).enumerate() {
            let plane = &dy[output.start(tile.bundle, channel)..][..output.used()];
            let to = to.at(channel * run + index * LANES);
            transform_gradient::<S, _, V>(simd, plane, output, tile, |place, v, value| {
                // SAFETY: as for the input.
                unsafe { simd::store(simd, to.wrapping_add(place * place_len + v * S::F32_LANES), value) }
            });
        }
    }
}

/// A y Aᵀ of one output tile of one channel. Calls `store(place, register of lanes, value)`.
#[inline(always)]
fn transform_gradient<S: Simd, E: Element, const V: usize>(
    simd: S,
    plane: &[E],
    maps: &Maps,
    tile: Tile,
    store: impl FnMut(usize, usize, S::f32s),
) {
    let start = (tile.row * maps.width + tile.column) * LANES;
    let (rows, columns) = ((maps.height - tile.row).min(OUTPUT_TILE), (maps.width - tile.column).min(OUTPUT_TILE));
    if rows == OUTPUT_TILE && columns == OUTPUT_TILE {
        transform_rows::<S, E, V>(simd, rows_of(&plane[start..], maps.width * LANES), store);
    } else {
        let mut pixels = [[[E::default(); LANES]; OUTPUT_TILE]; OUTPUT_TILE];
        for row in 0..rows {
            let (from, _) = plane[start + row * maps.width * LANES..].as_chunks::<LANES>();
            pixels[row][..columns].copy_from_slice(&from[..columns]);
        }
        transform_rows::<S, E, V>(simd, rows_of(pixels.as_flattened().as_flattened(), OUTPUT_TILE * LANES), store);
    }
}

/// The same transform, given the rows of a tile.
#[inline(always)]
fn transform_rows<S: Simd, E: Element, const V: usize>(
    simd: S,
    rows: [&[E; OUTPUT_TILE * LANES]; OUTPUT_TILE],
    mut store: impl FnMut(usize, usize, S::f32s),
) {
    for v in 0..V {
        let columns = [
            gradient_line(simd, pixels_at(simd, rows, v, 0)),
            gradient_line(simd, pixels_at(simd, rows, v, 1)),
            gradient_line(simd, pixels_at(simd, rows, v, 2)),
            gradient_line(simd, pixels_at(simd, rows, v, 3)),
        ];
        for row in 0..6 {
            let line = gradient_line(simd, across(&columns, row));
            for (column, value) in line.iter().enumerate() {
                store(row * 6 + column, v, *value);
            }
        }
    }
}

/// Adds the products of one place to `sums` `[out, in]`.
struct Products<'a> {
    in_run: &'a [f32],
    out_run: &'a [f32],
    run: usize,
    len: usize,
    sums: &'a mut [f32],
    inputs: usize,
    outputs: usize,
}

/// Most output and input channels of a register block. The sums of all channel pairs and a value of each channel fill the
/// registers. Scalar code is compiled for one size only.
const fn block<S: Simd>() -> (usize, usize) {
    match simd::registers_of::<S>() {
        (1, _) => (1, 1),
        (_, ..32) => (3, 4),
        (_, 32..) => (6, 4),
    }
}

impl BundleKernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        for out_block in even_blocks(self.outputs, const { block::<S>().0 }) {
            for in_block in even_blocks(self.inputs, const { block::<S>().1 }) {
                macro_rules! sizes {
                    ($($out:literal: $($input:literal)+;)+) => {
                        match (out_block.len(), in_block.len()) {
                            $($(($out, $input) if const { $out <= block::<S>().0 && $input <= block::<S>().1 } => self.add::<S, V, $out, $input>(simd, out_block.start, in_block.start),)+)+
                            _ => unreachable!("a register block has at most six by four channels"),
                        }
                    };
                }
                sizes! { 1: 1 2 3 4; 2: 1 2 3 4; 3: 1 2 3 4; 4: 1 2 3 4; 5: 1 2 3 4; 6: 1 2 3 4; }
            }
        }
    }
}

impl Products<'_> {
    #[inline(always)]
    fn add<S: Simd, const V: usize, const O: usize, const I: usize>(&mut self, simd: S, out: usize, input: usize) {
        let mut d: [&[[S::f32s; V]]; O] = [&[]; O];
        let mut x: [&[[S::f32s; V]]; I] = [&[]; I];
        for (o, d) in d.iter_mut().enumerate() {
            *d = S::as_simd_f32s(&self.out_run[(out + o) * self.run..][..self.len]).0.as_chunks().0;
        }
        for (i, x) in x.iter_mut().enumerate() {
            *x = S::as_simd_f32s(&self.in_run[(input + i) * self.run..][..self.len]).0.as_chunks().0;
        }
        let pixels = self.len / LANES;
        // The slices are cut to equal lengths, so that the compiler knows the bounds.
        for d in &mut d {
            *d = &d[..pixels];
        }
        for x in &mut x {
            *x = &x[..pixels];
        }
        // Every register of a bundle has its own sums. The registers are processed one after another, because the
        // sums of all would not fit.
        let mut lanes = [[[simd.splat_f32s(0.0); V]; I]; O];
        for v in 0..V {
            let mut sums = [[simd.splat_f32s(0.0); I]; O];
            for pixel in 0..pixels {
                for i in 0..I {
                    let x = x[i][pixel][v];
                    for o in 0..O {
                        sums[o][i] = simd.mul_add_f32s(d[o][pixel][v], x, sums[o][i]);
                    }
                }
            }
            for o in 0..O {
                for i in 0..I {
                    lanes[o][i][v] = sums[o][i];
                }
            }
        }
        for (o, lanes) in lanes.iter().enumerate() {
            for (i, lanes) in lanes.iter().enumerate() {
                self.sums[(out + o) * self.inputs + input + i] += sum_lanes(simd, *lanes);
            }
        }
    }
}
