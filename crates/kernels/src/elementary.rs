//! Elementary functions on vectors: the exponential function, and the normal distribution.
//!
//! They are polynomials built from additions, fused products, one division and a shift of bits, each rounded once as
//! IEEE 754 says. So they give the same bits on every instruction set, which functions of the system's library do not
//! promise. Tests compare them with f64.

use pulp::Simd;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 as a sum. The first term has few digits, so that its product with an exponent is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// 1.5 · 2²³ + 127. Adding it rounds a number of small size to an integer n, and leaves n + 127 in the lowest bits.
const TO_INTEGER: f32 = 12_583_039.0;
/// Bits of an f32 below its exponent.
const MANTISSA: u32 = 23;
/// Below this, eˣ counts as 0. There it is less than 2⁻¹²⁵.
const LEAST: f32 = -87.0;
/// (eʳ − 1 − r) / r² for |r| ≤ ln 2 / 2, highest power first (Cephes, `expf`).
const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// eˣ for x ≤ 0, within 2 units in the last place; 0 below −87. NaN stays NaN.
#[inline(always)]
pub(crate) fn exp_of_nonpositive<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let to_integer = simd.splat_f32s(TO_INTEGER);
    let shifted = simd.mul_add_f32s(x, simd.splat_f32s(LOG2_E), to_integer);
    let exponent = simd.sub_f32s(shifted, to_integer);
    let rest = simd.mul_add_f32s(exponent, simd.splat_f32s(-LN_2[0]), x);
    let rest = simd.mul_add_f32s(exponent, simd.splat_f32s(-LN_2[1]), rest);
    let curve = polynomial(simd, &EXP, rest);
    let power = simd.mul_add_f32s(curve, simd.mul_f32s(rest, rest), rest);
    let power = simd.add_f32s(power, simd.splat_f32s(1.0));
    let scale = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(MANTISSA));
    let value = simd.mul_f32s(power, simd.transmute_f32s_u32s(scale));
    simd.select_f32s(simd.less_than_f32s(x, simd.splat_f32s(LEAST)), simd.splat_f32s(0.0), value)
}

/// 1 / √(2π).
const DENSITY_AT_0: f32 = 0.398_942_3;
/// In u = 1 / (1 + `TAIL_SCALE` · t), the function Φ(−t) · exp(t² / 2) / u of t ≥ 0 is nearly a polynomial.
const TAIL_SCALE: f32 = 0.343_75;
/// This polynomial, highest power first: the fit of least largest relative error (2e-8) up to t = 13.3.
const TAIL: [f32; 9] = [
    -2.814_856_4e-2,
    1.454_082_3e-1,
    -2.747_469_2e-1,
    1.941_730_2e-1,
    -4.140_280_6e-2,
    1.134_864_8e-1,
    1.165_448e-1,
    1.375_674_5e-1,
    1.371_183_2e-1,
];

/// The normal distribution function Φ(x) and its density. Both have an error of at most 1.5e-7. NaN stays NaN.
///
/// Φ(x) for x < 0 is no difference of larger numbers: relative to Φ, its error is at most 4e-7 + x² · 6e-8.
#[inline(always)]
pub(crate) fn normal<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
    let is_negative = simd.less_than_f32s(x, zero);
    let distance = simd.select_f32s(is_negative, simd.sub_f32s(zero, x), x);
    let exponent = simd.mul_f32s(simd.mul_f32s(x, x), simd.splat_f32s(-0.5));
    let bell = exp_of_nonpositive(simd, exponent);
    let u = simd.div_f32s(one, simd.mul_add_f32s(distance, simd.splat_f32s(TAIL_SCALE), one));
    let tail = simd.mul_f32s(simd.mul_f32s(polynomial(simd, &TAIL, u), u), bell);
    let distribution = simd.select_f32s(is_negative, tail, simd.sub_f32s(one, tail));
    (distribution, simd.mul_f32s(bell, simd.splat_f32s(DENSITY_AT_0)))
}

/// A polynomial, highest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, coefficients: &[f32; N], x: S::f32s) -> S::f32s {
    let mut value = simd.splat_f32s(coefficients[0]);
    for coefficient in &coefficients[1..] {
        value = simd.mul_add_f32s(value, x, simd.splat_f32s(*coefficient));
    }
    value
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::{simd::dispatch, testing::on_every_instruction_set};

    /// eˣ, Φ(x) and the density at some points. Their number is a multiple of sixteen.
    struct Values<'a>(&'a [f32]);

    impl WithSimd for Values<'_> {
        type Output = [Vec<f32>; 3];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            let mut found = [(); 3].map(|()| vec![0.0; self.0.len()]);
            let [exp, distribution, density] = &mut found;
            let exp = S::as_mut_simd_f32s(exp).0.iter_mut();
            let density = S::as_mut_simd_f32s(density).0.iter_mut();
            let normals = S::as_mut_simd_f32s(distribution).0.iter_mut().zip(density);
            for ((x, exp), (distribution, density)) in S::as_simd_f32s(self.0).0.iter().zip(exp).zip(normals) {
                *exp = exp_of_nonpositive(simd, *x);
                (*distribution, *density) = normal(simd, *x);
            }
            found
        }
    }

    /// Φ(−t) for t ≥ 0 in f64: the series of Φ(t) − 1/2 near 0, the continued fraction of Mills' ratio farther out.
    fn tail(t: f64) -> f64 {
        let density = (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if t < 3.0 {
            let mut term = t;
            let mut sum = t;
            for k in 1..200 {
                term *= t * t / f64::from(2 * k + 1);
                sum += term;
            }
            return 0.5 - density * sum;
        }
        density / (1..200).rev().fold(t, |below, k| t + f64::from(k) / below)
    }

    /// Points that lie densely in a range.
    fn points(from: f32, to: f32) -> Vec<f32> {
        const COUNT: usize = if cfg!(miri) { 16 } else { 1 << 16 };
        (0..COUNT).map(|i| from + (to - from) * (i as f32 / COUNT as f32)).collect()
    }

    #[test]
    fn the_reference_is_known_at_some_points() {
        // SciPy 1.17, `scipy.special.ndtr`.
        for (t, expected) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457_05),
            (2.999, 0.001_354_336_533_727_105_7),
            (3.0, 0.001_349_898_031_630_093_3),
            (8.0, 6.220_960_574_271_74e-16),
        ] {
            assert!((tail(t) / expected - 1.0).abs() < 1e-12, "{t}: {}", tail(t));
        }
    }

    #[test]
    fn powers_are_right_within_two_units_in_the_last_place() {
        let points = [points(-87.0, 0.0), points(-1.0, 0.0)].concat();
        on_every_instruction_set(|| {
            let [powers, ..] = dispatch(Values(&points));
            for (x, found) in points.iter().zip(powers) {
                let expected = f64::from(*x).exp();
                assert!((f64::from(found) / expected - 1.0).abs() < 2.0 * f64::from(f32::EPSILON), "{x}: {found}");
            }
        });
    }

    #[test]
    fn the_normal_distribution_is_right_at_both_ends() {
        let points = [points(-12.0, 12.0), points(-1.0, 1.0)].concat();
        let right_of = |x: f64| if x < 0.0 { tail(-x) } else { 1.0 - tail(x) };
        let expected: Vec<f64> = points.iter().map(|x| right_of(f64::from(*x))).collect();
        on_every_instruction_set(|| {
            let [_, distribution, density] = dispatch(Values(&points));
            for ((x, expected), (found, density)) in points.iter().zip(&expected).zip(distribution.iter().zip(&density))
            {
                let (found, x) = (f64::from(*found), f64::from(*x));
                assert!((found - expected).abs() < 1.5e-7, "Φ({x}) = {expected}, found {found}");
                if x < 0.0 {
                    let relative = (found / expected - 1.0).abs();
                    assert!(relative < 4e-7 + x * x * 6e-8, "Φ({x}) = {expected}, found {found}: {relative}");
                }
                let expected = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
                assert!((f64::from(*density) - expected).abs() < 1.5e-7, "density at {x}");
            }
        });
    }

    #[test]
    fn the_ends_of_the_numbers_are_met() {
        let mut points = [0.0; 16];
        points[..6].copy_from_slice(&[f32::NAN, f32::NEG_INFINITY, -1e30, -88.0, -0.0, f32::INFINITY]);
        on_every_instruction_set(|| {
            let [powers, distribution, density] = dispatch(Values(&points));
            assert!([&powers, &distribution, &density].iter().all(|values| values[0].is_nan()));
            assert_eq!((&powers[1..4], &distribution[1..4]), (&[0.0; 3][..], &[0.0; 3][..]));
            assert_eq!((powers[4], powers[6], distribution[5], density[5]), (1.0, 1.0, 1.0, 0.0));
            assert!((distribution[6] - 0.5).abs() < 1e-7 && distribution[4] == distribution[6]);
        });
    }
}
