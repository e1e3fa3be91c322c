//! Times one training step and one evaluation pass of an architecture, dense or masked, on random images.
//!
//! `cargo run --release -p unlearn-training --example step -- --model resnet20s --batch 128 --density 0.05 --threads 2`
//! A training step is forward pass, cross-entropy, backward pass, and SGD with momentum and weight decay. An
//! evaluation is the forward pass of the same batch with running statistics. `cargo xtask bench` builds and runs this
//! program.

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail, ensure};
use clap::{Parser, ValueEnum, builder::RangedU64ValueParser};
use rand::{RngExt as _, SeedableRng as _, seq::index};
use rand_pcg::Pcg64;
use serde::Serialize;
use unlearn_masks::{Bits, Mask};
use unlearn_models::{Architecture, InputSpec, initialize};
use unlearn_network::{DeviceChoice, Graph, Mode, Network, ParameterKind};
use unlearn_samples::Batch;
use unlearn_training::{CrossEntropy, Objective as _, Recipe, Sgd, apply_mask};

const CLASSES: usize = 10;
const WARM_UPS: usize = 2;
const LEARNING_RATE: f64 = 0.01;

/// Time one training step and one evaluation pass on random images of 10 classes.
#[derive(Parser)]
#[command(disable_version_flag = true)]
struct Args {
    /// Model, by its name in the registry.
    #[arg(long, default_value = "resnet20s", value_name = "NAME", value_parser = unlearn_models::find)]
    model: &'static Architecture,
    /// Channels, height and width of the images.
    #[arg(long, default_value = "3,32,32", value_name = "C,H,W", value_parser = input)]
    input: Shape,
    /// Images per batch.
    #[arg(long, default_value = "128", value_name = "N", value_parser = at_least_one())]
    batch: usize,
    /// Share of the weights that a uniform mask keeps in every convolution, in (0, 1] [default: 1, dense].
    #[arg(long, value_name = "D", value_parser = density)]
    density: Option<f64>,
    /// `uniform` (the same density everywhere, weights drawn at random), or a mask file.
    #[arg(long, default_value = "uniform", value_name = "uniform|FILE", value_parser = mask_choice)]
    mask: MaskChoice,
    /// Threads [default: one per core].
    #[arg(long, value_name = "T", value_parser = at_least_one())]
    threads: Option<usize>,
    /// Number of timed steps. Two untimed steps come first.
    #[arg(long, default_value = "7", value_name = "K", value_parser = at_least_one())]
    steps: usize,
    /// The CPU kernels, or Candle on the CPU (which takes its threads from `RAYON_NUM_THREADS`).
    #[arg(long, default_value = "cpu", value_name = "NAME")]
    executor: ExecutorChoice,
    /// Seed of weights, mask, images and labels.
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,
    /// This machine's peak rate of fused multiply-adds with the same number of threads, in GF/s. Needed for
    /// `percent_of_peak_flops`.
    #[arg(long, value_name = "P", value_parser = peak)]
    peak_gflops: Option<f64>,
    /// Print one line of JSON instead of a list.
    #[arg(long)]
    json: bool,
}

/// Channels, height and width.
type Shape = [usize; 3];

#[derive(Clone)]
enum MaskChoice {
    Uniform,
    File(PathBuf),
}

#[derive(Clone, Copy, ValueEnum)]
enum ExecutorChoice {
    Cpu,
    /// The CPU kernels with activations and their gradients in bf16.
    #[value(name = "cpu-bf16")]
    CpuBf16,
    Candle,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn input(text: &str) -> Result<Shape, String> {
    let sizes: Option<Vec<usize>> = text.split(',').map(|size| size.parse().ok().filter(|size| *size > 0)).collect();
    sizes
        .and_then(|sizes| sizes.try_into().ok())
        .ok_or_else(|| "channels, height and width are three whole numbers above 0, such as 1,28,28".to_owned())
}

fn density(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if value > 0.0 && value <= 1.0 { Ok(value) } else { Err("a density must lie in (0, 1]".to_owned()) }
}

fn peak(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if value > 0.0 && value.is_finite() { Ok(value) } else { Err("a peak must be a positive number".to_owned()) }
}

#[expect(clippy::unnecessary_wraps, reason = "clap requires this signature of a parser")]
fn mask_choice(text: &str) -> Result<MaskChoice, String> {
    Ok(if text == "uniform" { MaskChoice::Uniform } else { MaskChoice::File(text.into()) })
}

/// The results. `cargo xtask bench` reads a line of JSON with these names.
#[derive(Serialize)]
struct Measurement {
    model: &'static str,
    executor: &'static str,
    batch: usize,
    /// Share of the convolutions' weights that is kept.
    density: f64,
    /// Share of the convolutions' multiply-accumulates that is kept.
    flop_density: f64,
    threads: usize,
    /// Operations of a training step: those of a direct algorithm on kept weights, counted as three forward passes.
    train_gflop: f64,
    train_ms: f64,
    eval_ms: f64,
    train_img_per_s: f64,
    eval_img_per_s: f64,
    peak_rss_mib: Option<f64>,
    /// Rate of a training step relative to the peak, in percent. Its operations are those of a direct algorithm on
    /// kept weights, counted as three forward passes.
    percent_of_peak_flops: Option<f64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match measure(&args).and_then(|measurement| print(&measurement, args.json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Each error of the workspace's crates includes its cause.
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(measurement: &Measurement, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(measurement)?);
        return Ok(());
    }
    let Measurement { model, executor, batch, density, flop_density, threads, .. } = measurement;
    println!("{model}, {executor} executor, batch {batch}, {threads} threads");
    println!("density    {:.2} % of weights, {:.2} % of operations", 100.0 * density, 100.0 * flop_density);
    println!("training   {:.2} ms, {:.1} images/s", measurement.train_ms, measurement.train_img_per_s);
    println!("evaluation {:.2} ms, {:.1} images/s", measurement.eval_ms, measurement.eval_img_per_s);
    if let Some(peak) = measurement.peak_rss_mib {
        println!("memory     {peak:.0} MiB at its peak");
    }
    if let Some(percent) = measurement.percent_of_peak_flops {
        println!("arithmetic {percent:.1} % of this machine's peak");
    }
    Ok(())
}

fn measure(args: &Args) -> Result<Measurement> {
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|error| anyhow!("failed to start {threads} threads: {error}"))?;
    let input = InputSpec {
        shape: args.input,
        classes: CLASSES,
        mean: vec![0.5; args.input[0]],
        std: vec![0.25; args.input[0]],
    };
    let graph = args.model.graph(&input)?;
    let mut rng = Pcg64::seed_from_u64(args.seed);
    let mask = mask(args, &graph, &mut rng)?;
    let (density, flop_density) = densities(&graph, &mask);

    let (device, name) = match args.executor {
        ExecutorChoice::Cpu => (DeviceChoice::Cpu, "cpu"),
        ExecutorChoice::CpuBf16 => (DeviceChoice::CpuBf16, "cpu-bf16"),
        ExecutorChoice::Candle => (DeviceChoice::CandleCpu, "candle"),
    };
    let mut network = Network::new(graph.clone(), initialize(&graph, args.seed), device)?;
    let executor = network.executor_name();
    ensure!(
        executor.starts_with(name),
        "the {name} executor lacks a layer of {}; the {executor} executor runs it",
        graph.arch
    );
    apply_mask(&mut network, &mask).map_err(|error| about_input(error, args.input))?;

    let batch = Batch {
        images: (0..args.batch * args.input.iter().product::<usize>()).map(|_| rng.random()).collect(),
        labels: (0..args.batch).map(|_| rng.random_range(0..CLASSES as u32)).collect(),
        indices: (0..args.batch as u32).collect(),
        mixed: None,
    };
    let train = training_time(&mut network, &batch, args.steps)?;
    let mut logits = Vec::new();
    let eval = median(args.steps, || Ok(network.forward(&batch.images, Mode::Evaluate, &mut logits)?))?;

    let operations: usize = graph.conv_operations().iter().map(|(_, count)| count).sum();
    let gflop = 2e-9 * 3.0 * (operations * args.batch) as f64 * flop_density;
    let per_second = |time: Duration| args.batch as f64 / time.as_secs_f64();
    Ok(Measurement {
        model: args.model.name,
        executor,
        batch: args.batch,
        density,
        flop_density,
        threads,
        train_gflop: gflop,
        train_ms: 1e3 * train.as_secs_f64(),
        eval_ms: 1e3 * eval.as_secs_f64(),
        train_img_per_s: per_second(train),
        eval_img_per_s: per_second(eval),
        peak_rss_mib: peak_rss_mib(),
        percent_of_peak_flops: args.peak_gflops.map(|peak| 100.0 * gflop / train.as_secs_f64() / peak),
    })
}

/// The mask that the arguments ask for. For a dense network, it covers nothing.
fn mask(args: &Args, graph: &Graph, rng: &mut Pcg64) -> Result<Mask> {
    match (&args.mask, args.density) {
        (MaskChoice::File(path), None) => Ok(Mask::load(path)?),
        (MaskChoice::File(_), Some(_)) => {
            bail!("a mask file has its own density; leave out --density, or use --mask uniform")
        }
        (MaskChoice::Uniform, None | Some(1.0)) => Ok(Mask::new(&graph.arch)),
        (MaskChoice::Uniform, Some(density)) => uniform_mask(graph, density, rng),
    }
}

/// Adds advice about `--input` to the error for a mask whose shapes differ from the model's.
fn about_input(error: unlearn_training::Error, input: Shape) -> anyhow::Error {
    let [channels, height, width] = input;
    if let unlearn_training::Error::Mask(unlearn_masks::Error::Shape { .. }) = error {
        return anyhow!(
            "{error}; the model is built for {channels}×{height}×{width} images; give the size that the mask was made for by \
             --input C,H,W"
        );
    }
    error.into()
}

/// Keeps in every convolution a share `density` of the weights, rounded to a whole number of at least one, drawn at
/// random.
fn uniform_mask(graph: &Graph, density: f64, rng: &mut Pcg64) -> Result<Mask> {
    let mut mask = Mask::new(&graph.arch);
    for parameter in graph.parameters.iter().filter(|p| p.kind == ParameterKind::ConvWeight) {
        let mut bits = Bits::zeros(&parameter.shape)?;
        let kept = ((density * bits.len() as f64).round() as usize).max(1);
        for position in index::sample(rng, bits.len(), kept) {
            bits.set(position, true);
        }
        mask.insert(&parameter.name, bits);
    }
    Ok(mask)
}

/// Shares of the convolutions' weights and of their multiply-accumulates that are kept.
fn densities(graph: &Graph, mask: &Mask) -> (f64, f64) {
    let [mut weights, mut kept, mut operations, mut kept_operations] = [0.0; 4];
    for (id, count) in graph.conv_operations() {
        let parameter = &graph.parameters[id];
        let len = parameter.shape.iter().product::<usize>() as f64;
        let density = mask.get(&parameter.name).map_or(1.0, Bits::density);
        weights += len;
        kept += density * len;
        operations += count as f64;
        kept_operations += density * count as f64;
    }
    (kept / weights, kept_operations / operations)
}

fn training_time(network: &mut Network, batch: &Batch, steps: usize) -> Result<Duration> {
    let recipe = Recipe { momentum: 0.9, weight_decay: 5e-4, ..Recipe::default() };
    let mut optimizer = Sgd::new(&recipe, network.state().parameters());
    let mut objective = CrossEntropy::default();
    let (mut logits, mut dlogits) = (Vec::new(), vec![0.0; batch.len() * CLASSES]);
    median(steps, || {
        network.forward(&batch.images, Mode::Train, &mut logits)?;
        let loss = objective.loss(batch, &logits, &mut dlogits);
        network.backward(&dlogits)?;
        let (parameters, gradients) = network.parameters_and_gradients();
        optimizer.step(LEARNING_RATE, parameters, &gradients.parameters);
        ensure!(loss.is_finite(), "the loss became {loss}, so the time is not that of training");
        Ok(())
    })
}

/// The median time of `body` over `steps` calls, after untimed calls that warm caches and buffers.
fn median(steps: usize, mut body: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut times = Vec::with_capacity(WARM_UPS + steps);
    for _ in 0..WARM_UPS + steps {
        let start = Instant::now();
        body()?;
        times.push(start.elapsed());
    }
    let timed = &mut times[WARM_UPS..];
    timed.sort_unstable();
    Ok((timed[(steps - 1) / 2] + timed[steps / 2]) / 2)
}

/// Largest resident memory of this process so far, in MiB. `None` on systems without `/proc`.
fn peak_rss_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 32;

    fn graph() -> std::sync::Arc<Graph> {
        let input = InputSpec { shape: [3, SIDE, SIDE], classes: CLASSES, mean: vec![0.0; 3], std: vec![1.0; 3] };
        unlearn_models::find("resnet8s").unwrap().graph(&input).unwrap()
    }

    #[test]
    fn a_uniform_mask_keeps_its_share_of_every_convolution() {
        let graph = graph();
        let mask = uniform_mask(&graph, 0.05, &mut Pcg64::seed_from_u64(1)).unwrap();
        for layer in mask.per_layer() {
            assert_eq!(layer.kept, (0.05 * layer.len as f64).round() as usize, "{}", layer.name);
        }
        assert_eq!(mask.per_layer().len(), graph.conv_operations().len());
        let (weights, operations) = densities(&graph, &mask);
        assert!((weights - 0.05).abs() < 1e-4 && (operations - 0.05).abs() < 1e-3, "{weights} {operations}");
    }

    #[test]
    fn operations_weigh_a_layer_by_its_map() {
        let graph = graph();
        let mut mask = Mask::new("resnet8s");
        let id = graph.parameter("conv1.weight").unwrap();
        mask.insert("conv1.weight", Bits::zeros(&graph.parameters[id].shape).unwrap());
        let (weights, operations) = densities(&graph, &mask);
        let total: usize = graph.conv_operations().iter().map(|(_, count)| count).sum();
        let stem = 16 * 3 * 9 * SIDE * SIDE;
        assert_eq!(operations, (total - stem) as f64 / total as f64);
        assert!(weights > operations);
        assert_eq!(densities(&graph, &Mask::new("resnet8s")), (1.0, 1.0));
    }

    #[test]
    fn an_input_is_three_sizes() {
        assert_eq!(input("1,28,20"), Ok([1, 28, 20]));
        for wrong in ["", "28", "1,28", "1,28,28,1", "0,28,28", "1,-2,3", "1x28x28"] {
            assert!(input(wrong).unwrap_err().contains("1,28,28"), "{wrong}");
        }
    }

    #[test]
    fn a_mask_for_other_images_is_told_of_the_input() {
        let graph = graph();
        let state = initialize(&graph, 1);
        let mut network = Network::new(graph, state, DeviceChoice::Cpu).unwrap();
        let mut mask = Mask::new("resnet8s");
        mask.insert("conv1.weight", Bits::ones(&[16, 1, 3, 3]).unwrap());
        let message = about_input(apply_mask(&mut network, &mask).unwrap_err(), [3, SIDE, SIDE]).to_string();
        assert!(message.contains("[16, 1, 3, 3]") && message.contains("3×32×32 images"), "{message}");
        assert!(message.ends_with("--input C,H,W"), "{message}");
        let other = about_input(apply_mask(&mut network, &Mask::new("vgg16_bn")).unwrap_err(), [3, SIDE, SIDE]);
        assert!(!other.to_string().contains("--input"), "{other}");
    }
}
