//! Arguments of `unlearn suite`, and those that choose a suite.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{EnvironmentArguments, InitArguments, StoreArguments, numbers};

/// A suite file, and what changes in it.
#[derive(Debug, Args)]
pub(crate) struct ChosenSuite {
    /// The suite file.
    pub(crate) suite: PathBuf,
    /// Change one value of the suite, for example `train.epochs=3` or `unlearn.ft.lr=0.02`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    #[command(flatten)]
    pub(crate) beginning: InitArguments,
    /// Run seeds 1 to N instead of the suite's seeds.
    #[arg(long, value_name = "N", value_parser = |text: &str| numbers::whole::<u64>(text, 1, 1000))]
    pub(crate) seeds: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct SuiteArguments {
    #[command(subcommand)]
    pub(crate) command: SuiteCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SuiteCommand {
    /// Say in words what a suite will do: data, model, requests, methods and their settings, stages, and how long it
    /// will take. Nothing is written or fetched, and no device is opened.
    Explain(Box<ExplainArguments>),
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) chosen: ChosenSuite,
    /// Print the answer as one JSON object. Times are in seconds.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}
