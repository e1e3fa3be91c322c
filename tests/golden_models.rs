//! Comparison of the convolutional families with torchvision and of the transformers with timm: tensor names and
//! shapes, logits, gradients, one step of SGD. The references compute in f64, this project in f32
//! (`golden/models/generate.py`).

use std::sync::Arc;

use serde_json::Value;
use unlearn_models::{InputSpec, find};
use unlearn_network::{CpuExecutor, DeviceChoice, Graph, Mode, Network, State};
use unlearn_samples::Batch;
use unlearn_training::{CrossEntropy, Objective, Recipe, Sgd};

/// Tolerance for logits and gradients, relative to a tensor's largest entry.
const ROUNDING: f64 = 1e-4;

/// The same for fifty layers of Winograd's transforms, which have four times the rounding error of the products.
const ROUNDING_OF_FIFTY_TRANSFORMED: f64 = 2e-4;

/// Tolerance for gradients through Winograd's transforms in shallow networks. Their rounding flips some ReLUs that
/// PyTorch's does not flip. One flip changes a gradient by some thousandths; a wrong product would change it by the
/// whole entry.
const TURNED_BY_TRANSFORMS: f64 = 1e-2;

/// Largest distance of gradients to f64, as a multiple of the distance of PyTorch's own f32 gradients. If the input
/// of a ReLU is 0 up to rounding, either branch is right. The choice changes the gradient of one activation, and
/// behind a normalisation over few values it changes all of them. In fifty layers, this reaches a fifth of a tensor's
/// largest entry for PyTorch, and the affected entries are random.
const CHANCE: f64 = 0.5;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/models/models.json")).unwrap()
}

fn input(side: usize, classes: usize) -> InputSpec {
    InputSpec { shape: [3, side, side], classes, mean: vec![0.5; 3], std: vec![0.25; 3] }
}

/// The 64-bit FNV-1a hash of a text.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The generator `SplitMix64`, seeded with the hash of the name.
fn bits(name: &str) -> impl Iterator<Item = u64> {
    let seed = fnv1a(name);
    (1u64..).map(move |i| {
        let z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// Values in 0..1 that depend on the name only.
fn uniform(name: &str) -> impl Iterator<Item = f64> {
    bits(name).map(|bits| (bits >> 11) as f64 / 2f64.powi(53))
}

/// The values of a parameter or a running statistic, by the suffix of its name and its shape.
fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let spread = (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
    let scale_like = name.ends_with("running_var") || (name.ends_with("weight") && shape.len() == 1);
    let value = |u: f64| match shape.len() {
        _ if scale_like => 0.5 + u,
        1 => 0.2 * (2.0 * u - 1.0),
        _ => (2.0 * u - 1.0) * spread,
    };
    uniform(name).take(shape.iter().product()).map(|u| value(u) as f32).collect()
}

fn state(graph: &Graph) -> State {
    let shapes: std::collections::HashMap<String, Vec<usize>> =
        State::zeros(graph).named(graph).map(|(name, shape, _)| (name.to_owned(), shape.to_vec())).collect();
    State::from_named(graph, |name| shapes.get(name).map(|shape| (shape.clone(), values(name, shape)))).unwrap()
}

fn batch(side: usize, count: usize) -> Batch {
    let images = uniform("images").take(count * 3 * side * side).map(|v| v as f32).collect();
    let labels = bits("labels").take(count).map(|bits| (bits % 10) as u32).collect();
    Batch { images, labels, indices: (0..count as u32).collect(), mixed: None }
}

/// Entries at positions that depend on the name.
fn sampled<'a>(name: &str, values: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
    let positions: Vec<u64> = bits(&format!("{name}, samples")).take(8).collect();
    positions.into_iter().map(|bits| f64::from(values[(bits % values.len() as u64) as usize]))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn assert_close(what: &str, found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    assert!(error <= tolerance, "{what}: found {found}, expected {expected} within {tolerance:e}");
}

fn assert_logits(what: &str, found: &[f32], expected: &Value, rounding: f64) {
    let expected = numbers(expected);
    let largest = expected.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_close(what, f64::from(*found), expected, rounding * largest);
    }
}

/// The executors that can run the graph.
fn executors(graph: &Graph) -> Vec<DeviceChoice> {
    let mut devices = vec![DeviceChoice::CandleCpu];
    if CpuExecutor::supports(graph).is_ok() {
        devices.extend([DeviceChoice::CpuDirect, DeviceChoice::Cpu]);
    }
    devices
}

fn check(case: &Value, graph: &Arc<Graph>, device: DeviceChoice, lr: f64) {
    let what = format!("{} on {device}", graph.arch);
    let batch = batch(graph.input_shape()[1], case["batch"].as_u64().unwrap() as usize);
    let mut network = Network::new(graph.clone(), state(graph), device).unwrap();
    let is_deep = graph.conv_operations().len() >= 50;
    let rounding = if is_deep && device == DeviceChoice::Cpu { ROUNDING_OF_FIFTY_TRANSFORMED } else { ROUNDING };
    let mut logits = Vec::new();
    network.forward(&batch.images, Mode::Evaluate, &mut logits).unwrap();
    assert_logits(&format!("{what}: evaluated logits"), &logits, &case["evaluated_logits"], rounding);
    network.forward(&batch.images, Mode::Train, &mut logits).unwrap();
    assert_logits(&format!("{what}: logits"), &logits, &case["logits"], rounding);

    let mut dlogits = vec![0.0; logits.len()];
    let loss = CrossEntropy::default().loss(&batch, &logits, &mut dlogits);
    assert_close(&format!("{what}: loss"), loss, case["loss"].as_f64().unwrap(), ROUNDING);
    network.backward(&dlogits).unwrap();
    let least = if device == DeviceChoice::Cpu { TURNED_BY_TRANSFORMS } else { ROUNDING };
    let near = least.max(CHANCE * case["single_precision_error"].as_f64().unwrap());
    // A bias before a normalisation has no effect. Its gradient is rounding noise, which is compared with the size of
    // the other gradients.
    let noise = 1e-6 * case["gradients"].as_object().unwrap().values().fold(0.0f64, |max, v| max.max(numbers(v)[1]));
    for (parameter, gradient) in graph.parameters.iter().zip(&network.gradients().parameters) {
        let [norm, largest, samples @ ..] = &numbers(&case["gradients"][&parameter.name])[..] else { unreachable!() };
        let found = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let what = format!("{what}: ∂{}", parameter.name);
        let slack = noise * (gradient.len() as f64).sqrt();
        assert_close(&format!("{what}, norm"), found, *norm, near * norm + slack);
        for (found, expected) in sampled(&parameter.name, gradient).zip(samples) {
            assert_close(&what, found, *expected, near * largest + noise);
        }
    }

    if let Some(updated) = case["updated"].as_object() {
        let recipe = Recipe { momentum: 0.9, weight_decay: 5e-4, ..Recipe::default() };
        let mut sgd = Sgd::new(&recipe, network.state().parameters());
        let (parameters, gradients) = network.parameters_and_gradients();
        sgd.step(lr, parameters, &gradients.parameters);
        for (parameter, values) in graph.parameters.iter().zip(network.state().parameters()) {
            let largest = numbers(&case["gradients"][&parameter.name])[1];
            for (found, expected) in sampled(&parameter.name, values).zip(numbers(&updated[&parameter.name])) {
                let tolerance = lr * near * largest + 1e-6 * expected.abs();
                assert_close(&format!("{what}: {} after a step", parameter.name), found, expected, tolerance);
            }
        }
    }
}

#[test]
fn tensors_are_named_and_shaped_as_torchvisions_and_timms() {
    for (arch, expected) in golden()["architectures"].as_object().unwrap() {
        let graph = find(arch).unwrap().graph(&input(224, 1000)).unwrap();
        assert_eq!(graph.parameter_count() as u64, expected["parameters"].as_u64().unwrap(), "{arch}");
        let state = State::zeros(&graph);
        let mut lines: Vec<_> = state.named(&graph).map(|(name, shape, _)| format!("{name}{shape:?}\n")).collect();
        lines.sort();
        assert_eq!(format!("{:016x}", fnv1a(&lines.concat())), expected["tensors"], "{arch}: {lines:?}");
    }
}

#[test]
fn logits_gradients_and_a_step_are_torchvisions_and_timms() {
    let golden = golden();
    for case in golden["cases"].as_array().unwrap() {
        let side = case["side"].as_u64().unwrap() as usize;
        let graph = find(case["arch"].as_str().unwrap()).unwrap().graph(&input(side, 10)).unwrap();
        for device in executors(&graph) {
            check(case, &graph, device, golden["lr"].as_f64().unwrap());
        }
    }
}
