//! `unlearn report`: tables, plots and the HTML page of suites that were run.

use std::path::{Path, PathBuf};

use unlearn_mia_eval::Registry;
use unlearn_reports::Written;
use unlearn_run_store::{Store, SuiteIndex};

use crate::args::ReportArguments;

pub(crate) fn report(arguments: &ReportArguments) -> anyhow::Result<()> {
    let ReportArguments { suites, out, store } = arguments;
    let store = Store::open_existing(&store.runs)?;
    for name in suites {
        write_report(&store, &store.suite(name)?, &place(out, suites, name))?;
    }
    Ok(())
}

/// Writes one report and prints it.
pub(crate) fn write_report(store: &Store, index: &SuiteIndex, out: &Path) -> anyhow::Result<()> {
    print(&unlearn_reports::write(store, index, out, &Registry::standard().figures())?);
    Ok(())
}

/// Where the report of a suite goes: into `out`, and of several each into a folder of its own.
pub(crate) fn place(out: &Path, suites: &[String], name: &str) -> PathBuf {
    if suites.len() == 1 { out.to_path_buf() } else { out.join(name) }
}

/// Prints a report's table, its claims and where it lies.
pub(crate) fn print(written: &Written) {
    say!("{}", written.summary);
    say!("report: {}", written.html.display());
}
