//! Overhead of methods beyond their gradient steps, and time spent waiting for batches, as shares of their run time.
//!
//! `cargo run --release -p unlearn-unlearning --example overhead [ARCHITECTURE] [DENSITY] [DATASET] [METHOD,…] [BATCH]`
//!
//! Networks mark their forward and backward passes by spans, a teacher's too. The training loop marks the optimiser's
//! updates. The rest of the run time (losses, saliency, noise, waiting, bookkeeping) is overhead. Both are measured
//! within one run, so that other load on the machine slows them alike. The figures are medians over rounds. DATASET
//! is any that `unlearn datasets describe` accepts; a streamed one is used with its training augmentation.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;
use tracing::{Subscriber, span};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};
use unlearn_datasets::registry;
use unlearn_models::{InputSpec, find as architecture, initialize};
use unlearn_network::{DeviceChoice, Graph, Network, ParameterKind, State};
use unlearn_samples::Augmentation;
use unlearn_training::{Recipe, Session, Task};
use unlearn_unlearning::{Request, find};

const METHODS: &str =
    "retrain,ft,ga,l1-sparse,l1-prox,rl,neggrad-plus,salun,scrub,bad-teacher,boundary-shrink,cf-k,eu-k";
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "resnet20s".into());
    let density: f64 = arguments.next().map_or(Ok(1.0), |text| text.parse())?;
    let location = arguments.next().unwrap_or_else(|| "fashion-mnist-mini".into());
    let methods = arguments.next().unwrap_or_else(|| METHODS.into());
    let batch_size: usize = arguments.next().map_or(Ok(128), |text| text.parse())?;
    let clocks = Clocks::default();
    tracing_subscriber::registry().with(clocks.clone()).init();

    let dataset = registry::open(&location, &registry::OpenOptions::default())?;
    let images = &dataset.train;
    let input = InputSpec {
        shape: [images.channels, images.height, images.width],
        classes: dataset.classes.len(),
        mean: dataset.normalization.mean.clone(),
        std: dataset.normalization.std.clone(),
    };
    let graph = architecture(&name)?.graph(&input)?;
    let state = initialize(&graph, 1);
    let augmentation = if images.pixels().is_some() { Augmentation::NONE } else { dataset.augmentation };
    let recipe = Recipe { epochs: 1, batch_size, lr: 1e-6, ..Recipe::default() };
    let positions: Vec<u32> = (0..images.len().min(20 * batch_size) as u32).collect();
    let (forget, retain) = positions.split_at(positions.len() * 2 / 5);

    println!("{:<16} {:>9} {:>9}", "method", "overhead", "waiting");
    for method in methods.split(',') {
        let entry = find(method)?;
        let config = entry.resolve(&json!({ "epochs": 1, "lr": 1e-6 })).or_else(|_| entry.resolve(&json!({})))?;
        let mut shares = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            let mut network = network(&graph, &state, density)?;
            let mut request = Request::new(
                &mut network,
                Task {
                    images,
                    validation: &[],
                    recipe: &recipe,
                    augmentation,
                    device: DeviceChoice::Cpu,
                    seed: 1,
                    session: Session::unattended(),
                },
                forget,
                retain,
            );
            clocks.reset();
            let seconds = entry.run(&config, &mut request)?.seconds;
            let steps = clocks.seconds("pass") + clocks.seconds("update");
            shares[0].push(100.0 * (1.0 - steps / seconds));
            shares[1].push(100.0 * clocks.seconds("wait") / seconds);
        }
        let [overhead, waiting] = shares.map(median);
        println!("{method:<16} {overhead:>7.2} % {waiting:>7.2} %");
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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

/// Total time within spans, by the span's name.
#[derive(Clone, Default)]
struct Clocks(Arc<Mutex<HashMap<&'static str, Duration>>>);

impl Clocks {
    fn reset(&self) {
        self.0.lock().expect("a layer never panics").clear();
    }

    fn seconds(&self, name: &str) -> f64 {
        self.0.lock().expect("a layer never panics").get(name).map_or(0.0, Duration::as_secs_f64)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Clocks {
    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(Instant::now());
        }
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let elapsed = span.extensions().get::<Instant>().map(Instant::elapsed).unwrap_or_default();
        *self.0.lock().expect("a layer never panics").entry(span.name()).or_default() += elapsed;
    }
}
