//! The number of pixels of one channel that the sparse weight gradient holds in registers.
//!
//! Each kept weight has a sum in memory, which is read and written once for all pixels held. So the more are held, the
//! less memory traffic a product costs.

use pulp::Simd;

use crate::simd;

/// The most pixels whose gradients fit the registers beside a sum. Scalar code is compiled for one size only.
pub(super) const fn pixels_of<S: Simd>() -> usize {
    pixels_within(simd::registers_of::<S>())
}

const fn pixels_within(registers: (usize, usize)) -> usize {
    match registers {
        (1, _) => 1,
        (_, ..32) => 6,
        (_, 32..) => 16,
    }
}

/// The same for the instruction set in use.
pub(super) fn tile_pixels() -> usize {
    pixels_within(simd::registers())
}
