//! `unlearn run`: a suite from start to report.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde_json::json;
use unlearn::network::DeviceChoice;
use unlearn::training::Unattended;
use unlearn_experiment::{
    Children, Environment, Finished, Launcher, OnFailure, Plan, PlannedStage, Reporter, RunOptions, Slurm,
    StageCommand, Status, Suite, TaskCommand,
};
use unlearn_run_store::{Store, StoreError, SuiteIndex};

use crate::{
    args::{
        ChosenSuite, ComputeArguments, InitArguments, LauncherName, RunArguments, ScheduleArguments, StoreArguments,
    },
    exit::Usage,
    output::{counted, say_json},
    progress::ConsoleReporter,
    report::{prepare, write_report},
    signals::{INTERRUPT, stop_on_signals},
};

pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    complete(&load(&arguments.chosen)?, arguments, &write_report)
}

/// The chosen suite, with everything that the arguments change in it.
pub(crate) fn load(chosen: &ChosenSuite) -> anyhow::Result<Suite> {
    let ChosenSuite { suite, assignments, beginning, seeds } = chosen;
    let mut suite = open(suite, assignments, *seeds)?;
    begin_with(&mut suite, beginning)?;
    Ok(suite)
}

/// The suite in a file, with `--set` and `--seeds`.
pub(crate) fn open(file: &Path, assignments: &[String], seeds: Option<u64>) -> anyhow::Result<Suite> {
    let mut assignments = assignments.to_vec();
    if let Some(seeds) = seeds {
        let list = (1..=seeds).map(|seed| seed.to_string()).collect::<Vec<_>>().join(", ");
        assignments.push(format!("suite.seeds=[{list}]"));
    }
    Ok(Suite::load(file, &assignments)?)
}

/// Writes the report of a finished suite into a folder, and prints it.
type WriteReport<'a> = &'a dyn Fn(&Store, &SuiteIndex, &Path) -> anyhow::Result<()>;

/// Computes all stages of a suite and writes its report, or prints the plan if only that is asked for.
pub(crate) fn complete(suite: &Suite, arguments: &RunArguments, write: WriteReport<'_>) -> anyhow::Result<()> {
    let environment = arguments.compute.environment.environment()?;
    if arguments.dry_run {
        return dry_run(suite, &environment, arguments);
    }
    let launcher = launcher(suite, &arguments.schedule, &arguments.compute, &arguments.store)?;
    let plan = Plan::resolve(suite, &environment)?;
    let out = arguments.out.clone().unwrap_or_else(|| default_out(&arguments.store.runs, &plan.index.suite));
    let store = Store::open(&arguments.store.runs)?;
    prepare(&out, &plan.index.suite, arguments.replacing.replace)?;
    let reporter = reporter(&launcher);
    let on_failure = if arguments.keep_going { OnFailure::GoOn } else { OnFailure::Stop };
    let options = RunOptions {
        on_failure,
        replace: arguments.replacing.replace,
        ..run_options(&reporter, &arguments.compute, launcher)?
    };
    let Finished { index, failures, skipped } = unlearn_experiment::run(&plan, &store, &options)?;
    if reporter.reused() > 0 {
        note!("{} of {} done already", reporter.reused(), counted(plan.stages.len(), "stage was", "stages were"));
    }
    write(&store, &index, &out)?;
    for (label, reason) in &failures {
        fault!("failed: {label}: {reason}");
    }
    if !failures.is_empty() {
        bail!(
            "{} of {} failed, and {skipped} that depend on them were not computed; the report lacks their rows",
            failures.len(),
            counted(plan.stages.len(), "stage", "stages")
        );
    }
    Ok(())
}

/// Where the stages of a suite are computed, as the arguments say.
pub(crate) fn launcher(
    suite: &Suite,
    schedule: &ScheduleArguments,
    compute: &ComputeArguments,
    store: &StoreArguments,
) -> anyhow::Result<Launcher> {
    if schedule.launcher == LauncherName::Slurm {
        return Ok(Launcher::Slurm(Box::new(slurm(suite, schedule, compute, store)?)));
    }
    if schedule.jobs == 1 {
        return Ok(Launcher::Here);
    }
    let mut arguments: Vec<OsString> =
        ["stage", "-", "--supervised", "--log-format", "json"].map(OsString::from).into();
    arguments.extend(["--runs".into(), store.runs.clone().into()]);
    arguments.extend(["--device".into(), compute.environment.device()?.to_string().into()]);
    arguments.extend(["--checkpoint-interval".into(), compute.checkpoint_interval.to_string().into()]);
    if let Some(folder) = &compute.environment.data_dir {
        arguments.extend(["--data-dir".into(), folder.into()]);
    }
    let command = StageCommand { program: this_program()?, arguments };
    Ok(Launcher::Children(Children { jobs: schedule.jobs.into(), command, shared_timing: schedule.shared_timing }))
}

/// The cluster. Its tasks run in the folder in which this command was typed.
fn slurm(
    suite: &Suite,
    schedule: &ScheduleArguments,
    compute: &ComputeArguments,
    store: &StoreArguments,
) -> anyhow::Result<Slurm> {
    for (option, is_given) in [("--jobs", schedule.jobs != 1), ("--shared-timing", schedule.shared_timing)] {
        if is_given {
            let advice = "Slurm decides how many tasks run at a time; leave one of the two out";
            return Err(Usage(format!("{option} is for `--launcher local`: {advice}")).into());
        }
    }
    compute.interval()?;
    let absolute =
        |path: &Path| std::path::absolute(path).with_context(|| format!("failed to find {}", path.display()));
    let chosen = compute.environment.device()?;
    // What a node finds must not decide which arithmetic it computes with.
    let device = match chosen {
        DeviceChoice::Auto => DeviceChoice::first_gpu().unwrap_or(DeviceChoice::Cpu),
        device => device,
    };
    let mut arguments: Vec<OsString> = vec!["--runs".into(), absolute(&store.runs)?.into()];
    arguments.extend(["--device".into(), device.to_string().into()]);
    arguments.extend(["--checkpoint-interval".into(), compute.checkpoint_interval.to_string().into()]);
    if let Some(folder) = &compute.environment.data_dir {
        arguments.extend(["--data-dir".into(), absolute(folder)?.into()]);
    }
    let command = TaskCommand { program: this_program()?, arguments };
    let working = std::env::current_dir().context("failed to find the working folder")?;
    let slurm = Slurm::new(&suite.suite.name, suite.launcher.slurm.as_ref(), command, working)?;
    if chosen == DeviceChoice::Auto && device == DeviceChoice::Cpu && slurm.asks_for_gpus() {
        let advice =
            "this machine has none, so name the device that the stages are for: `--device cuda:0`, or `--device cpu`";
        return Err(Usage(format!(
            "`launcher.slurm.gpus` asks for GPUs, and --device auto looks for one here: {advice}"
        ))
        .into());
    }
    Ok(slurm)
}

fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("failed to find the path of this program, which computes the stages")
}

/// Reports the progress of stages that a launcher computes.
pub(crate) fn reporter(launcher: &Launcher) -> ConsoleReporter {
    ConsoleReporter::new(!matches!(launcher, Launcher::Here))
}

/// Makes a suite begin training with the weights that `--init` and `--init-key` name, if given. A path is relative to
/// the working folder of the command, not to the suite. A key of the suite belongs to the suite's file, so `--init`
/// replaces both.
pub(crate) fn begin_with(suite: &mut Suite, beginning: &InitArguments) -> anyhow::Result<()> {
    let InitArguments { init, init_key } = beginning;
    if init.is_some() || init_key.is_some() {
        suite.model.init_key.clone_from(init_key);
        let given = suite.given.entry("model".into()).or_default();
        given.remove("init-key");
        given.extend(init_key.iter().map(|_| "init-key".to_owned()));
        given.extend(init.iter().map(|_| "init".to_owned()));
    }
    let Some(init) = init else { return Ok(()) };
    if init.is_empty() {
        return Err(Usage("--init: the name is empty; name a file or `hub:OWNER/NAME`".into()).into());
    }
    suite.model.init = Some(if init.starts_with(unlearn::hub::PREFIX) {
        init.to_owned()
    } else {
        let path =
            std::path::absolute(init).map_err(|error| Usage(format!("--init `{init}`: {error}; name a file")))?;
        let path = path.into_os_string().into_string();
        path.map_err(|path| Usage(format!("--init {}: the path must be UTF-8; rename the folder", path.display())))?
    });
    Ok(())
}

/// The answer to the first interrupt.
const STOPPING: &str = "stopping after this step; interrupt again to stop at once";
/// The same if the stages are computed on a cluster.
const LEAVING: &str = "leaving the jobs to Slurm";

/// Options of a run from the command line. After this call, an interrupt saves the state and stops the run.
pub(crate) fn run_options<'a>(
    reporter: &'a ConsoleReporter,
    compute: &ComputeArguments,
    launcher: Launcher,
) -> anyhow::Result<RunOptions<'a>> {
    let said = if matches!(launcher, Launcher::Slurm(_)) { LEAVING } else { STOPPING };
    Ok(RunOptions { launcher, ..options(reporter, compute, said)? })
}

/// The same for a stage that another process supervises. Such a stage prints no progress.
pub(crate) fn supervised_options(compute: &ComputeArguments) -> anyhow::Result<RunOptions<'static>> {
    options(&Unattended, compute, "")
}

fn options<'a>(
    reporter: &'a dyn Reporter,
    compute: &ComputeArguments,
    said: &'static str,
) -> anyhow::Result<RunOptions<'a>> {
    let checkpoint_interval = compute.interval()?;
    stop_on_signals(said)?;
    Ok(RunOptions {
        reporter,
        interrupt: &INTERRUPT,
        command: command_line(),
        commit: commit(),
        checkpoint_interval,
        on_failure: OnFailure::Stop,
        replace: false,
        launcher: Launcher::Here,
    })
}

fn default_out(runs: &Path, suite: &str) -> PathBuf {
    runs.join("reports").join(suite)
}

/// Prints what a run would do. It reads local data and the store, and changes nothing.
fn dry_run(suite: &Suite, environment: &Environment, arguments: &RunArguments) -> anyhow::Result<()> {
    let environment = Environment { offline: true, ..environment.clone() };
    let plan = Plan::resolve(suite, &environment)?;
    let store = match Store::open_existing(&arguments.store.runs) {
        Ok(store) => Some(store),
        Err(StoreError::NoStore(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let status = unlearn_experiment::status(&plan, store.as_ref())?;
    if arguments.json {
        for (PlannedStage { spec, key, label }, status) in plan.stages.iter().zip(&status) {
            let done = *status == Status::Done;
            say_json(&json!({ "key": key, "label": label, "done": done, "stage": spec.to_json() }).to_string());
        }
        return Ok(());
    }
    for (stage, status) in plan.stages.iter().zip(&status) {
        let word = if *status == Status::Done { "done " } else { "to do" };
        say!("{word}  {}  {}", stage.key.short(), stage.label);
    }
    let done = status.iter().filter(|status| **status == Status::Done).count();
    say!("{}, {done} done, {} to do", counted(plan.stages.len(), "stage", "stages"), plan.stages.len() - done);
    Ok(())
}

fn command_line() -> String {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    format!("unlearn {}", arguments.join(" "))
}

/// The commit that the program was built from (`build.rs`), if known.
fn commit() -> Option<String> {
    option_env!("UNLEARN_COMMIT").map(str::to_owned)
}
