//! Training steps, evaluations and per-sample gradients of a whole network on every instruction set of this machine.

use std::sync::Arc;

use unlearn_kernels::{InstructionSet, on_instruction_set};
use unlearn_network::{Conv, DeviceChoice, Graph, GraphBuilder, Mode, Network, ParameterKind, State};

const BATCH: usize = 19;
const SIDE: usize = 8;

/// A graph with every layer of the CPU executor for tokens, and not so many values that scalar code takes long.
fn transformer() -> Arc<Graph> {
    let (mut graph, input) = GraphBuilder::new("transformer", [3, SIDE, SIDE]);
    let images = graph.normalize(input, &[0.4, 0.5, 0.6], &[0.2, 0.25, 0.3]);
    let patches = graph.convolution("patches", images, 18, Conv::new(2, 2, 0).with_bias());
    let tokens = graph.tokens("tokens", patches);
    let norm = graph.layer_norm("norm1", tokens, 1e-5);
    let qkv = graph.token_linear("qkv1", norm, 54, true);
    let attended = graph.window_attention("windows", qkv, [4, 4], (2, 1), 3);
    let sum = graph.add("add1", tokens, attended);
    let merged = graph.merge_tokens("merge", sum, [4, 4], 2);
    let reduced = graph.token_linear("reduction", merged, 24, false);
    let tokens = graph.class_token("class", reduced);
    let tokens = graph.position("position", tokens);
    let qkv = graph.token_linear("qkv2", tokens, 72, true);
    let attended = graph.attention("attention", qkv, 2);
    let norm = graph.layer_norm("norm2", attended, 1e-6);
    let hidden = graph.token_linear("hidden", norm, 40, true);
    let active = graph.gelu("gelu", hidden);
    let first = graph.first_token("first", active);
    let mean = graph.mean_token("mean", active);
    let features = graph.add("add2", first, mean);
    graph.linear("fc", features, 10);
    graph.finish().into()
}

/// A graph with every layer of the CPU executor for maps: convolutions by every algorithm, with and without a bias, residual
/// sums and both kinds of pooling.
fn graph() -> Arc<Graph> {
    let (mut graph, input) = GraphBuilder::new("small", [3, SIDE, SIDE]);
    let images = graph.normalize(input, &[0.4, 0.5, 0.6], &[0.2, 0.25, 0.3]);
    let conv = graph.conv2d("conv1", images, 16, 3, 1, 1);
    let norm = graph.batch_norm2d("bn1", conv);
    let stem = graph.relu("relu1", norm);
    let conv = graph.conv2d("block1.conv1", stem, 33, 3, 1, 1);
    let norm = graph.batch_norm2d("block1.bn1", conv);
    let relu = graph.relu("block1.relu1", norm);
    let conv = graph.conv2d("block1.conv2", relu, 33, 3, 1, 1);
    let norm = graph.batch_norm2d("block1.bn2", conv);
    let conv = graph.conv2d("block1.downsample", stem, 33, 1, 1, 0);
    let shortcut = graph.batch_norm2d("block1.downsample_bn", conv);
    let sum = graph.add("block1.add", norm, shortcut);
    let block = graph.relu("block1.relu2", sum);
    let conv = graph.conv2d("block2.conv1", block, 40, 3, 2, 1);
    let norm = graph.batch_norm2d("block2.bn1", conv);
    let shortcut = graph.shortcut_a("block2.shortcut", block, 2, 40);
    let sum = graph.add("block2.add", norm, shortcut);
    let block = graph.relu("block2.relu1", sum);
    let pool = graph.max_pool2d("pool", block, 3, 2, 1);
    let conv = graph.convolution("conv2", pool, 24, Conv::new(3, 1, 1).grouped(2).with_bias());
    let relu = graph.relu("relu2", conv);
    let features = graph.global_avg_pool("average", relu);
    graph.linear("fc", features, 10);
    graph.finish().into()
}

/// Pseudo-random values in −1..1.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let step = |state: u32| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let states = std::iter::successors(Some(step(seed)), |state| Some(step(*state)));
    states.take(len).map(|state| (state >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn network(graph: &Arc<Graph>, device: DeviceChoice, density: Option<f32>) -> Network {
    let mut state = State::zeros(graph);
    for (seed, (parameter, values)) in (1..).zip(graph.parameters.iter().zip(state.parameters_mut())) {
        let scale = if parameter.kind == ParameterKind::NormWeight { 0.9 } else { 0.2 };
        values.iter_mut().zip(noise(parameter.shape.iter().product(), seed)).for_each(|(to, from)| *to = from * scale);
    }
    let mut network = Network::new(graph.clone(), state, device).unwrap();
    if let Some(density) = density {
        let kept = graph.parameters.iter().map(|parameter| {
            let keep =
                || noise(parameter.shape.iter().product(), 99).iter().map(|v| v.midpoint(1.0) < density).collect();
            parameter.kind.is_feature_weight().then(keep)
        });
        network.prune(kept.collect()).unwrap();
    }
    network
}

/// The values after two training steps, and the results of every other operation of a network.
fn results(graph: &Arc<Graph>, device: DeviceChoice, density: Option<f32>) -> Vec<(&'static str, Vec<f32>)> {
    let mut network = network(graph, device, density);
    let images: Vec<f32> = noise(BATCH * 3 * SIDE * SIDE, 7).iter().map(|v| v.midpoint(1.0)).collect();
    let dlogits = noise(BATCH * 10, 8);
    let mut found = Vec::new();
    let mut logits = Vec::new();
    for _ in 0..2 {
        network.forward(&images, Mode::Train, &mut logits).unwrap();
        found.push(("logits of training", logits.clone()));
        let gradients = network.backward_to_input(&dlogits).unwrap();
        found.push(("gradients", gradients.parameters.concat()));
        found.push(("gradients of images", gradients.input.clone()));
        found.push(("running statistics", network.state().buffers().concat()));
        let (parameters, gradients) = network.parameters_and_gradients();
        for (value, gradient) in parameters.iter_mut().flatten().zip(gradients.parameters.iter().flatten()) {
            *value -= 0.001 * gradient;
        }
    }
    network.forward(&images, Mode::Evaluate, &mut logits).unwrap();
    found.push(("logits of evaluation", logits.clone()));
    network.forward(&images, Mode::Frozen, &mut logits).unwrap();
    found.push(("logits, frozen", logits.clone()));
    let mut squares: Vec<Vec<f32>> =
        network.state().parameters().iter().map(|values| vec![0.0; values.len()]).collect();
    network.add_squared_gradients(&dlogits, &mut squares).unwrap();
    let mut dots = vec![0.0; BATCH];
    network.add_gradient_dots(&squares, &dlogits, &mut dots).unwrap();
    let mut rows = vec![0.0; BATCH * network.row_layout().width()];
    network.sample_gradients(&dlogits, &mut rows).unwrap();
    found.extend([("squared gradients", squares.concat()), ("dot products", dots), ("rows", rows)]);
    found
}

#[test]
fn a_network_gives_the_same_bits_on_every_instruction_set() {
    let cases = [(DeviceChoice::Cpu, None), (DeviceChoice::Cpu, Some(0.1)), (DeviceChoice::CpuDirect, None)];
    let of_maps = graph();
    let half = [None, Some(0.1)].map(|density| (&of_maps, (DeviceChoice::CpuBf16, density)));
    let graphs = [graph(), transformer()];
    for (graph, (device, density)) in graphs.iter().flat_map(|graph| cases.map(|case| (graph, case))).chain(half) {
        let run = || results(graph, device, density);
        let expected = on_instruction_set(InstructionSet::Scalar, run).unwrap();
        for (what, values) in &expected {
            let some = values.is_empty() || values.iter().any(|value| *value != 0.0);
            assert!(values.iter().all(|value| value.is_finite()) && some, "{what}");
        }
        for set in InstructionSet::detected().filter(|set| *set != InstructionSet::Scalar) {
            let found = on_instruction_set(set, run).unwrap();
            for ((what, found), (_, expected)) in found.iter().zip(&expected) {
                let differing = found.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                assert_eq!(
                    differing, 0,
                    "{}: {what} on {set}, {device}, density {density:?}: values that differ",
                    graph.arch
                );
                assert_eq!(found.len(), expected.len());
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit_of_a_transformer() {
    check_threads(&transformer(), DeviceChoice::Cpu, Some(0.4));
}

#[test]
fn the_number_of_threads_changes_no_bit_in_bf16() {
    check_threads(&graph(), DeviceChoice::CpuBf16, Some(0.2));
}

/// Each value is rounded to 8 bits, and some values pass a ReLU on the other side. A wrong pass would differ by about 1.
#[test]
fn results_in_bf16_are_near_those_in_f32() {
    for density in [None, Some(0.1)] {
        let full = results(&graph(), DeviceChoice::Cpu, density);
        let half = results(&graph(), DeviceChoice::CpuBf16, density);
        for ((what, full), (_, half)) in full.iter().zip(&half) {
            let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            let distance = norm(&mut full.iter().zip(half).map(|(a, b)| a - b)) / norm(&mut full.iter().copied());
            assert!(distance > 0.0 && distance < 0.2, "{what}, density {density:?}: a relative distance of {distance}");
        }
    }
}

#[test]
fn a_transformer_in_bf16_is_refused() {
    let graph = transformer();
    let error = Network::new(graph.clone(), State::zeros(&graph), DeviceChoice::CpuBf16).err().unwrap().to_string();
    assert!(error.contains("`tokens`") && error.contains("bf16") && error.contains("convolutional"), "{error}");
}

fn check_threads(graph: &Arc<Graph>, device: DeviceChoice, density: Option<f32>) {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| results(graph, device, density))
    };
    let expected = on(1);
    for threads in [2, 5] {
        for ((what, found), (_, expected)) in on(threads).iter().zip(&expected) {
            let differing = found.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            assert_eq!(differing, 0, "{what} on {threads} threads: values that differ");
        }
    }
}
