//! `unlearn report`: tables, plots and the HTML page of finished suites.

use std::path::{Path, PathBuf};

use unlearn_mia_eval::Registry;
use unlearn_reports::Written;
use unlearn_run_store::{Store, SuiteIndex};

use crate::{args::ReportArguments, exit::Usage};

pub(crate) fn report(arguments: &ReportArguments) -> anyhow::Result<()> {
    let ReportArguments { suites, out, replace, store } = arguments;
    let store = Store::open_existing(&store.runs)?;
    let indices = suites.iter().map(|name| store.suite(name)).collect::<Result<Vec<_>, _>>()?;
    for name in suites {
        prepare(&place(out, suites, name), name, *replace)?;
    }
    for (name, index) in suites.iter().zip(&indices) {
        write_report(&store, index, &place(out, suites, name))?;
    }
    Ok(())
}

/// Refuses, as bad usage, a folder that cannot take the report of a suite.
pub(crate) fn prepare(out: &Path, suite: &str, replace: bool) -> anyhow::Result<()> {
    unlearn_run_store::refuse_inside_stage(out).map_err(|error| Usage(format!("--out: {error}")))?;
    Ok(unlearn_reports::prepare(out, suite, replace).map_err(|error| Usage(error.to_string()))?)
}

/// Writes one report and prints it.
pub(crate) fn write_report(store: &Store, index: &SuiteIndex, out: &Path) -> anyhow::Result<()> {
    print(&unlearn_reports::write(store, index, out, &Registry::standard().figures())?);
    Ok(())
}

/// The folder for a suite's report: `out`, or a subfolder of it for each of several suites.
pub(crate) fn place(out: &Path, suites: &[String], name: &str) -> PathBuf {
    if suites.len() == 1 { out.to_path_buf() } else { out.join(name) }
}

/// Prints a report's table, its claims and its location.
pub(crate) fn print(written: &Written) {
    say!("{}", written.summary);
    say!("report: {}", written.html.display());
}
