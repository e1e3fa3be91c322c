//! Comparison of Fisher information, influences, dampening and the variance of noise with PyTorch, which computes one
//! gradient at a time, on a pruned network. PyTorch computes in f64, this project in f32
//! (`golden/influence/generate.py`).

use std::sync::Arc;

use serde_json::{Value, json};
use unlearn_network::{DeviceChoice, Graph, Network, ParameterKind, State};
use unlearn_samples::{Augmentation, ImageSet};
use unlearn_training::{Recipe, Session, Task};
use unlearn_unlearning::{
    Estimator, FisherOptions, Influence, InfluenceOptions, Request, Solver, expected_fisher, find, influence,
};

use crate::small_residual::small_residual;

const CHANNELS: usize = 2;
const SIDE: usize = 8;
const CLASSES: u32 = 4;
const COUNT: u32 = 60;
const FORGOTTEN_CLASS: u32 = 1;
const DEVICES: [DeviceChoice; 3] = [DeviceChoice::CpuDirect, DeviceChoice::Cpu, DeviceChoice::CandleCpu];

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("golden/influence/", $name, ".f32"))
            .chunks_exact(4)
            .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
            .collect::<Vec<f64>>()
    };
}

fn wave(count: usize, phase: usize) -> impl Iterator<Item = f32> {
    (0..count).map(move |i| {
        let i = i as f64;
        (1.7 * i + 0.3 * i * i / count as f64 + phase as f64).sin() as f32
    })
}

fn network(device: DeviceChoice) -> Network {
    let graph = small_residual(6, CLASSES as usize);
    let mut state = State::zeros(&graph);
    for (number, (parameter, values)) in graph.parameters.iter().zip(state.parameters_mut()).enumerate() {
        let wave = wave(values.len(), number);
        for (value, wave) in values.iter_mut().zip(wave) {
            *value = match parameter.kind {
                ParameterKind::NormWeight => 1.0 + 0.2 * wave,
                ParameterKind::NormBias => 0.2 * wave,
                ParameterKind::ConvWeight | ParameterKind::ConvBias => 0.5 * wave,
                _ => wave,
            };
        }
    }
    let statistics = state.buffers_mut().chunks_exact_mut(2);
    for (number, pair) in statistics.enumerate() {
        let len = pair[0].len();
        pair[0] = wave(len, 20 + number).map(|wave| 0.1 * wave).collect();
        pair[1] = wave(len, 30 + number).map(|wave| 1.0 + 0.5 * wave).collect();
    }
    let mut network = Network::new(graph.clone(), state, device).unwrap();
    let kept = |len: usize| (0..len).map(|i| i * 7919 % 10 >= 6).collect();
    let of_parameter = |kind, len| (kind == ParameterKind::ConvWeight).then(|| kept(len));
    let kept = graph.parameters.iter().map(|p| of_parameter(p.kind, p.shape.iter().product())).collect();
    network.prune(kept).unwrap();
    network
}

/// The samples to forget.
#[derive(Clone, Copy)]
enum Forgotten {
    EveryFifth,
    Class,
}

/// Calls `body` with a request.
fn with_request<T>(
    network: &mut Network,
    forgotten: Forgotten,
    seed: u64,
    body: impl FnOnce(&mut Request<'_>) -> T,
) -> T {
    let values = COUNT as usize * CHANNELS * SIDE * SIDE;
    let pixels: Vec<u8> = (0..values).map(|i| ((i * 31 + i * i / 5) % 256) as u8).collect();
    let labels: Vec<u32> = (0..COUNT).map(|i| i % CLASSES).collect();
    let images = ImageSet::new([CHANNELS, SIDE, SIDE], pixels, labels).unwrap();
    let (forget, retain): (Vec<u32>, Vec<u32>) = (0..COUNT).partition(|i| match forgotten {
        Forgotten::EveryFifth => i % 5 == 0,
        Forgotten::Class => i % CLASSES == FORGOTTEN_CLASS,
    });
    body(&mut Request::new(
        network,
        Task {
            images: &images,
            validation: &[],
            recipe: &Recipe::default(),
            augmentation: Augmentation::NONE,
            device: DeviceChoice::Cpu,
            seed,
            session: Session::unattended(),
        },
        &forget,
        &retain,
    ))
}

/// The network after a method, as one row.
fn run(method: &str, config: &Value, forgotten: Forgotten, seed: u64, device: DeviceChoice) -> Vec<f32> {
    let mut network = network(device);
    with_request(&mut network, forgotten, seed, |request| find(method).unwrap().run(config, request).unwrap());
    network.state().parameters().concat()
}

/// Compares each parameter with the golden row: distance in the L2 norm, relative to the parameter's norm.
fn assert_close(what: &str, graph: &Graph, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut first = 0;
    for parameter in &graph.parameters {
        let place = first..first + parameter.shape.iter().product::<usize>();
        first = place.end;
        let (found, expected) = (&found[place.clone()], &expected[place]);
        let distance = norm(&found.iter().zip(expected).map(|(a, b)| a - b).collect::<Vec<_>>()) / norm(expected);
        assert!(distance < tolerance, "{what}: {} is off by {distance:e}", parameter.name);
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn row(tensors: &[Vec<f32>]) -> Vec<f64> {
    tensors.iter().flatten().map(|v| f64::from(*v)).collect()
}

fn graph() -> Arc<Graph> {
    small_residual(6, CLASSES as usize)
}

#[test]
fn fisher_information_is_that_of_one_gradient_at_a_time() {
    for (estimator, expected) in
        [(Estimator::PerSample, golden!("expected_per_sample")), (Estimator::BatchMean, golden!("expected_batch_mean"))]
    {
        for device in DEVICES {
            let found = with_request(&mut network(device), Forgotten::EveryFifth, 1, |request| {
                let options = FisherOptions { estimator, batch_size: 32, augment: false };
                expected_fisher(request, request.retain, options).unwrap().concat()
            });
            assert_close(&format!("{estimator:?} on {device}"), &graph(), &found, &expected, 1e-4);
        }
    }
}

fn influence_by(solver: Solver, memory_mib: usize, device: DeviceChoice) -> Influence {
    with_request(&mut network(device), Forgotten::EveryFifth, 1, |request| {
        influence(request, &InfluenceOptions { solver, samples: 1000, memory_mib, augment: false }).unwrap()
    })
}

#[test]
fn the_newton_step_is_that_of_the_dense_hessian() {
    let (u, step) = (golden!("removal_gradient"), golden!("newton_step"));
    for solver in [Solver::Woodbury, Solver::ConjugateGradients] {
        for device in DEVICES {
            let found = influence_by(solver, 0, device);
            let what = format!("{solver:?} on {device}");
            assert_eq!((found.solver, found.iterations > 0), (solver, solver == Solver::ConjugateGradients));
            assert_close(&format!("{what}: gradient"), &graph(), &row(&found.gradient), &u, 1e-4);
            assert_close(&format!("{what}: step"), &graph(), &row(&found.change), &step, 1e-4);
        }
    }
}

#[test]
fn gradients_at_hand_are_neither_left_out_of_the_sum_nor_counted_twice() {
    let u = golden!("removal_gradient");
    for samples in [1, 20] {
        let found = with_request(&mut network(DeviceChoice::Cpu), Forgotten::EveryFifth, 1, |request| {
            let solver = Solver::Woodbury;
            influence(request, &InfluenceOptions { solver, samples, memory_mib: 0, augment: false }).unwrap()
        });
        assert_close(&format!("gradient, {samples} at hand"), &graph(), &row(&found.gradient), &u, 1e-4);
    }
}

#[test]
fn memory_decides_between_the_solvers() {
    assert_eq!(influence_by(Solver::Auto, 1, DeviceChoice::Cpu).solver, Solver::Woodbury);
    assert_eq!(influence_by(Solver::Auto, 0, DeviceChoice::Cpu).solver, Solver::ConjugateGradients);
}

#[test]
fn the_published_recursion_is_reproduced() {
    let (u, expected) = (golden!("removal_gradient"), golden!("wood_fisher"));
    for device in DEVICES {
        let found = row(&influence_by(Solver::WoodFisher, 0, device).change);
        assert_close(&format!("wood-fisher on {device}"), &graph(), &found, &expected, 1e-4);
        // The difference from u, which is a multiple of one gradient.
        let taken = |row: &[f64]| u.iter().zip(row).map(|(u, k)| u - k).collect::<Vec<_>>();
        let (found, expected) = (taken(&found), taken(&expected));
        let distance = norm(&found.iter().zip(&expected).map(|(a, b)| a - b).collect::<Vec<_>>());
        assert!(distance < 1e-4 * norm(&expected), "{device}: {distance} of {}", norm(&expected));
    }
}

#[test]
fn the_step_is_added_to_the_model() {
    let step = golden!("newton_step");
    let before = row(network(DeviceChoice::Cpu).state().parameters());
    // The step is long, so that it is not lost in the rounding of the parameters.
    let after = run("iu", &json!({ "alpha": 1e3 }), Forgotten::EveryFifth, 1, DeviceChoice::Cpu);
    let found: Vec<f64> = after.iter().zip(before).map(|(after, before)| (f64::from(*after) - before) / 1e3).collect();
    assert_close("iu", &graph(), &found, &step, 1e-4);
}

#[test]
fn dampening_is_that_of_one_gradient_at_a_time() {
    let config = json!({ "alpha": 1.5, "lambda": 0.8 });
    for device in DEVICES {
        let found = run("ssd", &config, Forgotten::EveryFifth, 1, device);
        let found: Vec<f64> = found.into_iter().map(f64::from).collect();
        assert_close(&format!("ssd on {device}"), &graph(), &found, &golden!("dampened"), 1e-5);
    }
}

/// Number of models that are drawn to measure the variance of the noise.
const DRAWS: u64 = 60;

/// Compares mean and variance, over draws, of a method's change with the golden variance. Deviations are per
/// parameter and relative to the standard error for this number of draws.
fn assert_spread(method: &str, config: &Value, variance: &[f64], mean: impl Fn(&str, usize, f64) -> f64) {
    let original = row(network(DeviceChoice::Cpu).state().parameters());
    let draws: Vec<Vec<f32>> =
        (0..DRAWS).map(|seed| run(method, config, Forgotten::Class, seed, DeviceChoice::Cpu)).collect();
    let mut first = 0;
    for parameter in &graph().parameters {
        let place = first..first + parameter.shape.iter().product::<usize>();
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        for i in place.clone().filter(|&i| variance[i] > 0.0) {
            let mean = mean(&parameter.name, i - place.start, original[i]);
            for draw in &draws {
                let z = (f64::from(draw[i]) - mean) / variance[i].sqrt();
                (sum, squares, count) = (sum + z, squares + z * z, count + 1.0);
            }
        }
        first = place.end;
        let (mean, spread) = (sum / f64::sqrt(count), (squares / count - 1.0) * f64::sqrt(count / 2.0));
        let what = format!("{method}: {}", parameter.name);
        assert!(mean.abs() < 4.0, "{what}: a mean {mean} standard errors from the expected one");
        assert!(spread.abs() < 4.0, "{what}: a variance {spread} standard errors from the expected one");
        for (i, draw) in place.filter(|&i| variance[i] == 0.0).flat_map(|i| draws.iter().map(move |draw| (i, draw))) {
            assert_eq!(draw[i].to_bits(), 0, "{what}: a pruned weight came back");
        }
    }
}

#[test]
fn forgetting_noise_has_the_published_mean_and_variance() {
    let mean = |name: &str, place: usize, value: f64| {
        let row = match name {
            "fc.weight" => place / 12,
            "fc.bias" => place,
            _ => return value,
        };
        if row == FORGOTTEN_CLASS as usize { 0.0 } else { value }
    };
    assert_spread("ff", &json!({ "alpha": 1e-4 }), &golden!("forgetting_variance"), mean);
    let compat = json!({ "alpha": 1e-4, "estimator": "batch-mean", "compat": ["masked-mean"] });
    assert_spread("ff", &compat, &golden!("forgetting_variance_compat"), mean);
}

#[test]
fn the_older_noise_has_the_published_mean_and_variance() {
    assert_spread("fisher-sample", &json!({ "alpha": 1e-8 }), &golden!("sample_variance"), |_, _, value| value);
}
