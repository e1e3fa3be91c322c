//! The innermost loop of the dense kernels, and the size of the tile that it holds in registers.
//!
//! A register tile is several pixels × several channels. Every sum of the tile needs a multiply-add per tap, and a
//! processor has several of them under way at once, so there must be many independent sums. A tile also saves loads:
//! a pixel's value serves all channels of the tile, and a weight serves all pixels.

use pulp::Simd;

use crate::{LANES, simd};

/// Pixels and channels of a register tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegisterTile {
    pub(super) pixels: usize,
    pub(super) channels: usize,
}

impl RegisterTile {
    /// The largest tile of an instruction set: its sums, a value of each pixel and a weight fill the registers. Scalar code
    /// is compiled for one size only, because each size takes time to compile.
    pub(super) const fn of<S: Simd>() -> Self {
        Self::within(simd::registers_of::<S>())
    }

    /// The same for registers with so many values, and so many of them.
    const fn within(registers: (usize, usize)) -> Self {
        match registers {
            (1, _) => Self { pixels: 1, channels: 1 },
            (_, ..32) => Self { pixels: 2, channels: 6 },
            (_, 32..) => Self { pixels: 3, channels: 8 },
        }
    }
}

/// What a kernel does with one register tile.
pub(super) trait OnTile {
    /// Computes `P` pixels × `C` channels. A bundle fills `V` registers.
    fn run<S: Simd, const P: usize, const C: usize, const V: usize>(&mut self, simd: S);
}

/// Runs a kernel on a tile of this size, which is at most [`RegisterTile::of`] the instruction set.
#[inline(always)]
pub(super) fn on_tile<S: Simd, const V: usize>(simd: S, pixels: usize, channels: usize, kernel: &mut impl OnTile) {
    macro_rules! sizes {
        ($($pixels:literal: $($channels:literal)+;)+) => {
            match (pixels, channels) {
                $($(($pixels, $channels) if const { $pixels <= RegisterTile::of::<S>().pixels && $channels <= RegisterTile::of::<S>().channels } => {
                    kernel.run::<S, $pixels, $channels, V>(simd);
                })+)+
                _ => unreachable!("{pixels} pixels × {channels} channels are more than a register tile"),
            }
        };
    }
    sizes! { 1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6 7 8; 3: 1 2 3 4 5 6 7 8; }
}

/// Adds to the sums of each pixel and channel the products of the pixel's values `[channel read][lane]` with weights
/// `[channel read][channel]`, for register `v` of each run of lanes.
#[inline(always)]
pub(super) fn add_products<S: Simd, const P: usize, const C: usize, const V: usize>(
    simd: S,
    values: [&[f32]; P],
    weights: &[f32],
    v: usize,
    sums: &mut [[S::f32s; C]; P],
) {
    let (weights, _) = weights.as_chunks::<C>();
    let mut pixels: [&[[S::f32s; V]]; P] = [&[]; P];
    for (pixel, values) in pixels.iter_mut().zip(values) {
        // Equal lengths let the compiler drop the bounds checks inside the loop.
        *pixel = &S::as_simd_f32s(values).0.as_chunks().0[..weights.len()];
    }
    assert!(v < V, "register {v} of {V}");
    for (read, weights) in weights.iter().enumerate() {
        let mut x = [simd.splat_f32s(0.0); P];
        for p in 0..P {
            x[p] = pixels[p][read][v];
        }
        for c in 0..C {
            let weight = simd.splat_f32s(weights[c]);
            for p in 0..P {
                sums[p][c] = simd.mul_add_f32s(x[p], weight, sums[p][c]);
            }
        }
    }
}

/// The most channels of a register tile on the instruction set in use.
pub(super) fn tile_channels() -> usize {
    RegisterTile::within(simd::registers()).channels
}

/// Values of one pixel: `length` channels from channel run `start` of a panel on.
#[inline(always)]
pub(super) fn runs(panel: &[f32], start: usize, length: usize) -> &[f32] {
    &panel[start * LANES..(start + length) * LANES]
}
