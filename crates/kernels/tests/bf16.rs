//! The kernels on maps in bf16 beside the same kernels in f32 on the same values. A result in bf16 is the rounded result
//! in f32, bit for bit, because all arithmetic is f32. Sums that stay in f32 are equal.

use half::bf16;
use unlearn_kernels::{
    Algorithm, Algorithms, ChannelStatistics, ConvShape, Convolution, Element, Epilogue, InstructionSet, LANES, Maps,
    NormGradient, NormInput, Normalised, Source, add, convert, global_avg_pool, images_to_maps, linear_forward,
    linear_input_gradient, linear_weight_gradient, norm_apply, norm_backward, norm_backward_in_place,
    norm_backward_terms, norm_statistics, on_instruction_set, relu, shortcut_a,
};

/// Pseudo-random values in −1..1.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let step = |state: u32| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let states = std::iter::successors(Some(step(seed)), |state| Some(step(*state)));
    states.take(len).map(|state| (state >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Values of bf16, in both formats.
struct Both {
    half: Vec<bf16>,
    full: Vec<f32>,
}

impl Both {
    /// Noise as maps, with zeros in the tail.
    fn maps(maps: &Maps, seed: u32) -> Self {
        let images = noise(maps.batch * maps.channels * maps.height * maps.width, seed);
        let (mean, std) = (vec![0.0; maps.channels], vec![1.0; maps.channels]);
        let mut half = vec![bf16::ZERO; maps.len()];
        images_to_maps(&images, &mean, &std, &mut half, maps);
        Self::of(half)
    }

    fn of(half: Vec<bf16>) -> Self {
        let mut full = vec![0.0; half.len()];
        convert(&half, &mut full);
        Self { half, full }
    }
}

/// Checks that `half` is `full`, rounded. Gaps between channels may hold anything.
fn assert_rounded(what: &str, maps: &Maps, half: &[bf16], full: &[f32]) {
    let pixels = maps.height * maps.width * LANES;
    for (plane, (half, full)) in half.chunks(maps.plane).zip(full.chunks(maps.plane)).enumerate() {
        for (place, (half, full)) in half.iter().zip(full).take(pixels).enumerate() {
            let expected = <bf16 as Element>::from_f32(*full);
            assert_eq!(half.to_bits(), expected.to_bits(), "{what}, plane {plane}, place {place}: {half} for {full}");
        }
    }
}

fn on_every_instruction_set(check: impl Fn() + Sync) {
    for set in InstructionSet::detected() {
        eprintln!("on {set}:");
        on_instruction_set(set, &check).unwrap();
    }
}

fn statistics(channels: usize, seed: u32) -> Vec<ChannelStatistics> {
    noise(channels, seed).iter().map(|v| ChannelStatistics { mean: *v, var: v.abs() + 0.1 }).collect()
}

fn check_convolution(shape: ConvShape, algorithm: Algorithm, (height, width, batch): (usize, usize, usize)) {
    let input = Maps::new(shape.in_channels, height, width, batch);
    let output = shape.output(&input);
    let weights = noise(shape.weights(), 3);
    let kept: Vec<bool> = noise(shape.weights(), 5).iter().map(|v| *v < 0.3).collect();
    let conv = Convolution::with_kept(shape, Algorithms::all(algorithm), &kept);
    let (x, dy) = (Both::maps(&input, 7), Both::maps(&output, 11));
    let (mut y, mut expected) = (vec![bf16::ZERO; output.len()], vec![0.0; output.len()]);

    let moments = conv.forward(&weights, &x.half, &input, &mut y, &output, Epilogue::Statistics).unwrap();
    conv.forward(&weights, &x.full, &input, &mut expected, &output, Epilogue::None);
    assert_rounded("forward", &output, &y, &expected);
    for (found, expected) in moments.iter().zip(norm_statistics(&y, &output)) {
        let close = |a: f32, b: f32| (a - b).abs() <= 1e-5 * (1.0 + b.abs());
        assert!(close(found.mean, expected.mean) && close(found.var, expected.var), "{found:?} {expected:?}");
    }

    let residual = Both::maps(&output, 13);
    let shift = noise(output.channels, 17);
    let epilogue = Epilogue::Shift { shift: &shift, residual: Some(&residual.half), relu: true };
    conv.forward(&weights, &x.half, &input, &mut y, &output, epilogue);
    let epilogue = Epilogue::Shift { shift: &shift, residual: Some(&residual.full), relu: true };
    conv.forward(&weights, &x.full, &input, &mut expected, &output, epilogue);
    if algorithm == Algorithm::Sparse {
        assert_rounded("shifted", &output, &y, &expected);
    } else {
        // The sums are rounded before the shift, and again after it.
        let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert!(y.iter().zip(&expected).all(|(y, expected)| (y.to_f32() - expected).abs() <= largest / 64.0));
    }

    let (scale, offset) = (noise(input.channels, 19), noise(input.channels, 23));
    let half = Source::Normalised(Normalised { x: &x.half, scale: &scale, shift: &offset, relu: true });
    let full = Source::Normalised(Normalised { x: &x.full, scale: &scale, shift: &offset, relu: true });
    if algorithm == Algorithm::Sparse {
        conv.forward_from(&weights, half, &input, &mut y, &output, Epilogue::None);
        conv.forward_from(&weights, full, &input, &mut expected, &output, Epilogue::None);
        assert_rounded("normalised while read", &output, &y, &expected);
    }

    let before = Both::maps(&input, 29);
    for accumulate in [false, true] {
        let (mut dx, mut dx_expected) = (before.half.clone(), before.full.clone());
        conv.input_gradient(&weights, &dy.half, &output, &mut dx, &input, accumulate);
        conv.input_gradient(&weights, &dy.full, &output, &mut dx_expected, &input, accumulate);
        assert_rounded("input gradient", &input, &dx, &dx_expected);
    }

    let (mut dw, mut dw_expected) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
    conv.weight_gradient(&x.half, &input, &dy.half, &output, &mut dw);
    conv.weight_gradient(&x.full, &input, &dy.full, &output, &mut dw_expected);
    assert_eq!(dw, dw_expected, "weight gradient");

    let (of_output, weight, bias) =
        (statistics(output.channels, 31), noise(output.channels, 37), vec![0.1; output.channels]);
    let mut sums = vec![0.0; output.channels];
    let norm = NormInput { x: &y, statistics: &of_output, weight: &weight, bias: &bias };
    let terms = norm_backward_terms(norm, true, true, &dy.half, &mut sums.clone(), &mut sums, &output);
    let through = NormGradient { input: norm, relu: true, terms: &terms };
    let (mut dz, mut written) = (dy.half.clone(), dy.half.clone());
    conv.weight_gradient_through(Source::Written(&x.half), &input, through, &mut dz, &output, &mut dw);
    through.finish_maps(&mut written, &output);
    let written = Both::of(written);
    conv.weight_gradient(&x.full, &input, &written.full, &output, &mut dw_expected);
    assert_rounded("gradient through a normalisation", &output, &dz, &written.full);
    assert_eq!(dw, dw_expected, "weight gradient through a normalisation");

    let (mut squares, mut squares_expected) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
    conv.add_squared_gradients(&x.half, &input, &dy.half, &output, &mut squares);
    conv.add_squared_gradients(&x.full, &input, &dy.full, &output, &mut squares_expected);
    assert_eq!(squares, squares_expected, "squares");
    let (mut dots, mut dots_expected) = (vec![0.0; batch], vec![0.0; batch]);
    conv.add_gradient_dots(&weights, &x.half, &input, &dy.half, &output, &mut dots);
    conv.add_gradient_dots(&weights, &x.full, &input, &dy.full, &output, &mut dots_expected);
    assert_eq!(dots, dots_expected, "dot products");
    let width = conv.kept().count();
    let (mut rows, mut rows_expected) = (vec![0.0; batch * width], vec![0.0; batch * width]);
    conv.sample_gradients(&x.half, &input, &dy.half, &output, &mut rows, width);
    conv.sample_gradients(&x.full, &input, &dy.full, &output, &mut rows_expected, width);
    assert_eq!(rows, rows_expected, "rows");
}

#[test]
fn convolutions_in_bf16_are_those_in_f32_rounded() {
    let shape = |in_channels, out_channels, kernel, stride| {
        let padding = kernel / 2;
        ConvShape { in_channels, out_channels, kernel, stride, padding, groups: 1 }
    };
    on_every_instruction_set(|| {
        for algorithm in [Algorithm::Direct, Algorithm::Winograd, Algorithm::Sparse] {
            check_convolution(shape(5, 19, 3, 1), algorithm, (9, 7, 19));
            if algorithm != Algorithm::Winograd {
                check_convolution(shape(3, 8, 3, 2), algorithm, (8, 8, 37));
                check_convolution(shape(9, 4, 1, 1), algorithm, (5, 6, 16));
                check_convolution(ConvShape { groups: 2, ..shape(6, 10, 3, 1) }, algorithm, (4, 16, 5));
            }
        }
    });
}

#[test]
fn normalisations_in_bf16_are_those_in_f32_rounded() {
    let maps = Maps::new(7, 9, 5, 37);
    let (of_channels, weight, bias) = (statistics(7, 3), noise(7, 5), noise(7, 7));
    on_every_instruction_set(|| {
        let (x, residual, dy) = (Both::maps(&maps, 11), Both::maps(&maps, 13), Both::maps(&maps, 17));
        let half = NormInput { x: &x.half[..], statistics: &of_channels, weight: &weight, bias: &bias };
        let full = NormInput { x: &x.full[..], statistics: &of_channels, weight: &weight, bias: &bias };
        let (mut z, mut expected) = (vec![bf16::ZERO; maps.len()], vec![0.0; maps.len()]);
        norm_apply(half, Some(&residual.half), true, &mut z, &maps);
        norm_apply(full, Some(&residual.full), true, &mut expected, &maps);
        assert_rounded("normalised", &maps, &z, &expected);

        let z = Both::of(z);
        let (mut dz, mut dz_expected) = (dy.half.clone(), dy.full.clone());
        let (mut dx, mut dx_expected) = (vec![bf16::ZERO; maps.len()], vec![0.0; maps.len()]);
        let mut sums = [(); 4].map(|()| vec![0.0; 7]);
        let [dweight, dbias, dweight_expected, dbias_expected] = &mut sums;
        norm_backward(half, Some(&z.half), true, &mut dz, &mut dx, dweight, dbias, &maps);
        norm_backward(
            full,
            Some(&z.full),
            true,
            &mut dz_expected,
            &mut dx_expected,
            dweight_expected,
            dbias_expected,
            &maps,
        );
        assert_rounded("gradient of the residual branch", &maps, &dz, &dz_expected);
        assert_rounded("gradient", &maps, &dx, &dx_expected);
        assert_eq!((&*dweight, &*dbias), (&*dweight_expected, &*dbias_expected));

        let (mut dz, mut dz_expected) = (dy.half.clone(), dy.full.clone());
        norm_backward_in_place(half, true, true, &mut dz, dweight, dbias, &maps);
        norm_backward_in_place(full, true, true, &mut dz_expected, dweight_expected, dbias_expected, &maps);
        assert_rounded("gradient in place", &maps, &dz, &dz_expected);
        assert_eq!((dweight, dbias), (dweight_expected, dbias_expected));
    });
}

#[test]
fn other_layers_in_bf16_are_those_in_f32_rounded() {
    let (maps, pooled, scores) = (Maps::new(6, 4, 4, 21), Maps::new(6, 1, 1, 21), Maps::new(10, 1, 1, 21));
    let (a, b, features, dscores) =
        (Both::maps(&maps, 3), Both::maps(&maps, 5), Both::maps(&pooled, 7), Both::maps(&scores, 9));
    on_every_instruction_set(|| {
        let (mut half, mut full) = (vec![bf16::ZERO; maps.len()], vec![0.0; maps.len()]);
        add(&a.half, &b.half, &mut half, &maps);
        add(&a.full, &b.full, &mut full, &maps);
        assert_rounded("sum", &maps, &half, &full);
        relu(&a.half, &mut half, &maps);
        relu(&a.full, &mut full, &maps);
        assert_rounded("ReLU", &maps, &half, &full);
        let wide = Maps::new(9, 2, 2, 21);
        shortcut_a(&a.half, &maps, 2, &mut half, &wide);
        shortcut_a(&a.full, &maps, 2, &mut full, &wide);
        assert_rounded("shortcut", &wide, &half, &full);
        global_avg_pool(&a.half, &maps, &mut half, &pooled);
        global_avg_pool(&a.full, &maps, &mut full, &pooled);
        assert_rounded("mean", &pooled, &half, &full);

        let (weight, bias) = (noise(60, 11), noise(10, 13));
        let (mut logits, mut expected) = (vec![0.0; scores.len()], vec![0.0; scores.len()]);
        linear_forward(&features.half, &pooled, &weight, &bias, &mut logits, &scores);
        linear_forward(&features.full, &pooled, &weight, &bias, &mut expected, &scores);
        assert_eq!(logits, expected, "logits stay in f32");
        linear_input_gradient(&weight, &dscores.full, &scores, &mut half, &pooled);
        linear_input_gradient(&weight, &dscores.full, &scores, &mut full, &pooled);
        assert_rounded("gradient of the features", &pooled, &half, &full);
        let mut gradients = [60, 10, 60, 10].map(|len| vec![0.0; len]);
        let [dweight, dbias, dweight_expected, dbias_expected] = &mut gradients;
        linear_weight_gradient(&features.half, &pooled, &dscores.half, &scores, dweight, dbias);
        linear_weight_gradient(&features.full, &pooled, &dscores.full, &scores, dweight_expected, dbias_expected);
        assert_eq!((dweight, dbias), (dweight_expected, dbias_expected));
    });
}
