//! `bench step`: runs the example `step` of `unlearn-training` with this machine's peak rate.

use std::{path::absolute, thread::available_parallelism};

use anyhow::{Context as _, Result};

use super::{at_least_one, peak::Peak};
use crate::{process, workspace};

/// Time one training step and one evaluation pass on random images of 10 classes.
///
/// Omitted arguments have the defaults of the example: `resnet20s`, batches of 128 images of 3×32×32, dense, 7 steps,
/// the CPU kernels.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Model, by its name in the registry.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Channels, height and width of the images. A mask file needs the size that it was made for.
    #[arg(long, value_name = "C,H,W")]
    input: Option<String>,
    /// Images per batch.
    #[arg(long, value_name = "N")]
    batch: Option<String>,
    /// Share of the weights that a uniform mask keeps in every convolution, in (0, 1].
    #[arg(long, value_name = "D")]
    density: Option<String>,
    /// `uniform` (the same density everywhere, weights drawn at random), or a mask file.
    #[arg(long, value_name = "uniform|FILE")]
    mask: Option<String>,
    /// Threads [default: one per core].
    #[arg(long, value_name = "T", value_parser = at_least_one())]
    threads: Option<usize>,
    /// Number of timed steps. Two untimed steps come first.
    #[arg(long, value_name = "K")]
    steps: Option<String>,
    /// `cpu` for the CPU kernels, `candle` for Candle on the CPU.
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// Seed of weights, mask, images and labels.
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// Print one line of JSON instead of a list.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let threads = args.threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    let peak = Peak::measure(&root, threads)?;
    let run = ["run", "--release", "--package", "unlearn-training", "--example", "step", "--"];
    let mut command = process::cargo(&root, &run);
    command
        .args(["--threads", &threads.to_string()])
        .args(["--peak-gflops", &peak.gflops.to_string()])
        // Candle does not use the thread pool that the example creates.
        .env("RAYON_NUM_THREADS", threads.to_string());
    let mask = args.mask.as_deref().map(mask).transpose()?;
    for (name, value) in [
        ("--model", &args.model),
        ("--input", &args.input),
        ("--batch", &args.batch),
        ("--density", &args.density),
        ("--mask", &mask),
        ("--steps", &args.steps),
        ("--executor", &args.executor),
        ("--seed", &args.seed),
    ] {
        // The example checks the values, so that only one program decides which are valid.
        if let Some(value) = value {
            command.arg(format!("{name}={value}"));
        }
    }
    if args.json {
        command.arg("--json");
    }
    process::run(&mut command)
}

/// The path of the mask for the example, which runs in the workspace's root.
pub(super) fn mask(typed: &str) -> Result<String> {
    if typed == "uniform" {
        return Ok(typed.to_owned());
    }
    let path = absolute(typed).with_context(|| format!("failed to find the mask `{typed}`"))?;
    Ok(path.to_string_lossy().into_owned())
}
