//! Elementwise kernels, for graphs whose layers do not fuse.

use rayon::prelude::*;

use crate::{Element, Maps, simd};

fn by_plane<E: Element>(out: &mut [E], maps: &Maps, each: impl Fn(usize, &mut [E]) + Sync) {
    let used = maps.used();
    out[..maps.len()]
        .par_chunks_mut(maps.plane)
        .enumerate()
        .for_each(|(index, plane)| simd::dispatch(|| each(index * maps.plane, &mut plane[..used])));
}

/// y = max(x, 0). NaN stays NaN.
pub fn relu<E: Element>(x: &[E], y: &mut [E], maps: &Maps) {
    by_plane(y, maps, |start, y| {
        y.iter_mut().zip(&x[start..]).for_each(|(y, x)| *y = if x.to_f32() < 0.0 { E::default() } else { *x });
    });
}

/// dx = dy where y > 0, else 0.
pub fn relu_backward<E: Element>(y: &[E], dy: &[E], dx: &mut [E], maps: &Maps) {
    by_plane(dx, maps, |start, dx| {
        for ((dx, y), dy) in dx.iter_mut().zip(&y[start..]).zip(&dy[start..]) {
            *dx = if y.to_f32() > 0.0 { *dy } else { E::default() };
        }
    });
}

/// y = a + b.
pub fn add<E: Element>(a: &[E], b: &[E], y: &mut [E], maps: &Maps) {
    by_plane(y, maps, |start, y| {
        for ((y, a), b) in y.iter_mut().zip(&a[start..]).zip(&b[start..]) {
            *y = E::from_f32(a.to_f32() + b.to_f32());
        }
    });
}

/// y += x.
pub fn add_assign<E: Element>(y: &mut [E], x: &[E], maps: &Maps) {
    by_plane(y, maps, |start, y| {
        y.iter_mut().zip(&x[start..]).for_each(|(y, x)| *y = E::from_f32(y.to_f32() + x.to_f32()));
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_maps, at, batches, noisy_maps};

    proptest! {
        #[test]
        fn values_agree_with_their_formulas(
            channels in 1usize..5, height in 1usize..5, width in 1usize..5, batch in batches(),
        ) {
            let maps = Maps::new(channels, height, width, batch);
            let (a, b) = (noisy_maps(&maps, 3), noisy_maps(&maps, 5));
            let value = |of: &[f32], c, p, n| f64::from(of[at(&maps, c, p, n)]);
            let mut y = vec![f32::NAN; maps.len()];
            relu(&a, &mut y, &maps);
            assert_maps("relu", &maps, &y, |c, p, n| value(&a, c, p, n).max(0.0));
            let mut dx = vec![f32::NAN; maps.len()];
            relu_backward(&y, &b, &mut dx, &maps);
            assert_maps("relu backward", &maps, &dx, |c, p, n| {
                if value(&a, c, p, n) > 0.0 { value(&b, c, p, n) } else { 0.0 }
            });
            add(&a, &b, &mut y, &maps);
            assert_maps("add", &maps, &y, |c, p, n| value(&a, c, p, n) + value(&b, c, p, n));
            let mut sum = a.clone();
            add_assign(&mut sum, &b, &maps);
            assert_maps("add assign", &maps, &sum, |c, p, n| value(&a, c, p, n) + value(&b, c, p, n));
        }
    }

    #[test]
    fn relu_keeps_nan_and_its_gradient_at_zero_is_zero() {
        let maps = Maps::new(1, 1, 1, 3);
        let mut x = vec![0.0; maps.len()];
        x[..3].copy_from_slice(&[f32::NAN, 0.0, -0.0]);
        let (mut y, mut dx) = (vec![1.0; maps.len()], vec![1.0; maps.len()]);
        relu(&x, &mut y, &maps);
        assert!(y[0].is_nan() && y[1] == 0.0);
        relu_backward(&y, &vec![1.0; maps.len()], &mut dx, &maps);
        assert_eq!(dx[1..3], [0.0, 0.0]);
    }
}
