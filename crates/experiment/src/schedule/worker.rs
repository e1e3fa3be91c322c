//! Computes one stage by itself, as `unlearn stage` does, for a person or for a supervising process.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use unlearn_run_store::{Attempt, StageSpec, Store};

use super::{Launcher, OnFailure, RunOptions};
use crate::{Error, PlannedStage, Result, materials::Materials, stages};

/// The outcome of a stage, which a worker sends to its supervisor as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Report {
    /// It was computed.
    Done,
    /// It was already in the store.
    Found,
    /// Another process computes it.
    Held {
        /// A description of that process, for users.
        by: String,
    },
    /// It failed.
    Failed {
        /// The reason.
        reason: String,
    },
    /// It failed because its numbers became infinite.
    Diverged {
        /// The reason.
        reason: String,
        /// The file with the last finite weights.
        kept: PathBuf,
    },
    /// It was stopped, and its state is saved.
    Interrupted,
}

/// Computes one stage. If another process already computes it, this call waits.
///
/// # Errors
/// If the description cannot be computed here, an input is missing, the stage fails, or the user interrupts.
pub fn work(spec: StageSpec, store: &Store, materials: &Materials, options: &RunOptions<'_>) -> Result<()> {
    let stages = [PlannedStage::of(spec)];
    let options = RunOptions { on_failure: OnFailure::Stop, launcher: Launcher::Here, ..options.clone() };
    super::compute(&stages, store, materials, &options).map(|_| ())
}

/// Computes the stages of a list that are not in the store, one after the other. Returns those that failed or whose
/// inputs failed, with the reasons, if the options say to go on after failures.
///
/// # Errors
/// If the user interrupts, an input is neither in the list nor in the store, or a stage fails and the options do not say
/// to go on.
pub fn compute_again(
    specs: Vec<StageSpec>,
    store: &Store,
    materials: &Materials,
    options: &RunOptions<'_>,
) -> Result<Vec<(StageSpec, String)>> {
    let stages: Vec<_> = specs.into_iter().map(PlannedStage::of).collect();
    let mut failures = super::compute(&stages, store, materials, options)?;
    let with_reason = |stage: PlannedStage| failures.remove(&stage.key).map(|failure| (stage.spec, failure.reason));
    Ok(stages.into_iter().filter_map(with_reason).collect())
}

/// [`work`] for a supervisor. It does not wait, and it reports the outcome.
pub fn attempt(spec: StageSpec, store: &Store, materials: &Materials, options: &RunOptions<'_>) -> Report {
    let stage = PlannedStage::of(spec);
    let attempt = || -> Result<Report> {
        super::Queue::new(std::slice::from_ref(&stage), store)?;
        match store.try_begin(&stage.spec)? {
            Attempt::Done(_) => Ok(Report::Found),
            Attempt::Held(by) => Ok(Report::Held { by }),
            Attempt::Run(writer) => {
                stages::compute((&stage.spec, &stage.label), writer, store, materials, options)?;
                Ok(Report::Done)
            }
        }
    };
    match attempt() {
        Ok(report) => report,
        Err(Error::Interrupted { .. }) => Report::Interrupted,
        Err(Error::Stage { reason, .. }) => Report::Failed { reason },
        Err(Error::Diverged { reason, kept, .. }) => Report::Diverged { reason, kept },
        Err(error) => Report::Failed { reason: error.to_string() },
    }
}
