//! The number of pixels of one channel that the sparse weight gradient holds in registers.
//!
//! Each kept weight has a sum in memory, which is read and written once for all pixels held. So the more are held, the
//! less memory traffic a product costs.

use pulp::{Simd, WithSimd};

use crate::simd;

/// The most pixels whose gradients fit the registers beside a sum. Scalar code is compiled for one size only.
pub(super) const fn pixels_of<S: Simd>() -> usize {
    match (S::F32_LANES, S::REGISTER_COUNT) {
        (1, _) => 1,
        (_, ..32) => 6,
        (_, 32..) => 16,
    }
}

/// The same for the instruction set in use.
pub(super) fn tile_pixels() -> usize {
    struct Pixels;

    impl WithSimd for Pixels {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            pixels_of::<S>()
        }
    }
    simd::dispatch(Pixels)
}
