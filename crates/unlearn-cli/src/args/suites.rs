//! Arguments of `unlearn suite`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{EnvironmentArguments, InitArguments, StoreArguments, numbers};

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
    /// The suite file.
    pub(crate) suite: PathBuf,
    /// Change one value of the suite, as for `unlearn run`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    #[command(flatten)]
    pub(crate) beginning: InitArguments,
    /// Explain seeds 1 to N instead of the suite's seeds. N is at most 1000.
    #[arg(long, value_name = "N", value_parser = |text: &str| numbers::whole::<u64>(text, 1, 1000))]
    pub(crate) seeds: Option<u64>,
    /// Print the answer as one JSON object. Times are in seconds.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}
