//! `smoke`: compares a device with the CPU kernels, in results and speed.
//!
//! The example `smoke` of `unlearn-training` does the comparison. This command builds it for the device.

use anyhow::Result;

use crate::{process, workspace};

/// Compare a device with the CPU kernels: gradients of four networks, then one epoch on real images.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The device: cuda:N, metal or candle-cpu.
    #[arg(long, value_name = "NAME")]
    device: String,
    /// Number of images of the epoch [default: 8000].
    #[arg(long, value_name = "N")]
    images: Option<usize>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let mut command =
        process::cargo(&root, &["run", "--release", "--package", "unlearn-training", "--example", "smoke"]);
    if let Some(feature) = feature(&args.device) {
        command.args(["--features", feature]);
    }
    command.args(["--", "--device", &args.device]);
    if let Some(images) = args.images {
        command.args(["--images", &images.to_string()]);
    }
    process::run(&mut command)
}

/// The Cargo feature for a device.
fn feature(device: &str) -> Option<&'static str> {
    match device.split(':').next() {
        Some("cuda") => Some("unlearn-network/cuda"),
        Some("metal") => Some("unlearn-network/metal"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_needs_its_feature_and_the_cpu_none() {
        assert_eq!(feature("cuda:1"), Some("unlearn-network/cuda"));
        assert_eq!(feature("metal"), Some("unlearn-network/metal"));
        assert_eq!(feature("candle-cpu"), None);
    }
}
