//! `unlearn run`: a suite from start to report.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Context;
use unlearn_experiment::{Plan, RunOptions, Status, Suite};
use unlearn_run_store::Store;

use crate::{args::RunArguments, progress::ConsoleReporter, report::write_report};

static INTERRUPT: AtomicBool = AtomicBool::new(false);

pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let mut assignments = arguments.assignments.clone();
    if let Some(seeds) = arguments.seeds {
        let list = (1..=seeds).map(|seed| seed.to_string()).collect::<Vec<_>>().join(", ");
        assignments.push(format!("suite.seeds=[{list}]"));
    }
    let interval = arguments.compute.interval()?;
    let mut suite = Suite::load(&arguments.suite, &assignments)?;
    begin_with(&mut suite, arguments.init.as_deref())?;
    let plan = Plan::resolve(&suite, &arguments.compute.environment.environment())?;
    let store = Store::open(&arguments.store.runs)?;
    if arguments.dry_run {
        return dry_run(&plan, &store);
    }
    let reporter = ConsoleReporter::new();
    let index = unlearn_experiment::run(&plan, &store, &run_options(&reporter, interval)?)?;
    if reporter.reused() > 0 {
        eprintln!("{} of {} stages were done already", reporter.reused(), plan.stages.len());
    }
    let out = arguments.out.clone().unwrap_or_else(|| default_out(&arguments.store.runs, &plan.suite));
    write_report(&store, &index, &out)
}

/// Has a suite begin training with the weights that `--init` names, if it is given. A path is relative to where the command runs,
/// not to the suite.
pub(crate) fn begin_with(suite: &mut Suite, init: Option<&str>) -> anyhow::Result<()> {
    let Some(init) = init else { return Ok(()) };
    suite.model.init = Some(if init.starts_with(unlearn_hub::PREFIX) {
        init.to_owned()
    } else {
        let path = std::path::absolute(init).with_context(|| format!("--init {init}"))?;
        path.to_str().with_context(|| format!("--init {init}: the path must be UTF-8"))?.to_owned()
    });
    Ok(())
}

/// Options of a run from the command line; from here on an interrupt stops it with the state saved.
pub(crate) fn run_options(reporter: &ConsoleReporter, checkpoint_interval: Duration) -> anyhow::Result<RunOptions<'_>> {
    stop_on_signals()?;
    Ok(RunOptions { reporter, interrupt: &INTERRUPT, command: command_line(), commit: commit(), checkpoint_interval })
}

fn default_out(runs: &Path, suite: &str) -> PathBuf {
    runs.join("reports").join(suite)
}

fn dry_run(plan: &Plan, store: &Store) -> anyhow::Result<()> {
    let status = unlearn_experiment::status(plan, store)?;
    for (stage, status) in plan.stages.iter().zip(&status) {
        let word = if *status == Status::Done { "done " } else { "to do" };
        println!("{word}  {}  {}", stage.key.short(), stage.label);
    }
    let done = status.iter().filter(|status| **status == Status::Done).count();
    println!("{} stages, {done} done, {} to do", plan.stages.len(), plan.stages.len() - done);
    Ok(())
}

/// The first Ctrl-C stops after the current step with the state saved; a second one stops at once.
fn stop_on_signals() -> anyhow::Result<()> {
    let stop = || {
        if INTERRUPT.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("stopping after this step; once more to stop at once");
    };
    ctrlc::set_handler(stop).context("failed to listen for interrupts")
}

fn command_line() -> String {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    format!("unlearn {arguments}")
}

/// The sources' commit, where the command runs inside their repository.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { commit } else { format!("{commit}, with changes") })
}
