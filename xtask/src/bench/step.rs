//! `bench step`: the example `step` of `unlearn-training`, told this machine's peak.

use std::{path::absolute, thread::available_parallelism};

use anyhow::{Context as _, Result};

use super::{at_least_one, peak::Peak};
use crate::{process, workspace};

/// Time one training step and one evaluation pass on random images of 10 classes.
///
/// What is left out is as the example has it: `resnet20s`, a batch of 128 images of 3×32×32, dense, 7 steps, the CPU kernels.
#[derive(clap::Args)]
pub(super) struct Args {
    /// A name of the model registry.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Channels, height and width of the images; a mask file fits those that it was made for.
    #[arg(long, value_name = "C,H,W")]
    input: Option<String>,
    /// Images a batch.
    #[arg(long, value_name = "N")]
    batch: Option<String>,
    /// Share of the weights that a uniform mask keeps in every convolution, in (0, 1].
    #[arg(long, value_name = "D")]
    density: Option<String>,
    /// `uniform` (the same density everywhere, weights drawn at random), or a mask file.
    #[arg(long, value_name = "uniform|FILE")]
    mask: Option<String>,
    /// Threads [default: one a core].
    #[arg(long, value_name = "T", value_parser = at_least_one())]
    threads: Option<usize>,
    /// Steps that are timed, after 2 that are not.
    #[arg(long, value_name = "K")]
    steps: Option<String>,
    /// `cpu` for the CPU kernels, `candle` for Candle on the CPU.
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// Decides weights, mask, images and labels.
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// One line of JSON instead of a list.
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
        // Candle does not use the pool that the example makes.
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
        // The example judges the values: one program says what is valid.
        if let Some(value) = value {
            command.arg(format!("{name}={value}"));
        }
    }
    if args.json {
        command.arg("--json");
    }
    process::run(&mut command)
}

/// The mask as the example, which runs in the workspace's root, must be told of it.
pub(super) fn mask(typed: &str) -> Result<String> {
    if typed == "uniform" {
        return Ok(typed.to_owned());
    }
    let path = absolute(typed).with_context(|| format!("failed to find the mask `{typed}`"))?;
    Ok(path.to_string_lossy().into_owned())
}
