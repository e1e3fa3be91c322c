//! The fully connected layer on feature maps `[features, 1, 1]`. Classifier heads are small; clarity wins here.

use rayon::prelude::*;

use crate::{LANES, Maps, simd};

/// y = W x + b, with W `[out, in]`; the tail stays zero.
pub fn linear_forward(x: &[f32], input: &Maps, weight: &[f32], bias: &[f32], y: &mut [f32], output: &Maps) {
    y[..output.len()].par_chunks_mut(output.plane).enumerate().for_each(|(index, y)| {
        let (bundle, out) = output.bundle_and_channel(index);
        let x = &x[input.start(bundle, 0)..][..input.bundle];
        let y = &mut y[..LANES];
        simd::dispatch(|| {
            y.fill(bias[out]);
            for (weight, x) in weight[out * input.channels..].iter().zip(x.chunks_exact(input.plane)) {
                y.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
            }
        });
        output.zero_tail(bundle, y);
    });
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
    // The tail of dy is zero, and so needs no care below.
    let gradients = |out: usize| (0..output.bundles()).map(move |bundle| lanes(dy, output, bundle, out));
    dweight.par_chunks_mut(input.channels).zip(dbias.par_iter_mut()).enumerate().for_each(|(out, (dweight, dbias))| {
        simd::dispatch(|| {
            *dbias = gradients(out).flatten().sum();
            for (feature, dweight) in dweight.iter_mut().enumerate() {
                let mut sums = [0.0; LANES];
                for (bundle, dy) in gradients(out).enumerate() {
                    let products = dy.iter().zip(lanes(x, input, bundle, feature)).map(|(dy, x)| dy * x);
                    sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
                }
                *dweight = sums.iter().sum();
            }
        });
    });
    dx[..input.len()].par_chunks_mut(input.plane).enumerate().for_each(|(index, dx)| {
        let (bundle, feature) = input.bundle_and_channel(index);
        let dx = &mut dx[..LANES];
        simd::dispatch(|| {
            dx.fill(0.0);
            for out in 0..output.channels {
                let weight = weight[out * input.channels + feature];
                dx.iter_mut().zip(lanes(dy, output, bundle, out)).for_each(|(dx, dy)| *dx += weight * dy);
            }
        });
    });
}

/// The samples of one feature of one bundle.
fn lanes<'a>(values: &'a [f32], maps: &Maps, bundle: usize, feature: usize) -> &'a [f32] {
    &values[maps.start(bundle, feature)..][..LANES]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_maps, assert_sums, at, batches, noise, noisy_maps};

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
            let products = |w: usize| (0..batch).map(move |n| dy_at(w / inputs, n) * x_at(w % inputs, n));
            let sums = |terms: &dyn Fn(usize) -> Vec<f64>, count: usize| -> (Vec<f64>, Vec<f64>) {
                let magnitude = |terms: Vec<f64>| terms.iter().map(|term| term.abs()).sum::<f64>();
                (0..count).map(|i| (terms(i).iter().sum::<f64>(), magnitude(terms(i)))).unzip()
            };
            let (expected, magnitudes) = sums(&|w| products(w).collect(), outputs * inputs);
            assert_sums("weight gradient", &dweight, &expected, &magnitudes, 1e-6);
            let (expected, magnitudes) = sums(&|o| (0..batch).map(|n| dy_at(o, n)).collect(), outputs);
            assert_sums("bias gradient", &dbias, &expected, &magnitudes, 1e-6);
        }
    }
}
