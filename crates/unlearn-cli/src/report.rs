//! `unlearn report`: tables, plots and the HTML page of suites that were run.

use std::path::Path;

use unlearn_run_store::{Store, SuiteIndex};

use crate::args::ReportArguments;

pub(crate) fn report(arguments: &ReportArguments) -> anyhow::Result<()> {
    let store = Store::open_existing(&arguments.store.runs)?;
    for name in &arguments.suites {
        let index = store.suite(name)?;
        let out = if arguments.suites.len() == 1 { arguments.out.clone() } else { arguments.out.join(name) };
        write_report(&store, &index, &out)?;
    }
    Ok(())
}

/// Writes one report and prints its table, its claims and where it lies.
pub(crate) fn write_report(store: &Store, index: &SuiteIndex, out: &Path) -> anyhow::Result<()> {
    let written = unlearn_reports::write(store, index, out)?;
    println!("{}", written.summary);
    println!("report: {}", written.html.display());
    Ok(())
}
