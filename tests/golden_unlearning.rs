//! Unlearning methods against PyTorch, in f64 there and f32 here (`golden/unlearning/generate.py`).

use std::{path::Path, sync::Arc};

use serde_json::Value;
use unlearn_datasets::{Augmentation, ImageSet};
use unlearn_models::initialize;
use unlearn_network::{DeviceChoice, Graph, Network, ParameterKind, State};
use unlearn_training::{Recipe, Schedule, Select, Session};
use unlearn_unlearning::{Request, find};

use crate::small_residual::small_residual;

const CHANNELS: usize = 2;
const SIDE: usize = 8;
const WIDTH: usize = 4;
const COUNT: u32 = 40;
/// Of the request, and so of every fresh weight.
const SEED: u64 = 9;

fn graph(classes: usize) -> Arc<Graph> {
    small_residual(WIDTH, classes)
}

fn wave(count: usize, phase: f64) -> impl Iterator<Item = f32> {
    (0..count).map(move |i| {
        let i = i as f64;
        (1.7 * i + 0.3 * i * i / count as f64 + phase).sin() as f32
    })
}

/// The model that is to forget.
fn original(graph: &Graph) -> State {
    let mut state = State::zeros(graph);
    for (number, (parameter, values)) in graph.parameters.iter().zip(state.parameters_mut()).enumerate() {
        let (offset, scale) = match parameter.kind {
            ParameterKind::NormWeight => (1.0, 0.2),
            ParameterKind::NormBias => (0.0, 0.2),
            _ => (0.0, 0.3),
        };
        let wave = wave(values.len(), number as f64);
        values.iter_mut().zip(wave).for_each(|(value, wave)| *value = (offset + scale * f64::from(wave)) as f32);
    }
    for (number, (buffer, values)) in graph.buffers.iter().zip(state.buffers_mut()).enumerate() {
        let wave = wave(values.len(), 50.0 + number as f64);
        let offset = f64::from(buffer.initial);
        values.iter_mut().zip(wave).for_each(|(value, wave)| *value = (offset + 0.2 * f64::from(wave)) as f32);
    }
    state
}

fn images(classes: u32) -> ImageSet {
    let count = COUNT as usize * CHANNELS * SIDE * SIDE;
    let pixels: Vec<u8> = (0..count).map(|i| ((i * 31 + i * i / 5) % 256) as u8).collect();
    ImageSet::new([CHANNELS, SIDE, SIDE], pixels, (0..COUNT).map(|i| i % classes).collect::<Vec<_>>()).unwrap()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/unlearning"))
}

fn floats(file: &str) -> Vec<f32> {
    let bytes = std::fs::read(folder().join(file)).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// File and number of outputs of the fresh weights that the script starts from.
const FRESH: [(&str, usize); 2] = [("fresh.f32", 4), ("fresh-wide.f32", 5)];

#[test]
fn the_script_starts_from_the_fresh_weights_of_this_seed() {
    for (file, classes) in FRESH {
        assert_eq!(initialize(&graph(classes), SEED).parameters().concat(), floats(file), "{file}");
    }
}

#[test]
#[ignore = "writes the fresh weights that generate.py starts from"]
fn write_fresh_weights() {
    for (file, classes) in FRESH {
        let values = initialize(&graph(classes), SEED).parameters().concat();
        std::fs::write(folder().join(file), values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<_>>()).unwrap();
    }
}

fn positions(golden: &Value) -> Vec<u32> {
    golden.as_array().unwrap().iter().map(|position| position.as_u64().unwrap() as u32).collect()
}

/// Where a method's steps start.
fn start(name: &str, graph: &Graph) -> State {
    let mut state = original(graph);
    let afresh = initialize(graph, SEED);
    let is_stem = |name: &str| name.starts_with("conv1") || name.starts_with("bn1");
    let replaced = |tensor: &str| match name {
        "original" => false,
        "anew" => true,
        "anew_but_for_the_stem" => !is_stem(tensor),
        _ => panic!("no start `{name}`"),
    };
    for ((parameter, values), fresh) in graph.parameters.iter().zip(state.parameters_mut()).zip(afresh.parameters()) {
        if replaced(&parameter.name) {
            values.clone_from(fresh);
        }
    }
    for ((buffer, values), fresh) in graph.buffers.iter().zip(state.buffers_mut()).zip(afresh.buffers()) {
        if replaced(&buffer.name) {
            values.clone_from(fresh);
        }
    }
    state
}

/// What a method adds to the parameters, and to the running statistics.
fn updates(golden: &Value, case: &Value, device: DeviceChoice) -> [Vec<f32>; 2] {
    let classes = case["classes"].as_u64().unwrap();
    let graph = graph(classes as usize);
    let mut network = Network::new(graph.clone(), original(&graph), device).unwrap();
    let (epochs, lr) = (case["config"]["epochs"].as_u64().unwrap(), case["config"]["lr"].as_f64().unwrap());
    // Each set is one batch, and methods that follow the original recipe do the same as the others.
    let (schedule, select) = (Schedule::Constant, Select::Last);
    let recipe =
        Recipe { epochs: epochs as usize, lr, batch_size: 64, schedule, select, augment: false, ..Recipe::default() };
    let mut request = Request {
        network: &mut network,
        images: &images(classes as u32),
        forget: &positions(&golden["forget"]),
        retain: &positions(&golden["retain"]),
        validation: &[],
        recipe: &recipe,
        augmentation: Augmentation::NONE,
        device,
        prune_anew: None,
        seed: SEED,
        session: Session::unattended(),
    };
    find(case["method"].as_str().unwrap()).unwrap().run(&case["config"], &mut request).unwrap();
    let (after, before) = (network.state(), start(case["start"].as_str().unwrap(), &graph));
    let difference = |after: &[Vec<f32>], before: &[Vec<f32>]| -> Vec<f32> {
        after.concat().iter().zip(before.concat()).map(|(after, before)| after - before).collect()
    };
    [difference(after.parameters(), before.parameters()), difference(after.buffers(), before.buffers())]
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn every_iterative_method_makes_pytorchs_steps() {
    let golden: Value = serde_json::from_slice(&std::fs::read(folder().join("cases.json")).unwrap()).unwrap();
    let all = floats("updates.f32");
    for device in [DeviceChoice::Cpu, DeviceChoice::CandleCpu] {
        let mut rest = all.as_slice();
        for case in golden["cases"].as_array().unwrap() {
            for (what, found) in ["parameters", "running statistics"].into_iter().zip(updates(&golden, case, device)) {
                let (expected, others) = rest.split_at(found.len());
                rest = others;
                let length = norm(expected.iter().copied());
                let distance = norm(found.iter().zip(expected).map(|(f, e)| f - e)) / length;
                println!("{device} {}: {what} {distance:.1e} of an update of length {length:.3}", case["method"]);
                assert!(distance < 1e-4, "{} on {device}: {what} {distance} of the update", case["method"]);
            }
        }
        assert!(rest.is_empty());
    }
}
