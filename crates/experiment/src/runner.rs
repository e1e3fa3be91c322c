//! Runs a plan stage by stage through the run store. A stage that is done is not run again; one that was killed goes on.

use std::{sync::atomic::AtomicBool, time::Duration};

use serde_json::json;
use unlearn_run_store::{Begin, Stage as FinishedStage, StageKey, StageWriter, Store, SuiteIndex, clock};
use unlearn_training::{Progress, Session};

use crate::{
    Error, Plan, Result,
    checkpoints::FileCheckpoints,
    plan::{Stage, Work},
    stages,
};

/// Is told which stage is running.
pub trait Reporter: Progress {
    /// A stage is about to run: the how-manieth (from 1), of how many, and its label.
    fn stage_started(&self, number: usize, total: usize, label: &str, resumed: bool);
    /// A stage was done already.
    fn stage_reused(&self, number: usize, total: usize, label: &str);
    /// A stage is done.
    fn stage_finished(&self, number: usize, total: usize, label: &str);
}

/// How to run a plan.
pub struct RunOptions<'a> {
    /// Told of everything.
    pub reporter: &'a dyn Reporter,
    /// Set from outside to stop with the state saved.
    pub interrupt: &'a AtomicBool,
    /// The command, for the report.
    pub command: String,
    /// The version of the sources, for the report.
    pub commit: Option<String>,
    /// How often a running stage saves its state.
    pub checkpoint_interval: Duration,
}

/// Where a stage of a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In the store.
    Done,
    /// Not in the store.
    ToDo,
}

/// Which stages of a plan are in the store.
///
/// # Errors
/// A store that cannot be read.
pub fn status(plan: &Plan, store: &Store) -> Result<Vec<Status>> {
    let status = |stage: &Stage| {
        Ok(if store.find(&stage.spec.kind, &stage.key)?.is_some() { Status::Done } else { Status::ToDo })
    };
    plan.stages.iter().map(status).collect()
}

/// Runs every stage that is not done, and writes the suite's index into the store.
///
/// # Errors
/// The first stage that fails, or an interruption. Stages done before stay done.
pub fn run(plan: &Plan, store: &Store, options: &RunOptions<'_>) -> Result<SuiteIndex> {
    let total = plan.stages.len();
    for (number, stage) in (1..).zip(&plan.stages) {
        complete(plan, store, stage, (number, total), options)?;
    }
    let mut index = SuiteIndex::new(&plan.suite, &options.command);
    index.title.clone_from(&plan.title);
    index.notes.clone_from(&plan.notes);
    index.commit.clone_from(&options.commit);
    index.drift_threshold = plan.drift_threshold;
    index.tuning.clone_from(&plan.shared.tuning);
    index.rows.clone_from(&plan.rows);
    store.write_suite(&index)?;
    Ok(index)
}

/// Runs those stages of a plan that are of some kinds and not done; all of that kind are given, in the plan's order.
///
/// # Errors
/// As [`run`]. A stage of a plan needs those before it, so that kinds must come with what they build on.
pub fn run_kinds(plan: &Plan, store: &Store, kinds: &[&str], options: &RunOptions<'_>) -> Result<Vec<FinishedStage>> {
    let stages: Vec<&Stage> = plan.stages.iter().filter(|stage| kinds.contains(&stage.spec.kind.as_str())).collect();
    for (number, stage) in (1..).zip(&stages) {
        complete(plan, store, stage, (number, stages.len()), options)?;
    }
    stages.iter().map(|stage| Ok(store.stage(&stage.spec.kind, &stage.key)?)).collect()
}

/// Runs a stage, the how-manieth of how many, unless it is done.
pub(crate) fn complete(
    plan: &Plan,
    store: &Store,
    stage: &Stage,
    (number, total): (usize, usize),
    options: &RunOptions<'_>,
) -> Result<()> {
    match store.begin(&stage.spec)? {
        Begin::Done(_) => options.reporter.stage_reused(number, total, &stage.label),
        Begin::Run(writer) => {
            options.reporter.stage_started(number, total, &stage.label, writer.resumed());
            run_stage(plan, store, stage, writer, options)?;
            options.reporter.stage_finished(number, total, &stage.label);
        }
    }
    Ok(())
}

fn run_stage(plan: &Plan, store: &Store, stage: &Stage, writer: StageWriter, options: &RunOptions<'_>) -> Result<()> {
    let checkpoints = FileCheckpoints::new(&writer.checkpoint_dir()?, options.checkpoint_interval);
    let session = Session { progress: options.reporter, checkpoints: &checkpoints, interrupt: options.interrupt };
    let mut bench = Bench { plan, store, stage, writer, session, checkpoint_interval: options.checkpoint_interval };
    let resumed = bench.writer.resumed();
    bench.log(if resumed { "resumed" } else { "started" }, None)?;
    let result = match &stage.work {
        Work::Train { seed } => stages::train::run(&mut bench, *seed),
        Work::Prune { seed, pruning, train } => stages::prune::run(&mut bench, *seed, *pruning, train),
        Work::Unlearn { at, config, model } => stages::unlearn::run(&mut bench, *at, config, model),
        Work::Evaluate { seed, forget, unlearn } => stages::evaluate::run(&mut bench, *seed, *forget, unlearn),
        Work::Validate { seed, forget, unlearn } => stages::validate::run(&mut bench, *seed, *forget, unlearn),
    };
    match &result {
        Ok(()) => bench.log("finished", None)?,
        // The failure itself is what the user must hear of, whether or not it could be logged.
        Err(error) => drop(bench.log("stopped", Some(&error.to_string()))),
    }
    result?;
    bench.writer.finish()?;
    Ok(())
}

/// What a stage works with.
pub(crate) struct Bench<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) store: &'a Store,
    pub(crate) stage: &'a Stage,
    pub(crate) writer: StageWriter,
    pub(crate) session: Session<'a>,
    /// How often state is saved.
    pub(crate) checkpoint_interval: Duration,
}

impl Bench<'_> {
    /// Adds a line to the stage's `log.jsonl`.
    fn log(&mut self, event: &str, reason: Option<&str>) -> Result<()> {
        let Stage { label, .. } = self.stage;
        let line = json!({ "time": clock::now(), "event": event, "stage": label, "reason": reason });
        Ok(self.writer.append_log(&line)?)
    }

    /// The error of this stage for a reason.
    pub(crate) fn failure(&self, reason: impl std::fmt::Display) -> Error {
        Error::Stage { stage: self.stage.label.clone(), reason: reason.to_string() }
    }

    /// The error of this stage for a training error, which may be the user's interruption.
    pub(crate) fn training_failure(&self, error: &unlearn_training::Error, reason: &dyn std::fmt::Display) -> Error {
        match error {
            unlearn_training::Error::Interrupted => Error::Interrupted { stage: self.stage.label.clone() },
            _ => self.failure(reason),
        }
    }

    /// A finished stage that this one reads.
    pub(crate) fn input(&self, kind: &str, key: &StageKey) -> Result<unlearn_run_store::Stage> {
        self.store
            .find(kind, key)?
            .ok_or_else(|| self.failure(format!("its input {kind}/{key} is gone from the store")))
    }
}
