//! `semver`: whether the crates' interfaces still serve the programs that were written for an earlier revision.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::{process, tools::SEMVER_CHECKS, workspace};

/// Check with cargo-semver-checks that no crate's interface broke since a revision.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The revision to compare with, for example the last release's tag.
    #[arg(long, value_name = "REV")]
    since: String,
    /// Only this package.
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let revision = format!("{}^{{commit}}", args.since);
    let mut known = Command::new("git");
    known.args(["rev-parse", "--quiet", "--verify", "--end-of-options", &revision]);
    let known = known.current_dir(&root).stdout(Stdio::null()).status().context("failed to start git")?;
    if !known.success() {
        note!("error: this repository has no revision `{}`; name a tag, a branch or a commit", args.since);
        return Ok(2);
    }
    let mut check = SEMVER_CHECKS.command()?;
    // Without this option the tool asks for all features, and those of GPUs build only where CUDA's toolkit or macOS is.
    check.current_dir(&root).args(["semver-checks", "--default-features", "--baseline-rev", &args.since]);
    match &args.package {
        Some(package) => check.args(["--package", package]),
        None => check.arg("--workspace"),
    };
    process::run(&mut check)
}
