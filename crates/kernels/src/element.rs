//! The formats in which activations and their gradients lie in memory: `f32`, or `bf16` in half the space. All kernels
//! compute in f32. So a format says how values are read and written, and nothing else.

use half::bf16;
use pulp::{Simd, WithSimd};

use crate::{LANES, conv::Passes, simd};

/// A format of values in memory.
///
/// It is implemented for [`f32`] and [`bf16`], and for nothing else.
pub trait Element:
    sealed::Sealed + Passes + Copy + Default + PartialEq + Send + Sync + std::fmt::Debug + 'static
{
    /// The value as an f32. It is exact.
    fn to_f32(self) -> f32;

    /// The nearest value of the format; of two equally near ones, the one whose last bit is zero. NaN stays NaN.
    fn from_f32(value: f32) -> Self;

    /// Reads a register from the beginning of a slice.
    #[doc(hidden)]
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::f32s;

    /// Rounds a register and writes it to the beginning of a slice.
    #[doc(hidden)]
    fn store<S: Simd>(simd: S, value: S::f32s, to: &mut [Self]);
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::bf16 {}
}

impl Element for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn load<S: Simd>(_: S, from: &[Self]) -> S::f32s {
        S::as_simd_f32s(&from[..S::F32_LANES]).0[0]
    }

    #[inline(always)]
    fn store<S: Simd>(_: S, value: S::f32s, to: &mut [Self]) {
        S::as_mut_simd_f32s(&mut to[..S::F32_LANES]).0[0] = value;
    }
}

/// A bf16 is the upper half of an f32.
const HALF: u32 = 16;

impl Element for bf16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << HALF)
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        // Adding just less than half of a last place rounds down below the middle and up above it. In the middle, one
        // more is added if the last place is odd.
        let rounded = bits.wrapping_add(0x7fff + (bits >> HALF & 1)) >> HALF;
        Self::from_bits(if value.is_nan() { Self::NAN.to_bits() } else { rounded as u16 })
    }

    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::f32s {
        #[cfg(target_arch = "x86_64")]
        if x86::is_used_by::<S>() {
            // SAFETY: `simd` is a token of `S`.
            return unsafe { x86::load::<S>(from) };
        }
        let mut bits = [0; LANES];
        for (bits, value) in bits.iter_mut().zip(&from[..S::F32_LANES]) {
            *bits = u32::from(value.to_bits()) << HALF;
        }
        simd.transmute_f32s_u32s(S::as_simd_u32s(&bits).0[0])
    }

    #[inline(always)]
    fn store<S: Simd>(_: S, value: S::f32s, to: &mut [Self]) {
        #[cfg(target_arch = "x86_64")]
        if x86::is_used_by::<S>() {
            // SAFETY: the first argument is a token of `S`.
            return unsafe { x86::store::<S>(value, to) };
        }
        let mut values = [0.0; LANES];
        S::as_mut_simd_f32s(&mut values).0[0] = value;
        for (to, value) in to[..S::F32_LANES].iter_mut().zip(values) {
            *to = Self::from_f32(value);
        }
    }
}

/// Register `v` of a pixel, of which `V` make a pixel.
#[inline(always)]
pub(crate) fn register<S: Simd, E: Element>(simd: S, pixel: &[E; LANES], v: usize) -> S::f32s {
    E::load(simd, &pixel[v * S::F32_LANES..])
}

/// The same for writing.
#[inline(always)]
pub(crate) fn set_register<S: Simd, E: Element>(simd: S, pixel: &mut [E; LANES], v: usize, value: S::f32s) {
    E::store(simd, value, &mut pixel[v * S::F32_LANES..]);
}

/// Copies values from one format to another, as many as both slices hold.
pub fn convert<X: Element, Z: Element>(from: &[X], to: &mut [Z]) {
    simd::dispatch(Convert { from, to });
}

struct Convert<'a, X, Z> {
    from: &'a [X],
    to: &'a mut [Z],
}

impl<X: Element, Z: Element> WithSimd for Convert<'_, X, Z> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let len = self.from.len().min(self.to.len());
        let (from, to) = (&self.from[..len], &mut self.to[..len]);
        convert_registers(simd, from, to);
        let rest = len - len % S::F32_LANES;
        to[rest..].iter_mut().zip(&from[rest..]).for_each(|(to, from)| *to = Z::from_f32(from.to_f32()));
    }
}

/// The same for whole registers. Values that do not fill one stay as they are.
#[inline(always)]
pub(crate) fn convert_registers<S: Simd, X: Element, Z: Element>(simd: S, from: &[X], to: &mut [Z]) {
    for (to, from) in to.chunks_exact_mut(S::F32_LANES).zip(from.chunks_exact(S::F32_LANES)) {
        Z::store(simd, X::load(simd, from), to);
    }
}

/// Loads and stores of bf16 by instructions of AVX2 and AVX-512, which the compiler does not find in loops.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::{
        any::TypeId,
        arch::x86_64::{
            _CMP_UNORD_Q, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_blendv_epi8,
            _mm256_castps_si256, _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cvtepu16_epi32, _mm256_loadu_si256,
            _mm256_packus_epi32, _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_slli_epi32, _mm256_srli_epi32,
            _mm256_storeu_si256, _mm512_add_epi32, _mm512_and_si512, _mm512_castps_si512, _mm512_cmp_ps_mask,
            _mm512_cvtepi32_epi16, _mm512_cvtepu16_epi32, _mm512_mask_blend_epi32, _mm512_set1_epi32,
            _mm512_slli_epi32, _mm512_srli_epi32,
        },
    };

    use half::bf16;
    use pulp::{
        Simd,
        x86::{V3, V4},
    };

    const NAN: i32 = 0x7fc0;

    /// Whether `S` is the token of AVX2 or AVX-512. Pulp has other tokens with as many lanes, which need neither.
    #[inline(always)]
    pub(super) fn is_used_by<S: Simd>() -> bool {
        [TypeId::of::<V3>(), TypeId::of::<V4>()].contains(&TypeId::of::<S>())
    }

    /// # Safety
    /// [`is_used_by`] is true of `S`, and a token of `S` exists.
    #[inline(always)]
    pub(super) unsafe fn load<S: Simd>(from: &[bf16]) -> S::f32s {
        let from = from[..S::F32_LANES].as_ptr();
        // SAFETY: the caller's promise: a token of `S` proves that the processor has AVX-512 where
        // registers hold sixteen values, and AVX2 elsewhere. There are as many values to read as a register has. A
        // register of integers and one of f32 are the same bytes.
        unsafe {
            if const { S::F32_LANES == 16 } {
                let bits = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())));
                std::mem::transmute_copy(&bits)
            } else {
                let bits = _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast())));
                std::mem::transmute_copy(&bits)
            }
        }
    }

    /// # Safety
    /// As [`load`].
    #[inline(always)]
    pub(super) unsafe fn store<S: Simd>(value: S::f32s, to: &mut [bf16]) {
        let to = to[..S::F32_LANES].as_mut_ptr();
        // SAFETY: as above, for writing.
        unsafe {
            if const { S::F32_LANES == 16 } {
                let value = std::mem::transmute_copy(&value);
                let bits = _mm512_castps_si512(value);
                let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
                let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
                let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
                let half = _mm512_mask_blend_epi32(nan, _mm512_srli_epi32::<16>(rounded), _mm512_set1_epi32(NAN));
                _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(half));
            } else {
                let value = std::mem::transmute_copy(&value);
                let bits = _mm256_castps_si256(value);
                let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
                let rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
                let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(value, value));
                let half = _mm256_blendv_epi8(_mm256_srli_epi32::<16>(rounded), _mm256_set1_epi32(NAN), nan);
                let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(half, half));
                _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(packed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{simd::BundleKernel, testing::on_every_instruction_set};

    /// Rounds the lanes of one bundle, and reads them again.
    struct RoundTrip([f32; LANES]);

    impl BundleKernel for RoundTrip {
        type Output = ([bf16; LANES], [f32; LANES]);

        #[inline(always)]
        fn run<S: Simd, const V: usize>(self, simd: S) -> Self::Output {
            let (mut half, mut full) = ([bf16::ZERO; LANES], [0.0; LANES]);
            for v in 0..V {
                set_register(simd, &mut half, v, register(simd, &self.0, v));
                set_register(simd, &mut full, v, register(simd, &half, v));
            }
            (half, full)
        }
    }

    #[test]
    fn every_upper_half_rounds_as_the_library_rounds() {
        on_every_instruction_set(|| {
            // Below the middle, the middle, above it, and nothing to round.
            for low in [0u32, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                for first in (0..=u32::from(u16::MAX)).step_by(LANES) {
                    let values: [f32; LANES] = std::array::from_fn(|i| f32::from_bits((first + i as u32) << 16 | low));
                    let (half, full) = simd::dispatch_bundle(RoundTrip(values));
                    for ((value, half), full) in values.iter().zip(half).zip(full) {
                        let expected = bf16::from_f32(*value);
                        assert_eq!(half.is_nan(), expected.is_nan(), "{value:e}");
                        assert!(value.is_nan() || half.to_bits() == expected.to_bits(), "{value:e}: {half}");
                        assert_eq!(full.to_bits(), f32::from(half).to_bits());
                        assert_eq!(bf16::from_f32(*value).is_nan(), <bf16 as Element>::from_f32(*value).is_nan());
                        assert!(value.is_nan() || <bf16 as Element>::from_f32(*value) == expected);
                    }
                }
            }
        });
    }

    #[test]
    fn a_copy_to_bf16_and_back_is_exact_for_what_bf16_holds() {
        let values: Vec<f32> = (0..1000u16).map(|i| bf16::from_bits(i * 64).to_f32()).collect();
        let (mut half, mut full) = (vec![bf16::ZERO; 1000], vec![0.0; 1000]);
        convert(&values, &mut half);
        convert(&half, &mut full);
        assert!(values.iter().zip(&full).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()));
    }
}
