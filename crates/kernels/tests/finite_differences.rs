//! Every gradient against central differences of a plain forward pass in f64.
//!
//! The unit tests compare each kernel with the formula of its gradient. These tests know no such formula. The loss is
//! Σ dy · y, where y follows from the definition of the layer alone. Each value of the gradient is compared with the
//! effect of moving one input.

use proptest::prelude::*;
use unlearn_kernels::{
    Algorithm, Algorithms, Attention, ChannelStatistics, ConvShape, Convolution, LANES, LayerNormParameters, Maps,
    NormInput, Window, Windows, gelu_backward, global_avg_pool_backward, images_to_maps, layer_norm_backward,
    linear_input_gradient, linear_weight_gradient, maps_to_images, max_pool_backward, norm_apply, norm_backward,
    norm_statistics, relu_backward, shortcut_a_backward, sums_over_samples, token_weight_gradient,
};

/// Tolerance for rounding, relative to the magnitudes of a sum's terms: eight units in the last place.
const ROUNDING: f64 = 1e-6;
/// Tolerance for Winograd's transforms, relative to the largest sum. They multiply by up to a hundred before terms
/// cancel.
const WINOGRAD_ROUNDING: f64 = 2e-5;
/// Rounding error of the differences themselves.
const EXACT: f64 = 1e-11;
/// Number of gradient values that are checked. Miri is slow, so it checks fewer.
const TRIED: usize = if cfg!(miri) { 2 } else { 6 };

/// Pseudo-random values in −1..1.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let step = |state: u32| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let states = std::iter::successors(Some(step(seed)), |state| Some(step(*state)));
    states.take(len).map(|state| (state >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Converts `[sample, channel, row, column]` to maps.
fn maps_of(values: &[f32], maps: &Maps) -> Vec<f32> {
    let mut out = vec![f32::NAN; maps.len()];
    images_to_maps(values, &vec![0.0; maps.channels], &vec![1.0; maps.channels], &mut out, maps);
    out
}

/// Converts maps to `[sample, channel, row, column]`.
fn values_of(buffer: &[f32], maps: &Maps) -> Vec<f32> {
    let mut out = vec![0.0; count(maps)];
    maps_to_images(buffer, &vec![1.0; maps.channels], &mut out, maps);
    out
}

fn count(maps: &Maps) -> usize {
    maps.channels * maps.samples_per_channel()
}

/// Index of a value in `[sample, channel, row, column]`.
fn place(maps: &Maps, sample: usize, channel: usize, row: usize, column: usize) -> usize {
    ((sample * maps.channels + channel) * maps.height + row) * maps.width + column
}

/// Every (sample, channel, row, column) of some maps, in that order.
fn places(maps: &Maps) -> impl Iterator<Item = [usize; 4]> + use<> {
    let Maps { channels, height, width, .. } = *maps;
    (0..count(maps))
        .map(move |i| [i / width / height / channels, i / width / height % channels, i / width % height, i % width])
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

fn magnitudes(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.abs()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Central difference of `loss` with respect to one of the values.
fn difference(loss: impl Fn(&[f64]) -> f64, values: &[f64], index: usize, step: f64) -> f64 {
    let moved = |by: f64| {
        let mut values = values.to_vec();
        values[index] += by;
        loss(&values)
    };
    (moved(step) - moved(-step)) / (2.0 * step)
}

/// Compares some values of `gradient`, spread over it, with differences of `loss` at `values`.
fn assert_gradient(
    what: &str,
    gradient: &[f32],
    values: &[f64],
    step: f64,
    loss: impl Fn(&[f64]) -> f64,
    tolerance: impl Fn(usize) -> f64,
) {
    assert_eq!(gradient.len(), values.len(), "{what}");
    for index in (0..TRIED.min(values.len())).map(|i| i * 7919 % values.len()) {
        let (found, expected) = (f64::from(gradient[index]), difference(&loss, values, index, step));
        let tolerance = tolerance(index);
        assert!((found - expected).abs() <= tolerance, "{what} {index}: {found}, expected {expected} ± {tolerance}");
    }
}

/// The convolution of `x` with `weights`, by its definition.
fn convolution(shape: &ConvShape, input: &Maps, x: &[f64], weights: &[f64]) -> Vec<f64> {
    let (inputs, outputs) = (shape.in_channels / shape.groups, shape.out_channels / shape.groups);
    let at = |output: usize, tap: usize| (output * shape.stride + tap).checked_sub(shape.padding);
    let of_pixel = |[n, co, oh, ow]: [usize; 4]| {
        let mut sum = 0.0;
        for (ci, kh, kw) in (0..inputs)
            .flat_map(|ci| (0..shape.kernel).flat_map(move |kh| (0..shape.kernel).map(move |kw| (ci, kh, kw))))
        {
            let (Some(h), Some(w)) = (at(oh, kh), at(ow, kw)) else { continue };
            if h < input.height && w < input.width {
                let weight = ((co * inputs + ci) * shape.kernel + kh) * shape.kernel + kw;
                sum += weights[weight] * x[place(input, n, co / outputs * inputs + ci, h, w)];
            }
        }
        sum
    };
    places(&shape.output(input)).map(of_pixel).collect()
}

fn check_convolution(shape: ConvShape, input: &Maps, density: f32, seed: u32) {
    let output = shape.output(input);
    let kept: Vec<bool> = noise(shape.weights(), seed + 4).iter().map(|v| v.midpoint(1.0) < density).collect();
    let mut weights = noise(shape.weights(), seed + 1);
    weights.iter_mut().zip(&kept).filter(|(_, kept)| !**kept).for_each(|(weight, _)| *weight = 0.0);
    let (x, dy) = (noise(count(input), seed + 2), noise(count(&output), seed + 3));
    let (x_maps, dy_maps) = (maps_of(&x, input), maps_of(&dy, &output));
    let [x, dy, w] = [&x, &dy, &weights].map(|values| wide(values));
    let loss = |x: &[f64], w: &[f64], dy: &[f64]| dot(dy, &convolution(&shape, input, x, w));
    let [x_sizes, dy_sizes, w_sizes] = [&x, &dy, &w].map(|values| magnitudes(values));
    let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    // The rounding error of Winograd's transforms is bounded by a sum over all terms, each as large as the largest.
    let terms_of_x = (shape.out_channels / shape.groups * shape.kernel * shape.kernel) as f64;
    let largest_of_x = terms_of_x * largest(&w_sizes) * largest(&dy_sizes);
    let largest_of_w = output.samples_per_channel() as f64 * largest(&x_sizes) * largest(&dy_sizes);

    for algorithm in [Algorithm::Direct, Algorithm::Winograd, Algorithm::Sparse] {
        if algorithm == Algorithm::Winograd && (shape.kernel, shape.stride) != (3, 1) {
            continue;
        }
        let conv = Convolution::with_kept(shape, Algorithms::all(algorithm), &kept);
        let mut dx = vec![f32::NAN; input.len()];
        conv.input_gradient(&weights, &dy_maps, &output, &mut dx, input, false);
        // The loss is linear in each argument, so a step of one is exact.
        assert_gradient(
            &format!("{algorithm:?}, input gradient"),
            &values_of(&dx, input),
            &x,
            1.0,
            |x| loss(x, &w, &dy),
            |index| match algorithm {
                Algorithm::Winograd => WINOGRAD_ROUNDING * largest_of_x,
                _ => ROUNDING * difference(|x| loss(x, &w_sizes, &dy_sizes), &x_sizes, index, 1.0) + EXACT,
            },
        );
        let mut dw = vec![f32::NAN; weights.len()];
        conv.weight_gradient(&x_maps, input, &dy_maps, &output, &mut dw);
        // The gradients of the sparse algorithm are those of the function without pruned weights.
        let part = |w: &[f64]| -> Vec<f64> {
            let counts = |kept: bool| algorithm != Algorithm::Sparse || kept;
            w.iter().zip(&kept).map(|(w, kept)| if counts(*kept) { *w } else { 0.0 }).collect()
        };
        assert_gradient(
            &format!("{algorithm:?}, weight gradient"),
            &dw,
            &w,
            1.0,
            |w| loss(&x, &part(w), &dy),
            |index| match algorithm {
                Algorithm::Winograd => WINOGRAD_ROUNDING * largest_of_w,
                _ => ROUNDING * difference(|w| loss(&x_sizes, &part(w), &dy_sizes), &w_sizes, index, 1.0) + EXACT,
            },
        );
    }
}

/// A normalisation with the layers after it. Statistics are those of each channel of the batch, or given.
struct Norm<'a> {
    maps: &'a Maps,
    fixed: Option<(f64, f64)>,
    relu: bool,
}

impl Norm<'_> {
    fn statistics(&self, x: &[f64], channel: usize) -> (f64, f64) {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let of_channel = || places(self.maps).zip(x).filter(|(place, _)| place[1] == channel).map(|(_, x)| *x);
        let count = self.maps.samples_per_channel() as f64;
        let mean = of_channel().sum::<f64>() / count;
        (mean, of_channel().map(|x| (x - mean).powi(2)).sum::<f64>() / count)
    }

    /// γ (x − mean) / √(var + ε) + β + residual.
    fn before_relu(&self, x: &[f64], weight: &[f64], bias: &[f64], residual: &[f64]) -> Vec<f64> {
        let statistics: Vec<_> = (0..self.maps.channels).map(|channel| self.statistics(x, channel)).collect();
        let value = |((place, x), residual): (([usize; 4], &f64), &f64)| {
            let (mean, var) = statistics[place[1]];
            weight[place[1]] * (x - mean) / (var + 1e-5).sqrt() + bias[place[1]] + residual
        };
        places(self.maps).zip(x).zip(residual).map(value).collect()
    }

    fn loss(&self, x: &[f64], weight: &[f64], bias: &[f64], residual: &[f64], dz: &[f64]) -> f64 {
        let values = self.before_relu(x, weight, bias, residual);
        values.iter().zip(dz).map(|(value, dz)| dz * if self.relu { value.max(0.0) } else { *value }).sum()
    }
}

fn check_norm(maps: &Maps, relu: bool, fixed: bool, seed: u32) {
    let norm = Norm { maps, fixed: fixed.then_some((0.25, 0.5)), relu };
    let (x, dz) = (noise(count(maps), seed + 1), noise(count(maps), seed + 2));
    let (weight, bias) = (noise(maps.channels, seed + 3), noise(maps.channels, seed + 4));
    let [x64, dz64, weight64, bias64] = [&x, &dz, &weight, &bias].map(|values| wide(values));
    // No difference approximates the derivative at the kink of the ReLU. The residual keeps every value away from it.
    let sums = norm.before_relu(&x64, &weight64, &bias64, &vec![0.0; x.len()]);
    let residual: Vec<f32> = sums.iter().map(|sum| if sum.abs() < 0.25 { 0.5f32 } else { 0.0 }).collect();
    let residual64 = wide(&residual);

    let (x, residual) = (maps_of(&x, maps), maps_of(&residual, maps));
    let statistics = match norm.fixed {
        Some((mean, var)) => vec![ChannelStatistics { mean: mean as f32, var: var as f32 }; maps.channels],
        None => norm_statistics(&x, maps),
    };
    let input = NormInput { x: &x, statistics: &statistics, weight: &weight, bias: &bias };
    let mut z = vec![f32::NAN; maps.len()];
    norm_apply(input, Some(&residual), relu, &mut z, maps);
    let (mut dz, mut dx) = (maps_of(&dz, maps), vec![f32::NAN; maps.len()]);
    let (mut dweight, mut dbias) = (vec![f32::NAN; maps.channels], vec![f32::NAN; maps.channels]);
    norm_backward(input, relu.then_some(&z[..]), !fixed, &mut dz, &mut dx, &mut dweight, &mut dbias, maps);

    let step = 1e-4;
    let of = |what: &str| format!("{what}, relu {relu}, fixed statistics {fixed}");
    let loss = |x: &[f64], w: &[f64], b: &[f64], r: &[f64]| norm.loss(x, w, b, r, &dz64);
    let normalised =
        norm.before_relu(&x64, &vec![1.0; maps.channels], &vec![0.0; maps.channels], &vec![0.0; sums.len()]);
    let farthest = magnitudes(&normalised).iter().copied().fold(1.0, f64::max);
    let slope = |channel: usize| weight64[channel].abs() / (norm.statistics(&x64, channel).1 + 1e-5).sqrt();
    let channel = |index: usize| index / (maps.height * maps.width) % maps.channels;
    let sum = maps.samples_per_channel() as f64;
    assert_gradient(
        &of("input gradient"),
        &values_of(&dx, maps),
        &x64,
        step,
        |x| loss(x, &weight64, &bias64, &residual64),
        // Three terms: the value's own, the one through the mean and the one through the variance. The first bounds
        // each of the others.
        |index| 1e-5 * slope(channel(index)) * (2.0 + farthest * farthest),
    );
    let scale = |w: &[f64]| loss(&x64, w, &bias64, &residual64);
    assert_gradient(&of("scale"), &dweight, &weight64, step, scale, |_| ROUNDING * sum * 2.0 * farthest);
    let shift = |b: &[f64]| loss(&x64, &weight64, b, &residual64);
    assert_gradient(&of("shift"), &dbias, &bias64, step, shift, |_| ROUNDING * sum);
    let branch = |r: &[f64]| loss(&x64, &weight64, &bias64, r);
    assert_gradient(&of("residual"), &values_of(&dz, maps), &residual64, step, branch, |_| ROUNDING);
}

fn check_linear(input: &Maps, output: &Maps, seed: u32) {
    let (x, dy) = (noise(count(input), seed), noise(count(output), seed + 1));
    let weight = noise(input.channels * output.channels, seed + 2);
    let bias = noise(output.channels, seed + 3);
    let (mut dweight, mut dbias) = (vec![f32::NAN; weight.len()], vec![f32::NAN; bias.len()]);
    let mut dx = vec![f32::NAN; input.len()];
    let (x_maps, dy_maps) = (maps_of(&x, input), maps_of(&dy, output));
    linear_weight_gradient(&x_maps, input, &dy_maps, output, &mut dweight, &mut dbias);
    linear_input_gradient(&weight, &dy_maps, output, &mut dx, input);
    let [x, dy, weight, bias] = [&x, &dy, &weight, &bias].map(|values| wide(values));
    let loss = |x: &[f64], weight: &[f64], bias: &[f64]| -> f64 {
        let value = |[n, out, ..]: [usize; 4]| {
            let (row, x) = (&weight[out * input.channels..][..input.channels], &x[n * input.channels..]);
            dy[place(output, n, out, 0, 0)] * (dot(row, x) + bias[out])
        };
        places(output).map(value).sum()
    };
    let (by_samples, by_outputs) = (ROUNDING * input.batch as f64, ROUNDING * output.channels as f64);
    assert_gradient("linear, input", &values_of(&dx, input), &x, 1.0, |x| loss(x, &weight, &bias), |_| by_outputs);
    assert_gradient("linear, weight", &dweight, &weight, 1.0, |w| loss(&x, w, &bias), |_| by_samples);
    let mut of_tokens = vec![f32::NAN; dweight.len()];
    token_weight_gradient(&x_maps, input, &dy_maps, output, &mut of_tokens);
    let by_weight = |w: &[f64]| loss(&x, w, &bias);
    assert_gradient("linear on tokens, weight", &of_tokens, &weight, 1.0, by_weight, |_| by_samples);
    assert_gradient("linear, bias", &dbias, &bias, 1.0, |b| loss(&x, &weight, b), |_| by_samples);
}

fn check_pools_and_shortcuts(input: &Maps, window: Window, stride: usize, added: usize, seed: u32) {
    // Values of one plane differ by at least 0.2, and none lies within 0.04 of 0. So a step of 0.02 changes no
    // maximum and no sign.
    let pixels = input.height * input.width;
    let apart = |index: usize| ((index * 7 + seed as usize) % pixels) as f32 * 0.2 - pixels as f32 * 0.1 + 0.06;
    let x: Vec<f32> = (0..count(input)).map(|index| apart(index % pixels)).collect();
    let (x_maps, x64, step) = (maps_of(&x, input), wide(&x), 0.02);
    let mut dx = vec![f32::NAN; input.len()];
    let gradients = |output: &Maps| {
        let dy = noise(count(output), seed);
        (maps_of(&dy, output), wide(&dy))
    };

    let output = Maps::new(input.channels, 1, 1, input.batch);
    let (dy_maps, dy) = gradients(&output);
    global_avg_pool_backward(&dy_maps, &output, &mut dx, input);
    let means = |x: &[f64]| x.chunks(pixels).map(|plane| plane.iter().sum::<f64>() / pixels as f64).collect::<Vec<_>>();
    assert_gradient("mean", &values_of(&dx, input), &x64, step, |x| dot(&dy, &means(x)), |_| ROUNDING);

    let output = window.output(input);
    let (dy_maps, dy) = gradients(&output);
    max_pool_backward(window, &x_maps, input, &dy_maps, &output, &mut dx);
    let inside = |out: usize, length: usize| {
        let start = out * window.stride;
        start.saturating_sub(window.padding)..(start + window.side - window.padding).min(length)
    };
    let largest = |x: &[f64], [n, c, oh, ow]: [usize; 4]| {
        let rows = inside(oh, input.height).flat_map(|h| inside(ow, input.width).map(move |w| (h, w)));
        rows.map(|(h, w)| x[place(input, n, c, h, w)]).fold(f64::NEG_INFINITY, f64::max)
    };
    let maxima = |x: &[f64]| places(&output).map(|place| largest(x, place)).collect::<Vec<_>>();
    // Overlapping windows may share a maximum.
    assert_gradient("maximum", &values_of(&dx, input), &x64, step, |x| dot(&dy, &maxima(x)), |_| 9.0 * ROUNDING);

    let (down, across) = (input.height.div_ceil(stride), input.width.div_ceil(stride));
    let output = Maps::new(input.channels + 2 * added, down, across, input.batch);
    let (dy_maps, dy) = gradients(&output);
    shortcut_a_backward(&dy_maps, &output, stride, &mut dx, input);
    let copied = |x: &[f64], [n, c, h, w]: [usize; 4]| {
        let channel = c.checked_sub(added).filter(|channel| *channel < input.channels);
        channel.map_or(0.0, |channel| x[place(input, n, channel, h * stride, w * stride)])
    };
    let copies = |x: &[f64]| places(&output).map(|place| copied(x, place)).collect::<Vec<_>>();
    assert_gradient("shortcut", &values_of(&dx, input), &x64, step, |x| dot(&dy, &copies(x)), |_| ROUNDING);

    let (dy_maps, dy) = gradients(input);
    let y: Vec<f32> = x_maps.iter().map(|x| x.max(0.0)).collect();
    relu_backward(&y, &dy_maps, &mut dx, input);
    let clamped = |x: &[f64]| x.iter().map(|x| x.max(0.0)).collect::<Vec<_>>();
    assert_gradient("relu", &values_of(&dx, input), &x64, step, |x| dot(&dy, &clamped(x)), |_| ROUNDING);
}

/// A buffer for gradients of `values` by sample.
fn by_sample(values: usize, maps: &Maps) -> Vec<f32> {
    vec![f32::NAN; values * maps.bundles() * LANES]
}

/// Their sums over samples.
fn summed(by_sample: &[f32], maps: &Maps) -> Vec<f32> {
    let mut sums = vec![f32::NAN; by_sample.len() / (maps.bundles() * LANES)];
    sums_over_samples(by_sample, &mut sums);
    sums
}

fn check_layer_norm_and_gelu(maps: &Maps, seed: u32) {
    const EPSILON: f64 = 1e-2;
    let (x, dy) = (noise(count(maps), seed), noise(count(maps), seed + 1));
    let (weight, bias) = (noise(maps.channels, seed + 2), noise(maps.channels, seed + 3));
    let (x_maps, dy_maps, mut dx) = (maps_of(&x, maps), maps_of(&dy, maps), vec![f32::NAN; maps.len()]);
    let (mut dweight, mut dbias) = (by_sample(maps.channels, maps), by_sample(maps.channels, maps));
    let parameters = LayerNormParameters { weight: &weight, bias: &bias, epsilon: EPSILON };
    layer_norm_backward(parameters, &x_maps, &dy_maps, &mut dx, maps, &mut dweight, &mut dbias);
    let [x, dy, weight, bias] = [&x, &dy, &weight, &bias].map(|values| wide(values));
    let loss = |x: &[f64], weight: &[f64], bias: &[f64]| -> f64 {
        let of_pixel = |[n, c, h, w]: [usize; 4]| {
            let at = |channel| x[place(maps, n, channel, h, w)];
            let over = |f: &dyn Fn(usize) -> f64| (0..maps.channels).map(f).sum::<f64>() / maps.channels as f64;
            let mean = over(&at);
            let variance = over(&|channel| (at(channel) - mean).powi(2));
            dy[place(maps, n, c, h, w)] * (weight[c] * (at(c) - mean) / (variance + EPSILON).sqrt() + bias[c])
        };
        places(maps).map(of_pixel).sum()
    };
    // The deviation is at least 0.1, so that a step of 1e-5 leaves an error of about 1e-7 beside the rounding.
    let (step, of_pixel, of_channel) = (1e-5, 30.0 * maps.channels as f64, 10.0 * maps.samples_per_channel() as f64);
    let by_x = |x: &[f64]| loss(x, &weight, &bias);
    assert_gradient("layer norm, input", &values_of(&dx, maps), &x, step, by_x, |_| ROUNDING * of_pixel);
    let by_weight = |weight: &[f64]| loss(&x, weight, &bias);
    let (dweight, dbias) = (summed(&dweight, maps), summed(&dbias, maps));
    assert_gradient("layer norm, scale", &dweight, &weight, step, by_weight, |_| ROUNDING * of_channel);
    let by_bias = |bias: &[f64]| loss(&x, &weight, bias);
    assert_gradient("layer norm, shift", &dbias, &bias, step, by_bias, |_| ROUNDING * of_channel);

    gelu_backward(&x_maps, &dy_maps, &mut dx, maps);
    let distribution = |x: f64| {
        let (mut term, mut sum) = (x, x);
        for k in 1..30 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
    };
    let active = |x: &[f64]| x.iter().map(|x| x * distribution(*x)).collect::<Vec<_>>();
    assert_gradient("gelu", &values_of(&dx, maps), &x, step, |x| dot(&dy, &active(x)), |_| ROUNDING);
}

fn check_attention(windows: Windows, is_global: bool, heads: usize, of_head: usize, batch: usize, seed: u32) {
    let ([rows, columns], side) = (windows.map, windows.side);
    let input = Maps::new(3 * heads * of_head, rows, columns, batch);
    let output = Maps::new(heads * of_head, rows, columns, batch);
    let (attention, table) = if is_global {
        (Attention::among_all(rows * columns, heads), vec![])
    } else {
        (Attention::within(windows, heads), noise(Attention::table_len(windows, heads), seed))
    };
    let (x, dy) = (noise(count(&input), seed + 1), noise(count(&output), seed + 2));
    let (mut dx, mut dtable) = (vec![f32::NAN; input.len()], by_sample(table.len(), &output));
    let (x_maps, dy_maps) = (maps_of(&x, &input), maps_of(&dy, &output));
    attention.backward(&table, &x_maps, &input, &dy_maps, &output, &mut dx, &mut dtable);
    let [x, dy, table] = [&x, &dy, &table].map(|values| wide(values));
    // Without a shift, a window is where rows and columns divide by its side.
    let bias = |table: &[f64], head: usize, from: (usize, usize), to: (usize, usize)| {
        if is_global {
            return Some(0.0);
        }
        let near = (from.0 / side, from.1 / side) == (to.0 / side, to.1 / side);
        let (down, across) =
            (from.0 + side - 1 - to.0.min(from.0 + side - 1), from.1 + side - 1 - to.1.min(from.1 + side - 1));
        near.then(|| table[(down * (2 * side - 1) + across) * heads + head])
    };
    let pixels = || (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let loss = |x: &[f64], table: &[f64]| -> f64 {
        let at =
            |n, part: usize, channel, (row, column)| x[place(&input, n, part * heads * of_head + channel, row, column)];
        let mut sum = 0.0;
        for (n, head, from) in
            (0..batch).flat_map(|n| (0..heads).flat_map(move |head| pixels().map(move |from| (n, head, from))))
        {
            let channels = || head * of_head..(head + 1) * of_head;
            let seen = pixels().filter_map(|to| Some((to, bias(table, head, from, to)?)));
            let power = |(to, bias): ((usize, usize), f64)| {
                let product: f64 = channels().map(|c| at(n, 0, c, from) * at(n, 1, c, to)).sum();
                (to, (product / (of_head as f64).sqrt() + bias).exp())
            };
            let powers: Vec<_> = seen.map(power).collect();
            let all: f64 = powers.iter().map(|(_, power)| power).sum();
            for channel in channels() {
                let value: f64 = powers.iter().map(|(to, power)| power / all * at(n, 2, channel, *to)).sum();
                sum += dy[place(&output, n, channel, from.0, from.1)] * value;
            }
        }
        sum
    };
    let (step, of_token) = (1e-4, 10.0 * (rows * columns * of_head) as f64);
    let by_x = |x: &[f64]| loss(x, &table);
    assert_gradient("attention, input", &values_of(&dx, &input), &x, step, by_x, |_| ROUNDING * of_token);
    let (by_table, of_all) = (|table: &[f64]| loss(&x, table), of_token * batch as f64);
    assert_gradient("attention, table", &summed(&dtable, &output), &table, step, by_table, |_| ROUNDING * of_all);
}

/// A small number of cases, or fewer if `PROPTEST_CASES` says so.
fn few() -> ProptestConfig {
    ProptestConfig::with_cases(ProptestConfig::default().cases.min(32))
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn convolutions(
        in_channels in 1usize..4, out_channels in 1usize..5, kernel in prop::sample::select(vec![1usize, 3, 3, 5, 7]),
        stride in 1usize..3, padded: bool, extra in 0usize..4, batch in 1usize..21,
        groups in prop::sample::select(vec![1usize, 1, 2]),
        density in prop::sample::select(vec![0.0f32, 0.001, 0.05, 0.5, 1.0]), seed in 0u32..1000,
    ) {
        let padding = if padded { kernel / 2 } else { 0 };
        let (in_channels, out_channels) = (in_channels * groups, out_channels * groups);
        let shape = ConvShape { in_channels, out_channels, kernel, stride, padding, groups };
        check_convolution(shape, &Maps::new(in_channels, kernel + extra, kernel + extra / 2, batch), density, seed);
    }

    #[test]
    fn normalisations(
        channels in 1usize..4, height in 2usize..6, width in 2usize..6, batch in 1usize..21,
        relu: bool, fixed: bool, seed in 0u32..1000,
    ) {
        check_norm(&Maps::new(channels, height, width, batch), relu, fixed, seed);
    }

    #[test]
    fn fully_connected_layers(inputs in 1usize..12, outputs in 1usize..8, batch in 1usize..21, seed in 0u32..1000) {
        check_linear(&Maps::new(inputs, 1, 1, batch), &Maps::new(outputs, 1, 1, batch), seed);
    }

    #[test]
    fn pools_shortcuts_and_relu(
        channels in 1usize..4, height in 3usize..6, width in 3usize..6, batch in 1usize..21,
        side in 2usize..4, stride in 1usize..3, padded: bool, added in 0usize..3, seed in 0u32..1000,
    ) {
        // Each of at most 25 pixels gets a distinct value if 7 does not divide their number, which holds for sides of
        // 3 to 5.
        let window = Window { side, stride, padding: if padded { side / 2 } else { 0 } };
        check_pools_and_shortcuts(&Maps::new(channels, height, width, batch), window, stride, added, seed);
    }

    #[test]
    fn layer_normalisations_and_gelu(
        channels in 2usize..6, height in 1usize..4, width in 1usize..5, batch in 1usize..21, seed in 0u32..1000,
    ) {
        check_layer_norm_and_gelu(&Maps::new(channels, height, width, batch), seed);
    }

    #[test]
    fn attentions(
        down in 1usize..3, across in 1usize..3, side in 1usize..4, is_global: bool, heads in 1usize..3,
        of_head in 1usize..4, batch in prop::sample::select(vec![1usize, 3, 17]), seed in 0u32..1000,
    ) {
        let windows = Windows { map: [down * side, across * side], side, shift: 0 };
        check_attention(windows, is_global, heads, of_head, batch, seed);
    }
}
