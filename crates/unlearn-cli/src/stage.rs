//! `unlearn stage`: computes one stage, for a person, a launcher, or a run that supervises several processes.

use std::{
    io::{BufRead, Read, stdin},
    path::Path,
    sync::atomic::Ordering,
    thread,
};

use anyhow::{Context, bail};
use unlearn_experiment::{Error, Launcher, Materials, Report, RunOptions, attempt, attempt_each, work};
use unlearn_run_store::{StageSpec, Store};

use crate::{
    args::StageArguments,
    exit::Usage,
    output::{counted, say_json},
    progress::ConsoleReporter,
    run::{run_options, supervised_options},
    signals::INTERRUPT,
};

/// Maximum bytes of a description.
const MOST: u64 = 1 << 26;

pub(crate) fn stage(arguments: &StageArguments) -> anyhow::Result<()> {
    let files = &arguments.descriptions;
    if files.len() > 1 && (arguments.supervised || files.iter().any(|file| file == Path::new("-"))) {
        return Err(
            Usage("standard input gives one description; name one `-` and no file, or files only".into()).into()
        );
    }
    let mut specs = Vec::new();
    for file in files {
        let text = read(file, arguments.supervised)?;
        specs.push(StageSpec::from_json(&text, file).map_err(|error| Usage(error.to_string()))?);
    }
    let store = Store::open(&arguments.store.runs)?;
    let materials = Materials::new(arguments.compute.environment.environment()?);
    if arguments.supervised {
        let options = supervised_options(&arguments.compute)?;
        let Some(spec) = specs.pop() else { return Ok(()) };
        say_json(&serde_json::to_string(&supervised(spec, &store, &materials, &options))?);
        return Ok(());
    }
    let reporter = ConsoleReporter::new(false);
    let options = run_options(&reporter, &arguments.compute, Launcher::Here)?;
    if let Some(outcomes) = &arguments.outcomes {
        return as_a_task(&specs, &store, &materials, &options, outcomes);
    }
    for spec in specs {
        let (kind, key) = (spec.kind.clone(), spec.key());
        work(spec, &store, &materials, &options)?;
        say!("{}", store.stage(&kind, &key)?.path().display());
    }
    Ok(())
}

/// Computes stages as a task of a cluster. The last line of its messages says what failed.
fn as_a_task(
    specs: &[StageSpec],
    store: &Store,
    materials: &Materials,
    options: &RunOptions<'_>,
    outcomes: &Path,
) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for (spec, report) in specs.iter().zip(attempt_each(specs, store, materials, options, outcomes)?) {
        let stage = format!("{} {}", spec.kind, spec.key().short());
        match report {
            Some(Report::Done | Report::Found) => note!("{stage} done"),
            Some(Report::Failed { reason } | Report::Diverged { reason, .. }) => {
                failed.push(format!("{stage}: {reason}"));
            }
            None | Some(Report::Interrupted | Report::Held { .. }) => return Err(Error::Interrupted { stage }.into()),
        }
    }
    if !failed.is_empty() {
        bail!("{} of {} failed: {}", failed.len(), counted(specs.len(), "stage", "stages"), failed.join("; "));
    }
    Ok(())
}

/// Reads a description from a file or standard input. A supervisor writes it on one line, and closes the stream only
/// to stop the stage.
fn read(file: &Path, supervised: bool) -> anyhow::Result<Vec<u8>> {
    if file != Path::new("-") {
        let read = unlearn::files::read(file, MOST);
        return Ok(read.map_err(|error| Usage(format!("failed to read the description {}: {error}", file.display())))?);
    }
    let mut text = Vec::new();
    let mut input = stdin().lock().take(MOST);
    let read = if supervised { input.read_until(b'\n', &mut text) } else { input.read_to_end(&mut text) };
    read.context("failed to read the description from standard input")?;
    Ok(text)
}

fn supervised(spec: StageSpec, store: &Store, materials: &Materials, options: &RunOptions<'_>) -> Report {
    thread::spawn(|| {
        drop(std::io::copy(&mut stdin().lock(), &mut std::io::sink()));
        INTERRUPT.store(true, Ordering::Relaxed);
    });
    attempt(spec, store, materials, options)
}
