//! Time of per-sample gradients in units of an ordinary backward pass, for resnet20s with all weights and with 5 % of
//! them.
//!
//! `cargo run --release -p unlearn-network --example per_sample [BATCH] [SIDE]`
//!
//! Times are minima over turns. Each turn runs all passes one after another on the CPU executor, with running
//! statistics.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use unlearn_network::{DeviceChoice, Graph, GraphBuilder, Kept, Mode, Network, NodeId, ParameterKind, Result, State};

/// Number of turns. The fastest counts.
const TURNS: usize = 15;
const CLASSES: usize = 10;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().expect("a whole number"));
    let batch = arguments.next().unwrap_or(128);
    let side = arguments.next().unwrap_or(32);
    let graph = Arc::new(resnet20s(side));
    println!("{}, batch {batch}, {side}×{side}; times in ms, and in backward passes", graph.arch);
    println!("{:>8}{:>10}{:>10}{:>16}{:>16}{:>16}", "density", "forward", "backward", "squares", "dots", "rows");
    for density in [1.0, 0.05] {
        let mut network = Network::new(graph.clone(), values(&graph), DeviceChoice::Cpu)?;
        if density < 1.0 {
            network.prune(uniform(&graph, density))?;
        }
        let [forward, backward, squares, dots, rows] =
            measure(&mut network, batch)?.map(|time| 1e3 * time.as_secs_f64());
        let cell = |time: f64| format!("{time:.1} {:.2}×", time / backward);
        let [squares, dots, rows] = [squares, dots, rows].map(cell);
        println!("{density:>8}{forward:>10.1}{backward:>10.1}{squares:>16}{dots:>16}{rows:>16}");
    }
    Ok(())
}

/// Times of a forward pass, a backward pass, squares, dot products and rows.
fn measure(network: &mut Network, batch: usize) -> Result<[Duration; 5]> {
    let images = noise(batch * network.graph().input_shape().iter().product::<usize>(), 1);
    let (dlogits, mut logits) = (noise(batch * CLASSES, 2), Vec::new());
    let direction = values(network.graph()).parameters().to_vec();
    let mut squares = direction.clone();
    let mut dots = vec![0.0; batch];
    let mut rows = vec![0.0; batch * network.row_layout().width()];
    let mut best = [Duration::MAX; 5];
    for _ in 0..TURNS {
        let turn = [
            time(|| network.forward(&images, Mode::Frozen, &mut logits))?,
            time(|| network.add_squared_gradients(&dlogits, &mut squares))?,
            time(|| network.add_gradient_dots(&direction, &dlogits, &mut dots))?,
            time(|| network.sample_gradients(&dlogits, &mut rows))?,
            // This pass comes last, because it ends the forward pass.
            time(|| network.backward(&dlogits).map(drop))?,
        ];
        let [forward, squares, dots, rows, backward] = turn;
        for (best, time) in best.iter_mut().zip([forward, backward, squares, dots, rows]) {
            *best = time.min(*best);
        }
    }
    Ok(best)
}

fn time(body: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    body()?;
    Ok(start.elapsed())
}

/// Pseudo-random values in −1..1.
fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + i * i / 11 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0).collect()
}

/// Parameter values with which activations neither grow nor vanish.
fn values(graph: &Graph) -> State {
    let mut state = State::zeros(graph);
    for (id, (parameter, values)) in graph.parameters.iter().zip(state.parameters_mut()).enumerate() {
        let fan_in: usize = parameter.shape[1..].iter().product();
        let scale = (6.0 / fan_in as f32).sqrt();
        match parameter.kind {
            ParameterKind::NormWeight => values.fill(0.7),
            _ => *values = noise(values.len(), id).iter().map(|value| scale * value).collect(),
        }
    }
    state
}

/// Keeps the share `density` of the weights of every convolution.
fn uniform(graph: &Graph, density: f64) -> Kept {
    let of_parameter = |parameter: &unlearn_network::Parameter| {
        let len = parameter.shape.iter().product();
        let kept = |i: usize| (i * 7919 % 1000) as f64 / 1000.0 < density;
        (parameter.kind == ParameterKind::ConvWeight).then(|| (0..len).map(kept).collect())
    };
    graph.parameters.iter().map(of_parameter).collect()
}

/// The ResNet-20 of He et al. for small images. It is as in `unlearn-models`, which this crate cannot depend on.
fn resnet20s(side: usize) -> Graph {
    let (mut graph, input) = GraphBuilder::new("resnet20s", [3, side, side]);
    let input = graph.normalize(input, &[0.5; 3], &[0.25; 3]);
    let mut features = convolve(&mut graph, "conv1", input, 16, 1);
    features = graph.relu("relu", features);
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..3 {
            let name = format!("layer{}.{block}", stage + 1);
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let first = convolve(&mut graph, &format!("{name}.conv1"), features, channels, stride);
            let first = graph.relu(&format!("{name}.relu1"), first);
            let second = convolve(&mut graph, &format!("{name}.conv2"), first, channels, 1);
            if stride > 1 {
                features = graph.shortcut_a(&format!("{name}.shortcut"), features, stride, channels);
            }
            let sum = graph.add(&format!("{name}.add"), second, features);
            features = graph.relu(&format!("{name}.relu2"), sum);
        }
    }
    let pooled = graph.global_avg_pool("avgpool", features);
    graph.linear("linear", pooled, CLASSES);
    graph.finish()
}

/// A convolution and the normalisation of its output.
fn convolve(graph: &mut GraphBuilder, name: &str, input: NodeId, channels: usize, stride: usize) -> NodeId {
    let conv = graph.conv2d(name, input, channels, 3, stride, 1);
    graph.batch_norm2d(&format!("{name}.norm"), conv)
}
