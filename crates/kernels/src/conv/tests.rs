//! Every algorithm against the definition in f64.

use proptest::prelude::*;

use super::*;
use crate::{
    LANES, NormInput, NormReduction, norm_apply, norm_backward_in_place, norm_backward_terms,
    testing::{
        assert_maps_within, assert_sums, at, batches, noise, noisy_maps, on_every_instruction_set, places,
        same_bits_on_any_threads,
    },
};

/// One convolution with its data.
struct Case {
    convolution: Convolution,
    input: Maps,
    output: Maps,
    x: Vec<f32>,
    dy: Vec<f32>,
    weights: Vec<f32>,
    kept: Vec<bool>,
}

/// For each value, the sum of its terms and the sum of their absolute values, which bounds the rounding error.
#[derive(Clone)]
struct Sums {
    values: Vec<f64>,
    magnitudes: Vec<f64>,
}

impl Sums {
    fn zeros(len: usize) -> Self {
        Self { values: vec![0.0; len], magnitudes: vec![0.0; len] }
    }

    /// Uses the largest magnitude for every value. A transform mixes the values of a tile, and thereby their rounding
    /// errors.
    fn level(&mut self) {
        let largest = self.magnitudes.iter().fold(0.0f64, |largest, magnitude| largest.max(*magnitude));
        self.magnitudes.fill(largest);
    }

    fn add(&mut self, at: usize, a: f32, b: f32) {
        let term = f64::from(a) * f64::from(b);
        self.values[at] += term;
        self.magnitudes[at] += term.abs();
    }
}

/// Input position of a tap at an output position, or `None` in the padding.
fn input_position(shape: &ConvShape, output: usize, tap: usize, length: usize) -> Option<usize> {
    (output * shape.stride + tap).checked_sub(shape.padding).filter(|position| *position < length)
}

impl Case {
    fn new(shape: ConvShape, algorithm: Algorithm, height: usize, width: usize, batch: usize) -> Self {
        let input = Maps::new(shape.in_channels, height, width, batch);
        let output = shape.output(&input);
        let (x, dy) = (noisy_maps(&input, 7), noisy_maps(&output, 11));
        let convolution = Convolution::with_algorithms(shape, Algorithms::all(algorithm));
        let kept = vec![true; shape.weights()];
        Self { convolution, input, output, x, dy, weights: noise(shape.weights(), 13), kept }
    }

    /// A sparse case that keeps about this share of the weights. Pruned weights have nonzero values, which must not
    /// matter.
    fn sparse(shape: ConvShape, density: f32, height: usize, width: usize, batch: usize) -> Self {
        Self::new(shape, Algorithm::Direct, height, width, batch).pruned(Algorithm::Sparse, density)
    }

    /// The same case by another algorithm, with about this share of the weights kept.
    fn pruned(self, algorithm: Algorithm, density: f32) -> Self {
        let shape = *self.convolution.shape();
        let kept: Vec<bool> = noise(shape.weights(), 23).iter().map(|value| value.midpoint(1.0) < density).collect();
        let convolution = Convolution::with_kept(shape, Algorithms::all(algorithm), &kept);
        Self { convolution, kept, ..self }
    }

    /// Calls `visit(weight index, input index, output index)` for every product of the convolution with a kept weight.
    fn products(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let shape = self.convolution.shape();
        let within = shape.within_group();
        let (input, output) = (&self.input, &self.output);
        for (co, ci) in (0..shape.out_channels).flat_map(|co| (0..within.in_channels).map(move |ci| (co, ci))) {
            let channel = co / within.out_channels * within.in_channels + ci;
            for (oh, ow) in (0..output.height).flat_map(|oh| (0..output.width).map(move |ow| (oh, ow))) {
                for (kh, kw) in (0..shape.kernel).flat_map(|kh| (0..shape.kernel).map(move |kw| (kh, kw))) {
                    let h = input_position(shape, oh, kh, input.height);
                    let w = input_position(shape, ow, kw, input.width);
                    let weight = ((co * within.in_channels + ci) * shape.kernel + kh) * shape.kernel + kw;
                    let (Some(h), Some(w), true) = (h, w, self.kept[weight]) else { continue };
                    for n in 0..input.batch {
                        visit(
                            weight,
                            at(input, channel, h * input.width + w, n),
                            at(output, co, oh * output.width + ow, n),
                        );
                    }
                }
            }
        }
    }

    fn check(&self, tolerance: f64) {
        let (mut y, mut dx) = (Sums::zeros(self.output.len()), Sums::zeros(self.input.len()));
        let mut dw = Sums::zeros(self.weights.len());
        self.products(|w, i, o| {
            y.add(o, self.weights[w], self.x[i]);
            dx.add(i, self.weights[w], self.dy[o]);
            dw.add(w, self.x[i], self.dy[o]);
        });
        if self.convolution.algorithms() == Algorithms::all(Algorithm::Winograd) {
            [&mut y, &mut dx, &mut dw].into_iter().for_each(Sums::level);
        }
        let results = self.run();
        let maps = |what, maps: &Maps, found: &[f32], sums: &Sums, shift: f64| {
            assert_maps_within(what, maps, found, |c, p, n| {
                let place = at(maps, c, p, n);
                (sums.values[place] + shift, tolerance * (sums.magnitudes[place] + shift))
            });
        };
        maps("forward", &self.output, &results.y, &y, 0.0);
        maps("input gradient", &self.input, &results.dx, &dx, 0.0);
        assert_sums("weight gradient", &results.dw, &dw.values, &dw.magnitudes, tolerance);
        let mut accumulated = vec![0.0; self.input.len()];
        places(&self.input).for_each(|(c, p, n)| accumulated[at(&self.input, c, p, n)] = 1.0);
        self.convolution.input_gradient(&self.weights, &self.dy, &self.output, &mut accumulated, &self.input, true);
        maps("accumulated input gradient", &self.input, &accumulated, &dx, 1.0);
        self.check_statistics(&results);
        self.check_shift(&results);
    }

    /// Holds per-sample gradients, their squares and their dot products against sums over the products of each
    /// sample.
    fn check_per_sample(&self, tolerance: f64) {
        let Self { convolution, input, output, x, dy, weights, .. } = self;
        let kept: Vec<usize> = convolution.kept().collect();
        assert!((0..weights.len()).filter(|&w| self.kept[w]).eq(kept.iter().copied()), "what is kept");
        let mut by_sample = vec![Sums::zeros(weights.len()); output.batch];
        self.products(|w, i, o| {
            let bundle = o / output.bundle.max(1);
            by_sample[bundle * LANES + o % output.bundle % output.plane % LANES].add(w, x[i], dy[o]);
        });
        let stride = kept.len() + 3;
        let mut rows = vec![7.0; output.batch * stride];
        convolution.sample_gradients(x, input, dy, output, &mut rows, stride);
        for (row, sums) in rows.chunks_exact(stride).zip(&by_sample) {
            let pick = |values: &[f64]| kept.iter().map(|&w| values[w]).collect::<Vec<_>>();
            assert_sums("sample", &row[..kept.len()], &pick(&sums.values), &pick(&sums.magnitudes), tolerance);
            assert_eq!(row[kept.len()..], [7.0; 3], "what lies between the rows");
        }
        let over = |f: &dyn Fn(&Sums, usize) -> f64| -> Vec<f64> {
            (0..weights.len()).map(|w| 0.5 + by_sample.iter().map(|sums| f(sums, w)).sum::<f64>()).collect()
        };
        let mut squares = vec![0.5; weights.len()];
        convolution.add_squared_gradients(x, input, dy, output, &mut squares);
        let (expected, magnitudes) = (over(&|s, w| s.values[w].powi(2)), over(&|s, w| s.magnitudes[w].powi(2)));
        assert_sums("squares", &squares, &expected, &magnitudes, 2.0 * tolerance);

        let along = |values: fn(&Sums) -> &Vec<f64>, weight: &dyn Fn(f32) -> f64| -> Vec<f64> {
            let of_sample = |sums| weights.iter().zip(values(sums)).map(|(w, value)| weight(*w) * value).sum::<f64>();
            by_sample.iter().map(|sums| 0.5 + of_sample(sums)).collect()
        };
        let mut dots = vec![0.5; output.batch];
        convolution.add_gradient_dots(weights, x, input, dy, output, &mut dots);
        let expected = along(|sums| &sums.values, &|w| f64::from(w));
        let magnitudes = along(|sums| &sums.magnitudes, &|w| f64::from(w).abs());
        assert_sums("dot products", &dots, &expected, &magnitudes, tolerance);
    }

    fn check_shift(&self, results: &Results) {
        let Self { convolution, input, output, .. } = self;
        let (shift, residual) = (noise(output.channels, 17), noisy_maps(output, 19));
        let mut z = vec![f32::NAN; output.len()];
        let epilogue = Epilogue::Shift { shift: &shift, residual: Some(&residual), relu: true };
        convolution.forward(&self.weights, &self.x, input, &mut z, output, epilogue);
        assert_maps_within("shifted", output, &z, |c, p, n| {
            let place = at(output, c, p, n);
            let terms = [results.y[place], shift[c], residual[place]].map(f64::from);
            (terms.iter().sum::<f64>().max(0.0), 1e-6 * terms.iter().map(|term| term.abs()).sum::<f64>())
        });
    }

    fn check_statistics(&self, results: &Results) {
        let count = self.output.samples_per_channel() as f64;
        for (channel, statistics) in results.statistics.iter().enumerate() {
            let of_channel = places(&self.output).filter(|place| place.0 == channel);
            let values: Vec<f64> =
                of_channel.map(|(c, p, n)| f64::from(results.y[at(&self.output, c, p, n)])).collect();
            let mean = values.iter().sum::<f64>() / count;
            let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
            let magnitude = values.iter().map(|v| v.abs()).sum::<f64>() / count;
            assert!((f64::from(statistics.mean) - mean).abs() <= 1e-6 * magnitude, "{statistics:?}, mean {mean}");
            assert!((f64::from(statistics.var) - var).abs() <= 1e-5 * var, "{statistics:?}, variance {var}");
        }
    }

    fn run(&self) -> Results {
        let mut y = vec![f32::NAN; self.output.len()];
        let mut dx = vec![f32::NAN; self.input.len()];
        let mut dw = vec![f32::NAN; self.weights.len()];
        let Self { convolution, input, output, .. } = self;
        let statistics = convolution.forward(&self.weights, &self.x, input, &mut y, output, Epilogue::Statistics);
        convolution.input_gradient(&self.weights, &self.dy, output, &mut dx, input, false);
        convolution.weight_gradient(&self.x, input, &self.dy, output, &mut dw);
        Results { y, dx, dw, statistics: statistics.expect("asked for") }
    }
}

struct Results {
    y: Vec<f32>,
    dx: Vec<f32>,
    dw: Vec<f32>,
    statistics: Vec<ChannelStatistics>,
}

impl Case {
    /// Holds the passes that normalise what they read, and finish the gradient that they read, against passes over
    /// written maps. The bits must be the same.
    fn check_normalised(&self, relu: bool) {
        let Self { convolution, input, output, x, dy, weights, .. } = self;
        let statistics = |channels, seed| -> Vec<ChannelStatistics> {
            noise(channels, seed).iter().map(|v| ChannelStatistics { mean: *v, var: v.abs() + 0.1 }).collect()
        };
        let (of_input, of_output) = (statistics(input.channels, 29), statistics(output.channels, 31));
        let (weight, bias) = (noise(input.channels, 37), noise(input.channels, 41));
        let norm = NormInput { x, statistics: &of_input, weight: &weight, bias: &bias };
        let mut z = vec![f32::NAN; input.len()];
        norm_apply(norm, None, relu, &mut z, input);
        let (scale, shift) = norm.scale_and_shift();
        let source = Source::Normalised(Normalised { x, scale: &scale, shift: &shift, relu });
        let maps = |maps: &Maps, values: &[f32]| -> Vec<u32> {
            places(maps).map(|(c, p, n)| values[at(maps, c, p, n)].to_bits()).collect()
        };
        let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|v| v.to_bits()).collect() };

        let mut y = [(); 2].map(|()| vec![f32::NAN; output.len()]);
        let [expected, found] = &mut y;
        let of_written = convolution.forward(weights, &z, input, expected, output, Epilogue::Statistics);
        let of_unwritten = convolution.forward_from(weights, source, input, found, output, Epilogue::Statistics);
        assert_eq!(of_unwritten, of_written, "statistics");
        assert!(maps(output, found) == maps(output, expected), "forward");
        let [mut expected, mut found] = [(); 2].map(|()| vec![f32::NAN; weights.len()]);
        convolution.weight_gradient(&z, input, dy, output, &mut expected);
        convolution.weight_gradient_from(source, input, dy, output, &mut found);
        assert!(bits(&found) == bits(&expected), "weight gradient");

        let (weight, bias) = (noise(output.channels, 43), noise(output.channels, 47));
        let after = NormInput { x: &y[0], statistics: &of_output, weight: &weight, bias: &bias };
        let mut gradients = [(); 4].map(|()| vec![f32::NAN; output.channels]);
        let [dweight, dbias, dweight_expected, dbias_expected] = &mut gradients;
        let [mut dz, mut dz_expected] = [dy.clone(), dy.clone()];
        norm_backward_in_place(after, relu, true, &mut dz_expected, dweight_expected, dbias_expected, output);
        convolution.weight_gradient(&z, input, &dz_expected, output, &mut expected);
        let terms = norm_backward_terms(after, relu, true, &dz, dweight, dbias, output);
        let through = NormGradient { input: after, relu, terms: &terms };
        convolution.weight_gradient_through(source, input, through, &mut dz, output, &mut found);
        assert!(maps(output, &dz) == maps(output, &dz_expected), "gradient through the normalisation");
        assert_maps_within("gradient", output, &dz, |c, p, n| (f64::from(dz_expected[at(output, c, p, n)]), 0.0));
        assert!(bits(&found) == bits(&expected), "weight gradient through the normalisation");
        assert!(
            bits(dweight) == bits(dweight_expected) && bits(dbias) == bits(dbias_expected),
            "gradients of the norm"
        );
        if convolution.reduces(input) {
            self.check_reduced(norm, relu);
        }
    }

    /// Holds the input gradient that is reduced as it is written against the two passes apart.
    fn check_reduced(&self, norm: NormInput<'_>, relu: bool) {
        let Self { convolution, input, output, dy, weights, .. } = self;
        let [mut dx, mut dx_expected] = [(); 2].map(|()| vec![f32::NAN; input.len()]);
        let reduction = NormReduction { input: norm, relu };
        let totals = convolution.input_gradient_reduced(weights, dy, output, &mut dx, input, reduction);
        convolution.input_gradient(weights, dy, output, &mut dx_expected, input, false);
        let differs = |(c, p, n)| dx[at(input, c, p, n)].to_bits() != dx_expected[at(input, c, p, n)].to_bits();
        assert!(!places(input).any(differs), "input gradient");
        let mut gradients = [(); 4].map(|()| vec![f32::NAN; input.channels]);
        let [dweight, dbias, dweight_expected, dbias_expected] = &mut gradients;
        let expected = norm_backward_terms(norm, relu, true, &dx, dweight_expected, dbias_expected, input);
        assert_eq!(reduction.finish(&totals, true, dweight, dbias, input), expected, "terms");
        assert_eq!((dweight, dbias), (dweight_expected, dbias_expected), "gradients of the reduced normalisation");
    }
}

/// Tolerance for rounding, relative to the sum of the magnitudes of a value's terms: eight units in the last place.
const ROUNDING: f64 = 1e-6;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn direct_passes_agree_with_the_definition(
        in_channels in 1usize..8, out_channels in 1usize..15, kernel in prop::sample::select(vec![1usize, 3, 5, 7]),
        stride in 1usize..3, extra in 0usize..5, padded: bool, batch in batches(),
        groups in prop::sample::select(vec![1usize, 1, 3]),
    ) {
        let padding = if padded { kernel / 2 } else { 0 };
        let (in_channels, out_channels) = (in_channels * groups, out_channels * groups);
        let shape = ConvShape { in_channels, out_channels, kernel, stride, padding, groups };
        let case = Case::new(shape, Algorithm::Direct, kernel + extra, kernel + extra / 2 + 1, batch);
        on_every_instruction_set(|| case.check(ROUNDING));
    }

    #[test]
    fn per_sample_gradients_agree_with_the_definition(
        in_channels in 1usize..6, out_channels in 1usize..15, kernel in prop::sample::select(vec![1usize, 3, 5]),
        stride in 1usize..4, extra in 0usize..9, batch in batches(), groups in prop::sample::select(vec![1usize, 1, 3]),
        density in prop::sample::select(vec![None, Some(0.0f32), Some(0.05), Some(0.5)]), sparse: bool,
    ) {
        let (in_channels, out_channels) = (in_channels * groups, out_channels * groups);
        let shape = ConvShape { in_channels, out_channels, kernel, stride, padding: kernel / 2, groups };
        let (height, width) = (kernel + extra, kernel + extra / 2 + 1);
        let algorithm = if sparse { Algorithm::Sparse } else { Algorithm::Direct };
        let case = Case::new(shape, algorithm, height, width, batch);
        let case = match density {
            Some(density) => case.pruned(algorithm, density),
            None => case,
        };
        on_every_instruction_set(|| case.check_per_sample(ROUNDING));
    }

    #[test]
    fn sparse_passes_agree_with_the_definition_at_every_density(
        in_channels in 1usize..8, out_channels in 1usize..15, kernel in prop::sample::select(vec![1usize, 3, 5, 7]),
        stride in 1usize..4, extra in 0usize..9, padded: bool, batch in batches(),
        groups in prop::sample::select(vec![1usize, 1, 3]),
        density in prop::sample::select(vec![0.0f32, 0.001, 0.05, 0.5, 1.0]),
    ) {
        let padding = if padded { kernel / 2 } else { 0 };
        let (in_channels, out_channels) = (in_channels * groups, out_channels * groups);
        let shape = ConvShape { in_channels, out_channels, kernel, stride, padding, groups };
        let case = Case::sparse(shape, density, kernel + extra, kernel + extra / 2 + 1, batch);
        on_every_instruction_set(|| case.check(ROUNDING));
    }
}

/// Tolerance for Winograd's transforms, relative to the largest sum of magnitudes. They multiply values by up to a
/// hundred before these cancel. A missing or a duplicate tap would be a thousand times larger.
const WINOGRAD_ROUNDING: f64 = 2e-5;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn winograd_passes_agree_with_the_definition(
        in_channels in 1usize..8, out_channels in 1usize..15, height in 3usize..11, width in 3usize..11,
        padding in 0usize..3, batch in batches(), groups in prop::sample::select(vec![1usize, 1, 3]),
    ) {
        let (in_channels, out_channels) = (in_channels * groups, out_channels * groups);
        let shape = ConvShape { in_channels, out_channels, kernel: 3, stride: 1, padding, groups };
        let case = Case::new(shape, Algorithm::Winograd, height, width, batch);
        on_every_instruction_set(|| case.check(WINOGRAD_ROUNDING));
    }
}

/// With kernel 1 and stride 2, every second row of the input contributes to no output. The task of such a row once
/// read past its panel.
#[test]
fn rows_that_meet_no_tap_have_no_gradient() {
    let shape = ConvShape { in_channels: 2, out_channels: 3, kernel: 1, stride: 2, padding: 0, groups: 1 };
    Case::new(shape, Algorithm::Direct, 5, 4, 200).check(ROUNDING);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let shape = ConvShape { in_channels: 21, out_channels: 13, kernel: 3, stride: 1, padding: 1, groups: 1 };
    let cases = [
        Case::new(shape, Algorithm::Direct, 9, 7, 70),
        Case::new(shape, Algorithm::Winograd, 9, 7, 70),
        Case::sparse(shape, 0.2, 9, 7, 70),
    ];
    for case in cases {
        same_bits_on_any_threads(|| {
            let results = case.run();
            let mut squares = vec![0.0; case.weights.len()];
            case.convolution.add_squared_gradients(&case.x, &case.input, &case.dy, &case.output, &mut squares);
            let planes = results.y.chunks(case.output.plane).map(|plane| &plane[..case.output.used()]);
            let planes = planes.chain(results.dx.chunks(case.input.plane).map(|plane| &plane[..case.input.used()]));
            let statistics: Vec<f32> = results.statistics.iter().flat_map(|s| [s.mean, s.var]).collect();
            planes.chain([&results.dw[..], &statistics, &squares]).flatten().copied().collect()
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn normalising_what_is_read_changes_no_bit(
        in_channels in 1usize..20, out_channels in 1usize..20, kernel in prop::sample::select(vec![1usize, 3, 5]),
        stride in 1usize..4, height in 5usize..20, width in prop::sample::select(vec![5usize, 8, 13, 16, 32]), batch in batches(), relu: bool,
        groups in prop::sample::select(vec![1usize, 1, 2]), density in prop::sample::select(vec![0.1f32, 0.5]),
        algorithm in prop::sample::select(vec![Algorithm::Direct, Algorithm::Sparse, Algorithm::Sparse]),
    ) {
        let (in_channels, out_channels) = (in_channels * groups, out_channels * groups);
        let shape = ConvShape { in_channels, out_channels, kernel, stride, padding: kernel / 2, groups };
        let case = Case::new(shape, Algorithm::Direct, height, width, batch).pruned(algorithm, density);
        on_every_instruction_set(|| case.check_normalised(relu));
    }
}
