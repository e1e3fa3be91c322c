//! Arguments of `unlearn suite`, and those that choose a suite.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{EnvironmentArguments, InitArguments, StoreArguments, numbers};

/// A suite file, and what changes in it.
#[derive(Debug, Args)]
pub(crate) struct ChosenSuite {
    /// The suite file.
    pub(crate) suite: PathBuf,
    /// Change one value of the suite, for example `train.epochs=3` or `unlearn.ft.lr=0.02`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    #[command(flatten)]
    pub(crate) beginning: InitArguments,
    /// Use seeds 1 to N instead of the suite's seeds. N is at most 1000.
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
    /// Explain in words what a suite will do, with its settings, its stages and their time.
    ///
    /// Every setting is printed with the source of its value. The time is estimated from stages in the run store. Nothing is computed,
    /// written or fetched.
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
