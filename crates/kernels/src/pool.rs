//! Global average pooling: `[channels, height, width, lanes]` to `[channels, 1, 1, lanes]`.

use rayon::prelude::*;

use crate::Maps;

/// y = mean of x over height and width.
pub fn global_avg_pool(x: &[f32], input: &Maps, y: &mut [f32], output: &Maps) {
    let scale = 1.0 / (input.height * input.width) as f32;
    let planes = x[..input.len()].par_chunks(input.plane);
    y[..output.len()].par_chunks_mut(output.plane).zip(planes).for_each(|(y, x)| {
        let y = &mut y[..output.lanes];
        y.fill(0.0);
        for lanes in x[..input.used()].chunks_exact(input.lanes) {
            y.iter_mut().zip(lanes).for_each(|(y, x)| *y += x);
        }
        y.iter_mut().for_each(|y| *y *= scale);
    });
}

/// dx = dy / (height · width) at every pixel.
pub fn global_avg_pool_backward(dy: &[f32], output: &Maps, dx: &mut [f32], input: &Maps) {
    let scale = 1.0 / (input.height * input.width) as f32;
    let planes = dy[..output.len()].par_chunks(output.plane);
    dx[..input.len()].par_chunks_mut(input.plane).zip(planes).for_each(|(dx, dy)| {
        for lanes in dx[..input.used()].chunks_exact_mut(input.lanes) {
            lanes.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * scale);
        }
    });
}
