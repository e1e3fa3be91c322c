//! This machine's peak rate of fused multiply-adds.
#![expect(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use unlearn_kernels::InstructionSet;

/// Time that `body` takes.
pub(crate) fn time(body: impl FnOnce()) -> Duration {
    let start = Instant::now();
    body();
    start.elapsed()
}

/// The instruction set in use.
fn arch() -> Arch {
    match InstructionSet::in_use() {
        InstructionSet::Scalar => Arch::Scalar,
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => pulp::x86::V3::try_new().map_or_else(Arch::new, Arch::V3),
        _ => Arch::new(),
    }
}

/// Rate of independent fused multiply-adds on registers of the instruction set in use, in GF/s.
pub(crate) fn fma_peak(threads: usize) -> f64 {
    const STEPS: usize = 1_000_000;
    const SUMS: usize = 12;
    struct Peak;
    impl WithSimd for Peak {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> usize {
            let factor = simd.splat_f32s(black_box(0.999));
            let mut sums = [simd.splat_f32s(1.0); SUMS];
            for _ in 0..STEPS {
                for sum in &mut sums {
                    *sum = simd.mul_add_f32s(*sum, factor, factor);
                }
            }
            black_box(sums);
            S::F32_LANES
        }
    }
    let arch = arch();
    let lanes = arch.dispatch(Peak);
    let once = |_| {
        time(|| {
            (0..threads).into_par_iter().for_each(|_| {
                black_box(arch.dispatch(Peak));
            });
        })
    };
    let time = (0..100).map(once).min().unwrap_or_default();
    2e-9 * (STEPS * SUMS * lanes * threads) as f64 / time.as_secs_f64()
}
