//! Comparison of unlearning methods with PyTorch. PyTorch computes in f64, this project in f32
//! (`golden/unlearning/generate.py`).

use std::{collections::BTreeSet, path::Path, sync::Arc};

use serde_json::Value;
use unlearn_models::initialize;
use unlearn_network::{DeviceChoice, Graph, Network, ParameterKind, State};
use unlearn_random::{fill_normal, stream};
use unlearn_samples::{Augmentation, ImageSet};
use unlearn_training::{Recipe, Schedule, Select, Session, Task};
use unlearn_unlearning::{METHODS, Request, find};

use crate::small_residual::small_residual;

const CHANNELS: usize = 2;
const SIDE: usize = 8;
const WIDTH: usize = 4;
const COUNT: u32 = 40;
/// Seed of the request, and so of all randomness.
const SEED: u64 = 9;
/// Number of noise images that `unsir` starts from, and the forgotten class that is their label.
const NOISE: (usize, u64) = (6, 3);

fn graph(classes: usize) -> Arc<Graph> {
    small_residual(WIDTH, classes)
}

fn wave(count: usize, phase: f64) -> impl Iterator<Item = f32> {
    (0..count).map(move |i| {
        let i = i as f64;
        (1.7 * i + 0.3 * i * i / count as f64 + phase).sin() as f32
    })
}

/// The model to unlearn.
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

/// The random values that the script cannot draw, by file: fresh weights of the network and of one with a fifth
/// output, and the noise of `unsir`.
fn drawn() -> [(&'static str, Vec<f32>); 3] {
    let fresh = |classes| initialize(&graph(classes), SEED).parameters().concat();
    let (count, class) = NOISE;
    let mut noise = vec![0.0; count * CHANNELS * SIDE * SIDE];
    fill_normal(&mut noise, 1.0, &mut stream("unsir noise", &[SEED, class]));
    [("fresh.f32", fresh(4)), ("fresh-wide.f32", fresh(5)), ("noise.f32", noise)]
}

#[test]
fn the_script_starts_from_what_this_seed_draws() {
    for (file, values) in drawn() {
        assert_eq!(values, floats(file), "{file}");
    }
}

#[test]
#[ignore = "writes what generate.py cannot draw"]
fn write_what_the_seed_draws() {
    for (file, values) in drawn() {
        std::fs::write(folder().join(file), values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<_>>()).unwrap();
    }
}

fn positions(golden: &Value) -> Vec<u32> {
    golden.as_array().unwrap().iter().map(|position| position.as_u64().unwrap() as u32).collect()
}

/// The values from which a method's steps start.
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

/// A network after a method, and the values from which the method's steps started.
struct Made {
    network: Network,
    before: State,
}

impl Made {
    fn by(case: &Value, requests: &Value, device: DeviceChoice) -> Self {
        let classes = case["classes"].as_u64().unwrap();
        let graph = graph(classes as usize);
        let mut network = Network::new(graph.clone(), original(&graph), device).unwrap();
        let sets = &requests[case["request"].as_str().unwrap()];
        // Each set is one batch.
        let (schedule, select) = (Schedule::Constant, Select::Last);
        let recipe = Recipe { batch_size: 64, schedule, select, augment: false, ..Recipe::default() };
        let images = images(classes as u32);
        let (forget, retain) = (positions(&sets["forget"]), positions(&sets["retain"]));
        let mut request = Request::new(
            &mut network,
            Task {
                images: &images,
                validation: &[],
                recipe: &recipe,
                augmentation: Augmentation::NONE,
                device,
                seed: SEED,
                session: Session::unattended(),
            },
            &forget,
            &retain,
        );
        find(case["method"].as_str().unwrap()).unwrap().run(&case["config"], &mut request).unwrap();
        Self { network, before: start(case["start"].as_str().unwrap(), &graph) }
    }

    /// The changes of the parameters and of the running statistics.
    fn updates(&self) -> [Vec<f32>; 2] {
        let difference = |after: &[Vec<f32>], before: &[Vec<f32>]| -> Vec<f32> {
            after.concat().iter().zip(before.concat()).map(|(after, before)| after - before).collect()
        };
        let (after, before) = (self.network.state(), &self.before);
        [difference(after.parameters(), before.parameters()), difference(after.buffers(), before.buffers())]
    }

    /// Whether each parameter is exactly 0.
    fn zeros(&self) -> Vec<bool> {
        self.network.state().parameters().iter().flatten().map(|value| *value == 0.0).collect()
    }

    /// Whether each parameter would be exactly 0 if `updates` were the first changes of the parameters.
    fn zeros_by(&self, updates: &[f32]) -> Vec<bool> {
        let values = self.before.parameters().iter().flatten().zip(updates);
        values.map(|(before, update)| before + update == 0.0).collect()
    }

    /// Whether each parameter is pruned.
    fn pruned(&self) -> Vec<bool> {
        let parameters = self.network.state().parameters().iter().zip(self.network.kept());
        let pruned = |(values, kept): (&Vec<f32>, &Option<Vec<bool>>)| match kept {
            Some(kept) => kept.iter().map(|kept| !kept).collect(),
            None => vec![false; values.len()],
        };
        parameters.flat_map(pruned).collect()
    }
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

/// Methods without a case, and the tests that cover them instead.
const ELSEWHERE: [(&str, &str); 7] = [
    ("raw", "does nothing"),
    ("retrain", "`golden_training.rs`: the same loop from the same values"),
    ("retrain-relearn", "`retrain`, with a mask that pruning learns"),
    ("ff", "`golden_influence.rs`"),
    ("fisher-sample", "`golden_influence.rs`"),
    ("iu", "`golden_influence.rs`"),
    ("ssd", "`golden_influence.rs`"),
];

#[test]
fn every_method_has_a_golden_case_or_a_reason_to_have_none() {
    let golden: Value = serde_json::from_slice(&std::fs::read(folder().join("cases.json")).unwrap()).unwrap();
    let cases = golden["cases"].as_array().unwrap().iter().map(|case| case["method"].as_str().unwrap());
    let covered: BTreeSet<&str> = cases.collect();
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(name, _)| *name).collect();
    assert!(covered.is_disjoint(&elsewhere), "a method with a case needs no reason");
    let known: BTreeSet<&str> = METHODS.iter().map(|method| method.name).collect();
    assert_eq!(covered.union(&elsewhere).copied().collect::<BTreeSet<_>>(), known, "`generate.py` has the cases");
}

#[test]
fn every_iterative_method_makes_pytorchs_steps() {
    let golden: Value = serde_json::from_slice(&std::fs::read(folder().join("cases.json")).unwrap()).unwrap();
    let all = floats("updates.f32");
    for device in [DeviceChoice::Cpu, DeviceChoice::CandleCpu] {
        let mut rest = all.as_slice();
        for case in golden["cases"].as_array().unwrap() {
            let made = Made::by(case, &golden["requests"], device);
            assert!(made.zeros() == made.zeros_by(rest), "{} on {device}: others are exactly 0", case["method"]);
            if case["method"] == "ft-prune" {
                assert!(made.zeros() == made.pruned(), "{device}: the mask is not that of the zeros");
            }
            for (what, found) in ["parameters", "running statistics"].into_iter().zip(made.updates()) {
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
