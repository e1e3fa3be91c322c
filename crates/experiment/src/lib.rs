//! Plans the stages of a suite file and runs them through the run store.
//!
//! [`Suite`] is the parsed file. [`Plan`] is its meaning: opened data, resolved names, filled-in defaults, and a list
//! of stages. A stage's description ([`unlearn_run_store::StageSpec`]) is self-contained, so any process can compute
//! the stage. Each kind of stage is one file in `stages`. [`run`] computes the unfinished stages, in this process or
//! in child processes. `tune` and [`deletion`] make plans in other ways.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod address;
mod audit;
mod certified;
mod checkpoints;
mod configured;
mod data;
pub mod deletion;
mod error;
mod explain;
mod export;
mod finite;
mod gallery;
mod hard;
mod initial;
mod judgement;
pub mod keys;
mod labels;
mod launcher;
mod lines;
mod materials;
mod model_card;
mod opened;
mod overrides;
mod part;
mod plan;
mod pool;
mod predicting;
mod recognised;
mod requests;
mod resolved;
mod retrain;
mod run;
mod schedule;
mod setting;
mod stages;
mod subclass;
mod suite;
mod survey;
mod toml_error;
mod transfer;
mod tuning;
mod wanted;

pub use address::{resolve as resolve_address, stage as find_stage};
pub use audit::{AuditSection, TheorySection};
pub use certified::certified;
pub use data::{ClassChoice, DataSection, PoisonSection, open_picture as open_trigger_picture, parse_trigger};
pub use error::{Error, Result};
pub use explain::{Explanation, Kinds, explain};
pub use export::{Exported, Form, TIMED_IMAGES, TIMED_ROUNDS, export, rates};
pub use gallery::{Gallery, Shown};
pub use hard::{Difficulty, End, Hard, Search};
pub use labels::Labels;
pub use launcher::LauncherSection;
pub use materials::{Environment, Materials, known_images};
pub use model_card::model_card;
pub use opened::{ModelOrigin, OpenedModel, check_beside};
pub use part::Part;
pub use plan::{Plan, PlannedStage};
pub use pool::{LEAST_MODELS, MOST_MODELS, PoolSection};
pub use predicting::{
    AskedToForget, DatasetPart, JudgedSets, NamedModel, OtherData, Predictor, StoredJudgement, class_of, stored_scores,
};
pub use recognised::{Folder, document as recognised_document};
pub use run::{Finished, Status, run, run_kinds, status};
pub use schedule::{
    Children, KindSection, LaunchState, Launcher, OnFailure, Report, Reporter, RunOptions, Slurm, SlurmSection,
    StageAt, StageCommand, TaskCommand, Text, attempt, attempt_each, cancel_launch, compute_again, launches, work,
};
pub use stages::{KINDS, MASK as MASK_FILE, MODEL as MODEL_FILE, StageKind};
pub use subclass::Subclass;
pub use suite::{EvaluateSection, ForgetSection, MethodSection, ModelSection, Suite, SuiteSection};
pub use survey::{Entry, Order, Selection, State, Survey};
pub use transfer::{Mode, ProbeSettings, TransferSection};
pub use tuning::{Objective, TuneOptions, tune};
pub use wanted::{By, Detector, Ranked, Wanted};
