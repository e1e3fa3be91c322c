//! What can be typed.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use unlearn_experiment::Environment;
use unlearn_hub::Reference;
use unlearn_mia_eval::MemberSelection;
use unlearn_network::DeviceChoice;

use crate::{exit::Usage, output::Color};

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
    /// When colors are written; `auto` looks at the terminal and at `NO_COLOR`, `CLICOLOR_FORCE` and `CLICOLOR`.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
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
    /// Train a suite's dense models, and nothing after that.
    Train(ModelsArguments),
    /// Train and prune a suite's models, by every `[[prune]]` table of it; `--set prune.omp.sparsity=0.9` changes one.
    Prune(ModelsArguments),
    /// Compute one stage that a file describes, or find it done; `run --dry-run --json` prints descriptions.
    Stage(StageArguments),
    /// Search settings for a suite's unlearning methods, under the same number of trials for each and without a test set.
    Tune(TuneArguments),
    /// Make a trained model forget the images that a request lists, and certify what was done and measured.
    Forget(Box<ForgetArguments>),
    /// Write tables, plots and an HTML page for suites that were run.
    Report(ReportArguments),
    /// Compute the figures of suites that were run again from stored scores, add others, and write the report; no model is needed.
    Evaluate(EvaluateArguments),
    /// Say what files and folders hold: models, masks, scores, stages, run stores, deletions, data.
    Inspect(InspectArguments),
    /// Turn a model into another kind of file: checkpoints, dense or sparse, and PyTorch's `.pth`, `.pth.tar` and safetensors.
    Convert(ConvertArguments),
    /// Write a model for deployment: dense, sparse, or narrowed to the channels that its outputs depend on.
    Export(ExportArguments),
    /// Upload a model to the Hugging Face Hub, with a model card that holds its figures.
    Push(PushArguments),
    /// List the datasets and where they come from, or look into one.
    Datasets(DatasetsArguments),
    /// List the architectures, or say more of one.
    Models(ListArguments),
    /// List the pruning and unlearning methods with their default configurations, or say more of one.
    Methods(MethodsArguments),
    /// List the membership-inference attacks and their features, or say more of one.
    Attacks(ListArguments),
    /// List the figures: what each means, what it needs and where it comes from; or say it of one.
    Figures(ListArguments),
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
    /// Begin training with these weights: a file of a model, or `hub:OWNER/NAME`, perhaps with `@REVISION`; `model.init` of the suite.
    #[arg(long, value_name = "FILE|hub:…")]
    pub(crate) init: Option<String>,
    /// Run seeds 1 to N instead of the suite's own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: Option<u64>,
    /// Print the stages and which are done; nothing is written or fetched, and no device is opened.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With `--dry-run`: print each stage as a line of JSON, with the description that `unlearn stage` takes.
    #[arg(long, requires = "dry_run")]
    pub(crate) json: bool,
    /// Write the report here.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) replacing: ReplaceArguments,
    /// When a stage fails, go on with all that does not build on it; the exit code is 1 all the same.
    #[arg(long)]
    pub(crate) keep_going: bool,
    #[command(flatten)]
    pub(crate) schedule: ScheduleArguments,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// What a run may replace.
#[derive(Debug, Args)]
pub(crate) struct ReplaceArguments {
    /// Replace another suite's index of the same name, and whatever lies where the report goes.
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Where stages run, and how many at a time.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArguments {
    /// What runs the stages.
    #[arg(long, value_enum, default_value_t = Launcher::Local)]
    pub(crate) launcher: Launcher,
    /// Stages at a time; more than one run in processes of their own, which share the threads. Stages whose run time is reported
    /// run alone.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: u16,
    /// Let stages whose run time is reported run beside others: sooner done, but their times compare with nothing.
    #[arg(long)]
    pub(crate) shared_timing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Launcher {
    /// Processes on this machine.
    Local,
}

#[derive(Debug, Args)]
pub(crate) struct StageArguments {
    /// A file with the description of the stage, JSON; `-` reads it from standard input.
    #[arg(value_name = "FILE")]
    pub(crate) description: PathBuf,
    /// Tell the outcome as a line of JSON, do not wait for other processes, and stop when standard input ends.
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ForgetArguments {
    /// The model: a checkpoint, a finished stage by its folder or address (`prune:3f2a`, `prune:omp 95 %`), or the folder of an earlier
    /// deletion.
    #[arg(long, value_name = "MODEL")]
    pub(crate) checkpoint: PathBuf,
    /// The dataset it was trained on: its name, or a folder that it lies in.
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) data: String,
    /// The images: positions in the official training set. Text or JSON lines, 17 or {"id": 17}; a JSON array; a NumPy array (.npy);
    /// or a table with a column `id` (.csv).
    #[arg(long, value_name = "FILE")]
    pub(crate) request: PathBuf,
    /// The unlearning method.
    #[arg(long, value_name = "NAME")]
    pub(crate) method: String,
    /// Change one parameter of the method, for example `epochs=3`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Where the model and its certificate go: a new or empty folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// What is demanded of the model, for example `ua>=90` or `mia.confidence>=50`; the certificate says whether it is so.
    #[arg(long = "threshold", value_name = "DEMAND")]
    pub(crate) thresholds: Vec<String>,
    /// Sign the certificate: an Ed25519 key of `openssl genpkey -algorithm ed25519 -out KEY`.
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
    /// Prune by this mask first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// The suite that trained the model, where its checkpoint does not say what on.
    #[arg(long, value_name = "FILE")]
    pub(crate) suite: Option<PathBuf>,
    /// Which of the suite's seeds is the model's.
    #[arg(long, value_name = "N", requires = "suite")]
    pub(crate) seed: Option<u64>,
    /// Membership-inference attacks; see `unlearn attacks`.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "mia-efficacy")]
    pub(crate) attacks: Vec<String>,
    /// Features that attacks look at.
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "confidence,correctness,entropy,m-entropy,prob"
    )]
    pub(crate) mia: Vec<String>,
    /// How often the attack is fitted, each time on other members: 10, or 1 on the first rows, if not given.
    #[arg(long, value_name = "N")]
    pub(crate) draws: Option<usize>,
    /// How the members are drawn: stratified, or first-rows, which with one draw is the paper's code.
    #[arg(long, value_name = "HOW", default_value = "stratified")]
    pub(crate) members: MemberSelection,
    /// Measure against this model too, which never saw what is to be forgotten: a file or folder as for `--checkpoint`.
    #[arg(long, value_name = "MODEL")]
    pub(crate) retrain: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    /// The suite file; what it says of forgetting may be missing.
    pub(crate) suite: PathBuf,
    /// Change one value of the suite, as for `run`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Begin training with these weights: a file of a model, or `hub:OWNER/NAME`, perhaps with `@REVISION`; `model.init` of the suite.
    #[arg(long, value_name = "FILE|hub:…")]
    pub(crate) init: Option<String>,
    #[command(flatten)]
    pub(crate) schedule: ScheduleArguments,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// Where and how something long runs.
#[derive(Debug, Args)]
pub(crate) struct ComputeArguments {
    #[command(flatten)]
    pub(crate) environment: EnvironmentArguments,
    /// Seconds between two saves of what runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) checkpoint_interval: f64,
}

impl ComputeArguments {
    /// Time between two saves.
    pub(crate) fn interval(&self) -> Result<Duration, Usage> {
        Duration::try_from_secs_f64(self.checkpoint_interval)
            .map_err(|_| Usage("--checkpoint-interval must be zero or more seconds".into()))
    }
}

/// Where data lie and which device computes.
#[derive(Debug, Args)]
pub(crate) struct EnvironmentArguments {
    /// Folder with datasets, looked into first.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// auto, cpu, cpu-direct (no Winograd), candle-cpu, cuda:N or metal.
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
}

impl EnvironmentArguments {
    /// As the library takes it.
    pub(crate) fn environment(&self) -> Environment {
        Environment { data_dir: self.data_dir.clone(), device: self.device, ..Environment::default() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TuneArguments {
    /// The suite file; its first seed is used.
    pub(crate) suite: PathBuf,
    /// Trials of each method on each model and request; the first has the suite's own settings.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) trials: u64,
    /// What is made small.
    #[arg(long, value_enum, default_value_t = ObjectiveName::Gap)]
    pub(crate) objective: ObjectiveName,
    /// Tune only this method of the suite; may be given several times.
    #[arg(long = "method", value_name = "NAME")]
    pub(crate) methods: Vec<String>,
    /// Seed that settings are drawn with.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Change one value of the suite, as for `run`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Write the tuning here too, for `tuned = "FILE"` in a suite.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the search of another suite of the same name, and whatever the file holds.
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) schedule: ScheduleArguments,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectiveName {
    /// Distance to Retrain on training and validation images; Retrain must be run.
    Gap,
    /// What can be asked of a model without a Retrain.
    OracleFree,
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
    /// Open a dataset, from the Hugging Face Hub if no folder has it; once it is here, no network is needed.
    Fetch(DatasetArguments),
    /// Open a dataset and count its images.
    Describe(DatasetArguments),
    /// Open a dataset and check that its images are the published ones, as far as checksums, counts and statistics tell.
    Verify(DatasetArguments),
    /// Write a dataset in another form: an .npz archive, or folders of PNG files.
    Export(ExportDatasetArguments),
    /// Print the positions of the images that a suite trains on, one a line: what a request to forget may name.
    Split(SplitArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SplitArguments {
    /// The suite file, whose section `data` says how the training set is split.
    #[arg(value_name = "SUITE")]
    pub(crate) suite: PathBuf,
    /// A run's seed; without it, what is printed holds for every seed of the suite.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(crate) seed: Option<u64>,
    /// Print only images of this class: its number or its name.
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// Print the images that are held out to validate instead.
    #[arg(long)]
    pub(crate) validation: bool,
    /// Change a key of the suite: `--set data.validation=0.2`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Folder with datasets, looked into first.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportDatasetArguments {
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    /// A file that ends in .npz, or a folder that is empty or not there yet.
    #[arg(long, value_name = "PATH")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DatasetArguments {
    /// The dataset's name, or its form and path: `folder:PATH`, `npz:PATH`, `parquet:PATH`, `idx:PATH`, `cifar:PATH`, `mat:PATH`,
    /// `hub:OWNER/NAME`.
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
    /// Replace whatever lies where the report goes.
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// Names of suites in the run store.
    #[arg(required = true)]
    pub(crate) suites: Vec<String>,
    /// Add a figure that the suite did not ask for, for example `kl` or `mia_efficacy.entropy`; see `unlearn figures`.
    #[arg(long = "figure", value_name = "NAME")]
    pub(crate) figures: Vec<String>,
    /// Folder for the report, as for `report`.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace whatever lies where the report goes.
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// Files (`.safetensors`, `.pth`, JSON), stages by folder or address (`runs/prune/3f2a`, `prune:3f2a`, `prune:omp 95 %`), or other
    /// folders: run stores, deletions, data.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Of several dictionaries of tensors in a file of PyTorch's, the one to show: keys joined by dots.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArguments {
    /// A checkpoint, a `.pth`, `.pth.tar` or `.safetensors` of PyTorch's, the index of a sharded one, or a stage or a deletion as for
    /// `push`; the content decides, not the name.
    pub(crate) input: PathBuf,
    /// The file to write, in one piece or not at all; one of that name is replaced. `.pth`, `.pt`, `.pth.tar`, `.bin` and `.ckpt` are
    /// written for `torch.load`, any other as safetensors.
    pub(crate) output: PathBuf,
    /// What to write; by default `torch` under a name of PyTorch's, else `sparse` if there is a mask, else `dense`.
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
    /// A finished stage by its folder or address (`prune:3f2a`, `prune:omp 95 %`), or a file as for `convert`.
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

#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    /// A checkpoint, a finished stage by its folder or address (`unlearn:3f2a`, `unlearn:ft · class 0`), or the folder of a deletion.
    pub(crate) model: PathBuf,
    /// Where it goes: `hub:OWNER/NAME`, perhaps with `@BRANCH`; the repository is created if it is not there.
    #[arg(value_name = "hub:OWNER/NAME")]
    pub(crate) repository: Reference,
    /// Create it so that only its owner sees it.
    #[arg(long)]
    pub(crate) private: bool,
    /// The message of the commit.
    #[arg(long, default_value = "Upload a model with `unlearn push`")]
    pub(crate) message: String,
    /// Write the files into this folder instead of uploading them.
    #[arg(long, value_name = "DIR")]
    pub(crate) dry_run: Option<PathBuf>,
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
    /// What PyTorch reads for `load_state_dict`: by `torch.load` if the file's name says so, else by `safetensors.torch.load_file`.
    Torch,
    /// The same with `weight_orig` and `weight_mask` where it is pruned, for a module that `torch.nn.utils.prune` has pruned.
    TorchMasked,
}

/// What a file of PyTorch's does not say.
#[derive(Debug, Args)]
pub(crate) struct ForeignArguments {
    /// Architecture; found by the names and shapes of the tensors if not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Option<String>,
    /// Side of the images in pixels; the dataset's, or 32, or 224 where the stem says so, if not given.
    #[arg(long, value_name = "PIXELS")]
    pub(crate) side: Option<usize>,
    /// Mean of each channel; the file's `normalize.mean`, or else the dataset's, or 0, if not given.
    #[arg(long, value_name = "M,…", value_delimiter = ',', requires = "std", allow_hyphen_values = true)]
    pub(crate) mean: Option<Vec<f32>>,
    /// Standard deviation of each channel; the file's `normalize.std`, or else the dataset's, or 1, if not given.
    #[arg(long, value_name = "S,…", value_delimiter = ',', requires = "mean")]
    pub(crate) std: Option<Vec<f32>>,
    /// Name of the dataset that the model was trained on. Of those of `unlearn datasets`, size and normalisation are known.
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// Of several dictionaries of tensors in a file of PyTorch's, the one to take: keys joined by dots, as in `checkpoint.model`.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct MethodsArguments {
    #[command(subcommand)]
    pub(crate) command: Option<MethodsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MethodsCommand {
    /// Say what a method, a pruning criterion or a scope does, and where it comes from.
    Show {
        /// Its name.
        name: String,
        /// Each key with its default, where that comes from, and where `tune` searches.
        #[arg(long)]
        defaults: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(subcommand)]
    pub(crate) command: Option<ListCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    /// Say more of one.
    Show {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    #[command(subcommand)]
    pub(crate) command: RunsCommand,
    /// The run store.
    #[arg(long, value_name = "DIR", default_value = "runs", global = true)]
    pub(crate) runs: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List every stage, with what suites call it.
    List,
    /// Print a stage's manifest.
    Show {
        /// The stage: the beginning of its key, perhaps with its kind (`train/0123`), or its label in `unlearn runs list`.
        stage: String,
    },
    /// Recompute the hash of everything that finished stages left, or hold certificates of deletions against their files.
    Verify(VerifyArguments),
    /// Remove damaged stages with everything that was computed from them, so that the suite, run again, computes them anew.
    Repair {
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove stages.
    Rm {
        /// The stages, as for `unlearn runs show`.
        #[arg(required = true, value_name = "STAGE")]
        stages: Vec<String>,
        /// Remove everything that was computed from them too.
        #[arg(long)]
        dependents: bool,
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove every stage that no suite's index and no search names and that none of those was computed from, and what killed processes
    /// left. Stages of a suite that has never run to its end are named by no index.
    Gc {
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write suites or stages, with all that they were computed from, into one file (tar).
    Export {
        /// Suites by name, or stages as for `unlearn runs show`.
        #[arg(required = true, value_name = "SUITE|STAGE")]
        what: Vec<String>,
        /// The file; it must not exist.
        #[arg(value_name = "FILE.tar")]
        file: PathBuf,
    },
    /// Take in the suites and stages of such a file. Each is held against its hashes; stages that are there already stay as they are.
    Import {
        /// The file.
        #[arg(value_name = "FILE.tar")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Folders with certificates; the run store if none is given.
    #[arg(value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
    /// Demand a signature by this key: `openssl pkey -in KEY -pubout -out FILE`.
    #[arg(long, value_name = "FILE", requires = "folders")]
    pub(crate) public_key: Option<PathBuf>,
    /// Measure the models again on this dataset: its name, or a folder that it lies in.
    #[arg(long, value_name = "NAME|DIR", requires = "folders")]
    pub(crate) data: Option<String>,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArguments,
}
