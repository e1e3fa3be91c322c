//! Value by value: for graphs whose layers do not fuse.

use rayon::prelude::*;

use crate::Maps;

fn by_plane(out: &mut [f32], maps: &Maps, each: impl Fn(usize, &mut [f32]) + Sync) {
    let used = maps.used();
    out[..maps.len()]
        .par_chunks_mut(maps.plane)
        .enumerate()
        .for_each(|(channel, plane)| each(channel * maps.plane, &mut plane[..used]));
}

/// y = max(x, 0).
pub fn relu(x: &[f32], y: &mut [f32], maps: &Maps) {
    by_plane(y, maps, |start, y| y.iter_mut().zip(&x[start..]).for_each(|(y, x)| *y = x.max(0.0)));
}

/// dx = dy where y > 0, else 0.
pub fn relu_backward(y: &[f32], dy: &[f32], dx: &mut [f32], maps: &Maps) {
    by_plane(dx, maps, |start, dx| {
        for ((dx, y), dy) in dx.iter_mut().zip(&y[start..]).zip(&dy[start..]) {
            *dx = if *y > 0.0 { *dy } else { 0.0 };
        }
    });
}

/// y = a + b.
pub fn add(a: &[f32], b: &[f32], y: &mut [f32], maps: &Maps) {
    by_plane(y, maps, |start, y| {
        for ((y, a), b) in y.iter_mut().zip(&a[start..]).zip(&b[start..]) {
            *y = a + b;
        }
    });
}

/// y += x.
pub fn add_assign(y: &mut [f32], x: &[f32], maps: &Maps) {
    by_plane(y, maps, |start, y| y.iter_mut().zip(&x[start..]).for_each(|(y, x)| *y += x));
}
