//! One stage by itself, as `unlearn stage` computes it: for a person, or for a process that supervises several.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use unlearn_run_store::{Attempt, StageSpec, Store};

use super::{OnFailure, RunOptions};
use crate::{Error, PlannedStage, Result, materials::Materials, stages};

/// What became of a stage, in the words that a worker tells its supervisor, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Report {
    /// It was computed.
    Done,
    /// It was in the store already.
    Found,
    /// Another process computes it.
    Held {
        /// Which one, for people.
        by: String,
    },
    /// It failed.
    Failed {
        /// Why.
        reason: String,
    },
    /// It failed because its numbers became infinite.
    Diverged {
        /// Why.
        reason: String,
        /// Where the last finite weights are.
        kept: PathBuf,
    },
    /// It was stopped with its state saved.
    Interrupted,
}

/// Computes one stage, waiting for a process that computes it already.
///
/// # Errors
/// A description that cannot be computed here, an input that is missing, a stage that fails, an interruption.
pub fn work(spec: StageSpec, store: &Store, materials: &Materials, options: &RunOptions<'_>) -> Result<()> {
    let stages = [PlannedStage::of(spec)];
    let options = RunOptions { on_failure: OnFailure::Stop, children: None, ..options.clone() };
    super::compute(&stages, store, materials, &options).map(|_| ())
}

/// The same for a supervisor: does not wait, and tells what became of it.
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
