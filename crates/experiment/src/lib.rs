//! A suite file, resolved into stages and run through the run store.
//!
//! [`Suite`] is what was typed; [`Plan`] is what it means: data opened, names looked up, defaults filled in, every stage with
//! its content-addressed key; [`run`] does what is not done yet. A stage of a kind is one file in `stages`.

mod checkpoints;
pub mod deletion;
mod error;
mod initial;
mod judgement;
mod overrides;
mod plan;
mod requests;
mod runner;
mod stages;
mod suite;
mod tuning;

pub use error::{Error, Result};
pub use plan::{Environment, Plan, Stage};
pub use runner::{Reporter, RunOptions, Status, run, run_kinds, status};
pub use stages::{MASK as MASK_FILE, MODEL as MODEL_FILE};
pub use suite::{DataSection, EvaluateSection, ForgetSection, MethodSection, ModelSection, Suite, SuiteSection};
pub use tuning::{Objective, TuneOptions, tune};
