//! `unlearn tune`: a search for the settings of a suite's methods.

use anyhow::Context;
use unlearn_experiment::{Objective, RunOptions, Suite, TuneOptions};
use unlearn_run_store::Store;

use crate::{
    args::{ObjectiveName, TuneArguments},
    progress::ConsoleReporter,
    run::{children, run_options},
};

pub(crate) fn tune(arguments: &TuneArguments) -> anyhow::Result<()> {
    let suite = Suite::load(&arguments.suite, &arguments.assignments)?;
    let store = Store::open(&arguments.store.runs)?;
    let options = TuneOptions {
        trials: usize::try_from(arguments.trials)?,
        objective: match arguments.objective {
            ObjectiveName::Gap => Objective::Gap,
            ObjectiveName::OracleFree => Objective::OracleFree,
        },
        methods: arguments.methods.clone(),
        seed: arguments.seed,
    };
    let children = children(&arguments.schedule, &arguments.compute, &arguments.store)?;
    let reporter = ConsoleReporter::new(children.is_some());
    let run = RunOptions { children, ..run_options(&reporter, &arguments.compute)? };
    let tuning =
        unlearn_experiment::tune(&suite, &arguments.compute.environment.environment(), &store, &options, &run)?;
    if reporter.reused() > 0 {
        note!("{} stages were done already", reporter.reused());
    }
    say!("{}", unlearn_reports::tuning::terminal(&tuning).trim_end());
    if let Some(file) = &arguments.out {
        tuning.write(file).context("--out")?;
        say!("tuning: {}", file.display());
    }
    Ok(())
}
