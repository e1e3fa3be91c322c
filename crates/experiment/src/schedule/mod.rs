//! Computes the stages of a plan, each as soon as its inputs exist. Finished stages are not computed again, and
//! killed ones are resumed. If another process computes a stage, it is left to that process while anything else can
//! be done.

mod children;
mod local;
mod outcomes;
mod queue;
mod slurm;
mod worker;

use std::{collections::BTreeMap, sync::atomic::AtomicBool, time::Duration};

use unlearn_run_store::{StageKey, Store};
use unlearn_training::{Progress, Unattended};

pub use children::StageCommand;
pub use outcomes::attempt_each;
pub use slurm::{KindSection, LaunchState, Slurm, SlurmSection, TaskCommand, Text, cancel_launch, launches};
pub use worker::{Report, attempt, compute_again, work};

use crate::{PlannedStage, Result, materials::Materials};
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
    /// Where stages are computed.
    pub launcher: Launcher,
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
            launcher: Launcher::Here,
        }
    }
}

/// Where stages are computed.
#[derive(Debug, Clone, Default)]
pub enum Launcher {
    /// In this process, one after the other.
    #[default]
    Here,
    /// In child processes, several at a time.
    Children(Children),
    /// On a cluster with Slurm.
    Slurm(Box<Slurm>),
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
    match &options.launcher {
        Launcher::Here => local::compute(&mut queue, store, materials, options)?,
        Launcher::Children(children) => children::compute(&mut queue, store, children, options)?,
        Launcher::Slurm(slurm) => slurm::compute(&mut queue, store, slurm, options)?,
    }
    Ok(queue.into_failures())
}
