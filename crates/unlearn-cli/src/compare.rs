//! `unlearn report --compare A B`: two reports beside each other.

use std::path::Path;

use unlearn::metrics::Figures;
use unlearn::mia_eval::Registry;
use unlearn_reports::{Results, compare as reports};
use unlearn_run_store::Store;

use crate::{args::ReportArguments, exit::Usage};

/// The file of a report that holds everything.
const RESULTS: &str = "results.json";

pub(crate) fn compare(sides: &[String], arguments: &ReportArguments) -> anyhow::Result<()> {
    let [a, b] = sides else {
        return Err(Usage("--compare takes two reports: `--compare A B`".into()).into());
    };
    let figures = Registry::standard().figures();
    if let Some(out) = &arguments.out {
        unlearn_run_store::refuse_inside_stage(out).map_err(|error| Usage(format!("--out: {error}")))?;
        reports::prepare(out, arguments.replace).map_err(|error| Usage(error.to_string()))?;
    }
    let [of_a, of_b] = [a, b].map(|side| open(side, &arguments.store.runs, &figures));
    let (of_a, of_b) = (of_a?, of_b?);
    let comparison = reports::compare((a, &of_a), (b, &of_b)).map_err(|error| Usage(error.to_string()))?;
    say!("{}", comparison.terminal().trim_end());
    if let Some(out) = &arguments.out {
        say!("\ncomparison: {}", reports::write(&comparison, out)?.display());
    }
    Ok(())
}

/// A side: a results.json, the index of a suite, the folder of a report, a run store with one suite, or a suite of the run store `runs`.
fn open(side: &str, runs: &Path, figures: &Figures) -> anyhow::Result<Results> {
    let path = Path::new(side);
    let of_suite = |root: &Path, suite: &str| -> anyhow::Result<Results> {
        let store = Store::open_existing(root)?;
        Ok(Results::gather(&store, &store.suite(suite)?, figures)?)
    };
    let read = |file: &Path| Results::read(file, figures).map_err(|error| Usage(error.to_string()).into());
    if path.is_file() {
        let name = path.file_stem().and_then(|name| name.to_str());
        // The index of a suite in a store: `STORE/suites/NAME.json`.
        let folder = path.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "suites"));
        return match folder.and_then(Path::parent).zip(name) {
            Some((root, name)) => of_suite(if root.as_os_str().is_empty() { Path::new(".") } else { root }, name),
            None => read(path),
        };
    }
    if path.join(RESULTS).is_file() {
        return read(&path.join(RESULTS));
    }
    if path.join("suites").is_dir() {
        let suites = Store::open_existing(path)?.suites()?;
        return match suites.as_slice() {
            [suite] => of_suite(path, suite),
            [] => Err(Usage(format!("the run store {side} holds no suite; run one, or name a {RESULTS}")).into()),
            _ => Err(Usage(format!(
                "the run store {side} holds several suites: {}; name one as `{}`",
                suites.join(", "),
                path.join("suites").join(format!("{}.json", suites[0])).display()
            ))
            .into()),
        };
    }
    let known = Store::open_existing(runs).and_then(|store| store.suites()).unwrap_or_default();
    if known.iter().any(|suite| suite == side) {
        return of_suite(runs, side);
    }
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let what = if path.exists() {
        format!("`{side}` is a folder without {RESULTS}, no run store")
    } else {
        format!("`{side}` is no file, no folder")
    };
    Err(Usage(format!(
        "{what}, and no suite of {} (suites there: {known}); name a {RESULTS}, the folder of a report, a run store, or a suite",
        runs.display()
    ))
    .into())
}
