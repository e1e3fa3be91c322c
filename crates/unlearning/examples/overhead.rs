//! What methods cost beyond their gradient steps: their run time beside that of as many bare steps on batches that are ready.
//!
//! `cargo run --release -p unlearn-unlearning --example overhead [ARCHITECTURE] [DENSITY]`
//! A bare step is forward, cross-entropy, backward and SGD as in training. Rounds of both alternate, so that what slows the machine
//! for a while slows both; ratios are medians over rounds.

use std::{sync::Arc, time::Instant};

use serde_json::json;
use unlearn_datasets::{Augmentation, Batch, BatchOptions, BatchPlan, ImageSet, registry};
use unlearn_models::{InputSpec, find as architecture, initialize};
use unlearn_network::{DeviceChoice, Graph, Mode, Network, ParameterKind, State};
use unlearn_training::{CrossEntropy, Objective as _, Recipe, Session, Sgd};
use unlearn_unlearning::{Request, find};

/// Methods whose steps are training steps, and how many passes over D_r and over D_f an epoch of them is.
const METHODS: [(&str, f64, f64); 6] = [
    ("ft", 1.0, 0.0),
    ("ga", 0.0, 1.0),
    ("l1-sparse", 1.0, 0.0),
    ("l1-prox", 1.0, 0.0),
    ("rl", 1.0, 1.0),
    ("neggrad-plus", 2.0, 0.0),
];
const ROUNDS: usize = 11;
const STEPS: usize = 7;
const BATCH: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "resnet20s".into());
    let density: f64 = arguments.next().map_or(Ok(1.0), |text| text.parse())?;
    let dataset = registry::open("fashion-mnist-mini", &registry::OpenOptions::default())?;
    let images = &dataset.train;
    let input = InputSpec {
        shape: [images.channels, images.height, images.width],
        classes: dataset.classes.len(),
        mean: dataset.normalization.mean.clone(),
        std: dataset.normalization.std.clone(),
    };
    let graph = architecture(&name)?.graph(&input)?;
    let state = initialize(&graph, 1);
    let recipe = Recipe { epochs: 1, batch_size: BATCH, lr: 1e-6, augment: false, ..Recipe::default() };
    let positions: Vec<u32> = (0..(20 * BATCH) as u32).collect();
    let (forget, retain) = positions.split_at(8 * BATCH);

    for (method, over_retain, over_forget) in METHODS {
        let entry = find(method)?;
        let config = entry.resolve(&json!({ "epochs": 1, "lr": 1e-6 }))?;
        let samples = over_retain * retain.len() as f64 + over_forget * forget.len() as f64;
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let mut network = network(&graph, &state, density)?;
            let mut request = Request {
                network: &mut network,
                images,
                forget,
                retain,
                validation: &[],
                recipe: &recipe,
                augmentation: Augmentation::NONE,
                device: DeviceChoice::Cpu,
                initial: &unlearn_unlearning::fresh,
                prune_anew: None,
                seed: 1,
                session: Session::unattended(),
            };
            let seconds = entry.run(&config, &mut request)?.seconds;
            ratios.push(seconds / (bare_step(&mut network, images)? * samples / BATCH as f64));
        }
        ratios.sort_by(f64::total_cmp);
        println!(
            "{method:<14} {:+.1} % ({:+.1} to {:+.1})",
            part(ratios[ROUNDS / 2]),
            part(ratios[0]),
            part(ratios[ROUNDS - 1])
        );
    }
    Ok(())
}

fn network(graph: &Arc<Graph>, state: &State, density: f64) -> Result<Network, Box<dyn std::error::Error>> {
    let mut network = Network::new(graph.clone(), state.clone(), DeviceChoice::Cpu)?;
    let kept = |i: usize| (i * 7919 % 1000) as f64 / 1000.0 < density;
    let of_parameter = |kind, len: usize| (kind == ParameterKind::ConvWeight).then(|| (0..len).map(kept).collect());
    if density < 1.0 {
        network.prune(graph.parameters.iter().map(|p| of_parameter(p.kind, p.shape.iter().product())).collect())?;
    }
    Ok(network)
}

/// Seconds of a bare step.
fn bare_step(network: &mut Network, images: &ImageSet) -> Result<f64, Box<dyn std::error::Error>> {
    let positions: Vec<u32> = (0..BATCH as u32).collect();
    let plan = BatchPlan::new(images, positions, BatchOptions::evaluation(BATCH))?;
    let batch: Batch = plan.epoch(0, 0).next().ok_or("no batch")??;
    let mut sgd = Sgd::new(&Recipe::default(), network.state().parameters());
    let (mut logits, mut dlogits) = (Vec::new(), Vec::new());
    let mut step = |network: &mut Network| -> Result<f64, Box<dyn std::error::Error>> {
        let clock = Instant::now();
        network.forward(&batch.images, Mode::Train, &mut logits)?;
        dlogits.resize(logits.len(), 0.0);
        CrossEntropy { label_smoothing: 0.0 }.loss(&batch, &logits, &mut dlogits);
        network.backward(&dlogits)?;
        let (parameters, gradients) = network.parameters_and_gradients();
        sgd.step(1e-6, parameters, &gradients.parameters);
        Ok(clock.elapsed().as_secs_f64())
    };
    step(network)?;
    let mut seconds = (0..STEPS).map(|_| step(network)).collect::<Result<Vec<f64>, _>>()?;
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[STEPS / 2])
}

fn part(ratio: f64) -> f64 {
    100.0 * (ratio - 1.0)
}
