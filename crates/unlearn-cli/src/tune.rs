//! `unlearn tune`: searches settings for the methods of a suite.

use std::path::Path;

use anyhow::Context;
use unlearn_experiment::{Objective, RunOptions, Suite, TuneOptions};
use unlearn_run_store::{Store, Tuning, check_writable};

use crate::{
    args::{ObjectiveName, TuneArguments},
    exit::Usage,
    output::counted,
    outputs::Outputs,
    run::{launcher, reporter, run_options},
};

pub(crate) fn tune(arguments: &TuneArguments) -> anyhow::Result<()> {
    Outputs::default()
        .reads("the suite", Some(&arguments.suite))
        .writes("`--out`", arguments.out.as_deref())
        .check()?;
    let suite = Suite::load(&arguments.suite, &arguments.assignments)?;
    let store = Store::open(&arguments.store.runs)?;
    if let Some(file) = &arguments.out {
        check_out(file, &suite.suite.name, arguments.replace)?;
    }
    let options = TuneOptions {
        trials: usize::try_from(arguments.trials)?,
        objective: match arguments.objective {
            ObjectiveName::Gap => Objective::Gap,
            ObjectiveName::OracleFree => Objective::OracleFree,
        },
        methods: arguments.methods.clone(),
        seed: arguments.seed,
    };
    let launcher = launcher(&suite, &arguments.schedule, &arguments.compute, &arguments.store)?;
    let reporter = reporter(&launcher);
    let run = RunOptions { replace: arguments.replace, ..run_options(&reporter, &arguments.compute, launcher)? };
    let tuning =
        unlearn_experiment::tune(&suite, &arguments.compute.environment.environment()?, &store, &options, &run)?;
    if reporter.reused() > 0 {
        note!("{} done already", counted(reporter.reused(), "stage was", "stages were"));
    }
    say!("{}", unlearn_reports::tuning::terminal(&tuning).trim_end());
    if let Some(file) = &arguments.out {
        tuning.write(file).context("--out")?;
        say!("tuning: {}", file.display());
    }
    Ok(())
}

/// Refuses a file that cannot be written, or that holds anything else than an earlier search of the suite. It does so
/// before anything is computed.
fn check_out(file: &Path, suite: &str, replace: bool) -> anyhow::Result<()> {
    let refuse = |reason: String| Err(Usage(format!("--out {}: {reason}", file.display())).into());
    if let Err(error) = unlearn_run_store::refuse_inside_stage(file) {
        return refuse(error.to_string());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Err(error) = std::fs::create_dir_all(folder).and_then(|()| check_writable(folder)) {
        return refuse(format!("the folder cannot be written: {error}"));
    }
    if let Err(error) = unlearn::files::check_output(file) {
        return refuse(error.to_string());
    }
    if replace || std::fs::symlink_metadata(file).is_err() {
        return Ok(());
    }
    match Tuning::read(file) {
        Ok(held) if held.suite == suite => Ok(()),
        Ok(held) => {
            refuse(format!("it holds the search of the suite `{}`; name another file, or give `--replace`", held.suite))
        }
        Err(_) => refuse("it exists and holds no search; name another file, or give `--replace`".into()),
    }
}
