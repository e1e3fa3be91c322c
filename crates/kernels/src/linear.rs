//! The fully connected layer on feature maps `[features, 1, 1, lanes]`. Classifier heads are small; clarity wins here.

use crate::Maps;

/// y = W x + b, with W `[out, in]`; the tail stays zero.
pub fn linear_forward(x: &[f32], input: &Maps, weight: &[f32], bias: &[f32], y: &mut [f32], output: &Maps) {
    let rows = weight.chunks_exact(input.channels);
    for ((y, row), bias) in y[..output.len()].chunks_exact_mut(output.plane).zip(rows).zip(bias) {
        let (samples, tail) = y[..output.lanes].split_at_mut(output.batch);
        samples.fill(*bias);
        tail.fill(0.0);
        for (weight, x) in row.iter().zip(x.chunks(input.plane)) {
            samples.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
        }
    }
}

/// dW, db and dx, each written over.
#[expect(clippy::too_many_arguments, reason = "everything a backward pass reads and writes")]
pub fn linear_backward(
    x: &[f32],
    input: &Maps,
    weight: &[f32],
    dy: &[f32],
    output: &Maps,
    dweight: &mut [f32],
    dbias: &mut [f32],
    dx: &mut [f32],
) {
    for plane in dx[..input.len()].chunks_exact_mut(input.plane) {
        plane[..input.lanes].fill(0.0);
    }
    let rows = weight.chunks_exact(input.channels).zip(dweight.chunks_exact_mut(input.channels));
    for ((dy, (weight, dweight)), dbias) in dy.chunks(output.plane).zip(rows).zip(dbias) {
        let dy = &dy[..output.batch];
        *dbias = dy.iter().sum();
        let planes = x.chunks(input.plane).zip(dx.chunks_mut(input.plane));
        for ((weight, dweight), (x, dx)) in weight.iter().zip(dweight).zip(planes) {
            *dweight = dy.iter().zip(x).map(|(dy, x)| dy * x).sum();
            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += weight * dy);
        }
    }
}
