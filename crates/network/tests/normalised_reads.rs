//! Training steps of pruned networks, in which convolutions normalise what they read, beside Candle's executor, which
//! writes every map.

use std::sync::Arc;

use unlearn_network::{DeviceChoice, Graph, GraphBuilder, Mode, Network, ParameterKind, State};

const BATCH: usize = 19;
const CHANNELS: usize = 16;

/// Two residual blocks, with and without an identity shortcut, for images of `side` × `side` pixels.
fn graph(side: usize) -> Arc<Graph> {
    let (mut graph, input) = GraphBuilder::new("blocks", [3, side, side]);
    let conv = graph.conv2d("conv1", input, CHANNELS, 3, 1, 1);
    let norm = graph.batch_norm2d("bn1", conv);
    let stem = graph.relu("relu1", norm);
    let conv = graph.conv2d("block1.conv1", stem, CHANNELS, 3, 1, 1);
    let norm = graph.batch_norm2d("block1.bn1", conv);
    let relu = graph.relu("block1.relu1", norm);
    let conv = graph.conv2d("block1.conv2", relu, CHANNELS, 3, 1, 1);
    let norm = graph.batch_norm2d("block1.bn2", conv);
    let sum = graph.add("block1.add", norm, stem);
    let block = graph.relu("block1.relu2", sum);
    let conv = graph.conv2d("block2.conv1", block, 24, 3, 2, 1);
    // A normalisation without a ReLU, and a convolution that alone reads it.
    let norm = graph.batch_norm2d("block2.bn1", conv);
    let conv = graph.conv2d("block2.conv2", norm, 24, 3, 1, 1);
    let norm = graph.batch_norm2d("block2.bn2", conv);
    let relu = graph.relu("block2.relu2", norm);
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

/// Logits, gradients of the parameters and of the images, and running statistics after one training step.
fn step(graph: &Arc<Graph>, device: DeviceChoice, density: f32) -> [Vec<f32>; 4] {
    let mut state = State::zeros(graph);
    for (seed, (parameter, values)) in (1..).zip(graph.parameters.iter().zip(state.parameters_mut())) {
        let scale = if parameter.kind == ParameterKind::NormWeight { 0.9 } else { 0.4 };
        values.iter_mut().zip(noise(parameter.shape.iter().product(), seed)).for_each(|(to, from)| *to = from * scale);
    }
    let mut network = Network::new(graph.clone(), state, device).unwrap();
    let kept = graph.parameters.iter().map(|parameter| {
        let keep = || noise(parameter.shape.iter().product(), 99).iter().map(|v| v.midpoint(1.0) < density).collect();
        (parameter.kind == ParameterKind::ConvWeight).then(keep)
    });
    network.prune(kept.collect()).unwrap();
    let images: Vec<f32> =
        noise(BATCH * graph.input_shape().iter().product::<usize>(), 7).iter().map(|v| v.midpoint(1.0)).collect();
    let mut logits = Vec::new();
    network.forward(&images, Mode::Train, &mut logits).unwrap();
    let gradients = network.backward_to_input(&noise(BATCH * 10, 8)).unwrap();
    let (parameters, input) = (gradients.parameters.concat(), gradients.input.clone());
    [logits, parameters, input, network.state().buffers().concat()]
}

#[test]
fn a_step_agrees_with_one_that_writes_every_map() {
    // Rows of 16 and 8 pixels fill sums in f32 together, rows of 12 do not. At a density of 0.9, convolutions are dense.
    for (side, density) in [(16, 0.1), (8, 0.1), (12, 0.1), (16, 0.3), (16, 0.9)] {
        let graph = graph(side);
        let [found, expected] =
            [DeviceChoice::Cpu, DeviceChoice::CandleCpu].map(|device| step(&graph, device, density));
        let what = ["logits", "gradients", "gradients of images", "running statistics"];
        for ((found, expected), what) in found.iter().zip(&expected).zip(what) {
            assert_eq!(found.len(), expected.len(), "{what}");
            let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error <= 1e-4 * largest, "{what}, side {side}, density {density}: {error} of {largest}");
            assert!(largest > 0.0 && found.iter().all(|value| value.is_finite()), "{what}");
        }
    }
}
