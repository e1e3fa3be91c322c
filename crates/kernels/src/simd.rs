//! Run-time choice of the instruction set, and the few operations on registers that pulp's trait leaves to its users.

use std::sync::{
    LazyLock,
    atomic::{AtomicBool, Ordering},
};

use pulp::{Arch, Scalar, Simd, WithSimd};

use crate::LANES;

static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);
static SCALAR_ONLY: AtomicBool = AtomicBool::new(false);

/// Uses scalar code whatever the processor has, for comparisons; `false` goes back.
pub fn force_scalar(yes: bool) {
    SCALAR_ONLY.store(yes, Ordering::Relaxed);
}

/// The instruction set in use: `avx512`, `avx2`, `neon` or `scalar`.
pub fn instruction_set() -> &'static str {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;

        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    match dispatch(Lanes) {
        16 => "avx512",
        8 => "avx2",
        4 => "neon",
        _ => "scalar",
    }
}

pub(crate) fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    if SCALAR_ONLY.load(Ordering::Relaxed) { op.with_simd(Scalar::new()) } else { ARCH.dispatch(op) }
}

/// A kernel written for `V` registers to the samples of a bundle.
pub(crate) trait BundleKernel {
    /// What it gives.
    type Output;

    /// Runs it. Implementations are inlined always, so that they get the instructions of the function dispatched to.
    fn run<S: Simd, const V: usize>(self, simd: S) -> Self::Output;
}

/// Runs a kernel with as many registers to a bundle as the instruction set in use needs.
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

/// Asks for the cache line at an address, which need not be anybody's. On other processors than x86-64 it does nothing.
#[inline(always)]
pub(crate) fn prefetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, which neither reads nor writes as far as a program can tell and
    // faults at no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// # Safety
/// `S::F32_LANES` values can be read from `from`.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(_: S, from: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; the read needs no alignment.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// `S::F32_LANES` values can be written at `to`, and nobody else reads or writes them meanwhile.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(_: S, to: *mut f32, value: S::f32s) {
    // SAFETY: the caller's promise; the write needs no alignment.
    unsafe { to.cast::<S::f32s>().write_unaligned(value) }
}
