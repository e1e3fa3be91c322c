//! `semver`: whether the crates' interfaces still serve the programs that were written for an earlier revision.

use anyhow::Result;

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
    let mut check = SEMVER_CHECKS.command()?;
    check.current_dir(workspace::root()?).args(["semver-checks", "--baseline-rev", &args.since]);
    match &args.package {
        Some(package) => check.args(["--package", package]),
        None => check.arg("--workspace"),
    };
    process::run(&mut check)
}
