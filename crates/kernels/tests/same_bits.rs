//! Every kernel gives the same bits on every instruction set of this machine, and the bits that are on record.

use std::{env, process::Command};

use unlearn_kernels::{
    Algorithm, Algorithms, Arithmetic, Attention, ChannelStatistics, ConvShape, Convolution, Epilogue,
    INSTRUCTION_SET_VARIABLE, InstructionSet, LANES, LayerNormParameters, Maps, NormInput, Squares, Window, Windows,
    add, add_assign, add_positions, channel_sums, channel_sums_by_sample, class_token, class_token_backward,
    first_token, first_token_backward, gelu, gelu_backward, global_avg_pool, global_avg_pool_backward, images_to_maps,
    instruction_set_asked_for, layer_norm, layer_norm_backward, linear_add_gradient_dots, linear_add_squared_gradients,
    linear_forward, linear_input_gradient, linear_sample_gradients, linear_weight_gradient, maps_to_images,
    maps_to_rows, max_pool, max_pool_backward, merge_tokens, merge_tokens_backward, norm_apply, norm_backward,
    norm_backward_in_place, norm_sample_gradients, norm_statistics, on_instruction_set, positions_by_sample, relu,
    relu_backward, rows_of_samples, rows_to_maps, shortcut_a, shortcut_a_backward, sums_over_samples,
    token_weight_gradient, update_running_statistics,
};

/// One sample, a partly filled bundle, a full bundle, two bundles with a tail, and several bundles.
const BATCHES: [usize; 5] = [1, 5, 16, 19, 64];

/// Names of the computed results, and their values.
type Found = Vec<(String, Vec<f32>)>;

/// Pseudo-random values in −1..1.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let step = |state: u32| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let states = std::iter::successors(Some(step(seed)), |state| Some(step(*state)));
    states.take(len).map(|state| (state >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Noise as maps, with zeros in the tail.
fn noisy_maps(maps: &Maps, seed: u32) -> Vec<f32> {
    let values = noise(maps.channels * maps.samples_per_channel(), seed);
    let mut out = vec![0.0; maps.len()];
    images_to_maps(&values, &vec![0.1; maps.channels], &vec![0.7; maps.channels], &mut out, maps);
    out
}

/// The values of maps without the gaps between channels, which no kernel writes.
fn used(values: &[f32], maps: &Maps) -> Vec<f32> {
    let used = maps.height * maps.width * LANES;
    values[..maps.len()].chunks(maps.plane).flat_map(|plane| &plane[..used]).copied().collect()
}

fn flat(statistics: &[ChannelStatistics]) -> Vec<f32> {
    statistics.iter().flat_map(|channel| [channel.mean, channel.var]).collect()
}

/// Every pass of a convolution.
fn convolution(name: &str, convolution: &Convolution, [height, width]: [usize; 2], batch: usize, found: &mut Found) {
    let shape = *convolution.shape();
    let input = Maps::new(shape.in_channels, height, width, batch);
    let output = shape.output(&input);
    let (x, dy, residual) = (noisy_maps(&input, 1), noisy_maps(&output, 2), noisy_maps(&output, 3));
    let (weights, shift) = (noise(shape.weights(), 4), noise(output.channels, 5));
    let mut keep = |what: &str, values: Vec<f32>| found.push((format!("{name}, batch {batch}: {what}"), values));

    let mut y = vec![0.0; output.len()];
    let statistics = convolution.forward(&weights, &x, &input, &mut y, &output, Epilogue::Statistics);
    keep("forward", used(&y, &output));
    keep("statistics", flat(&statistics.expect("asked for")));
    let epilogue = Epilogue::Shift { shift: &shift, residual: Some(&residual), relu: true };
    convolution.forward(&weights, &x, &input, &mut y, &output, epilogue);
    keep("forward, folded", used(&y, &output));

    let mut dx = vec![0.0; input.len()];
    convolution.input_gradient(&weights, &dy, &output, &mut dx, &input, false);
    keep("input gradient", used(&dx, &input));
    convolution.input_gradient(&weights, &dy, &output, &mut dx, &input, true);
    keep("input gradient, added", used(&dx, &input));

    let mut dw = vec![0.0; weights.len()];
    convolution.weight_gradient(&x, &input, &dy, &output, &mut dw);
    keep("weight gradient", dw);
    let mut squares = vec![0.5; weights.len()];
    convolution.add_squared_gradients(&x, &input, &dy, &output, &mut squares);
    keep("squared gradients", squares);
    let mut dots = vec![0.5; batch];
    convolution.add_gradient_dots(&weights, &x, &input, &dy, &output, &mut dots);
    keep("dot products", dots);
    let kept = convolution.kept().count();
    let mut rows = vec![0.0; batch * kept];
    convolution.sample_gradients(&x, &input, &dy, &output, &mut rows, kept.max(1));
    keep("gradients of samples", rows);
}

fn shape([in_channels, out_channels]: [usize; 2], kernel: usize, stride: usize, padding: usize) -> ConvShape {
    ConvShape { in_channels, out_channels, kernel, stride, padding, groups: 1 }
}

fn convolutions(batch: usize, found: &mut Found) {
    let direct = [
        ("3×3", shape([3, 16], 3, 1, 1), [9, 7]),
        ("3×3, wide", shape([21, 13], 3, 1, 1), [6, 11]),
        ("3×3, stride 2", shape([7, 13], 3, 2, 1), [9, 8]),
        ("1×1, stride 2", shape([4, 6], 1, 2, 0), [7, 6]),
        ("5×5", shape([5, 9], 5, 1, 2), [8, 8]),
        ("groups", ConvShape { groups: 3, ..shape([6, 9], 3, 1, 1) }, [5, 6]),
    ];
    let winograd = [
        ("3×3", shape([16, 13], 3, 1, 1), [9, 10]),
        ("no padding", shape([5, 7], 3, 1, 0), [11, 6]),
        ("padding 2", shape([33, 20], 3, 1, 2), [6, 5]),
        ("groups", ConvShape { groups: 2, ..shape([8, 6], 3, 1, 1) }, [8, 8]),
    ];
    let sparse = [
        ("3×3", shape([7, 11], 3, 1, 1), [9, 8]),
        ("3×3, stride 2", shape([6, 13], 3, 2, 1), [9, 8]),
        ("1×1, stride 2", shape([8, 6], 1, 2, 0), [7, 6]),
        ("5×5, stride 3", shape([4, 5], 5, 3, 2), [11, 9]),
    ];
    for (name, shape, side) in direct {
        convolution(&format!("direct {name}"), &Convolution::direct(shape), side, batch, found);
    }
    for (name, shape, side) in winograd {
        let by_winograd = Convolution::with_algorithms(shape, Algorithms::all(Algorithm::Winograd));
        convolution(&format!("winograd {name}"), &by_winograd, side, batch, found);
    }
    for (name, shape, side) in sparse {
        for density in [0.1, 0.5] {
            let kept: Vec<bool> = noise(shape.weights(), 6).iter().map(|v| v.midpoint(1.0) < density).collect();
            let of_kept = Convolution::with_kept(shape, Algorithms::all(Algorithm::Sparse), &kept);
            convolution(&format!("sparse {name}, {density}"), &of_kept, side, batch, found);
        }
    }
    if batch == 5 {
        // So many channels make the schedule go place by place.
        let wide = Convolution::new(shape([128, 256], 3, 1, 1), Arithmetic::Portable);
        assert_eq!(wide.algorithms(), Algorithms::all(Algorithm::Winograd));
        convolution("winograd place by place", &wide, [4, 4], batch, found);
    }
}

fn normalisations(batch: usize, found: &mut Found) {
    // A plane has more values than one f32 sum covers.
    let maps = Maps::new(3, 13, 11, batch);
    let (x, residual, dz) = (noisy_maps(&maps, 1), noisy_maps(&maps, 2), noisy_maps(&maps, 3));
    let (weight, bias) = (noise(3, 4), noise(3, 5));
    let mut keep = |what: String, values: Vec<f32>| found.push((format!("norm, batch {batch}: {what}"), values));
    let statistics = norm_statistics(&x, &maps);
    keep("statistics".into(), flat(&statistics));
    let (mut mean, mut var) = (vec![0.25; 3], vec![1.5; 3]);
    update_running_statistics(&statistics, &maps, &mut mean, &mut var);
    keep("running statistics".into(), [mean, var].concat());
    keep("sums".into(), channel_sums(&dz, &maps));
    let mut by_sample = vec![0.0; batch * 3];
    channel_sums_by_sample(&dz, &maps, &mut by_sample);
    keep("sums by sample".into(), by_sample);

    let input = NormInput { x: &x, statistics: &statistics, weight: &weight, bias: &bias };
    let (scale, shift) = input.scale_and_shift();
    keep("scale and shift".into(), [scale, shift].concat());
    for (residual, relu) in [(None, false), (None, true), (Some(&residual[..]), false), (Some(&residual[..]), true)] {
        let what = format!("residual {}, relu {relu}", residual.is_some());
        let mut z = vec![0.0; maps.len()];
        norm_apply(input, residual, relu, &mut z, &maps);
        keep(format!("forward, {what}"), used(&z, &maps));
        for of_batch in [false, true] {
            let (mut g, mut dx) = (dz.clone(), vec![0.0; maps.len()]);
            let (mut dweight, mut dbias) = (vec![0.0; 3], vec![0.0; 3]);
            let output = relu.then_some(&z[..]);
            norm_backward(input, output, of_batch, &mut g, &mut dx, &mut dweight, &mut dbias, &maps);
            keep(format!("backward, {what}, of the batch {of_batch}"), [used(&g, &maps), used(&dx, &maps)].concat());
            keep(format!("∂γ and ∂β, {what}, of the batch {of_batch}"), [dweight, dbias].concat());
            let (mut dweight, mut dbias, mut in_place) = (vec![0.0; 3], vec![0.0; 3], dz.clone());
            norm_backward_in_place(input, relu, of_batch, &mut in_place, &mut dweight, &mut dbias, &maps);
            keep(format!("in place, {what}, of the batch {of_batch}"), used(&in_place, &maps));
            keep(format!("∂γ and ∂β in place, {what}, of the batch {of_batch}"), [dweight, dbias].concat());
        }
    }
    let (mut dweight, mut dbias) = (vec![0.0; batch * 3], vec![0.0; batch * 3]);
    norm_sample_gradients(input, &dz, &maps, &mut dweight, &mut dbias);
    keep("gradients of samples".into(), [dweight, dbias].concat());
}

fn other_layers(batch: usize, found: &mut Found) {
    let maps = Maps::new(5, 9, 7, batch);
    let (mut x, dy) = (noisy_maps(&maps, 1), noisy_maps(&maps, 2));
    // The first sample contains non-finite values and both zeros.
    for (pixel, value) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0].into_iter().enumerate() {
        x[pixel * LANES] = value;
    }
    let mut keep = |what: &str, values: Vec<f32>| found.push((format!("{what}, batch {batch}"), values));
    let mut y = vec![0.0; maps.len()];
    relu(&x, &mut y, &maps);
    keep("relu", used(&y, &maps));
    let mut dx = vec![0.0; maps.len()];
    relu_backward(&y, &dy, &mut dx, &maps);
    keep("relu, backward", used(&dx, &maps));
    add(&x, &dy, &mut y, &maps);
    add_assign(&mut y, &dy, &maps);
    keep("sums", used(&y, &maps));
    let mut images = vec![0.0; maps.channels * maps.samples_per_channel()];
    maps_to_images(&dy, &[0.3, 0.7, 1.1, 0.9, 0.2], &mut images, &maps);
    keep("images", images);

    let pooled = Maps::new(5, 1, 1, batch);
    let mut mean = vec![0.0; pooled.len()];
    global_avg_pool(&dy, &maps, &mut mean, &pooled);
    keep("global average", used(&mean, &pooled));
    global_avg_pool_backward(&mean, &pooled, &mut dx, &maps);
    keep("global average, backward", used(&dx, &maps));
    for (side, stride) in [(3, 2), (2, 1)] {
        let window = Window { side, stride, padding: side / 2 };
        let output = window.output(&maps);
        let (mut y, dy) = (vec![0.0; output.len()], noisy_maps(&output, 3));
        max_pool(window, &x, &maps, &mut y, &output);
        keep(&format!("maximum of {side}"), used(&y, &output));
        max_pool_backward(window, &x, &maps, &dy, &output, &mut dx);
        keep(&format!("maximum of {side}, backward"), used(&dx, &maps));
    }
    for stride in [1, 2] {
        let output = Maps::new(8, 9usize.div_ceil(stride), 7usize.div_ceil(stride), batch);
        let (mut y, dy) = (vec![0.0; output.len()], noisy_maps(&output, 3));
        shortcut_a(&x, &maps, stride, &mut y, &output);
        keep(&format!("shortcut, stride {stride}"), used(&y, &output));
        shortcut_a_backward(&dy, &output, stride, &mut dx, &maps);
        keep(&format!("shortcut, stride {stride}, backward"), used(&dx, &maps));
    }

    let (input, output) = (Maps::new(21, 1, 1, batch), Maps::new(10, 1, 1, batch));
    let (x, dy) = (noisy_maps(&input, 1), noisy_maps(&output, 2));
    let (weight, bias) = (noise(210, 3), noise(10, 4));
    let mut y = vec![0.0; output.len()];
    linear_forward(&x, &input, &weight, &bias, &mut y, &output);
    keep("linear", used(&y, &output));
    let mut rows = vec![0.0; batch * 10];
    maps_to_rows(&y, &mut rows, &output);
    rows_to_maps(&rows, &mut y, &output);
    keep("rows", [rows, used(&y, &output)].concat());
    let mut dx = vec![0.0; input.len()];
    linear_input_gradient(&weight, &dy, &output, &mut dx, &input);
    keep("linear, input gradient", used(&dx, &input));
    let (mut dweight, mut dbias) = (vec![0.0; 210], vec![0.0; 10]);
    linear_weight_gradient(&x, &input, &dy, &output, &mut dweight, &mut dbias);
    keep("linear, weight gradient", [&dweight[..], &dbias].concat());
    linear_add_squared_gradients(&x, &input, &dy, &output, &mut dweight, &mut dbias);
    keep("linear, squared gradients", [dweight, dbias].concat());
    let mut dots = vec![0.5; batch];
    linear_add_gradient_dots((&weight, &bias), &x, &input, &dy, &output, &mut dots);
    keep("linear, dot products", dots);
    let mut rows = vec![0.0; batch * 220];
    linear_sample_gradients(&x, &input, &dy, &output, &mut rows, 220);
    keep("linear, gradients of samples", rows);
}

/// Gradients by sample, as their sums and their rows.
fn of_samples(by_sample: &[f32], batch: usize) -> Vec<f32> {
    let values = by_sample.len() / (batch.div_ceil(LANES) * LANES);
    let (mut sums, mut rows) = (vec![0.0; values], vec![0.0; batch * values]);
    sums_over_samples(by_sample, &mut sums);
    rows_of_samples(by_sample, values, &mut rows);
    [sums, rows].concat()
}

fn tokens(batch: usize, found: &mut Found) {
    let mut keep = |what: &str, values: Vec<f32>| found.push((format!("{what}, batch {batch}"), values));
    let lanes = batch.div_ceil(LANES) * LANES;
    // Pixels that do not fill a kernel's run of registers.
    let maps = Maps::new(21, 3, 7, batch);
    let (x, dy) = (noisy_maps(&maps, 1), noisy_maps(&maps, 2));
    let (mut y, mut dx) = (vec![0.0; maps.len()], vec![0.0; maps.len()]);
    let (weight, bias) = (noise(21, 3), noise(21, 4));
    let parameters = LayerNormParameters { weight: &weight, bias: &bias, epsilon: 1e-5 };
    layer_norm(parameters, &x, &mut y, &maps);
    keep("layer norm", used(&y, &maps));
    let (mut dweight, mut dbias) = (vec![0.0; 21 * lanes], vec![0.0; 21 * lanes]);
    layer_norm_backward(parameters, &x, &dy, &mut dx, &maps, &mut dweight, &mut dbias);
    keep("layer norm, backward", used(&dx, &maps));
    keep("layer norm, ∂γ and ∂β", [of_samples(&dweight, batch), of_samples(&dbias, batch)].concat());

    let mut wide: Vec<f32> = x.iter().map(|value| value * 4.0).collect();
    // The first sample contains non-finite values and both zeros.
    for (pixel, value) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0].into_iter().enumerate() {
        wide[pixel * LANES] = value;
    }
    gelu(&wide, &mut y, &maps);
    keep("gelu", used(&y, &maps));
    gelu_backward(&wide, &dy, &mut dx, &maps);
    keep("gelu, backward", used(&dx, &maps));

    add_positions(&noise(21 * 21, 5), &x, &mut y, &maps);
    keep("positions", used(&y, &maps));
    let mut dpositions = vec![0.0; 21 * 21 * lanes];
    positions_by_sample(&dy, &maps, &mut dpositions);
    keep("positions, backward", of_samples(&dpositions, batch));
    let longer = Maps::new(21, 2, 11, batch);
    let mut more = vec![0.0; longer.len()];
    class_token(&weight, &x, &maps, &mut more, &longer);
    keep("class token", used(&more, &longer));
    class_token_backward(&noisy_maps(&longer, 6), &longer, &mut dx, &maps, &mut dweight);
    keep("class token, backward", [used(&dx, &maps), of_samples(&dweight, batch)].concat());
    let one = Maps::new(21, 1, 1, batch);
    let mut first = vec![0.0; one.len()];
    first_token(&x, &maps, &mut first, &one);
    first_token_backward(&first, &one, &mut dx, &maps);
    keep("first token, and backward", [used(&first, &one), used(&dx, &maps)].concat());
    let mut dw = vec![0.0; 21 * 21];
    token_weight_gradient(&x, &maps, &dy, &maps, &mut dw);
    keep("weight gradient", dw);
    let (squares, maps, merged) =
        (Squares { map: [4, 6], side: 2 }, Maps::new(3, 4, 6, batch), Maps::new(12, 2, 3, batch));
    let (mut y, mut dx) = (vec![0.0; merged.len()], vec![0.0; maps.len()]);
    merge_tokens(squares, &noisy_maps(&maps, 7), &maps, &mut y, &merged);
    merge_tokens_backward(squares, &noisy_maps(&merged, 8), &merged, &mut dx, &maps);
    keep("merged tokens, and backward", [used(&y, &merged), used(&dx, &maps)].concat());

    let windows = Windows { map: [4, 8], side: 4, shift: 2 };
    let table = noise(Attention::table_len(windows, 3), 9);
    for (what, attention, table) in [
        ("attention", Attention::among_all(32, 3), &[][..]),
        ("attention in windows", Attention::within(windows, 3), &table),
    ] {
        let (input, output) = (Maps::new(45, 4, 8, batch), Maps::new(15, 4, 8, batch));
        let (qkv, dy) = (noisy_maps(&input, 1), noisy_maps(&output, 2));
        let (mut y, mut dqkv) = (vec![0.0; output.len()], vec![0.0; input.len()]);
        attention.forward(table, &qkv, &input, &mut y, &output);
        keep(what, used(&y, &output));
        let mut dtable = vec![0.0; table.len() * lanes];
        attention.backward(table, &qkv, &input, &dy, &output, &mut dqkv, &mut dtable);
        keep(&format!("{what}, backward"), [used(&dqkv, &input), of_samples(&dtable, batch)].concat());
    }
}

/// Every kernel of a layer on tokens.
fn every_token_kernel() -> Found {
    let mut found = Found::new();
    for batch in BATCHES {
        tokens(batch, &mut found);
    }
    found
}

/// Every other kernel.
fn every_kernel() -> Found {
    let mut found = Found::new();
    for batch in BATCHES {
        convolutions(batch, &mut found);
        normalisations(batch, &mut found);
        other_layers(batch, &mut found);
    }
    found
}

/// The bits of a value. All NaNs count as equal.
fn bits(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

#[test]
#[cfg_attr(miri, ignore = "an interpreter runs scalar code only")]
fn every_kernel_gives_the_same_bits_on_every_instruction_set() {
    let every_kernel = || [every_kernel(), every_token_kernel()].concat();
    let expected = on_instruction_set(InstructionSet::Scalar, every_kernel).unwrap();
    for set in InstructionSet::detected().filter(|set| *set != InstructionSet::Scalar) {
        let found = on_instruction_set(set, every_kernel).unwrap();
        assert_eq!(found.len(), expected.len());
        let differing: Vec<_> = found
            .iter()
            .zip(&expected)
            .filter_map(|((what, found), (_, expected))| {
                assert_eq!(found.len(), expected.len(), "{what}");
                let differ = |(a, b): &(&f32, &f32)| bits(**a) != bits(**b);
                let count = found.iter().zip(expected).filter(differ).count();
                let first = found.iter().zip(expected).position(|pair| differ(&pair))?;
                let (found, expected) = (found[first], expected[first]);
                Some(format!("{what}: {count} values, the first at {first}: {found:e}, on scalar code {expected:e}"))
            })
            .collect();
        assert!(differing.is_empty(), "{} on {set}:\n{}", differing.len(), differing.join("\n"));
    }
}

/// FNV-1a of the bits, result by result.
fn digest(found: &Found) -> u64 {
    let values = found.iter().flat_map(|(_, values)| values);
    let bytes = values.flat_map(|value| bits(*value).to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// To change the bits on purpose, change this number and raise the revision of the executor in `unlearn-network`.
/// Then a store of runs does not mix the results of two arithmetics.
const DIGEST: u64 = 0x188a_8df0_c8cd_1998;
/// The same for the layers on tokens.
const TOKEN_DIGEST: u64 = 0x6b09_ee8a_e73b_07f1;

#[test]
#[cfg_attr(miri, ignore = "an interpreter takes hours")]
fn the_bits_are_those_that_they_were() {
    let digest_of = |kernels: fn() -> Found| digest(&on_instruction_set(InstructionSet::widest(), kernels).unwrap());
    assert_eq!(digest_of(every_kernel), DIGEST);
    assert_eq!(digest_of(every_token_kernel), TOKEN_DIGEST);
}

#[test]
#[cfg_attr(miri, ignore = "an interpreter starts no processes")]
fn the_environment_names_the_instruction_set() {
    // In a process started with the variable, which may be one of those started below, the named instruction set is
    // in use.
    match instruction_set_asked_for() {
        Ok(None) => assert_eq!(InstructionSet::in_use(), InstructionSet::widest()),
        asked => return assert_eq!(asked, Ok(Some(InstructionSet::in_use()))),
    }
    let succeeds_with = |name: &str| {
        let mut told = Command::new(env::current_exe().unwrap());
        told.args(["--exact", "the_environment_names_the_instruction_set"]).env(INSTRUCTION_SET_VARIABLE, name);
        told.output().unwrap().status.success()
    };
    for set in InstructionSet::detected() {
        assert!(succeeds_with(&set.to_string()), "{set}");
    }
    assert!(!succeeds_with("sse9"));
}
