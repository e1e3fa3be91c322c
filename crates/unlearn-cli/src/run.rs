//! `unlearn run`: a suite from start to report.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, bail};
use serde_json::json;
use unlearn_experiment::{
    Children, Environment, Finished, OnFailure, Plan, PlannedStage, RunOptions, StageCommand, Status, Suite,
};
use unlearn_run_store::{Store, StoreError};

use crate::{
    args::{ComputeArguments, Launcher, RunArguments, ScheduleArguments, StoreArguments},
    progress::ConsoleReporter,
    report::{prepare, write_report},
};

/// Set by the first interrupt.
pub(crate) static INTERRUPT: AtomicBool = AtomicBool::new(false);

pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let mut assignments = arguments.assignments.clone();
    if let Some(seeds) = arguments.seeds {
        let list = (1..=seeds).map(|seed| seed.to_string()).collect::<Vec<_>>().join(", ");
        assignments.push(format!("suite.seeds=[{list}]"));
    }
    let mut suite = Suite::load(&arguments.suite, &assignments)?;
    begin_with(&mut suite, arguments.init.as_deref())?;
    let environment = arguments.compute.environment.environment();
    if arguments.dry_run {
        return dry_run(&suite, &environment, arguments);
    }
    let plan = Plan::resolve(&suite, &environment)?;
    let out = arguments.out.clone().unwrap_or_else(|| default_out(&arguments.store.runs, &plan.index.suite));
    let store = Store::open(&arguments.store.runs)?;
    prepare(&out, &plan.index.suite, arguments.replacing.replace)?;
    let children = children(&arguments.schedule, &arguments.compute, &arguments.store)?;
    let reporter = ConsoleReporter::new(children.is_some());
    let on_failure = if arguments.keep_going { OnFailure::GoOn } else { OnFailure::Stop };
    let options = RunOptions {
        children,
        on_failure,
        replace: arguments.replacing.replace,
        ..run_options(&reporter, &arguments.compute)?
    };
    let Finished { index, failures } = unlearn_experiment::run(&plan, &store, &options)?;
    if reporter.reused() > 0 {
        eprintln!("{} of {} stages were done already", reporter.reused(), plan.stages.len());
    }
    write_report(&store, &index, &out)?;
    for (label, reason) in &failures {
        eprintln!("failed: {label}: {reason}");
    }
    if !failures.is_empty() {
        bail!("{} of {} stages failed; the report lacks their rows", failures.len(), plan.stages.len());
    }
    Ok(())
}

/// Stages in processes of their own, where more than one at a time is asked for.
pub(crate) fn children(
    schedule: &ScheduleArguments,
    compute: &ComputeArguments,
    store: &StoreArguments,
) -> anyhow::Result<Option<Children>> {
    let Launcher::Local = schedule.launcher;
    if schedule.jobs == 1 {
        return Ok(None);
    }
    let program = std::env::current_exe().context("failed to find this program, which stages are computed by")?;
    let mut arguments: Vec<OsString> = ["stage", "-", "--supervised", "--runs"].map(OsString::from).into();
    arguments.push(store.runs.clone().into());
    arguments.extend(["--device".into(), compute.environment.device.to_string().into()]);
    arguments.extend(["--checkpoint-interval".into(), compute.checkpoint_interval.to_string().into()]);
    if let Some(folder) = &compute.environment.data_dir {
        arguments.extend(["--data-dir".into(), folder.into()]);
    }
    let command = StageCommand { program, arguments };
    Ok(Some(Children { jobs: schedule.jobs.into(), command, shared_timing: schedule.shared_timing }))
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
pub(crate) fn run_options<'a>(
    reporter: &'a ConsoleReporter,
    compute: &ComputeArguments,
) -> anyhow::Result<RunOptions<'a>> {
    let checkpoint_interval = compute.interval()?;
    stop_on_signals("stopping after this step; once more to stop at once")?;
    Ok(RunOptions {
        reporter,
        interrupt: &INTERRUPT,
        command: command_line(),
        commit: commit(),
        checkpoint_interval,
        on_failure: OnFailure::Stop,
        replace: false,
        children: None,
    })
}

fn default_out(runs: &Path, suite: &str) -> PathBuf {
    runs.join("reports").join(suite)
}

/// Says what a run would do. Reads the data that is here and the store, and changes nothing.
fn dry_run(suite: &Suite, environment: &Environment, arguments: &RunArguments) -> anyhow::Result<()> {
    let environment = Environment { offline: true, ..environment.clone() };
    let plan = Plan::resolve(suite, &environment).context("a dry run fetches nothing")?;
    let store = match Store::open_existing(&arguments.store.runs) {
        Ok(store) => Some(store),
        Err(StoreError::NoStore(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let status = unlearn_experiment::status(&plan, store.as_ref())?;
    if arguments.json {
        for (PlannedStage { spec, key, label }, status) in plan.stages.iter().zip(&status) {
            let done = *status == Status::Done;
            println!("{}", json!({ "key": key, "label": label, "done": done, "stage": spec.to_json() }));
        }
        return Ok(());
    }
    for (stage, status) in plan.stages.iter().zip(&status) {
        let word = if *status == Status::Done { "done " } else { "to do" };
        println!("{word}  {}  {}", stage.key.short(), stage.label);
    }
    let done = status.iter().filter(|status| **status == Status::Done).count();
    println!("{} stages, {done} done, {} to do", plan.stages.len(), plan.stages.len() - done);
    Ok(())
}

/// The first Ctrl-C stops after the current step with the state saved, and says so; a second one stops at once.
pub(crate) fn stop_on_signals(said: &'static str) -> anyhow::Result<()> {
    let stop = move || {
        if INTERRUPT.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        if !said.is_empty() {
            eprintln!("{said}");
        }
    };
    ctrlc::set_handler(stop).context("failed to listen for interrupts")
}

fn command_line() -> String {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    format!("unlearn {arguments}")
}

/// The commit that the program was built from (`build.rs`), where that is known.
fn commit() -> Option<String> {
    option_env!("UNLEARN_COMMIT").map(str::to_owned)
}
