//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use unlearn_network::DeviceChoice;

/// Machine unlearning: prune first, then unlearn, and prove how well it forgot.
#[derive(Debug, Parser)]
#[command(
    name = "unlearn",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 bad usage or config, 130 interrupted with state saved."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How messages are written to standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a suite: train, prune, unlearn, evaluate, report. What is done already is not done again.
    Run(RunArguments),
    /// Write tables, plots and an HTML page for suites that were run.
    Report(ReportArguments),
    /// Say what a checkpoint, a mask, a file of PyTorch's, a finished stage or a folder of IDX files holds.
    Inspect(InspectArguments),
    /// Turn a model into another kind of file: checkpoints, dense or sparse, and PyTorch's `.pth`, `.pth.tar` and safetensors.
    Convert(ConvertArguments),
    /// Write a model for deployment: dense, sparse, or narrowed to the channels that its outputs depend on.
    Export(ExportArguments),
    /// List the datasets and where they come from, or look into one.
    Datasets(DatasetsArguments),
    /// List the architectures.
    Models,
    /// List the pruning and unlearning methods with their default configurations.
    Methods,
    /// List the membership-inference attacks and their features.
    Attacks,
    /// Look into the run store.
    Runs(RunsArguments),
}

/// Where results are kept.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// The run store.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) runs: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The suite file.
    pub(crate) suite: PathBuf,
    /// Change one value of the suite, for example `train.epochs=3` or `unlearn.ft.lr=0.02`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Run seeds 1 to N instead of the suite's own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: Option<u64>,
    /// Print the stages and which are done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the report here.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Folder with datasets, looked into first.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// auto, cpu, cpu-direct (no Winograd), candle-cpu, cuda:N or metal.
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Seconds between two saves of a running stage.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) checkpoint_interval: f64,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DatasetsArguments {
    /// `list` if it is left out.
    #[command(subcommand)]
    pub(crate) command: Option<DatasetsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DatasetsCommand {
    /// List what can be opened, what each needs, where it comes from and under which licence.
    List,
    /// Open a dataset and count its images.
    Describe(DatasetArguments),
    /// Open a dataset and check that its images are the published ones, as far as counts and statistics tell.
    Verify(DatasetArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DatasetArguments {
    /// The dataset's name.
    pub(crate) name: String,
    /// Folder with datasets, looked into first.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Names of suites in the run store.
    #[arg(required = true)]
    pub(crate) suites: Vec<String>,
    /// Folder for results.json, results.csv, table.md and report.html; a subfolder a suite if there are several.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A `.safetensors` or `.pth` file, a stage's folder, or a dataset's folder.
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArguments {
    /// A checkpoint, or a `.pth`, `.pth.tar` or `.safetensors` of PyTorch's; the content decides, not the name.
    pub(crate) input: PathBuf,
    /// The file to write, in one piece or not at all; one of that name is replaced.
    pub(crate) output: PathBuf,
    /// What to write; by default `sparse` if there is a mask, else `dense`.
    #[arg(long, value_enum)]
    pub(crate) to: Option<Target>,
    /// Prune by this mask first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) foreign: ForeignArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// A finished stage's folder, or a file as for `convert`.
    pub(crate) model: PathBuf,
    /// The file to write; one of that name is replaced.
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Prune by this mask first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// Time evaluation before and after, here and now.
    #[arg(long)]
    pub(crate) measure: bool,
    #[command(flatten)]
    pub(crate) foreign: ForeignArguments,
}

/// What is deployed.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Form {
    /// Every weight; what any reader of safetensors reads.
    #[arg(long)]
    pub(crate) dense: bool,
    /// The kept weights and the mask.
    #[arg(long)]
    pub(crate) sparse: bool,
    /// A smaller dense network with the same outputs: channels that these do not depend on are taken out.
    #[arg(long)]
    pub(crate) structured: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// A checkpoint with every weight.
    Dense,
    /// A checkpoint with the kept weights and the mask.
    Sparse,
    /// What `safetensors.torch.load_file` reads for `load_state_dict`.
    Torch,
}

/// What a file of PyTorch's does not say.
#[derive(Debug, Args)]
pub(crate) struct ForeignArguments {
    /// Architecture; found by the names and shapes of the tensors if not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Option<String>,
    /// Side of the images in pixels; 32, or 224 where the stem says so, if not given.
    #[arg(long, value_name = "PIXELS")]
    pub(crate) side: Option<usize>,
    /// Mean of each channel; the file's `normalize.mean`, or 0, if not given.
    #[arg(long, value_name = "M,…", value_delimiter = ',', requires = "std", allow_hyphen_values = true)]
    pub(crate) mean: Option<Vec<f32>>,
    /// Standard deviation of each channel; the file's `normalize.std`, or 1, if not given.
    #[arg(long, value_name = "S,…", value_delimiter = ',', requires = "mean")]
    pub(crate) std: Option<Vec<f32>>,
    /// Name of the dataset that the model was trained on.
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    #[command(subcommand)]
    pub(crate) command: RunsCommand,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List every stage.
    List,
    /// Print a stage's manifest.
    Show {
        /// The stage's key or the beginning of it.
        key: String,
    },
    /// Recompute the hash of everything that finished stages left.
    Verify,
}
