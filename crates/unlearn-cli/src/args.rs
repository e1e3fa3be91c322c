//! The command line: commands, arguments and options.

mod judging;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use unlearn::hub::Reference;
use unlearn::mia_eval::MemberSelection;
use unlearn::network::DeviceChoice;
use unlearn_experiment::{Environment, Subclass};

pub(crate) use judging::{EvaluateArguments, PredictArguments, Split};

use crate::{exit::Usage, output::Color};

mod amounts;
mod lists;
mod numbers;
mod reports;
mod runs;
mod suites;

pub(crate) use runs::{
    DiffArguments, GcArguments, ListRunsArguments, RunsArguments, RunsCommand, SortBy, StateName, VerifyArguments,
    WhereArguments,
};
pub(crate) use suites::{ChosenSuite, ExplainArguments, SuiteArguments, SuiteCommand};

pub(crate) use lists::{
    BackdoorsArguments, BackdoorsCommand, DatasetArguments, DatasetsArguments, DatasetsCommand, DrawArguments,
    ExportDatasetArguments, ListArguments, ListCommand, MethodsArguments, MethodsCommand, SplitArguments,
};
pub(crate) use reports::ReportArguments;

/// Machine unlearning: prune a model, make it forget training data, and measure how well it forgot.
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
    /// When colours are written. `auto` looks at the terminal and at `NO_COLOR`, `CLICOLOR_FORCE` and `CLICOLOR`.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines of text.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a suite: train, prune, unlearn, evaluate, report. Finished stages are not computed again.
    Run(RunArguments),
    /// Train the dense models of a suite, and do nothing else.
    Train(ModelsArguments),
    /// Train and prune the models of a suite, for each of its `[[prune]]` tables. `--set prune.omp.sparsity=0.9`
    /// changes one table.
    Prune(ModelsArguments),
    /// Compute the stages that files describe, unless they are finished. `run --dry-run --json` prints descriptions.
    Stage(StageArguments),
    /// Search settings for the unlearning methods of a suite. Each method gets the same number of trials, and no test
    /// set is used.
    Tune(TuneArguments),
    /// Make a trained model forget the images that a request lists, and certify what was done and measured.
    Forget(Box<ForgetArguments>),
    /// Write tables, plots and an HTML page for suites that were run.
    Report(ReportArguments),
    /// Write what a model predicts for a dataset: logits or probabilities, labels and positions.
    Predict(Box<PredictArguments>),
    /// Judge how well models forgot: any model with a dataset, files of scores of any program, or the stored scores of finished suites.
    Evaluate(Box<EvaluateArguments>),
    /// Show what files and folders hold: models, masks, scores, stages, run stores, deletions, data.
    Inspect(InspectArguments),
    /// Convert a model to another kind of file: a dense or sparse checkpoint, or PyTorch's `.pth`, `.pth.tar` or
    /// safetensors.
    Convert(ConvertArguments),
    /// Write a model for deployment: dense, sparse, or with only the channels that its outputs depend on.
    Export(ExportArguments),
    /// Upload a model to the Hugging Face Hub, with a model card that holds its figures.
    Push(PushArguments),
    /// List the datasets and their sources, or look into one dataset.
    Datasets(DatasetsArguments),
    /// List the architectures, or describe one.
    Models(ListArguments),
    /// List the pruning and unlearning methods, or describe one, with its default configuration if asked.
    Methods(MethodsArguments),
    /// List the membership-inference attacks and their features, or describe one.
    Attacks(ListArguments),
    /// List the figures with their meaning, their needs and their source, or describe one.
    Figures(ListArguments),
    /// List the triggers of backdoors and the detectors of poison, or describe one.
    Backdoors(BackdoorsArguments),
    /// Train a pool of models as a suite says, make each forget a part, and attack them (LiRA, RMIA, U-LiRA, RULI, KLoM).
    Attack(AttackArguments),
    /// Say what a suite will do, without running it.
    Suite(SuiteArguments),
    /// Inspect and maintain the run store.
    Runs(RunsArguments),
    /// List the submissions to Slurm, or cancel one.
    Launches(LaunchesArguments),
    /// Show what this machine and this build have: processor, memory, GPU, data, Hub, run store; and what hinders a run.
    Doctor(DoctorArguments),
    /// Print completions for a shell. For bash: `unlearn completions bash > ~/.local/share/bash-completion/completions/unlearn`.
    Completions(CompletionsArguments),
    /// Write manual pages, one for each command.
    Manual(ManualArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Folder with datasets.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManualArguments {
    /// Folder for the pages.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// What to write: pages for `man`, or the documentation's reference pages in Markdown, one for each registry.
    #[arg(long, value_enum, default_value = "man")]
    pub(crate) form: ManualForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ManualForm {
    Man,
    Markdown,
}

/// Folder that keeps the results.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// Folder of the run store.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) runs: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) chosen: ChosenSuite,
    /// Print the stages and whether each is finished. Nothing is written or fetched, and no device is opened.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With `--dry-run`: print each stage as one line of JSON, with the description that `unlearn stage` takes.
    #[arg(long, requires = "dry_run")]
    pub(crate) json: bool,
    /// Folder for the report.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) replacing: ReplaceArguments,
    /// After a failed stage, go on with every stage that does not depend on it. The exit code is still 1.
    #[arg(long)]
    pub(crate) keep_going: bool,
    #[command(flatten)]
    pub(crate) schedule: ScheduleArguments,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct AttackArguments {
    /// Number of models. For every sample, a third never see it, a third are trained with it, and a third unlearn it.
    #[arg(long, value_name = "N", default_value_t = 32,
        value_parser = |text: &str| numbers::whole::<u64>(text, unlearn_experiment::LEAST_MODELS, unlearn_experiment::MOST_MODELS))]
    pub(crate) pool: u64,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// The weights that training begins with.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Begin training with these weights: a model file, or `hub:OWNER/NAME` with an optional `@REVISION`. Same as
    /// `model.init` in the suite.
    #[arg(long, value_name = "FILE|hub:…")]
    pub(crate) init: Option<String>,
    /// The dictionary of tensors to begin with, if the PyTorch file holds several: keys joined by dots. Same as
    /// `model.init-key` in the suite.
    #[arg(long, value_name = "KEY")]
    pub(crate) init_key: Option<String>,
}

/// What a run may replace.
#[derive(Debug, Args)]
pub(crate) struct ReplaceArguments {
    /// Replace another suite's index of the same name, and any files in the report's place.
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Where stages run, and how many at a time.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArguments {
    /// How stages are started.
    #[arg(long, value_enum, default_value_t = LauncherName::Local)]
    pub(crate) launcher: LauncherName,
    /// Number of stages at a time. If it is above 1, stages run in child processes that share the threads. A stage
    /// whose run time is reported still runs alone.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |text: &str| numbers::whole::<u16>(text, 1, 1024))]
    pub(crate) jobs: u16,
    /// Let stages whose run time is reported run beside others. The run ends sooner, but its times are not
    /// comparable.
    #[arg(long)]
    pub(crate) shared_timing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LauncherName {
    /// Processes on this machine.
    Local,
    /// Jobs on a cluster with Slurm, with the settings of `[launcher.slurm]` in the suite and the user's file.
    Slurm,
}

#[derive(Debug, Args)]
pub(crate) struct StageArguments {
    /// JSON file with the description of a stage; `-` reads it from standard input. Several are computed in turn.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) descriptions: Vec<PathBuf>,
    /// Report the outcome as one line of JSON, do not wait for other processes, and stop when standard input ends.
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
    /// Write into this file what becomes of each stage, for whoever watches from another machine. A stage that fails does
    /// not keep the others from being computed.
    #[arg(long, value_name = "FILE", hide = true, conflicts_with = "supervised")]
    pub(crate) outcomes: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// A request for subclasses.
#[derive(Debug, Args)]
pub(crate) struct SubclassArguments {
    /// Forget all images of these subclasses, by name or number: parts of classes, such as "rocket" of cifar20.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', conflicts_with = "request")]
    pub(crate) subclass: Vec<String>,
    /// The file that says of which subclass each image is, if the dataset does not: a table with the columns `id` and `subclass` (.csv), or
    /// JSON lines ({"id": 17, "subclass": "rocket"}).
    #[arg(long, value_name = "FILE", requires = "subclass")]
    pub(crate) subclasses: Option<PathBuf>,
}

impl SubclassArguments {
    /// The request, if one was given.
    pub(crate) fn request(&self) -> Option<Subclass> {
        let Self { subclass, subclasses } = self;
        (!subclass.is_empty()).then(|| Subclass::of_texts(subclass, subclasses.as_deref()))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ForgetArguments {
    /// The model: a checkpoint, a finished stage by its folder or address (`prune:3f2a`, `prune:omp 95 %`), or the
    /// folder of an earlier deletion.
    #[arg(long, value_name = "MODEL")]
    pub(crate) checkpoint: PathBuf,
    /// The dataset that the model was trained on: its name, or a folder that holds it.
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) data: String,
    /// The images to forget, as positions in the official training set. The file is text or JSON lines (17 or {"id":
    /// 17}), a JSON array, a NumPy array (.npy), or a table with a column `id` (.csv). `--subclass` may take its place.
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) subclasses: SubclassArguments,
    /// The unlearning method.
    #[arg(long, value_name = "NAME")]
    pub(crate) method: String,
    /// Change one parameter of the method, for example `epochs=3`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Folder for the model and its certificate. It must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// A demand on the model, for example `ua>=90` or `mia.confidence>=50`. The certificate says whether it is met.
    #[arg(long = "threshold", value_name = "DEMAND")]
    pub(crate) thresholds: Vec<String>,
    /// Sign the certificate with this Ed25519 key, made by `openssl genpkey -algorithm ed25519 -out KEY`.
    #[arg(long, value_name = "KEY")]
    pub(crate) sign: Option<PathBuf>,
    /// The dictionary of tensors to take, if the checkpoint is a PyTorch file with several: keys joined by dots.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Prune by this mask first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// The suite that trained the model, if the checkpoint does not name its training data.
    #[arg(long, value_name = "FILE")]
    pub(crate) suite: Option<PathBuf>,
    /// The seed of the suite that trained the model.
    #[arg(long, value_name = "N", requires = "suite", value_parser = numbers::seed)]
    pub(crate) seed: Option<u64>,
    /// Membership-inference attacks; see `unlearn attacks`.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "mia-efficacy")]
    pub(crate) attacks: Vec<String>,
    /// Features that the attacks use.
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "confidence,correctness,entropy,m-entropy,prob"
    )]
    pub(crate) mia: Vec<String>,
    /// How often the attack is fitted, each time on other members. Default: 10, or 1 with first-rows.
    #[arg(long, value_name = "N", value_parser = numbers::draws)]
    pub(crate) draws: Option<usize>,
    /// How members are drawn: stratified, or first-rows. With one draw, first-rows equals the paper's code.
    #[arg(long, value_name = "HOW", default_value = "stratified")]
    pub(crate) members: MemberSelection,
    /// Compare with this model too, which never saw the images to forget: a file or folder as for `--checkpoint`.
    #[arg(long, value_name = "MODEL")]
    pub(crate) retrain: Option<PathBuf>,
    /// The dictionary of tensors to take from the file of `--retrain`, as for `--key`.
    #[arg(long, value_name = "KEY", requires = "retrain")]
    pub(crate) retrain_key: Option<String>,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    /// The suite file. It need not say anything about forgetting.
    pub(crate) suite: PathBuf,
    /// Change one value of the suite, as for `run`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    #[command(flatten)]
    pub(crate) beginning: InitArguments,
    #[command(flatten)]
    pub(crate) schedule: ScheduleArguments,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// Options of every long computation.
#[derive(Debug, Args)]
pub(crate) struct ComputeArguments {
    #[command(flatten)]
    pub(crate) environment: EnvironmentArguments,
    /// Seconds between two saves of the running stage.
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

/// Where the data are, and which device computes.
#[derive(Debug, Args)]
pub(crate) struct EnvironmentArguments {
    /// Folder with datasets. It is searched first.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// auto, cpu, cpu-direct (no Winograd), cpu-native (as `--arithmetic native`), candle-cpu, cuda:N or metal.
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// How the CPU kernels choose their algorithms. The store keeps the results of each arithmetic apart.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) arithmetic: ArithmeticName,
}

/// How the CPU kernels choose their algorithms.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum ArithmeticName {
    /// Alike everywhere: a result has the same bits on every processor.
    #[default]
    Portable,
    /// As measured for this instruction set: the fastest. Bits are the same only on processors with the same set.
    Native,
}

impl EnvironmentArguments {
    /// The environment in the library's type.
    pub(crate) fn environment(&self) -> Result<Environment, Usage> {
        Ok(Environment { data_dir: self.data_dir.clone(), device: self.device()?, ..Environment::default() })
    }

    /// The device, with the arithmetic that `--arithmetic` asks for.
    pub(crate) fn device(&self) -> Result<DeviceChoice, Usage> {
        match self.arithmetic {
            ArithmeticName::Portable => Ok(self.device),
            ArithmeticName::Native => self.device.native().ok_or_else(|| {
                Usage(format!(
                    "--arithmetic native is a choice of the CPU kernels, and --device {} does not use it; \
                     leave one of the two out",
                    self.device
                ))
            }),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TuneArguments {
    /// The suite file. Its first seed is used.
    pub(crate) suite: PathBuf,
    /// Number of trials of each method on each model and request. The first trial uses the suite's settings.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = |text: &str| numbers::whole::<u64>(text, 1, 10_000))]
    pub(crate) trials: u64,
    /// The quantity to minimise.
    #[arg(long, value_enum, default_value_t = ObjectiveName::Gap)]
    pub(crate) objective: ObjectiveName,
    /// Tune only this method of the suite. May be given several times.
    #[arg(long = "method", value_name = "NAME")]
    pub(crate) methods: Vec<String>,
    /// Seed for drawing settings.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = numbers::seed)]
    pub(crate) seed: u64,
    /// Change one value of the suite, as for `run`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Write the tuning to this file too, for `tuned = "FILE"` in a suite.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the search of another suite of the same name, and any content of the file.
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
    /// Distance to Retrain on training and validation images. Retrain must be run.
    Gap,
    /// Figures that need no Retrain.
    OracleFree,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// Files (`.safetensors`, `.pth`, JSON), stages by folder or address (`runs/prune/3f2a`, `prune:3f2a`, `prune:omp 95 %`), or other
    /// folders: run stores, deletions, data.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The dictionary of tensors to show, if the PyTorch file holds several: keys joined by dots.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArguments {
    /// A checkpoint, a PyTorch file (`.pth`, `.pth.tar` or `.safetensors`), the index of a sharded model, or a stage or
    /// a deletion as for `push`. The content decides, not the name.
    pub(crate) input: PathBuf,
    /// The file to write. An existing file is replaced, in one step or not at all. `.pth`, `.pt`, `.pth.tar`, `.bin` and
    /// `.ckpt` are written for `torch.load`, any other name as safetensors.
    pub(crate) output: PathBuf,
    /// The kind of file to write. Default: `torch` under a name of PyTorch's, else `sparse` with a mask, `dense` without.
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
    /// The file to write. An existing file is replaced.
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Prune by this mask first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// Measure the time of evaluation on this machine, before and after.
    #[arg(long)]
    pub(crate) measure: bool,
    #[command(flatten)]
    pub(crate) foreign: ForeignArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    /// A checkpoint, a finished stage by its folder or address (`unlearn:3f2a`, `unlearn:ft · class 0`), or the folder of
    /// a deletion.
    pub(crate) model: PathBuf,
    /// Target repository: `hub:OWNER/NAME` with an optional `@BRANCH`. A missing repository is created.
    #[arg(value_name = "hub:OWNER/NAME")]
    pub(crate) repository: Reference,
    /// Create the repository as private.
    #[arg(long)]
    pub(crate) private: bool,
    /// Message of the commit.
    #[arg(long, default_value = "Upload a model with `unlearn push`")]
    pub(crate) message: String,
    /// Write the files into this folder instead of uploading them.
    #[arg(long, value_name = "DIR")]
    pub(crate) dry_run: Option<PathBuf>,
}

/// The form of the deployed model.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Form {
    /// Every weight. Any reader of safetensors can read this form.
    #[arg(long)]
    pub(crate) dense: bool,
    /// The kept weights and the mask.
    #[arg(long)]
    pub(crate) sparse: bool,
    /// A smaller dense network with the same outputs, without the channels that these do not depend on.
    #[arg(long)]
    pub(crate) structured: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// A checkpoint with every weight.
    Dense,
    /// A checkpoint with the kept weights and the mask.
    Sparse,
    /// A file for `load_state_dict`: of `torch.save` if its name says so, else one that `safetensors.torch.load_file` reads.
    Torch,
    /// The same with `weight_orig` and `weight_mask` of pruned weights, for a module that `torch.nn.utils.prune` has pruned.
    TorchMasked,
}

/// Facts that a PyTorch file does not hold.
#[derive(Debug, Args)]
pub(crate) struct ForeignArguments {
    /// Architecture. Default: found by the names and shapes of the tensors.
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Option<String>,
    /// Side of the images in pixels. Default: the dataset's, or 32, or 224 if the stem is that of ImageNet models.
    #[arg(long, value_name = "PIXELS", value_parser = numbers::side)]
    pub(crate) side: Option<usize>,
    /// Mean of each channel. Default: the file's own, or the dataset's, or 0.
    #[arg(long, value_name = "M,…", value_delimiter = ',', requires = "std", allow_hyphen_values = true)]
    pub(crate) mean: Option<Vec<f32>>,
    /// Standard deviation of each channel. Default: the file's own, or the dataset's, or 1.
    #[arg(long, value_name = "S,…", value_delimiter = ',', requires = "mean")]
    pub(crate) std: Option<Vec<f32>>,
    /// Name of the dataset that the model was trained on. Of those of `unlearn datasets`, size and normalisation are known.
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// The dictionary of tensors to take, if the PyTorch file holds several: keys joined by dots, as in `checkpoint.model`.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LaunchesArguments {
    #[command(subcommand)]
    pub(crate) command: Option<LaunchesCommand>,
    /// Folder of the run store.
    #[arg(long, value_name = "DIR", default_value = "runs", global = true)]
    pub(crate) runs: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LaunchesCommand {
    /// Cancel the tasks of a submission that are not over, and nothing else. Running stages save their state.
    Cancel {
        /// A suite, or one submission of it.
        #[arg(value_name = "SUITE|SUBMISSION")]
        name: String,
    },
}
