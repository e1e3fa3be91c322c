//! Compares a device with the CPU kernels: the gradients of several networks and one step of training, then one epoch
//! on both, with its time.
//!
//! `cargo run --release -p unlearn-training --features unlearn-network/cuda --example smoke -- --device cuda:0`
//!
//! `cargo xtask smoke` builds and runs this program.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Result, ensure};
use clap::Parser;
use unlearn_datasets::registry;
use unlearn_models::{InputSpec, initialize};
use unlearn_network::{DeviceChoice, Graph, Mode, Network};
use unlearn_samples::{Augmentation, Batch, Dataset, ImageSet};
use unlearn_training::{CrossEntropy, Objective as _, Recipe, Run, Schedule, Select, Session, predict, train};

/// Networks whose gradients are compared. They cover option-A shortcuts, projections, pooling with an ImageNet stem,
/// groups, and biases.
const COMPARED: [(&str, usize); 4] = [("resnet20s", 32), ("resnet18", 32), ("resnext50_32x4d", 96), ("vgg16_bn", 32)];
const COMPARED_BATCH: usize = 16;
/// Tolerance of logits for rounding, relative to the largest of them.
const LOGITS: f64 = 1e-3;
/// Tolerance of gradients in the L2 norm, relative to their length. If the input of a ReLU is 0 up to rounding,
/// either branch is right, and in fifty layers there are many such inputs.
const GRADIENTS: f64 = 0.1;
/// Least accuracy after one epoch, in percent, for a network that learns. Guessing gives 10 %.
const LEARNT: f64 = 50.0;

/// Compare a device with the CPU kernels: gradients, then one epoch of ResNet-20s on real images.
#[derive(Parser)]
#[command(disable_version_flag = true)]
struct Args {
    /// The device: cuda:N, metal or candle-cpu.
    #[arg(long, value_name = "NAME")]
    device: DeviceChoice,
    /// Number of images of the epoch: the first ones of each class.
    #[arg(long, default_value = "8000", value_name = "N")]
    images: usize,
}

fn main() -> ExitCode {
    match smoke(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn smoke(args: &Args) -> Result<()> {
    for (model, side) in COMPARED {
        compare(model, side, args.device)?;
    }
    let dataset = registry::open("fashion-mnist-mini", &registry::OpenOptions::default())?;
    let mut seconds = [0.0; 2];
    for (seconds, device) in seconds.iter_mut().zip([args.device, DeviceChoice::Cpu]) {
        *seconds = one_epoch(&dataset, args.images, device)?;
    }
    let [device, cpu] = seconds;
    println!("{} is {:.2} times as fast as the CPU kernels", args.device, cpu / device);
    Ok(())
}

/// One forward and backward pass on the device and on the CPU kernels.
fn compare(model: &str, side: usize, device: DeviceChoice) -> Result<()> {
    let input = InputSpec { shape: [3, side, side], classes: 10, mean: vec![0.5; 3], std: vec![0.25; 3] };
    let graph = unlearn_models::find(model)?.graph(&input)?;
    let len = COMPARED_BATCH * 3 * side * side;
    let batch = Batch {
        images: (0..len).map(|i| ((i * 7919 + i * i / 11) % 1000) as f32 / 1000.0).collect(),
        labels: (0..COMPARED_BATCH as u32).map(|i| i % 10).collect(),
        indices: (0..COMPARED_BATCH as u32).collect(),
        mixed: None,
    };
    let [found, expected] = [device, DeviceChoice::Cpu].map(|device| pass(&graph, &batch, device));
    let ((logits, gradients), (expected_logits, expected_gradients)) = (found?, expected?);
    let largest = expected_logits.iter().fold(0.0f64, |largest, v| largest.max(f64::from(v.abs())));
    let off = |(a, b): (&f32, &f32)| f64::from(a - b).abs();
    let logits = logits.iter().zip(&expected_logits).map(off).fold(0.0, f64::max) / largest;
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let length = squares(&mut expected_gradients.iter().map(|v| f64::from(*v)));
    let gradients = squares(&mut gradients.iter().zip(&expected_gradients).map(off)) / length;
    println!("{model}, {side}×{side}: logits off by {logits:.1e}, gradients by {gradients:.1e}");
    ensure!(
        logits < LOGITS,
        "{model} on {device}: logits are off by {logits:.1e} of the largest, more than {LOGITS:.0e}"
    );
    ensure!(gradients < GRADIENTS, "{model} on {device}: gradients are off by {gradients:.1e}, more than {GRADIENTS}");
    compare_step(&graph, device)
}

/// One step of training from bytes with crops, mirrors and label smoothing, on the device and on the CPU: compares what the
/// weights moved by.
fn compare_step(graph: &Arc<Graph>, device: DeviceChoice) -> Result<()> {
    let [channels, height, width] = graph.input_shape();
    let bytes: Vec<u8> =
        (0..COMPARED_BATCH * channels * height * width).map(|i| (i * 7919 + i * i / 11) as u8).collect();
    let labels: Vec<u32> = (0..COMPARED_BATCH as u32).map(|i| i % 10).collect();
    let images = ImageSet::new([channels, height, width], bytes, labels)?;
    let recipe = Recipe {
        epochs: 1,
        batch_size: COMPARED_BATCH,
        label_smoothing: 0.1,
        select: Select::Last,
        ..Recipe::default()
    };
    let augmentation = Augmentation { crop_padding: 4, flip: true, ..Augmentation::NONE };
    let positions: Vec<u32> = (0..COMPARED_BATCH as u32).collect();
    let batches = recipe.batches(&images, &positions, augmentation, 1)?;
    let start = initialize(graph, 1);
    let moved = |device| -> Result<Vec<f64>> {
        let mut network = Network::new(graph.clone(), start.clone(), device)?;
        let mut objective = CrossEntropy { label_smoothing: recipe.label_smoothing };
        train(&mut network, &mut objective, &Run::new(&recipe, &batches), Session::unattended())?;
        let pairs = network.state().parameters().iter().flatten().zip(start.parameters().iter().flatten());
        Ok(pairs.map(|(after, before)| f64::from(after - before)).collect())
    };
    let (found, expected) = (moved(device)?, moved(DeviceChoice::Cpu)?);
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let off = length(&mut found.iter().zip(&expected).map(|(a, b)| a - b)) / length(&mut expected.iter().copied());
    println!("{}: one step of training off by {off:.1e}", graph.arch);
    ensure!(
        off < GRADIENTS,
        "{} on {device}: one step of training is off by {off:.1e}, more than {GRADIENTS}",
        graph.arch
    );
    Ok(())
}

/// Logits, and the concatenated gradients of all parameters.
fn pass(graph: &Arc<Graph>, batch: &Batch, device: DeviceChoice) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut network = Network::new(graph.clone(), initialize(graph, 1), device)?;
    let mut logits = Vec::new();
    network.forward(&batch.images, Mode::Train, &mut logits)?;
    let mut dlogits = vec![0.0; logits.len()];
    CrossEntropy::default().loss(batch, &logits, &mut dlogits);
    let gradients = network.backward(&dlogits)?.parameters.concat();
    Ok((logits, gradients))
}

/// Seconds of one epoch of ResNet-20s. Returns an error if the network has not learnt.
fn one_epoch(dataset: &Dataset, images: usize, device: DeviceChoice) -> Result<f64> {
    let input = InputSpec {
        shape: [dataset.train.channels, dataset.train.height, dataset.train.width],
        classes: dataset.classes.len(),
        mean: dataset.normalization.mean.clone(),
        std: dataset.normalization.std.clone(),
    };
    let graph = unlearn_models::find("resnet20s")?.graph(&input)?;
    let indices = dataset.train.first_of_each_class(input.classes, images.div_ceil(input.classes));
    let mut network = Network::new(graph.clone(), initialize(&graph, 1), device)?;
    let recipe = Recipe {
        epochs: 1,
        batch_size: 64,
        schedule: Schedule::Cosine,
        warmup_epochs: 0.25,
        augment: false,
        select: Select::Last,
        ..Recipe::default()
    };
    let batches = recipe.batches(&dataset.train, &indices, dataset.augmentation, 1)?;
    let run = Run::new(&recipe, &batches);
    let outcome = train(&mut network, &mut CrossEntropy::default(), &run, Session::unattended())?;
    let every: Vec<u32> = (0..dataset.test.len() as u32).collect();
    let accuracy = predict(&mut network, &dataset.test, &every)?.accuracy();
    println!(
        "one epoch on {device}: {:.2} s, {} images, test accuracy {accuracy:.2} %",
        outcome.seconds,
        indices.len()
    );
    ensure!(
        accuracy > LEARNT,
        "one epoch on {device} ends at {accuracy:.2} % test accuracy, so the network does not learn"
    );
    Ok(outcome.seconds)
}
