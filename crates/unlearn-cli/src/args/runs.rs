//! Arguments of `unlearn runs`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::{ComputeArguments, EnvironmentArguments, amounts, numbers};

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    #[command(subcommand)]
    pub(crate) command: RunsCommand,
    /// Folder of the run store.
    #[arg(long, value_name = "DIR", default_value = "runs", global = true)]
    pub(crate) runs: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List the stages of the store: kind, key, size, age, state, label and suites.
    ///
    /// Without options, every stage is listed. Options choose among them, and a listed stage satisfies every option. An option that names
    /// something may be given several times; a stage satisfies it by any of the names. A name that no stage of the store has is refused.
    List(Box<ListRunsArguments>),
    /// Print a stage's manifest.
    Show {
        /// The stage: the first characters of its key, with or without its kind (`train/0123`), or its label in
        /// `unlearn runs list`.
        stage: String,
    },
    /// Compare two stages or two suites: what differs, and in which stage that begins.
    Diff(DiffArguments),
    /// Print the folder of a stage, or the stages that made a file.
    Where(WhereArguments),
    /// Check every file of the store against its hash, or certificates of deletions.
    Verify(VerifyArguments),
    /// Compute damaged stages again, and everything that was computed from them.
    ///
    /// Damaged stages are removed, with every stage that was computed from one, and damaged indices. Then the removed stages are computed
    /// again from their descriptions in the store. If a description is damaged too, or names a file outside the store, the suite has to run
    /// again. A repair that is killed goes on when it is called again.
    Repair(RepairArguments),
    /// Remove stages.
    Rm {
        /// The stages, as for `unlearn runs show`.
        #[arg(required = true, value_name = "STAGE")]
        stages: Vec<String>,
        /// Also remove everything that was computed from them.
        #[arg(long)]
        dependents: bool,
        /// Print what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove every stage that no finished suite, no search and no certificate needs.
    ///
    /// The stages of a suite that never ran to its end are removed too, and so is what killed processes left. Look with `--dry-run` first.
    Gc(GcArguments),
    /// Write suites or stages into one tar file, with everything that they were computed from.
    Export {
        /// Suites by name, or stages as for `unlearn runs show`.
        #[arg(required = true, value_name = "SUITE|STAGE")]
        what: Vec<String>,
        /// The file; it must not exist.
        #[arg(value_name = "FILE.tar")]
        file: PathBuf,
    },
    /// Import the suites and stages of an exported file.
    ///
    /// Each is checked against its hashes. Stages that exist already stay unchanged.
    Import {
        /// The exported file.
        #[arg(value_name = "FILE.tar")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Folders with certificates; the run store if none is given.
    #[arg(value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
    /// Demand a signature by the public key in this file. `openssl pkey -in KEY -pubout -out FILE` makes it from the private key.
    #[arg(long, value_name = "FILE", requires = "folders")]
    pub(crate) public_key: Option<PathBuf>,
    /// Measure the models again on this dataset: its name, or a folder that holds it.
    #[arg(long, value_name = "NAME|DIR", requires = "folders")]
    pub(crate) data: Option<String>,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListRunsArguments {
    /// Only stages of this kind, for example `train` or `evaluate`.
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// Only stages that this suite needs.
    #[arg(long, value_name = "SUITE")]
    pub(crate) suite: Vec<String>,
    /// Only stages of this unlearning method and their evaluations, or stages of this pruning method.
    #[arg(long, value_name = "NAME")]
    pub(crate) method: Vec<String>,
    /// Only stages of models that were trained on this dataset.
    #[arg(long, value_name = "NAME")]
    pub(crate) data: Vec<String>,
    /// Only stages of models of this architecture.
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Vec<String>,
    /// Only stages with this seed.
    #[arg(long, value_name = "N", value_parser = numbers::seed)]
    pub(crate) seed: Vec<u64>,
    /// Only stages in this state.
    #[arg(long, value_enum, value_name = "STATE")]
    pub(crate) state: Vec<StateName>,
    /// Only stages that were finished at least this long ago: a number with s, m, h, d or w, for example `12h` or `7d`.
    #[arg(long, value_name = "AGE", value_parser = amounts::age)]
    pub(crate) older_than: Option<Duration>,
    /// Only stages that were finished less than this long ago, as for `--older-than`.
    #[arg(long, value_name = "AGE", value_parser = amounts::age)]
    pub(crate) newer_than: Option<Duration>,
    /// Only stages with larger files: a number with kB, MB, GB, KiB, MiB or GiB, for example `10MiB`.
    #[arg(long, value_name = "SIZE", value_parser = amounts::size)]
    pub(crate) larger_than: Option<u64>,
    /// Only stages that no suite needs.
    #[arg(long, conflicts_with = "suite")]
    pub(crate) orphaned: bool,
    /// The order of the list. The largest or the youngest stage comes first.
    #[arg(long, value_enum, value_name = "BY", default_value_t = SortBy::Kind)]
    pub(crate) sort: SortBy,
    /// Print one JSON object with `stages` and `totals`. Sizes are in bytes, ages in seconds.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A state of stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateName {
    /// Finished.
    Done,
    /// Being computed, or interrupted.
    Partial,
    /// With a manifest that cannot be read. `unlearn runs verify` also finds damage to other files.
    Damaged,
}

/// An order of stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortBy {
    /// By kind, then by key.
    Kind,
    /// By size, the largest first.
    Size,
    /// By age, the youngest first.
    Age,
    /// By label.
    Label,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// A suite by its name, or a stage as for `unlearn runs show`.
    #[arg(value_name = "SUITE|STAGE")]
    pub(crate) one: String,
    /// Another suite, or another stage.
    #[arg(value_name = "SUITE|STAGE")]
    pub(crate) other: String,
    /// Run store of the second stage or suite. Default: the same.
    #[arg(long, value_name = "DIR")]
    pub(crate) other_runs: Option<PathBuf>,
    /// Print the differences as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhereArguments {
    /// A stage as for `unlearn runs show`, or the path of a file that a stage made. A copy of such a file is recognised by its content.
    #[arg(value_name = "STAGE|FILE")]
    pub(crate) what: String,
    /// Also print the folders of everything that the stage was computed from.
    #[arg(long)]
    pub(crate) inputs: bool,
    /// Also print the folders of everything that was computed from the stage.
    #[arg(long, visible_alias = "dependants")]
    pub(crate) dependents: bool,
    /// Print the answer as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArguments {
    /// Print what would be removed, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only remove. The next run of the suite, for example on a cluster, computes the stages again.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) remove_only: bool,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
}

#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    /// Print what would be removed, its size and the reason, and remove nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep stages that were finished or saved less than this long ago, and what they were computed from: a number with s, m, h, d or w, for
    /// example `7d`.
    #[arg(long, value_name = "AGE", value_parser = amounts::age)]
    pub(crate) older_than: Option<Duration>,
    /// Also keep the stages that certificates of deletions in this folder name, at any depth. Certificates in the store's
    /// folder and in the folders beside it are always found. May be given several times.
    #[arg(long, value_name = "DIR")]
    pub(crate) certificates: Vec<PathBuf>,
}
