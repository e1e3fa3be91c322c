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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_close, assert_maps, at, batches, noise, noisy_maps};

    proptest! {
        #[test]
        fn every_pass_agrees_with_the_definition(inputs in 1usize..20, outputs in 1usize..12, batch in batches()) {
            let (input, output) = (Maps::new(inputs, 1, 1, batch), Maps::new(outputs, 1, 1, batch));
            let (x, dy) = (noisy_maps(&input, 3), noisy_maps(&output, 5));
            let (weight, bias) = (noise(inputs * outputs, 7), noise(outputs, 11));
            let x_at = |i, n| f64::from(x[at(&input, i, 0, n)]);
            let dy_at = |o, n| f64::from(dy[at(&output, o, 0, n)]);
            let weight_at = |o: usize, i: usize| f64::from(weight[o * inputs + i]);

            let mut y = vec![f32::NAN; output.len()];
            linear_forward(&x, &input, &weight, &bias, &mut y, &output);
            assert_maps("forward", &output, &y, |o, _, n| {
                f64::from(bias[o]) + (0..inputs).map(|i| weight_at(o, i) * x_at(i, n)).sum::<f64>()
            });
            let (mut dweight, mut dbias) = (vec![f32::NAN; weight.len()], vec![f32::NAN; outputs]);
            let mut dx = vec![f32::NAN; input.len()];
            linear_backward(&x, &input, &weight, &dy, &output, &mut dweight, &mut dbias, &mut dx);
            assert_maps("input gradient", &input, &dx, |i, _, n| {
                (0..outputs).map(|o| weight_at(o, i) * dy_at(o, n)).sum()
            });
            let over_samples = |f: &dyn Fn(usize) -> f64| (0..batch).map(f).sum::<f64>();
            let expected: Vec<f64> = (0..outputs * inputs)
                .map(|w| over_samples(&|n| dy_at(w / inputs, n) * x_at(w % inputs, n)))
                .collect();
            assert_close("weight gradient", &dweight, &expected);
            let expected: Vec<f64> = (0..outputs).map(|o| over_samples(&|n| dy_at(o, n))).collect();
            assert_close("bias gradient", &dbias, &expected);
        }
    }
}
