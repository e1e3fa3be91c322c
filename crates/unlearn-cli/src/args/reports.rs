//! Arguments of `unlearn report`.

use std::path::PathBuf;

use clap::Args;

use super::{StoreArguments, numbers};

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Names of suites in the run store, as `[suite] name` gives them. With `--watch`: the suite's file.
    #[arg(required_unless_present = "compare")]
    pub(crate) suites: Vec<String>,
    /// Folder for the report. Several suites get a subfolder each. With `--compare`: folder for the comparison. Default then: only print it.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["compare", "watch"])]
    pub(crate) out: Option<PathBuf>,
    /// Replace any files in the report's place.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Show pictures of forgotten images on the page. They are read from the dataset, and the page is then a copy of them.
    #[arg(long)]
    pub(crate) pictures: bool,
    /// With `--pictures` or `--watch`: folder with datasets, searched before `$UNLEARN_DATA`.
    #[arg(long, value_name = "DIR", value_parser = super::folders::existing())]
    pub(crate) data_dir: Option<PathBuf>,
    /// Also write event files for TensorBoard below this folder: the curves of every stage, and the figures.
    #[arg(long, value_name = "DIR")]
    pub(crate) tensorboard: Option<PathBuf>,
    /// Compare two reports: the differences B − A of the rows that both have. A and B are a results.json, the folder of a report, a suite of
    /// the run store, or another run store.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["suites", "pictures", "tensorboard", "watch"])]
    pub(crate) compare: Option<Vec<String>>,
    /// Serve a live page of a suite that is being run, for this machine alone, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["out", "pictures", "tensorboard"])]
    pub(crate) watch: bool,
    /// With `--watch`: the port. From 0 to 65535. Default, and with 0: a free one.
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// With `--watch`: change one value of the suite, as for `unlearn run`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// With `--watch`: seeds 1 to N instead of the suite's seeds, as for `unlearn run`. N is at most 1000.
    #[arg(long, value_name = "N", value_parser = |text: &str| numbers::whole::<u64>(text, 1, 1000))]
    pub(crate) seeds: Option<u64>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}
