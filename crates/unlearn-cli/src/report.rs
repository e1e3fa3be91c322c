//! `unlearn report`: tables, plots and the HTML page of finished suites, also beside each other (`compare.rs`) or while they run
//! (`watch.rs`).

use std::path::{Path, PathBuf};

use unlearn::mia_eval::Registry;
use unlearn_experiment::{Environment, Gallery, Shown};
use unlearn_reports::{SamplePictures, Thumbnails, Written};
use unlearn_run_store::{Stage, Store, SuiteIndex};

use crate::{args::ReportArguments, compare, exit::Usage, output::counted, watch};

pub(crate) fn report(arguments: &ReportArguments) -> anyhow::Result<()> {
    for (option, given, needs, has) in [
        ("--port", arguments.port.is_some(), "--watch", arguments.watch),
        ("--set", !arguments.assignments.is_empty(), "--watch", arguments.watch),
        ("--seeds", arguments.seeds.is_some(), "--watch", arguments.watch),
        ("--data-dir", arguments.data_dir.is_some(), "--pictures or --watch", arguments.watch || arguments.pictures),
    ] {
        // Clap cannot say so: it waives what an option needs if that conflicts with another option.
        if given && !has {
            return Err(
                Usage(format!("{option} is for {needs}, which is not given; leave {option} out, or give it")).into()
            );
        }
    }
    if let Some(sides) = &arguments.compare {
        return compare::compare(sides, arguments);
    }
    if arguments.watch {
        return watch::watch(arguments);
    }
    let ReportArguments { suites, out, replace, store, pictures, data_dir, tensorboard, .. } = arguments;
    let Some(out) = out else { return Err(Usage("--out DIR is missing: the folder for the report".into()).into()) };
    let store = Store::open_existing(&store.runs)?;
    let indices = suites.iter().map(|name| store.suite(name)).collect::<Result<Vec<_>, _>>()?;
    for name in suites {
        prepare(&place(out, suites, name), name, *replace)?;
    }
    if let Some(folder) = tensorboard {
        unlearn_run_store::refuse_inside_stage(folder).map_err(|error| Usage(format!("--tensorboard: {error}")))?;
    }
    let environment = Environment { data_dir: data_dir.clone(), offline: true, ..Environment::default() };
    let pictures = pictures.then(|| Pictures(Gallery::new(environment)));
    let pictures: Option<&dyn SamplePictures> = pictures.as_ref().map(|pictures| pictures as _);
    let figures = Registry::standard().figures();
    for (name, index) in suites.iter().zip(&indices) {
        let written = unlearn_reports::write_with(&store, index, &place(out, suites, name), &figures, pictures)?;
        let events = match tensorboard {
            Some(folder) => unlearn_reports::tensorboard::write(&store, index, &written.results, folder)?,
            None => Vec::new(),
        };
        print(&written);
        if let Some(folder) = tensorboard {
            say!(
                "{}: {}",
                counted(events.len(), "event file for TensorBoard", "event files for TensorBoard"),
                folder.display()
            );
        }
    }
    Ok(())
}

/// Pictures from the data sets of this machine. Nothing is fetched.
struct Pictures(Gallery);

impl SamplePictures for Pictures {
    fn of(&self, unlearn: &Stage, positions: &[u32]) -> Result<Thumbnails, String> {
        let Shown { images, classes } = self.0.show(unlearn, positions)?;
        Ok(Thumbnails { images, classes })
    }
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
