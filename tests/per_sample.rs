//! Per-sample gradients: each executor is compared with a loop over single images, and sums made of the gradients
//! with their rows.

use std::sync::Arc;

use unlearn_models::{InputSpec, find, initialize};
use unlearn_network::{Conv, DeviceChoice, Error, Graph, GraphBuilder, Kept, Mode, Network, ParameterKind, State};

/// More samples than a bundle, and not a multiple of one.
const BATCH: usize = 19;

/// Executors agree only up to ReLUs whose input is 0 up to rounding (`executors.rs`). So each executor is compared
/// with its own loop over single images, which has the same activations.
const DEVICES: [DeviceChoice; 3] = [DeviceChoice::Cpu, DeviceChoice::CpuDirect, DeviceChoice::CandleCpu];

/// Tolerance for the order of sums: the largest relative distance in the L2 norm.
const ROUNDING: f64 = 1e-5;

fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let size = norm(&mut expected.iter().map(|b| f64::from(*b)));
    let distance = norm(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    assert!(distance <= tolerance * size, "{what}: {distance} apart, {size} in size");
}

fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + i * i / 11 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0).collect()
}

/// A graph with kept weights, and values after one training batch.
struct Case {
    graph: Arc<Graph>,
    state: State,
    kept: Kept,
    images: Vec<f32>,
    dlogits: Vec<f32>,
}

impl Case {
    fn new(graph: Arc<Graph>, kept: Kept) -> Self {
        let images = noise(BATCH * graph.input_shape().iter().product::<usize>(), 1);
        let images: Vec<f32> = images.iter().map(|value| value.midpoint(1.0)).collect();
        let dlogits = noise(BATCH * graph.classes(), 2);
        let mut network = Network::new(graph.clone(), initialize(&graph, 4), DeviceChoice::Cpu).unwrap();
        network.forward(&images, Mode::Train, &mut Vec::new()).unwrap();
        let state = network.state().clone();
        Self { graph, state, kept, images, dlogits }
    }

    fn dense(graph: Arc<Graph>) -> Self {
        let kept = vec![None; graph.parameters.len()];
        Self::new(graph, kept)
    }

    /// Keeps about this share of the weights of one kind.
    fn pruned(graph: Arc<Graph>, kind: ParameterKind, density: f32) -> Self {
        let of_parameter = |(id, parameter): (usize, &unlearn_network::Parameter)| {
            let values = noise(parameter.shape.iter().product(), 3 + id);
            (parameter.kind == kind).then(|| values.iter().map(|value| value.midpoint(1.0) < density).collect())
        };
        let kept = graph.parameters.iter().enumerate().map(of_parameter).collect();
        Self::new(graph, kept)
    }

    fn network(&self, device: DeviceChoice) -> Network {
        let mut network = Network::new(self.graph.clone(), self.state.clone(), device).unwrap();
        network.prune(self.kept.clone()).unwrap();
        network
    }

    /// The gradient of each sample, each by a separate pass.
    fn rows_one_by_one(&self, device: DeviceChoice) -> Vec<f32> {
        let mut network = self.network(device);
        let layout = network.row_layout();
        let mut rows = Vec::new();
        let images = self.images.chunks_exact(self.images.len() / BATCH);
        for (image, dlogits) in images.zip(self.dlogits.chunks_exact(self.graph.classes())) {
            network.forward(image, Mode::Frozen, &mut Vec::new()).unwrap();
            rows.extend(layout.gather(&network.backward(dlogits).unwrap().parameters));
        }
        rows
    }

    fn check(&self) {
        for device in DEVICES {
            let expected = self.rows_one_by_one(device);
            let mut network = self.network(device);
            network.forward(&self.images, Mode::Frozen, &mut Vec::new()).unwrap();
            self.check_rows(&mut network, &expected);
        }
    }

    fn check_rows(&self, network: &mut Network, expected: &[f32]) {
        let (layout, what) = (network.row_layout(), format!("{} on {}", self.graph.arch, network.executor_name()));
        let mut rows = vec![f32::NAN; BATCH * layout.width()];
        network.sample_gradients(&self.dlogits, &mut rows).unwrap();
        for (n, (row, expected)) in
            rows.chunks_exact(layout.width()).zip(expected.chunks_exact(layout.width())).enumerate()
        {
            for (id, parameter) in self.graph.parameters.iter().enumerate() {
                let (found, expected) = (&row[layout.place(id)], &expected[layout.place(id)]);
                assert_close(&format!("{what}: sample {n}, ∂{}", parameter.name), found, expected, ROUNDING);
            }
        }

        let over = |term: &dyn Fn(f64) -> f64| {
            let mut sums = vec![0.0; layout.width()];
            for row in rows.chunks_exact(layout.width()) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += term(f64::from(*value)));
            }
            layout.scatter(&sums.iter().map(|sum| *sum as f32).collect::<Vec<_>>())
        };
        let tensors = |what_of: &str, found: &[Vec<f32>], expected: &[Vec<f32>]| {
            for ((parameter, found), expected) in self.graph.parameters.iter().zip(found).zip(expected) {
                assert_close(&format!("{what}: {what_of} {}", parameter.name), found, expected, ROUNDING);
            }
        };
        let mut squares = over(&|_| 0.0);
        for _ in 0..2 {
            network.add_squared_gradients(&self.dlogits, &mut squares).unwrap();
        }
        tensors("squares of", &squares, &over(&|value| 2.0 * value * value));

        let direction: Vec<_> = squares.iter().enumerate().map(|(id, squares)| noise(squares.len(), 50 + id)).collect();
        let mut dots = vec![0.5; BATCH];
        network.add_gradient_dots(&direction, &self.dlogits, &mut dots).unwrap();
        let along = layout.gather(&direction);
        let dot = |row: &[f32]| {
            let products = row.iter().zip(&along).map(|(a, b)| f64::from(*a) * f64::from(*b));
            (0.5 + products.sum::<f64>()) as f32
        };
        let expected: Vec<f32> = rows.chunks_exact(layout.width()).map(dot).collect();
        assert_close(&format!("{what}: dot products"), &dots, &expected, ROUNDING);

        tensors("∂", &network.backward(&self.dlogits).unwrap().parameters, &over(&|value| value));
        let ended = network.add_squared_gradients(&self.dlogits, &mut squares);
        assert!(matches!(ended, Err(Error::NoForward)), "a backward pass ends the forward pass");
    }
}

fn resnet8s() -> Arc<Graph> {
    let input = InputSpec { shape: [3, 16, 16], classes: 10, mean: vec![0.5; 3], std: vec![0.25; 3] };
    find("resnet8s").unwrap().graph(&input).unwrap()
}

/// A graph with what `resnet8s` lacks: groups, biases, max-pooling, and layers without normalisation.
fn biased() -> Arc<Graph> {
    let (mut graph, input) = GraphBuilder::new("biased", [4, 9, 7]);
    let first = graph.convolution("conv1", input, 6, Conv::new(3, 1, 1).with_bias());
    let relu = graph.relu("relu", first);
    let pool = graph.max_pool2d("pool", relu, 2, 2, 0);
    let second = graph.convolution("conv2", pool, 8, Conv::new(3, 2, 1).grouped(2).with_bias());
    let pool = graph.global_avg_pool("avgpool", second);
    graph.linear("fc", pool, 5);
    Arc::new(graph.finish())
}

/// A transformer with a class token and attention among all tokens.
fn global_attention() -> Arc<Graph> {
    let (mut graph, input) = GraphBuilder::new("global", [3, 8, 6]);
    let patches = graph.convolution("patches", input, 12, Conv::new(2, 2, 0).with_bias());
    let tokens = graph.tokens("tokens", patches);
    let tokens = graph.class_token("class", tokens);
    let tokens = graph.position("position", tokens);
    let norm = graph.layer_norm("norm1", tokens, 1e-6);
    let qkv = graph.token_linear("qkv", norm, 36, true);
    let attended = graph.attention("attention", qkv, 3);
    let projected = graph.token_linear("projection", attended, 12, true);
    let sum = graph.add("add1", tokens, projected);
    let norm = graph.layer_norm("norm2", sum, 1e-6);
    let hidden = graph.token_linear("hidden", norm, 20, true);
    let active = graph.gelu("gelu", hidden);
    let output = graph.token_linear("output", active, 12, true);
    let sum = graph.add("add2", sum, output);
    let class = graph.first_token("first", sum);
    graph.linear("fc", class, 5);
    Arc::new(graph.finish())
}

/// A transformer with attention in shifted windows, merged tokens and a mean.
fn window_attention() -> Arc<Graph> {
    let (mut graph, input) = GraphBuilder::new("windows", [3, 4, 8]);
    let patches = graph.convolution("patches", input, 8, Conv::new(1, 1, 0).with_bias());
    let tokens = graph.tokens("tokens", patches);
    let qkv = graph.token_linear("qkv1", tokens, 24, false);
    let attended = graph.window_attention("attention1", qkv, [4, 8], (2, 0), 2);
    let qkv = graph.token_linear("qkv2", attended, 24, true);
    let attended = graph.window_attention("attention2", qkv, [4, 8], (4, 2), 4);
    let merged = graph.merge_tokens("merge", attended, [4, 8], 2);
    let norm = graph.layer_norm("norm", merged, 1e-5);
    let reduced = graph.token_linear("reduction", norm, 10, false);
    let mean = graph.mean_token("mean", reduced);
    graph.linear("fc", mean, 5);
    Arc::new(graph.finish())
}

#[test]
fn rows_squares_and_dots_are_those_of_single_images() {
    Case::dense(resnet8s()).check();
    Case::dense(biased()).check();
    Case::dense(global_attention()).check();
    Case::dense(window_attention()).check();
}

#[test]
fn they_leave_out_what_is_pruned() {
    // At the first density, the sparse algorithm is used. At the second, there are too many weights for it.
    for density in [0.2, 0.8] {
        Case::pruned(resnet8s(), ParameterKind::ConvWeight, density).check();
        Case::pruned(global_attention(), ParameterKind::TokenWeight, density).check();
    }
    for kind in [ParameterKind::TokenWeight, ParameterKind::Embedding, ParameterKind::NormWeight] {
        Case::pruned(window_attention(), kind, 0.5).check();
    }
    Case::pruned(biased(), ParameterKind::LinearWeight, 0.5).check();
    Case::pruned(biased(), ParameterKind::ConvBias, 0.5).check();
}

#[test]
fn statistics_of_the_batch_and_wrong_shapes_are_refused() {
    let case = Case::dense(biased());
    for device in DEVICES {
        let mut network = case.network(device);
        let (mut squares, width) = (case.state.parameters().to_vec(), network.row_layout().width());
        let refusal = network.add_squared_gradients(&case.dlogits, &mut squares).unwrap_err();
        assert!(matches!(refusal, Error::NoForward), "{refusal}");
        network.forward(&case.images, Mode::Train, &mut Vec::new()).unwrap();
        let refusal = network.add_squared_gradients(&case.dlogits, &mut squares).unwrap_err();
        assert!(refusal.to_string().contains("need a forward pass in mode frozen"), "{refusal}");

        network.forward(&case.images, Mode::Frozen, &mut Vec::new()).unwrap();
        let short = network.sample_gradients(&case.dlogits, &mut vec![0.0; BATCH * width - 1]).unwrap_err();
        let expected = format!("expected shape [{BATCH}, {width}], found [{}]", BATCH * width - 1);
        assert!(short.to_string().contains(&expected), "{short}");
        let direction = vec![vec![]; squares.len()];
        let empty = network.add_gradient_dots(&direction, &case.dlogits, &mut [0.0; BATCH]).unwrap_err();
        assert!(empty.to_string().contains("direction of `conv1.weight`: expected shape [6, 4, 3, 3]"), "{empty}");
    }
}
