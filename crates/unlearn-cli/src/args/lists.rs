//! Arguments of the commands that list and show: data sets, methods, backdoors, and the other lists.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use unlearn::backdoor::TriggerChoice;

#[derive(Debug, Args)]
pub(crate) struct DatasetsArguments {
    /// The subcommand; `list` if none is given.
    #[command(subcommand)]
    pub(crate) command: Option<DatasetsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DatasetsCommand {
    /// List every dataset with the files that it needs, its source and its licence.
    List,
    /// Fetch a dataset from the Hugging Face Hub, unless a folder holds it.
    ///
    /// It is kept in the Hub's cache. Later uses need no network.
    Fetch(DatasetArguments),
    /// Describe a dataset: its images, its classes and how many there are.
    Describe(DatasetArguments),
    /// Check that a dataset's images are the published ones.
    ///
    /// Checksums, counts and statistics are compared.
    Verify(DatasetArguments),
    /// Write a dataset in another form: an `.npz` file, or folders of PNG files.
    Export(ExportDatasetArguments),
    /// Print the positions of the images that a suite trains on, one per line.
    ///
    /// A request to forget can list only these. Images that are held out for validation are not trained on.
    Split(SplitArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SplitArguments {
    /// The suite file. Its `[data]` table says how the training set is split.
    #[arg(value_name = "SUITE")]
    pub(crate) suite: PathBuf,
    /// The seed whose images are printed. Default: images that every seed of the suite trains on.
    #[arg(long, value_name = "N", value_parser = super::numbers::seed)]
    pub(crate) seed: Option<u64>,
    /// Print only images of this class, given by number or name.
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// Print the images held out for validation instead.
    #[arg(long)]
    pub(crate) validation: bool,
    /// Change one value of the suite, for example `--set data.validation=0.2`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Folder with datasets, searched before `$UNLEARN_DATA`.
    #[arg(long, value_name = "DIR", value_parser = super::folders::existing())]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportDatasetArguments {
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    /// A file that ends in `.npz`, or a folder that is empty or does not exist yet.
    #[arg(long, value_name = "PATH")]
    pub(crate) to: PathBuf,
    /// Replace an existing file. A folder that is not empty is never replaced.
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DatasetArguments {
    /// The dataset's name, or its form and path: `folder:PATH`, `npz:PATH`, `parquet:PATH`, `idx:PATH`, `cifar:PATH`,
    /// `mat:PATH`, `hub:OWNER/NAME`.
    pub(crate) name: String,
    /// Folder with datasets, searched before `$UNLEARN_DATA`.
    #[arg(long, value_name = "DIR", value_parser = super::folders::existing())]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MethodsArguments {
    #[command(subcommand)]
    pub(crate) command: Option<MethodsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MethodsCommand {
    /// Describe a method, a pruning criterion or a pruning scope, with its source.
    Show {
        /// Its name in the list.
        name: String,
        /// Print each key with its default, the origin of the default, and the range that `tune` searches.
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
    /// Describe one entry of the list, with its source.
    Show {
        /// Its name in the list.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BackdoorsArguments {
    #[command(subcommand)]
    pub(crate) command: Option<BackdoorsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackdoorsCommand {
    /// Describe one entry of the list, with its source.
    Show {
        /// Its name in the list.
        name: String,
    },
    /// Draw images of a dataset with and without triggers, into a PNG file.
    ///
    /// The first row has no trigger. Each further row has one.
    Draw(DrawArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DrawArguments {
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    /// A trigger for one row: `patch`, `image:FILE`, or with settings as in a suite, `{ name = "blend", alpha = 0.3 }`. May be given several
    /// times. Default: every trigger that needs no picture.
    #[arg(long = "trigger", value_name = "TRIGGER", value_parser = unlearn_experiment::parse_trigger)]
    pub(crate) triggers: Vec<TriggerChoice>,
    /// Number of images in a row, from 1 to 100, of different classes as far as possible.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = |text: &str| super::numbers::whole::<u16>(text, 1, 100))]
    pub(crate) count: u16,
    /// The PNG file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Replace an existing file.
    #[arg(long)]
    pub(crate) replace: bool,
}
