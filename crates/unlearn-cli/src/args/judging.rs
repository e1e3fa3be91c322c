//! Arguments of the commands that judge by scores: `predict` and `evaluate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use unlearn::mia_eval::MemberSelection;

use super::{EnvironmentArguments, ForeignArguments, StoreArguments, SubclassArguments};

/// A part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Split {
    /// The official training set.
    Train,
    /// The official test set.
    Test,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// A checkpoint, a PyTorch file, a finished stage by its folder or address (`unlearn:3f2a`), the folder of a deletion, or
    /// `hub:OWNER/NAME`.
    pub(crate) model: PathBuf,
    /// The part of the dataset. `--dataset` names the dataset; without it, the model says what it was trained on.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    pub(crate) split: Split,
    /// Predict only these samples, in this order: a file with positions in that part, as for `forget --request`.
    #[arg(long, value_name = "FILE")]
    pub(crate) samples: Option<PathBuf>,
    /// The file to write. Its ending says the form: `.npz`, `.npy`, `.safetensors` or `.csv`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Write probabilities instead of logits.
    #[arg(long)]
    pub(crate) probabilities: bool,
    /// Prune by this mask first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// Replace an existing file.
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) foreign: ForeignArguments,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What is judged depends on what is given:
  unlearn evaluate MODEL --dataset D --request FILE    a model, on what it should have forgotten
  unlearn evaluate STAGE                               a stored run: a model that forgot, or an `evaluate` stage
  unlearn evaluate SCORES                              one file of scores of any program (.npz, .safetensors, .csv)
  unlearn evaluate --forget F --retain R --test T      files of scores of one set each
  unlearn evaluate SUITE… --out DIR                    finished suites, from stored scores; writes their reports
With `--retrain`, the same is read of a model that never saw the forgotten samples. docs/judging.md has examples.")]
pub(crate) struct EvaluateArguments {
    /// A model, a stage, a file of scores, or (with `--out`) names of suites in the run store.
    #[arg(value_name = "WHAT", required_unless_present = "forget_scores")]
    pub(crate) what: Vec<PathBuf>,
    /// Scores on the samples to forget.
    #[arg(long = "forget", value_name = "FILE", conflicts_with = "what")]
    pub(crate) forget_scores: Option<PathBuf>,
    /// Scores on the remaining training samples.
    #[arg(long = "retain", value_name = "FILE", requires = "forget_scores")]
    pub(crate) retain_scores: Option<PathBuf>,
    /// Scores on the test set.
    #[arg(long = "test", value_name = "FILE", requires = "forget_scores")]
    pub(crate) test_scores: Option<PathBuf>,
    /// A Retrain to compare with, given as the judged model is: a model, or scores. With `--forget`, a file with the scores of all sets,
    /// or of the samples to forget.
    #[arg(long, value_name = "MODEL|FILE")]
    pub(crate) retrain: Option<PathBuf>,
    /// The dictionary of tensors to take from the PyTorch file of `--retrain`, as for `--key`.
    #[arg(long, value_name = "KEY", requires = "retrain")]
    pub(crate) retrain_key: Option<String>,
    /// What the model should have forgotten: a file with positions in the training set, as for `forget`.
    #[arg(long, value_name = "FILE", conflicts_with = "class")]
    pub(crate) request: Option<PathBuf>,
    /// What the model should have forgotten: a class, by number or name.
    #[arg(long, value_name = "CLASS", conflicts_with = "subclass")]
    pub(crate) class: Option<String>,
    #[command(flatten)]
    pub(crate) subclasses: SubclassArguments,
    /// Prune the model by this mask first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// Write everything as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write one self-contained HTML page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the figures as a CSV table.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Membership-inference attacks; see `unlearn attacks`. Default: all that need no other models.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) attacks: Vec<String>,
    /// Features that the attacks use. Default: confidence,correctness,entropy,m-entropy,prob.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) mia: Vec<String>,
    /// How often an attack is fitted, each time on other members. Default: 10, or 1 with first-rows.
    #[arg(long, value_name = "N", value_parser = super::numbers::draws)]
    pub(crate) draws: Option<usize>,
    /// How members are drawn: stratified, or first-rows. With one draw, first-rows equals the paper's code. Default: stratified.
    #[arg(long, value_name = "HOW")]
    pub(crate) members: Option<MemberSelection>,
    /// Seed of the draws. Default: the model's own, or 1.
    #[arg(long, value_name = "N", value_parser = super::numbers::seed)]
    pub(crate) attack_seed: Option<u64>,
    /// With `--out`: add a figure that the suite does not list, for example `kl` or `mia_efficacy.entropy`. See `unlearn figures`.
    #[arg(long = "figure", value_name = "NAME", requires = "out")]
    pub(crate) figures: Vec<String>,
    /// Take WHAT as names of suites, and write their reports into this folder, as `report` does.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replace existing files.
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) foreign: ForeignArguments,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}
