//! The run store: results on disk that are content-addressed, atomic, locked and versioned.
//!
//! A run is a graph of *stages* (train, prune, unlearn, evaluate, …). Each stage leaves one folder,
//! `<root>/<kind>/<key>/`. The key is a hash of everything that decides the result: see [`StageSpec`]. This has four
//! consequences.
//!
//! 1. **A finished stage is not run again.** [`Store::begin`] returns [`Begin::Done`] or a [`StageWriter`].
//! 2. **A reader never sees half a stage.** The writer works in `<key>.partial/` and renames it into place as its
//!    last step.
//! 3. **A killed stage can be resumed.** The working folder outlives its process, with the files that the stage saved
//!    in `checkpoint/` ([`saved`]). The lock does not outlive it, because the operating system releases it when the
//!    process ends.
//! 4. **Stored results describe themselves.** [`Manifest`] carries a format version, the configuration, the inputs,
//!    the machine, the cost and a hash of every file. So a store can be checked, listed and turned into a report
//!    years later.
//!
//! This crate knows no tensor library and no experiment. Configurations are JSON, and artifacts are files.
#![doc = ""]
#![doc = include_str!("../README.md")]

pub mod archive;
pub mod atomic;
pub mod beside;
mod check;
pub mod clock;
pub mod configured;
pub mod description;
pub mod difference;
mod document;
pub mod error;
pub mod evaluation;
pub mod key;
pub mod labels;
pub mod launches;
pub mod lineage;
pub mod listing;
mod lock;
pub mod machine;
pub mod manifest;
mod owned;
pub mod repair;
pub mod saved;
pub mod scores;
pub mod space;
pub mod stage;
pub mod store;
pub mod suite_index;
pub mod tuning;
pub mod unfinished;
pub mod writer;

pub use archive::Imported;
pub use atomic::{check_writable, write_atomic, write_atomic_with};
pub use beside::check_beside;
pub use check::{Check, Fault, Place};
pub use configured::{Configuration, Configured};
pub use difference::{Aspect, Difference, Side, StageDifferences, SuiteDifferences, between_stages, between_suites};
pub use error::{Result, StoreError};
pub use evaluation::Evaluation;
pub use key::{StageKey, StageSpec};
pub use labels::pruning_label;
pub use launches::Launch;
pub use lineage::{Lineage, StageName};
pub use listing::Record;
pub use lock::Lock;
pub use machine::Machine;
pub use manifest::{Artifact, Manifest};
pub use owned::{KINDS, refuse_inside_stage};
pub use repair::{Repair, RepairMode};
pub use scores::StoredScores;
pub use space::{Garbage, Removal};
pub use stage::Stage;
pub use store::{Attempt, Begin, StageState, StageSummary, Store};
pub use suite_index::{CLEAN, RowStages, SuiteIndex, SuiteRow, Turn};
pub use tuning::{Searched, Trial, Tuning, Validation};
pub use unfinished::Unfinished;
pub use writer::StageWriter;
