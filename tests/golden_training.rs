//! Comparison of the forward pass, gradients, SGD and schedules with PyTorch. PyTorch computes in f64, this project
//! in f32 (`golden/training/sgd_and_schedules.py`).

use std::sync::Arc;

use serde_json::Value;
use unlearn_network::{DeviceChoice, Graph, Mode, Network, ParameterKind, State};
use unlearn_samples::Batch;
use unlearn_training::{CrossEntropy, Objective, Recipe, Schedule, Sgd};

use crate::small_residual::small_residual;

const CHANNELS: usize = 2;
const SIDE: usize = 8;
const CLASSES: usize = 5;
const BATCH: usize = 12;
const EXECUTORS: [DeviceChoice; 2] = [DeviceChoice::CandleCpu, DeviceChoice::Cpu];

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/training/sgd_and_schedules.json")).unwrap()
}

fn small_net() -> Arc<Graph> {
    small_residual(8, CLASSES)
}

fn wave(count: usize, phase: f64) -> impl Iterator<Item = f32> {
    (0..count).map(move |i| {
        let i = i as f64;
        (1.7 * i + 0.3 * i * i / count as f64 + phase).sin() as f32
    })
}

fn fresh(device: DeviceChoice) -> Network {
    let graph = small_net();
    let mut state = State::zeros(&graph);
    for (number, (parameter, values)) in graph.parameters.iter().zip(state.parameters_mut()).enumerate() {
        let wave = wave(values.len(), number as f64);
        for (value, wave) in values.iter_mut().zip(wave) {
            *value = match parameter.kind {
                ParameterKind::NormWeight => 1.0 + 0.2 * wave,
                ParameterKind::NormBias => 0.2 * wave,
                _ => 0.3 * wave,
            };
        }
    }
    Network::new(graph, state, device).unwrap()
}

fn batch(step: usize) -> Batch {
    let images = wave(BATCH * CHANNELS * SIDE * SIDE, 0.01 * step as f64).map(|v| 0.5 + 0.5 * v).collect();
    let labels = (0..BATCH).map(|i| ((7 * i + 3 * step + i * i) % CLASSES) as u32).collect();
    Batch { images, labels, indices: (0..BATCH as u32).collect(), mixed: None }
}

fn loss_and_backward(network: &mut Network, batch: &Batch, mode: Mode) -> (f64, Vec<f32>) {
    let mut logits = Vec::new();
    network.forward(&batch.images, mode, &mut logits).unwrap();
    let mut dlogits = vec![0.0; logits.len()];
    let loss = CrossEntropy::default().loss(batch, &logits, &mut dlogits);
    network.backward_to_input(&dlogits).unwrap();
    (loss, logits)
}

fn close(what: &str, found: f64, expected: f64, scale: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * scale.max(1e-6), "{what}: found {found}, expected {expected}");
}

/// Compares norm, sum and first values of a tensor, relative to its norm.
fn matches(what: &str, values: &[f32], expected: &Value, tolerance: f64) {
    let norm = expected["norm"].as_f64().unwrap();
    let found = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    close(&format!("{what}, norm"), found, norm, norm, tolerance);
    let sum = values.iter().map(|v| f64::from(*v)).sum();
    close(&format!("{what}, sum"), sum, expected["sum"].as_f64().unwrap(), norm, tolerance);
    for (i, expected) in expected["first"].as_array().unwrap().iter().enumerate() {
        close(&format!("{what}[{i}]"), f64::from(values[i]), expected.as_f64().unwrap(), norm, tolerance);
    }
}

fn matches_list(what: &str, values: &[f32], expected: &Value, tolerance: f64) {
    let expected = expected.as_array().unwrap();
    assert_eq!(values.len(), expected.len());
    for (found, expected) in values.iter().zip(expected) {
        close(what, f64::from(*found), expected.as_f64().unwrap(), 1.0, tolerance);
    }
}

#[test]
fn the_first_step_is_pytorchs() {
    let golden = &golden()["first_step"];
    for device in EXECUTORS {
        let mut network = fresh(device);
        let graph = network.graph().clone();
        let (loss, logits) = loss_and_backward(&mut network, &batch(0), Mode::Train);
        close("loss", loss, golden["loss"].as_f64().unwrap(), 1.0, 1e-5);
        matches_list("logits", &logits, &golden["logits"], 2e-5);
        for (parameter, gradient) in graph.parameters.iter().zip(&network.gradients().parameters) {
            matches(&format!("{device} ∂{}", parameter.name), gradient, &golden["gradients"][&parameter.name], 1e-4);
        }
        matches("∂images", &network.gradients().input, &golden["input_gradient"], 1e-4);
        for (buffer, values) in graph.buffers.iter().zip(network.state().buffers()) {
            matches(&buffer.name, values, &golden["running"][&buffer.name], 1e-5);
        }

        let (_, frozen) = loss_and_backward(&mut network, &batch(0), Mode::Frozen);
        matches_list("frozen logits", &frozen, &golden["frozen_logits"], 2e-5);
        for (parameter, gradient) in graph.parameters.iter().zip(&network.gradients().parameters) {
            let expected = &golden["frozen_gradients"][&parameter.name];
            matches(&format!("{device} frozen ∂{}", parameter.name), gradient, expected, 1e-4);
        }
        let mut evaluated = Vec::new();
        network.forward(&batch(0).images, Mode::Evaluate, &mut evaluated).unwrap();
        matches_list("evaluation logits", &evaluated, &golden["frozen_logits"], 2e-5);
    }
}

#[test]
fn fifty_steps_of_sgd_are_pytorchs() {
    let golden = &golden()["sgd"];
    for (name, nesterov) in [("plain", false), ("nesterov", true)] {
        for device in EXECUTORS {
            let recipe = Recipe { momentum: 0.9, nesterov, weight_decay: 5e-4, ..Recipe::default() };
            let mut network = fresh(device);
            let mut sgd = Sgd::new(&recipe, network.state().parameters());
            for (step, expected) in golden[name]["losses"].as_array().unwrap().iter().enumerate() {
                let (loss, _) = loss_and_backward(&mut network, &batch(step), Mode::Train);
                let expected = expected.as_f64().unwrap();
                close(&format!("{device} {name}, loss of step {step}"), loss, expected, expected, 1e-4);
                let (parameters, gradients) = network.parameters_and_gradients();
                sgd.step(0.02, parameters, &gradients.parameters);
            }
            let graph = network.graph().clone();
            for (parameter, values) in graph.parameters.iter().zip(network.state().parameters()) {
                matches(&parameter.name, values, &golden[name]["parameters"][&parameter.name], 1e-4);
            }
        }
    }
}

#[test]
fn schedules_are_pytorchs() {
    let golden = &golden()["schedules"];
    let epochs = golden["epochs"].as_u64().unwrap() as usize;
    let steps = golden["steps_per_epoch"].as_u64().unwrap() as usize;
    for (name, schedule) in
        [("multistep", Schedule::Multistep), ("cosine", Schedule::Cosine), ("one-cycle", Schedule::OneCycle)]
    {
        let recipe = Recipe { epochs, lr: 0.1, schedule, milestones: vec![2, 4], ..Recipe::default() };
        for (step, expected) in golden[name].as_array().unwrap().iter().enumerate() {
            let found = recipe.lr_at(step, steps);
            close(&format!("{name}, step {step}"), found, expected.as_f64().unwrap(), 0.1, 1e-9);
        }
    }
}
