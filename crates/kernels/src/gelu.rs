//! GELU, x Φ(x), and its gradient.

use pulp::{Simd, WithSimd};

use crate::{Maps, elementary::normal, simd, threads};

/// y = x Φ(x) with the exact normal distribution function Φ (arXiv 1606.08415), not its approximation by tanh.
pub fn gelu(x: &[f32], y: &mut [f32], maps: &Maps) {
    let used = maps.used();
    threads::each_chunk(&mut y[..maps.len()], maps.plane, &|index, y| {
        simd::dispatch(Forward { x: &x[index * maps.plane..][..used], y: &mut y[..used] });
    });
}

/// dx = dy · (Φ(x) + x Φ′(x)).
pub fn gelu_backward(x: &[f32], dy: &[f32], dx: &mut [f32], maps: &Maps) {
    let used = maps.used();
    threads::each_chunk(&mut dx[..maps.len()], maps.plane, &|index, dx| {
        let start = index * maps.plane;
        simd::dispatch(Backward { x: &x[start..][..used], dy: &dy[start..][..used], dx: &mut dx[..used] });
    });
}

struct Forward<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (y, x) in S::as_mut_simd_f32s(self.y).0.iter_mut().zip(S::as_simd_f32s(self.x).0) {
            *y = simd.mul_f32s(*x, normal(simd, *x).0);
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let values = S::as_simd_f32s(self.x).0.iter().zip(S::as_simd_f32s(self.dy).0);
        for (dx, (x, dy)) in S::as_mut_simd_f32s(self.dx).0.iter_mut().zip(values) {
            let (distribution, density) = normal(simd, *x);
            *dx = simd.mul_f32s(*dy, simd.mul_add_f32s(*x, density, distribution));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_maps, at, batches, noisy_maps, on_every_instruction_set};

    /// Φ(x) in f64, by its series, which serves for small x.
    fn distribution(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for k in 1..60 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 + density(x) * sum
    }

    fn density(x: f64) -> f64 {
        (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(64)))]
        #[test]
        fn both_directions_agree_with_the_definition(
            channels in 1usize..5, height in 1usize..5, width in 1usize..5, batch in batches(),
        ) {
            let maps = Maps::new(channels, height, width, batch);
            let (x, dy) = (noisy_maps(&maps, 3), noisy_maps(&maps, 5));
            let x: Vec<f32> = x.iter().map(|x| x * 3.0).collect();
            on_every_instruction_set(|| {
                let value = |of: &[f32], c, p, n| f64::from(of[at(&maps, c, p, n)]);
                let (mut y, mut dx) = (vec![f32::NAN; maps.len()], vec![f32::NAN; maps.len()]);
                gelu(&x, &mut y, &maps);
                assert_maps("gelu", &maps, &y, |c, p, n| value(&x, c, p, n) * distribution(value(&x, c, p, n)));
                gelu_backward(&x, &dy, &mut dx, &maps);
                assert_maps("gelu backward", &maps, &dx, |c, p, n| {
                    let x = value(&x, c, p, n);
                    value(&dy, c, p, n) * (distribution(x) + x * density(x))
                });
            });
        }
    }
}
