//! Computes the stages of a plan, each as soon as its inputs exist. Finished stages are not computed again, and
//! killed ones are resumed. If another process computes a stage, it is left to that process while anything else can
//! be done.

mod children;
mod queue;
mod worker;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use unlearn_run_store::{Attempt, StageKey, Store};
use unlearn_training::{Progress, Unattended};

pub use children::StageCommand;
pub use worker::{Report, attempt, work};

use crate::{Error, PlannedStage, Result, materials::Materials, stages};
use queue::Queue;

/// Interval between checks whether a stage of another process is done.
const PATIENCE: Duration = Duration::from_millis(200);

/// The position of a stage in its plan.
#[derive(Debug, Clone, Copy)]
pub struct StageAt<'a> {
    /// Number of the stage, from 1.
    pub number: usize,
    /// Number of stages in the plan.
    pub total: usize,
    /// The label of the stage, for users.
    pub label: &'a str,
}

/// Receives the progress of a run.
pub trait Reporter: Progress {
    /// A stage starts, or resumes.
    fn started(&self, at: StageAt<'_>, resumed: bool);
    /// A stage was already done.
    fn reused(&self, at: StageAt<'_>);
    /// A stage is done, after this many seconds of this run.
    fn finished(&self, at: StageAt<'_>, seconds: f64);
    /// Nothing else can be done until another process finishes this stage.
    fn waiting(&self, at: StageAt<'_>, holder: &str);
}

/// Reports nothing.
impl Reporter for Unattended {
    fn started(&self, _: StageAt<'_>, _: bool) {}
    fn reused(&self, _: StageAt<'_>) {}
    fn finished(&self, _: StageAt<'_>, _: f64) {}
    fn waiting(&self, _: StageAt<'_>, _: &str) {}
}

/// What to do when a stage fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Stop. Running stages save their state and stop.
    #[default]
    Stop,
    /// Compute every stage that does not depend on it, and report the failure at the end.
    GoOn,
}

/// How to compute a plan.
#[derive(Clone)]
pub struct RunOptions<'a> {
    /// Receives all progress.
    pub reporter: &'a dyn Reporter,
    /// Set from outside to save the state and stop.
    pub interrupt: &'a AtomicBool,
    /// The command line, for the report.
    pub command: String,
    /// The commit of the sources, for the report.
    pub commit: Option<String>,
    /// Interval between saves of a running stage.
    pub checkpoint_interval: Duration,
    /// What to do when a stage fails.
    pub on_failure: OnFailure,
    /// Whether to replace another suite's index of the same name, even if it has rows that this suite lacks.
    pub replace: bool,
    /// Child processes for several stages at a time. With `None`, this process computes the stages one after the
    /// other.
    pub children: Option<Children>,
}

impl RunOptions<'static> {
    /// Options for stages one after the other in this process, without progress messages. `command` is for the
    /// report.
    pub fn unattended(command: impl Into<String>) -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self {
            reporter: &Unattended,
            interrupt: &NEVER,
            command: command.into(),
            commit: None,
            checkpoint_interval: Duration::from_secs(10),
            on_failure: OnFailure::Stop,
            replace: false,
            children: None,
        }
    }
}

/// Stages in child processes.
#[derive(Debug, Clone)]
pub struct Children {
    /// Maximum number of children at a time.
    pub jobs: usize,
    /// The command that computes one stage.
    pub command: StageCommand,
    /// Whether stages whose run time is a result may share the machine with others.
    pub shared_timing: bool,
}

/// Failed stages, and those that depend on them.
pub(crate) type Failures = BTreeMap<StageKey, Failure>;

/// Why a stage does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What went wrong, in the stage itself or in an input of it.
    pub(crate) reason: String,
    /// Whether the stage itself failed.
    pub(crate) is_own: bool,
}

/// Computes every unfinished stage.
///
/// # Errors
/// If a stage fails, unless the run goes on after failures, or if the user interrupts. Stages that were done before
/// stay done.
pub(crate) fn compute(
    stages: &[PlannedStage],
    store: &Store,
    materials: &Materials,
    options: &RunOptions<'_>,
) -> Result<Failures> {
    let mut queue = Queue::new(stages, store)?;
    match &options.children {
        Some(children) => children::compute(&mut queue, store, children, options)?,
        None => compute_here(&mut queue, store, materials, options)?,
    }
    Ok(queue.into_failures())
}

fn compute_here(queue: &mut Queue<'_>, store: &Store, materials: &Materials, options: &RunOptions<'_>) -> Result<()> {
    let mut told = None;
    while !queue.is_over() {
        let mut held = None;
        let mut moved = false;
        for stage in queue.ready() {
            queue.stop_if_interrupted(options)?;
            let PlannedStage { spec, label, .. } = &queue.stages[stage];
            match store.try_begin(spec)? {
                Attempt::Done(_) => queue.reused(stage, options),
                Attempt::Held(holder) => {
                    held.get_or_insert((stage, holder));
                    continue;
                }
                Attempt::Run(writer) => {
                    let started = Instant::now();
                    options.reporter.started(queue.at(stage), writer.resumed());
                    match stages::compute((spec, label), writer, store, materials, options) {
                        Ok(()) => queue.finished(stage, started, options),
                        Err(error) => queue.failed(stage, error, options)?,
                    }
                }
            }
            moved = true;
            break; // What follows from this stage comes first, so that an interrupted run leaves whole rows.
        }
        if let (false, Some(held)) = (moved, held) {
            queue.wait(held, &mut told, options)?;
        }
    }
    Ok(())
}

impl Queue<'_> {
    fn stop_if_interrupted(&self, options: &RunOptions<'_>) -> Result<()> {
        if options.interrupt.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { stage: self.next_label().to_owned() });
        }
        Ok(())
    }

    /// Waits a little for a stage that another process computes. Each stage and holder is reported once.
    fn wait(
        &self,
        (stage, holder): (usize, String),
        told: &mut Option<(usize, String)>,
        options: &RunOptions<'_>,
    ) -> Result<()> {
        let held = (stage, holder);
        if told.as_ref() != Some(&held) {
            options.reporter.waiting(self.at(stage), &held.1);
            *told = Some(held);
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.stop_if_interrupted(options)?;
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
