//! A small network and a few images for the tests of this crate.

use std::sync::Arc;

use unlearn_network::{DeviceChoice, Graph, GraphBuilder, Network, ParameterKind, State};
use unlearn_samples::ImageSet;

/// A graph with two convolutions, a residual block that changes the shape, and a classifier: 1,284 covered weights.
pub(crate) fn graph() -> Arc<Graph> {
    let (mut g, images) = GraphBuilder::new("tiny", [1, 8, 8]);
    let x = g.normalize(images, &[0.5], &[0.25]);
    let x = g.conv2d("conv1", x, 4, 3, 1, 1);
    let x = g.batch_norm2d("bn1", x);
    let x = g.relu("relu1", x);
    let y = g.conv2d("conv2", x, 8, 3, 2, 1);
    let y = g.batch_norm2d("bn2", y);
    let y = g.relu("relu2", y);
    let y = g.conv2d("conv3", y, 8, 3, 1, 1);
    let y = g.batch_norm2d("bn3", y);
    let shortcut = g.shortcut_a("shortcut", x, 2, 8);
    let y = g.add("add", y, shortcut);
    let y = g.relu("relu3", y);
    let y = g.conv2d("conv4", y, 48, 1, 1, 0);
    let y = g.global_avg_pool("pool", y);
    g.linear("fc", y, 4);
    Arc::new(g.finish())
}

/// Pseudo-random weights that are never 0, for any seed above 0.
pub(crate) fn weights(seed: usize) -> State {
    let graph = graph();
    let mut state = State::zeros(&graph);
    for (number, (parameter, values)) in graph.parameters.iter().zip(state.parameters_mut()).enumerate() {
        for (i, value) in values.iter_mut().enumerate() {
            let wave = (1.7 * i as f64 + 0.01 * (i * i) as f64 + (number + 10 * seed) as f64).sin() as f32;
            *value = if parameter.kind == ParameterKind::NormWeight { 1.0 } else { 0.4 * wave };
        }
    }
    state
}

/// The network with the weights of seed 1.
pub(crate) fn network() -> Network {
    Network::new(graph(), weights(1), DeviceChoice::Cpu).unwrap()
}

/// 24 images of 4 classes, which alternate.
pub(crate) fn images() -> ImageSet {
    let pixels: Vec<u8> = (0..24 * 64).map(|i| ((i * 31 + i * i / 5) % 256) as u8).collect();
    ImageSet::new([1, 8, 8], pixels, (0..24).map(|i| i % 4).collect::<Vec<u32>>()).unwrap()
}
