//! The innermost loop of the dense kernels.

use pulp::Simd;

use crate::LANES;

/// Adds to each of `C` sums the products of values `[channel read][lane]` with weights `[channel read][sum]`. A sum
/// is one run of lanes in `V` registers.
#[inline(always)]
pub(super) fn add_products<S: Simd, const C: usize, const V: usize>(
    simd: S,
    values: &[f32],
    weights: &[f32],
    sums: &mut [[S::f32s; V]; C],
) {
    for (x, w) in values.chunks_exact(LANES).zip(weights.chunks_exact(C)) {
        let (x, _) = S::as_simd_f32s(x);
        for c in 0..C {
            let w = simd.splat_f32s(w[c]);
            for v in 0..V {
                sums[c][v] = simd.mul_add_f32s(x[v], w, sums[c][v]);
            }
        }
    }
}
