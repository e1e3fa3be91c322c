//! The option-A shortcut of He et al. 2016 (arXiv 1512.03385, section 4.2): every `stride`-th pixel, and zero channels, half
//! of them before and half after.

use rayon::prelude::*;

use crate::Maps;

/// Channel of the input that a channel of the output copies.
fn source(channel: usize, input: &Maps, output: &Maps) -> Option<usize> {
    let before = (output.channels - input.channels) / 2;
    channel.checked_sub(before).filter(|channel| *channel < input.channels)
}

/// y = shortcut of x.
pub fn shortcut_a(x: &[f32], input: &Maps, stride: usize, y: &mut [f32], output: &Maps) {
    y[..output.len()].par_chunks_mut(output.plane).enumerate().for_each(|(channel, y)| {
        let y = &mut y[..output.used()];
        let Some(channel) = source(channel, input, output) else { return y.fill(0.0) };
        for (pixel, lanes) in y.chunks_exact_mut(output.lanes).enumerate() {
            let (row, column) = (pixel / output.width, pixel % output.width);
            let from = channel * input.plane + (row * input.width + column) * stride * input.lanes;
            lanes.copy_from_slice(&x[from..from + input.lanes]);
        }
    });
}

/// dx = gradient with respect to x, written over `dx`.
pub fn shortcut_a_backward(dy: &[f32], output: &Maps, stride: usize, dx: &mut [f32], input: &Maps) {
    let before = (output.channels - input.channels) / 2;
    dx[..input.len()].par_chunks_mut(input.plane).enumerate().for_each(|(channel, dx)| {
        for (pixel, lanes) in dx[..input.used()].chunks_exact_mut(input.lanes).enumerate() {
            let (row, column) = (pixel / input.width, pixel % input.width);
            if row % stride == 0 && column % stride == 0 {
                let pixel = row / stride * output.width + column / stride;
                let from = (channel + before) * output.plane + pixel * output.lanes;
                lanes.copy_from_slice(&dy[from..from + output.lanes]);
            } else {
                lanes.fill(0.0);
            }
        }
    });
}
