//! The workspace's task runner: `cargo xtask <command>`.
//!
//! Each command has one file or folder. A command returns its exit code: 0 for done, 1 for failed, 2 for bad usage,
//! or the code of the program that it ran. It runs programs of the workspace or reads their files.

#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod output;

mod bench;
mod build_cuda;
mod check_cuda;
mod check_results;
mod ci;
mod cuda_toolkit;
mod docs;
mod features;
mod golden;
mod licences;
mod process;
mod release;
mod reproduce;
mod sanitize;
mod semver;
mod smoke;
mod tidy;
mod tools;
mod venv;
mod wheel;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the unlearn workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Reproduce(reproduce::Args),
    Ci(ci::Args),
    Tidy(tidy::Args),
    Features(features::Args),
    Golden(golden::Args),
    Bench(bench::Args),
    CheckResults(check_results::Args),
    CheckCuda(check_cuda::Args),
    BuildCuda(build_cuda::Args),
    Smoke(smoke::Args),
    Sanitize(sanitize::Args),
    Docs(docs::Args),
    Wheel(wheel::Args),
    Release(release::Args),
    Semver(semver::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Ci(args) => ci::run(&args),
        Command::Tidy(args) => tidy::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Golden(args) => golden::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::CheckResults(args) => check_results::run(&args),
        Command::CheckCuda(args) => check_cuda::run(&args),
        Command::BuildCuda(args) => build_cuda::run(&args),
        Command::Smoke(args) => smoke::run(&args),
        Command::Sanitize(args) => sanitize::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::Wheel(args) => wheel::run(&args),
        Command::Release(args) => release::run(&args),
        Command::Semver(args) => semver::run(&args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            note!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
