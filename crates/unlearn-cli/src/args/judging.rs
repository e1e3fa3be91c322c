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
    /// The model: a checkpoint, a PyTorch file, a finished stage by its folder or address (`unlearn:3f2a`), the folder of a deletion, or
    /// `hub:OWNER/NAME`.
    pub(crate) model: PathBuf,
    /// The part of the dataset.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    pub(crate) split: Split,
    /// Predict only these images, in this order: a file with their positions in that part, in a form of `forget --request`.
    #[arg(long, value_name = "FILE")]
    pub(crate) samples: Option<PathBuf>,
    /// The file to write. Its ending decides the form: `.npz`, `.npy`, `.safetensors` or `.csv`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Write probabilities instead of logits.
    #[arg(long)]
    pub(crate) probabilities: bool,
    /// Prune the model by the mask in this file first.
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
  unlearn evaluate MODEL --dataset D --request FILE  a model, on what it should have forgotten
  unlearn evaluate STAGE                             a stage: a model that forgot, or its scores
  unlearn evaluate SCORES                            one file with the scores of all sets
  unlearn evaluate --forget F --retain R --test T    one file of scores for each set
  unlearn evaluate SUITE… --out DIR                  suites that were run; writes their reports
`--retrain` names a model that never saw the forgotten images, or its scores.
docs/judging.md has examples.")]
pub(crate) struct EvaluateArguments {
    /// A model, a stage, a file of scores, or with `--out` names of suites in the run store.
    #[arg(value_name = "WHAT", required_unless_present = "forget_scores")]
    pub(crate) what: Vec<PathBuf>,
    /// File with the scores of the images that were to be forgotten.
    #[arg(long = "forget", value_name = "FILE", conflicts_with = "what")]
    pub(crate) forget_scores: Option<PathBuf>,
    /// With `--forget`: file with the scores of the other training images.
    #[arg(long = "retain", value_name = "FILE", requires = "forget_scores")]
    pub(crate) retain_scores: Option<PathBuf>,
    /// With `--forget`: file with the scores of the test set.
    #[arg(long = "test", value_name = "FILE", requires = "forget_scores")]
    pub(crate) test_scores: Option<PathBuf>,
    /// A Retrain to compare with: a model that never saw the forgotten images, or its scores, given as WHAT is. With `--forget`: a file
    /// with its scores of all sets, or of the images to forget.
    #[arg(long, value_name = "MODEL|FILE")]
    pub(crate) retrain: Option<PathBuf>,
    /// Which dictionary of tensors to take from the file of `--retrain`, as for `--key`.
    #[arg(long, value_name = "KEY", requires = "retrain")]
    pub(crate) retrain_key: Option<String>,
    /// What a model should have forgotten: a file with positions, as for `unlearn forget`.
    #[arg(long, value_name = "FILE", conflicts_with = "class")]
    pub(crate) request: Option<PathBuf>,
    /// What a model should have forgotten: a class, by number or name.
    #[arg(long, value_name = "CLASS", conflicts_with = "subclass")]
    pub(crate) class: Option<String>,
    #[command(flatten)]
    pub(crate) subclasses: SubclassArguments,
    /// Prune the model by the mask in this file first.
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// Write all results to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write all results to this file as a page that needs no other file and no network.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the figures to this file as a CSV table.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Membership-inference attacks, names of `unlearn attacks`. Default: all that need no other models.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) attacks: Vec<String>,
    /// Features by which the attacks tell images apart, names of `unlearn attacks`. Default: confidence,correctness,entropy,m-entropy,prob.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) mia: Vec<String>,
    /// How often each attack is fitted, each time on another draw of retained images. From 1 to 1000. Default: 10, or 1 with `--members
    /// first-rows`.
    #[arg(long, value_name = "N", value_parser = super::numbers::draws)]
    pub(crate) draws: Option<usize>,
    /// Which retained images an attack is fitted on: `stratified` (default) draws the same share of each class, `first-rows` takes the first
    /// ones, as the paper's code does.
    #[arg(long, value_name = "HOW")]
    pub(crate) members: Option<MemberSelection>,
    /// Seed of these draws. Default: the seed of the model, or 1.
    #[arg(long, value_name = "N", value_parser = super::numbers::seed)]
    pub(crate) attack_seed: Option<u64>,
    /// With `--out`: add a figure that the suite does not list, a name of `unlearn figures`, for example `kl` or `mia_efficacy.entropy`. May
    /// be given several times.
    #[arg(long = "figure", value_name = "NAME", requires = "out")]
    pub(crate) figures: Vec<String>,
    /// Take WHAT as names of suites, and write their reports into this folder, as `unlearn report` does.
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
