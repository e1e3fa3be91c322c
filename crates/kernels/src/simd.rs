//! Dispatch to the instruction set in use, and a few register operations that pulp's trait lacks.
//!
//! A kernel gives the same bits on every instruction set if it keeps three rules. (1) Every lane of a bundle has its
//! own sums, however many registers the lanes fill. (2) Only [`sum_lanes`] adds lanes. (3) Products are added by
//! `mul_add_f32s`, which rounds once everywhere, and never by `mul_add_e_f32s`, which rounds twice in scalar code.
//! Code without [`Simd`] under [`dispatch`] needs no care, because the compiler neither reorders sums nor fuses
//! products.

use pulp::{Simd, WithSimd};

use crate::{Element, LANES, instruction_set::arch};

/// Runs a kernel on the instruction set in use.
pub(crate) fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    arch().dispatch(op)
}

/// Values per register of an instruction set, and its number of registers.
pub(crate) const fn registers_of<S: Simd>() -> (usize, usize) {
    (S::F32_LANES, S::REGISTER_COUNT)
}

/// The same for the instruction set in use.
pub(crate) fn registers() -> (usize, usize) {
    struct Registers;

    impl WithSimd for Registers {
        type Output = (usize, usize);

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> (usize, usize) {
            registers_of::<S>()
        }
    }
    dispatch(Registers)
}

/// The most rows and columns of a tile of products of two matrices: the sums fit the registers beside a value of each row and
/// column. Each register of a bundle has sums of its own, so a tile's size changes no bit. Scalar code is compiled for one size
/// only.
pub(crate) const fn product_tile<S: Simd>() -> (usize, usize) {
    match registers_of::<S>() {
        (1, _) => (1, 1),
        (_, ..32) => (3, 4),
        (_, 32..) => (4, 6),
    }
}

/// A kernel for which the samples of a bundle fill `V` registers.
pub(crate) trait BundleKernel {
    /// Result of the kernel.
    type Output;

    /// Runs the kernel. Implementations must be inlined, so that they are compiled for the instruction set of the
    /// dispatched function.
    fn run<S: Simd, const V: usize>(self, simd: S) -> Self::Output;
}

/// Runs a kernel with the number of registers per bundle that the instruction set in use needs.
pub(crate) fn dispatch_bundle<K: BundleKernel>(kernel: K) -> K::Output {
    struct WithRegisters<K>(K);

    impl<K: BundleKernel> WithSimd for WithRegisters<K> {
        type Output = K::Output;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> K::Output {
            match const { LANES / S::F32_LANES } {
                1 => self.0.run::<S, 1>(simd),
                2 => self.0.run::<S, 2>(simd),
                4 => self.0.run::<S, 4>(simd),
                _ => self.0.run::<S, LANES>(simd),
            }
        }
    }
    dispatch(WithRegisters(kernel))
}

/// The sum of sixteen lanes: the upper half is added to the lower half, and so on until one value is left.
#[inline(always)]
pub(crate) fn sum_of_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut count = LANES;
    while count > 1 {
        count /= 2;
        for lane in 0..count {
            lanes[lane] += lanes[lane + count];
        }
    }
    lanes[0]
}

/// The same sum for lanes that fill `V` registers.
#[inline(always)]
pub(crate) fn sum_lanes<S: Simd, const V: usize>(simd: S, registers: [S::f32s; V]) -> f32 {
    assert!(V * S::F32_LANES == LANES, "a bundle fills {V} registers");
    if const { S::F32_LANES < 8 } {
        let mut lanes = [0.0; LANES];
        S::as_mut_simd_f32s(&mut lanes).0.copy_from_slice(&registers);
        return sum_of_lanes(lanes);
    }
    // Eight and sixteen lanes are the register widths of AVX, where pulp also adds halves to halves. A test checks
    // this.
    let mut sum = registers[0];
    for register in &registers[1..] {
        sum = simd.add_f32s(sum, *register);
    }
    simd.reduce_sum_f32s(sum)
}

/// Prefetches the cache line at an address, which need not be valid. It does nothing on processors other than x86-64.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction. It has no effect that a program can observe, and it faults
    // at no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// How far ahead a kernel that walks along memory prefetches, in bytes. Hardware prefetchers stop at the end of a page of
/// 4 KiB, and begin anew in the next one.
const AHEAD: usize = 4096;

/// Prefetches what a kernel reads after `place` in a walk along memory. It may lie past the end.
#[inline(always)]
pub(crate) fn prefetch_after<T: ?Sized>(place: &T) {
    prefetch(std::ptr::from_ref(place).cast::<u8>().wrapping_add(AHEAD));
}

/// # Safety
/// `from` must be valid for reading `S::F32_LANES` values.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, E: Element>(simd: S, from: *const E) -> S::f32s {
    // SAFETY: guaranteed by the caller.
    E::load(simd, unsafe { std::slice::from_raw_parts(from, S::F32_LANES) })
}

/// # Safety
/// `to` must be valid for writing `S::F32_LANES` values, and nobody else may read or write them during the call.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, E: Element>(simd: S, to: *mut E, value: S::f32s) {
    // SAFETY: guaranteed by the caller.
    E::store(simd, value, unsafe { std::slice::from_raw_parts_mut(to, S::F32_LANES) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{noise, on_every_instruction_set};

    /// Lanes of one bundle.
    struct SumLanes([f32; LANES]);

    impl BundleKernel for SumLanes {
        type Output = f32;

        #[inline(always)]
        fn run<S: Simd, const V: usize>(self, simd: S) -> f32 {
            let mut registers = [simd.splat_f32s(0.0); V];
            registers.copy_from_slice(S::as_simd_f32s(&self.0).0);
            sum_lanes(simd, registers)
        }
    }

    #[test]
    fn lanes_are_added_in_one_order() {
        on_every_instruction_set(|| {
            for lanes in noise(64 * LANES, 3).as_chunks::<LANES>().0 {
                let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *lanes;
                let (low, high) =
                    (((a + i) + (e + m)) + ((c + k) + (g + o)), ((b + j) + (f + n)) + ((d + l) + (h + p)));
                assert_eq!(dispatch_bundle(SumLanes(*lanes)), low + high);
                assert_eq!(sum_of_lanes(*lanes), low + high);
            }
        });
    }
}
