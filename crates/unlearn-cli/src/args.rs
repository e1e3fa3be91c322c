//! The command line: commands, arguments and options.

mod judging;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use unlearn::hub::Reference;
use unlearn::mia_eval::MemberSelection;
use unlearn::network::{DeviceChoice, Precision};
use unlearn_experiment::{Environment, Subclass};

pub(crate) use judging::{EvaluateArguments, PredictArguments, Split};

use crate::{exit::Usage, output::Color};

mod amounts;
mod folders;
mod lists;
mod numbers;
mod reports;
mod runs;
mod suites;

pub(crate) use runs::{
    DiffArguments, GcArguments, ListRunsArguments, RepairArguments, RunsArguments, RunsCommand, SortBy, StateName,
    VerifyArguments, WhereArguments,
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
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value_t = LogFormat::Text, hide_short_help = true)]
    pub(crate) log_format: LogFormat,
    /// When colours are written.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto, hide_short_help = true)]
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
    /// Run a suite: train, prune, unlearn, evaluate and report.
    ///
    /// A stage that is finished already is not computed again. A stopped run goes on where it stopped.
    Run(RunArguments),
    /// Train the dense models of a suite.
    ///
    /// Nothing is pruned, and nothing is forgotten.
    Train(ModelsArguments),
    /// Train and prune the models of a suite, one for each of its `[[prune]]` tables.
    ///
    /// Nothing is forgotten. `--set prune.omp.sparsity=0.9` changes the table of `omp`.
    Prune(ModelsArguments),
    /// Compute single stages of a suite, each from its description.
    ///
    /// `unlearn run SUITE --dry-run --json` prints the descriptions. A stage that is finished already is not computed again.
    Stage(StageArguments),
    /// Search settings for the unlearning methods of a suite.
    ///
    /// Each method gets the same number of trials. The search never opens the test set.
    Tune(TuneArguments),
    /// Make a trained model forget the images of a request, and write a certificate.
    ///
    /// The certificate says what was asked, what was done and what was measured. `unlearn runs verify` checks it.
    Forget(Box<ForgetArguments>),
    /// Write the report of a suite that was run; compare two reports; or watch a run.
    ///
    /// A report consists of tables, plots and an HTML page. It is made from the run store, and no model is run.
    Report(ReportArguments),
    /// Write a model's logits or probabilities for the images of a dataset.
    ///
    /// Labels and positions are written beside them. `unlearn evaluate` reads such files.
    Predict(Box<PredictArguments>),
    /// Judge how well a model forgot, from the model itself or from its scores.
    ///
    /// Scores are the logits or probabilities that a model gives to images. A file with the scores of any program will do.
    Evaluate(Box<EvaluateArguments>),
    /// Show what files and folders hold: models, masks, scores, stages, deletions, data.
    Inspect(InspectArguments),
    /// Convert a model to another kind of file, such as a checkpoint of PyTorch.
    Convert(ConvertArguments),
    /// Write a model for deployment: dense, sparse, or without unneeded channels.
    Export(ExportArguments),
    /// Upload a model to the Hugging Face Hub, with a model card.
    ///
    /// The card holds the model's figures. The token is read as by `huggingface_hub`: from `HF_TOKEN` or the file of `hf auth login`.
    Push(PushArguments),
    /// List the datasets, or open one: describe, fetch, verify, export, split.
    Datasets(DatasetsArguments),
    /// List the architectures, or describe one.
    Models(ListArguments),
    /// List the pruning and unlearning methods, or describe one.
    Methods(MethodsArguments),
    /// List the membership-inference attacks and their features, or describe one.
    Attacks(ListArguments),
    /// List the figures that measure a model, or describe one.
    ///
    /// The list says what each figure means, what it needs and where it was published.
    Figures(ListArguments),
    /// List the triggers of backdoors and the detectors of poison, or describe one.
    Backdoors(BackdoorsArguments),
    /// Attack a pool of models that forgot: LiRA, RMIA, U-LiRA, RULI, KLoM.
    ///
    /// The models are trained as a suite says, each on another part of the data, and each forgets another part. The command takes the
    /// options of `unlearn run`, and `--pool`.
    Attack(AttackArguments),
    /// Explain what a suite will do, without running it.
    Suite(SuiteArguments),
    /// List, compare, check and clean up the stages of a run store.
    Runs(RunsArguments),
    /// List the submissions to Slurm, or cancel one.
    Launches(LaunchesArguments),
    /// Check this machine, and say what hinders a run.
    ///
    /// The check covers processor, memory, GPU, data, Hub and run store.
    Doctor(DoctorArguments),
    /// Print completions for a shell.
    ///
    /// For bash: `unlearn completions bash > ~/.local/share/bash-completion/completions/unlearn`
    Completions(CompletionsArguments),
    /// Write manual pages, one for each command.
    Manual(ManualArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Folder with datasets, searched before `$UNLEARN_DATA`.
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
    /// What to write.
    #[arg(long, value_enum, value_name = "FORM", default_value = "man")]
    pub(crate) form: ManualForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ManualForm {
    /// Pages for `man`.
    Man,
    /// The reference pages of the documentation in Markdown, one for each registry.
    Markdown,
    /// What `-h` prints of every command, for a test.
    #[value(hide = true)]
    ShortHelp,
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
    /// Only print the stages, and whether each is finished. Nothing is computed, written or fetched.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With `--dry-run`: print each stage as a line of JSON, with the description that `unlearn stage` reads.
    #[arg(long, requires = "dry_run")]
    pub(crate) json: bool,
    /// Folder for the report. Default: `reports/NAME` in the run store, with the suite's name.
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
    /// Number of models, from 9 to 1024. For every image, a third of the models never see it, a third are trained with it, and a third
    /// are trained with it and then forget it.
    #[arg(long, value_name = "N", default_value_t = 32,
        value_parser = |text: &str| numbers::whole::<u64>(text, unlearn_experiment::LEAST_MODELS, unlearn_experiment::MOST_MODELS))]
    pub(crate) pool: u64,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// The weights that training begins with.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Weights that training begins with: a model file, or `hub:OWNER/NAME` with an optional `@REVISION`. Default: `model.init` of the
    /// suite, else fresh weights.
    #[arg(long, value_name = "FILE|hub:…")]
    pub(crate) init: Option<String>,
    /// Which dictionary of tensors to take from the file of `--init`, if a PyTorch file holds several: its keys, joined by dots, as in
    /// `checkpoint.model`. Default: `model.init-key` of the suite.
    #[arg(long, value_name = "KEY", hide_short_help = true)]
    pub(crate) init_key: Option<String>,
}

/// What a run may replace.
#[derive(Debug, Args)]
pub(crate) struct ReplaceArguments {
    /// Replace the results of another suite of the same name, and any files in the report's place.
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Where stages run, and how many at a time.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArguments {
    /// Where stages are computed.
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = LauncherName::Local)]
    pub(crate) launcher: LauncherName,
    /// Number of stages at a time, from 1 to 1024. They share the processor's threads. A stage whose run time is
    /// reported still runs alone.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |text: &str| numbers::whole::<u16>(text, 1, 1024))]
    pub(crate) jobs: u16,
    /// With `--jobs`: let stages whose run time is reported run beside others too. The run ends sooner, but its times cannot be
    /// compared.
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
    /// JSON files with a description each, computed in turn. `-` reads standard input.
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
    /// The images to forget, as subclasses by name or number. A subclass is a part of a class, such as `rocket` of cifar20.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', conflicts_with = "request")]
    pub(crate) subclass: Vec<String>,
    /// File with the subclass of each image, for a dataset that does not know them: a table with the columns `id` and `subclass` (.csv), or
    /// JSON lines such as {"id": 17, "subclass": "rocket"}.
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
    /// The images to forget: a file with their positions in the official training set, counted from 0. It is text or JSON lines (17 or
    /// {"id": 17}), a JSON array, a NumPy array (.npy), or a table with a column `id` (.csv). Or give `--subclass`.
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) subclasses: SubclassArguments,
    /// The unlearning method, a name of `unlearn methods`.
    #[arg(long, value_name = "NAME")]
    pub(crate) method: String,
    /// Change one setting of the method, for example `epochs=3`. `unlearn methods show NAME --defaults` lists them. May be given several
    /// times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Folder for the model and its certificate. It must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// A demand on the new model, for example `ua>=90` or `ra<=99` with a figure of `unlearn figures`. The certificate says whether it is
    /// met; if not, the exit code is 1. May be given several times.
    #[arg(long = "threshold", value_name = "DEMAND")]
    pub(crate) thresholds: Vec<String>,
    /// Sign the certificate with the Ed25519 key in this file. `openssl genpkey -algorithm ed25519 -out FILE` makes one.
    #[arg(long, value_name = "FILE")]
    pub(crate) sign: Option<PathBuf>,
    /// Which dictionary of tensors to take from the checkpoint, if a PyTorch file holds several: its keys, joined by dots, as in
    /// `checkpoint.model`.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Prune the model by the mask in this file first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// The suite that trained the model. Needed if the checkpoint does not say what it was trained on.
    #[arg(long, value_name = "FILE")]
    pub(crate) suite: Option<PathBuf>,
    /// With `--suite`: the seed that trained the model. Needed if the suite has several seeds.
    #[arg(long, value_name = "N", requires = "suite", value_parser = numbers::seed)]
    pub(crate) seed: Option<u64>,
    /// Membership-inference attacks that measure the model, names of `unlearn attacks`.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "mia-efficacy")]
    pub(crate) attacks: Vec<String>,
    /// Features by which the attacks tell images apart, names of `unlearn attacks`.
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "confidence,correctness,entropy,m-entropy,prob"
    )]
    pub(crate) mia: Vec<String>,
    /// How often each attack is fitted, each time on another draw of retained images. From 1 to 1000. Default: 10, or 1 with `--members
    /// first-rows`.
    #[arg(long, value_name = "N", value_parser = numbers::draws)]
    pub(crate) draws: Option<usize>,
    /// Which retained images an attack is fitted on: `stratified` draws the same share of each class, `first-rows` takes the first ones, as
    /// the paper's code does.
    #[arg(long, value_name = "HOW", default_value = "stratified")]
    pub(crate) members: MemberSelection,
    /// A Retrain to compare with: a model that never saw the images to forget, given as for `--checkpoint`.
    #[arg(long, value_name = "MODEL")]
    pub(crate) retrain: Option<PathBuf>,
    /// Which dictionary of tensors to take from the file of `--retrain`, as for `--key`.
    #[arg(long, value_name = "KEY", requires = "retrain")]
    pub(crate) retrain_key: Option<String>,
    #[command(flatten)]
    pub(crate) compute: ComputeArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    /// The suite file. The tables `[[forget]]` and `[[unlearn]]` may be missing.
    pub(crate) suite: PathBuf,
    /// Change one value of the suite, as for `unlearn run`. May be given several times.
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
    /// Seconds between two saves of the running stage. After a kill, a run goes on from the last save.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, hide_short_help = true)]
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
    /// Folder with datasets, searched before `$UNLEARN_DATA`.
    #[arg(long, value_name = "DIR", value_parser = folders::existing())]
    pub(crate) data_dir: Option<PathBuf>,
    /// What computes: `auto` (a GPU if this build has one, else the CPU), `cpu`, `cuda:N`, `metal`; or, to compare, `cpu-direct` (without
    /// Winograd's algorithm), `cpu-native` (as `--arithmetic native`), `candle-cpu` (Candle on the CPU).
    #[arg(long, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// How the CPU kernels choose their algorithms. Results of one choice are never reused for the other.
    #[arg(long, value_enum, value_name = "HOW", default_value_t, hide_short_help = true)]
    pub(crate) arithmetic: ArithmeticName,
    /// How activations and their gradients are stored on the CPU. Results of one choice are never reused for the other.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, hide_short_help = true)]
    pub(crate) precision: PrecisionName,
}

/// The format of activations and their gradients.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum PrecisionName {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits: half the memory traffic, for convolutional networks. Weights, sums and logits stay in 32 bits.
    Bf16,
}

/// How the CPU kernels choose their algorithms.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum ArithmeticName {
    /// The same algorithms everywhere: a result has the same bits on every processor.
    #[default]
    Portable,
    /// The algorithms that were fastest for this instruction set: bits are equal only on processors with the same set.
    Native,
}

impl EnvironmentArguments {
    /// The environment in the library's type.
    pub(crate) fn environment(&self) -> Result<Environment, Usage> {
        Ok(Environment { data_dir: self.data_dir.clone(), device: self.device()?, ..Environment::default() })
    }

    /// The device, with the arithmetic and the precision that were asked for.
    pub(crate) fn device(&self) -> Result<DeviceChoice, Usage> {
        let unused = |option: &str| {
            Usage(format!(
                "{option} is a choice of the CPU kernels, and --device {} does not use it; leave one of the two out",
                self.device
            ))
        };
        let device = match self.arithmetic {
            ArithmeticName::Portable => self.device,
            ArithmeticName::Native => self.device.native().ok_or_else(|| unused("--arithmetic native"))?,
        };
        match self.precision {
            PrecisionName::F32 => Ok(device),
            PrecisionName::Bf16 => device.with_precision(Precision::Bf16).ok_or_else(|| unused("--precision bf16")),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TuneArguments {
    /// The suite file. The search uses its first seed.
    pub(crate) suite: PathBuf,
    /// Number of trials of each method on each model and request, from 1 to 10,000. The first trial uses the suite's settings.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = |text: &str| numbers::whole::<u64>(text, 1, 10_000))]
    pub(crate) trials: u64,
    /// What the search minimises, in points.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = ObjectiveName::Gap)]
    pub(crate) objective: ObjectiveName,
    /// Tune only this method of the suite. May be given several times.
    #[arg(long = "method", value_name = "NAME")]
    pub(crate) methods: Vec<String>,
    /// Seed of the draws of settings.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = numbers::seed)]
    pub(crate) seed: u64,
    /// Change one value of the suite, as for `unlearn run`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Write the chosen settings to this file too. `tuned = "FILE"` under `[suite]` makes a suite use them.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the search of another suite of the same name, and the file of `--out`.
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
    /// The average gap to Retrain on training and validation images. A Retrain is computed for each model and request.
    Gap,
    /// A mean of figures that need no Retrain, which saves its time.
    OracleFree,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// Files (`.safetensors`, `.pth`, JSON), stages by folder or address (`runs/prune/3f2a`, `prune:3f2a`, `prune:omp 95 %`), or other
    /// folders: run stores, deletions, data.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Which dictionary of tensors to show, if a PyTorch file holds several: its keys, joined by dots, as in `checkpoint.model`.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArguments {
    /// The model: a checkpoint, a PyTorch file (`.pth`, `.pth.tar` or `.safetensors`), the index of a sharded model, a finished stage by its
    /// folder or address (`prune:3f2a`, `prune:omp 95 %`), or the folder of a deletion. The content of a file decides, not its name.
    pub(crate) input: PathBuf,
    /// The file to write. An existing file is replaced. A file that ends in `.pth`, `.pt`, `.pth.tar`, `.bin` or `.ckpt` is written for
    /// `torch.load`, any other as safetensors.
    pub(crate) output: PathBuf,
    /// The kind of file to write. Default: `torch` under a name of PyTorch's, else `sparse` with a mask, `dense` without.
    #[arg(long, value_enum)]
    pub(crate) to: Option<Target>,
    /// Prune the model by the mask in this file first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) foreign: ForeignArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The model, as for `unlearn convert`: a file, a finished stage by its folder or address (`prune:3f2a`), or the folder of a deletion.
    pub(crate) model: PathBuf,
    /// The file to write. An existing file is replaced.
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Prune the model by the mask in this file first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// Measure how long evaluation takes on this machine, before and after.
    #[arg(long)]
    pub(crate) measure: bool,
    #[command(flatten)]
    pub(crate) foreign: ForeignArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    /// The model: a checkpoint, a finished stage by its folder or address (`unlearn:3f2a`, `unlearn:ft · class 0`), or the folder of a
    /// deletion.
    pub(crate) model: PathBuf,
    /// Target repository: `hub:OWNER/NAME` with an optional `@BRANCH`. A missing repository is created.
    #[arg(value_name = "hub:OWNER/NAME")]
    pub(crate) repository: Reference,
    /// If the repository is created, make it private.
    #[arg(long)]
    pub(crate) private: bool,
    /// Message of the commit.
    #[arg(long, value_name = "TEXT", default_value = "Upload a model with `unlearn push`")]
    pub(crate) message: String,
    /// Write the files into this folder instead of uploading them.
    #[arg(long, value_name = "DIR")]
    pub(crate) dry_run: Option<PathBuf>,
}

/// The form of the deployed model.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Form {
    /// Write every weight. Any reader of safetensors reads this form.
    #[arg(long)]
    pub(crate) dense: bool,
    /// Write the kept weights and the mask. This program reads this form.
    #[arg(long)]
    pub(crate) sparse: bool,
    /// Write a smaller dense network with the same outputs, without the channels that these do not depend on.
    #[arg(long)]
    pub(crate) structured: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// A checkpoint with every weight.
    Dense,
    /// A checkpoint with the kept weights and the mask.
    Sparse,
    /// A state dict for PyTorch: read by `torch.load` if the name ends in one of PyTorch's endings, else by `safetensors.torch.load_file`.
    Torch,
    /// The same, with `weight_orig` and `weight_mask` of pruned weights, for a module that `torch.nn.utils.prune` has pruned.
    TorchMasked,
}

/// Facts that a PyTorch file does not hold.
#[derive(Debug, Args)]
pub(crate) struct ForeignArguments {
    /// Architecture of a PyTorch file, a name of `unlearn models`. Default: found by the names and shapes of the tensors.
    #[arg(long, value_name = "NAME")]
    pub(crate) arch: Option<String>,
    /// Side of the images in pixels, from 1 to 16384. Default: the dataset's, or 32, or 224 if the first layers are those of ImageNet models.
    #[arg(long, value_name = "PIXELS", value_parser = numbers::side)]
    pub(crate) side: Option<usize>,
    /// Mean of each channel that the model subtracts, of values in 0..1. Default: the file's own, or the dataset's, or 0.
    #[arg(long, value_name = "M,…", value_delimiter = ',', requires = "std", allow_hyphen_values = true)]
    pub(crate) mean: Option<Vec<f32>>,
    /// Standard deviation of each channel that the model divides by. Default: the file's own, or the dataset's, or 1.
    #[arg(long, value_name = "S,…", value_delimiter = ',', requires = "mean")]
    pub(crate) std: Option<Vec<f32>>,
    /// The dataset that the model was trained on, a name of `unlearn datasets` or a form and a path. Default: what the model's file says.
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// Which dictionary of tensors to take, if a PyTorch file holds several: its keys, joined by dots, as in `checkpoint.model`.
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
