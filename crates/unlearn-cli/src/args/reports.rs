//! Arguments of `unlearn report`.

use std::path::PathBuf;

use clap::Args;

use super::{StoreArguments, numbers};

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Names of suites in the run store. With `--watch`: the suite's file.
    #[arg(required_unless_present = "compare")]
    pub(crate) suites: Vec<String>,
    /// Folder for results.json, results.csv, table.md, table.tex and report.html. Several suites get one subfolder each. With `--compare`:
    /// folder for compare.json, compare.md and compare.html.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["compare", "watch"])]
    pub(crate) out: Option<PathBuf>,
    /// Replace any files in the report's place.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Show pictures of forgotten samples on the page. They are read from the data set, and the page is then a copy of them.
    #[arg(long)]
    pub(crate) pictures: bool,
    /// With `--pictures` or `--watch`: folder with datasets. It is searched first.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Write event files for TensorBoard below this folder too: the curves of every stage, and the figures.
    #[arg(long, value_name = "DIR")]
    pub(crate) tensorboard: Option<PathBuf>,
    /// Compare two reports instead: rows that both have, and differences B − A over seeds. Each is a results.json, the folder of a report,
    /// a suite of the run store, or another run store.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["suites", "pictures", "tensorboard", "watch"])]
    pub(crate) compare: Option<Vec<String>>,
    /// Serve a live page of a suite that is being run, on this machine alone, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["out", "pictures", "tensorboard"])]
    pub(crate) watch: bool,
    /// With `--watch`: the port. Without it, or with 0, a free one is taken.
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// With `--watch`: change one value of the suite, as for `run`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// With `--watch`: seeds 1 to N instead of the suite's seeds, as for `run`.
    #[arg(long, value_name = "N", value_parser = |text: &str| numbers::whole::<u64>(text, 1, 1000))]
    pub(crate) seeds: Option<u64>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}
