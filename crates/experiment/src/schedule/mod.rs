//! Computes the stages of a plan, each as soon as its inputs are there. A stage that is done is not computed again, one that was killed
//! goes on, and one that another process computes is left to it while anything else can be done.

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

/// How long to wait before looking again whether a stage that another process computes is done.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where a stage stands in its plan.
#[derive(Debug, Clone, Copy)]
pub struct StageAt<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// How many stages the plan has.
    pub total: usize,
    /// The stage, for people.
    pub label: &'a str,
}

/// Is told which stage is running.
pub trait Reporter: Progress {
    /// A stage begins, or goes on from where it was stopped.
    fn started(&self, at: StageAt<'_>, resumed: bool);
    /// A stage was done already.
    fn reused(&self, at: StageAt<'_>);
    /// A stage is done, after so many seconds of this run.
    fn finished(&self, at: StageAt<'_>, seconds: f64);
    /// Nothing else can be done before a stage that another process computes.
    fn waiting(&self, at: StageAt<'_>, holder: &str);
}

/// Says nothing.
impl Reporter for Unattended {
    fn started(&self, _: StageAt<'_>, _: bool) {}
    fn reused(&self, _: StageAt<'_>) {}
    fn finished(&self, _: StageAt<'_>, _: f64) {}
    fn waiting(&self, _: StageAt<'_>, _: &str) {}
}

/// What to do when a stage fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Stop; stages that run are stopped with their state saved.
    #[default]
    Stop,
    /// Compute whatever does not build on it, and tell of it at the end.
    GoOn,
}

/// How to compute a plan.
#[derive(Clone)]
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
    /// What to do when a stage fails.
    pub on_failure: OnFailure,
    /// Whether the index of another suite file under the same name may be replaced, with rows that this suite lacks.
    pub replace: bool,
    /// Stages in processes of their own, several at a time; `None` computes them here, one after the other.
    pub children: Option<Children>,
}

impl RunOptions<'static> {
    /// Stages one after the other in this process, told to nobody; `command` is for the report.
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

/// Stages in processes of their own.
#[derive(Debug, Clone)]
pub struct Children {
    /// How many at a time.
    pub jobs: usize,
    /// What computes one stage.
    pub command: StageCommand,
    /// Whether stages whose run time is a result may share the machine with others.
    pub shared_timing: bool,
}

/// Stages that failed, and those that build on them.
pub(crate) type Failures = BTreeMap<StageKey, Failure>;

/// Why a stage is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What went wrong, be it in the stage itself or in one that it builds on.
    pub(crate) reason: String,
    /// Whether the stage itself failed.
    pub(crate) is_own: bool,
}

/// Computes every stage that is not done.
///
/// # Errors
/// The first stage that fails, unless failures are gone past; an interruption. Stages done before stay done.
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

    /// Waits a little for a stage that another process computes; tells once of each stage and holder.
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
