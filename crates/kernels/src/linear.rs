//! The fully connected layer on feature maps `[features, 1, 1]`. Classifier heads are small, so the code favours
//! clarity over speed.

use rayon::prelude::*;

use crate::{Element, LANES, Maps, simd, threads};

/// y = W x + b, with W `[out, in]`; the tail stays zero.
pub fn linear_forward<X: Element, Y: Element>(
    x: &[X],
    input: &Maps,
    weight: &[f32],
    bias: &[f32],
    y: &mut [Y],
    output: &Maps,
) {
    threads::each_chunk(&mut y[..output.len()], output.plane, &|index, y| {
        let (bundle, out) = output.bundle_and_channel(index);
        let x = &x[input.start(bundle, 0)..][..input.bundle];
        let y = &mut y[..LANES];
        simd::dispatch(|| {
            let mut sums = [bias[out]; LANES];
            for (weight, x) in weight[out * input.channels..].iter().zip(x.chunks_exact(input.plane)) {
                sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += weight * x.to_f32());
            }
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = Y::from_f32(sum));
        });
        output.zero_tail(bundle, y);
    });
}

/// dx = gradient with respect to x, written over `dx`.
pub fn linear_input_gradient<X: Element, Y: Element>(
    weight: &[f32],
    dy: &[Y],
    output: &Maps,
    dx: &mut [X],
    input: &Maps,
) {
    threads::each_chunk(&mut dx[..input.len()], input.plane, &|index, dx| {
        let (bundle, feature) = input.bundle_and_channel(index);
        simd::dispatch(|| {
            let mut sums = [0.0; LANES];
            for out in 0..output.channels {
                let weight = weight[out * input.channels + feature];
                sums.iter_mut().zip(lanes(dy, output, bundle, out)).for_each(|(sum, dy)| *sum += weight * dy.to_f32());
            }
            dx[..LANES].iter_mut().zip(sums).for_each(|(dx, sum)| *dx = X::from_f32(sum));
        });
    });
}

/// dW and db, overwritten.
pub fn linear_weight_gradient<X: Element, Y: Element>(
    x: &[X],
    input: &Maps,
    dy: &[Y],
    output: &Maps,
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    // The tail of dy is zero, so the code below needs no special case for it.
    let gradients = |out: usize| (0..output.bundles()).map(move |bundle| lanes(dy, output, bundle, out));
    dweight.par_chunks_mut(input.channels).zip(dbias.par_iter_mut()).enumerate().for_each(|(out, (dweight, dbias))| {
        simd::dispatch(|| {
            *dbias = gradients(out).flatten().map(|dy| dy.to_f32()).sum();
            for (feature, dweight) in dweight.iter_mut().enumerate() {
                let mut sums = [0.0; LANES];
                for (bundle, dy) in gradients(out).enumerate() {
                    let products =
                        dy.iter().zip(lanes(x, input, bundle, feature)).map(|(dy, x)| dy.to_f32() * x.to_f32());
                    sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
                }
                *dweight = sums.iter().sum();
            }
        });
    });
}

/// Each sample's gradient with respect to W, followed by that with respect to b, `[out · in + out]`. The gradient of
/// sample `n` is written from `rows[n · stride]` on.
///
/// # Panics
/// If `rows` is too short for one row per sample, or rows would overlap.
pub fn linear_sample_gradients<X: Element, Y: Element>(
    x: &[X],
    input: &Maps,
    dy: &[Y],
    output: &Maps,
    rows: &mut [f32],
    stride: usize,
) {
    let weights = output.channels * input.channels;
    assert!(stride >= weights + output.channels, "rows of {} values, {stride} apart", weights + output.channels);
    assert!(rows.len().div_ceil(stride) >= output.batch, "{} values for {} rows", rows.len(), output.batch);
    let len = rows.len().min(output.batch * stride);
    threads::each_chunk(&mut rows[..len], stride, &|sample, row| {
        let (bundle, lane) = (sample / LANES, sample % LANES);
        let (dweight, dbias) = row[..weights + output.channels].split_at_mut(weights);
        for (out, (dweight, dbias)) in dweight.chunks_exact_mut(input.channels).zip(dbias).enumerate() {
            *dbias = lanes(dy, output, bundle, out)[lane].to_f32();
            for (feature, dweight) in dweight.iter_mut().enumerate() {
                *dweight = *dbias * lanes(x, input, bundle, feature)[lane].to_f32();
            }
        }
    });
}

/// Adds Σ over samples of each sample's squared gradient, to `weight` `[out, in]` for W and to `bias` `[out]` for b.
pub fn linear_add_squared_gradients<X: Element, Y: Element>(
    x: &[X],
    input: &Maps,
    dy: &[Y],
    output: &Maps,
    weight: &mut [f32],
    bias: &mut [f32],
) {
    // The square of a product is the product of the squares, so this is the weight gradient of squared values.
    weight.par_chunks_mut(input.channels).zip(bias.par_iter_mut()).enumerate().for_each(|(out, (weight, bias))| {
        simd::dispatch(|| {
            for bundle in 0..output.bundles() {
                let mut squares = [0.0; LANES];
                let dy = lanes(dy, output, bundle, out).iter().map(|dy| dy.to_f32());
                squares.iter_mut().zip(dy).for_each(|(square, dy)| *square = dy * dy);
                *bias += squares.iter().sum::<f32>();
                for (feature, weight) in weight.iter_mut().enumerate() {
                    let x = lanes(x, input, bundle, feature).iter().map(|x| x.to_f32());
                    *weight += squares.iter().zip(x).map(|(square, x)| square * x * x).sum::<f32>();
                }
            }
        });
    });
}

/// Adds to `dots` `[batch]` the dot product of each sample's gradient with a direction: `weight` `[out, in]` for W
/// and `bias` `[out]` for b.
pub fn linear_add_gradient_dots<X: Element, Y: Element>(
    (weight, bias): (&[f32], &[f32]),
    x: &[X],
    input: &Maps,
    dy: &[Y],
    output: &Maps,
    dots: &mut [f32],
) {
    let mut along = vec![0.0; output.len()];
    linear_forward(x, input, weight, bias, &mut along, output);
    for (bundle, dots) in dots.chunks_mut(LANES).enumerate() {
        for out in 0..output.channels {
            let products = lanes(&along, output, bundle, out).iter().zip(lanes(dy, output, bundle, out));
            dots.iter_mut().zip(products).for_each(|(dot, (along, dy))| *dot += along * dy.to_f32());
        }
    }
}

/// The samples of one feature of one bundle.
fn lanes<'a, E>(values: &'a [E], maps: &Maps, bundle: usize, feature: usize) -> &'a [E] {
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
            linear_weight_gradient(&x, &input, &dy, &output, &mut dweight, &mut dbias);
            linear_input_gradient(&weight, &dy, &output, &mut dx, &input);
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

        #[test]
        fn per_sample_gradients_agree_with_the_definition(inputs in 1usize..20, outputs in 1usize..12, batch in batches()) {
            let (input, output) = (Maps::new(inputs, 1, 1, batch), Maps::new(outputs, 1, 1, batch));
            let (x, dy) = (noisy_maps(&input, 3), noisy_maps(&output, 5));
            let (weights, stride) = (inputs * outputs, inputs * outputs + outputs + 2);
            // The gradient of sample n with respect to parameter p. Parameters are those of W, then those of b.
            let gradient = |n: usize, p: usize| {
                let dy = |out| f64::from(dy[at(&output, out, 0, n)]);
                if p < weights { dy(p / inputs) * f64::from(x[at(&input, p % inputs, 0, n)]) } else { dy(p - weights) }
            };
            let parameters = 0..weights + outputs;
            let mut rows = vec![7.0; batch * stride];
            linear_sample_gradients(&x, &input, &dy, &output, &mut rows, stride);
            for (n, row) in rows.chunks_exact(stride).enumerate() {
                let expected: Vec<_> = parameters.clone().map(|p| gradient(n, p)).collect();
                let magnitudes: Vec<_> = expected.iter().map(|value| value.abs()).collect();
                assert_sums("sample", &row[..weights + outputs], &expected, &magnitudes, 1e-6);
                assert_eq!(row[weights + outputs..], [7.0; 2], "what lies between the rows");
            }

            let mut squares = vec![0.5; weights + outputs];
            let (weight, bias) = squares.split_at_mut(weights);
            linear_add_squared_gradients(&x, &input, &dy, &output, weight, bias);
            let of_parameter = |p| 0.5 + (0..batch).map(|n| gradient(n, p).powi(2)).sum::<f64>();
            let expected: Vec<_> = parameters.clone().map(of_parameter).collect();
            assert_sums("squares", &squares, &expected, &expected, 1e-6);

            let direction = noise(weights + outputs, 7);
            let mut dots = vec![0.5; batch];
            linear_add_gradient_dots(direction.split_at(weights), &x, &input, &dy, &output, &mut dots);
            let sums = |size: fn(f64) -> f64| -> Vec<f64> {
                let term = |n, p| size(gradient(n, p) * f64::from(direction[p]));
                (0..batch).map(|n| 0.5 + parameters.clone().map(|p| term(n, p)).sum::<f64>()).collect()
            };
            assert_sums("dot products", &dots, &sums(|term| term), &sums(f64::abs), 1e-6);
        }
    }
}
