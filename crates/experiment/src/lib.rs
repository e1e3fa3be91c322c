//! A suite file, resolved into stages and run through the run store.
//!
//! [`Suite`] is what was typed; [`Plan`] is what it means: data opened, names looked up, defaults filled in, and a list of stages. A stage
//! is described by itself ([`unlearn_run_store::StageSpec`]), so that any process can compute it; its kind is one file in `stages`. [`run`]
//! computes what is not done yet, here or in processes of its own. `tune` and [`deletion`] are other ways to make a plan.

mod address;
mod checkpoints;
mod configured;
pub mod deletion;
mod error;
mod export;
mod initial;
mod judgement;
mod keys;
mod labels;
mod materials;
mod model_card;
mod opened;
mod overrides;
mod part;
mod plan;
mod recognised;
mod requests;
mod resolved;
mod run;
mod schedule;
mod setting;
mod stages;
mod suite;
mod tuning;

pub use address::resolve as resolve_address;
pub use error::{Error, Result};
pub use export::{Exported, Form, TIMED_IMAGES, TIMED_ROUNDS, export, rates};
pub use labels::Labels;
pub use materials::{Environment, Materials, known_images};
pub use model_card::model_card;
pub use opened::{ModelOrigin, OpenedModel};
pub use part::Part;
pub use plan::{Plan, PlannedStage};
pub use recognised::{Folder, document as recognised_document};
pub use run::{Finished, Status, run, run_kinds, status};
pub use schedule::{Children, OnFailure, Report, Reporter, RunOptions, StageAt, StageCommand, attempt, work};
pub use stages::{KINDS, MASK as MASK_FILE, MODEL as MODEL_FILE, StageKind};
pub use suite::{DataSection, EvaluateSection, ForgetSection, MethodSection, ModelSection, Suite, SuiteSection};
pub use tuning::{Objective, TuneOptions, tune};
