//! Pruning of a model to a sparsity. A criterion scores weights ([`CRITERIA`]). A scope says among which weights the
//! lowest scores are pruned ([`SCOPES`]). A schedule says when to prune how much and what to train in between
//! ([`METHODS`]). [`Rewind`] says which weights training continues from. Every criterion works with every scope and
//! every schedule; [`Settings`] are the keys that all schedules share.
//!
//! For every combination, the number of kept weights is exact, and a pruned weight stays exactly 0.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod criteria;
mod error;
mod method;
mod rewind;
mod schedules;
mod scopes;
mod selection;
mod settings;
mod shares;
#[cfg(test)]
mod tests;

pub use criteria::{CRITERIA, Criterion, Scores, Subject, criterion};
pub use error::{Error, Result};
pub use method::{Outcome, Plan, PruningMethod, Request};
pub use rewind::Rewind;
pub use schedules::{METHODS, find};
pub use scopes::{SCOPES, Scope, prunable, scope};
pub use selection::prune_to;
pub use settings::Settings;
pub use shares::{LayerShare, Shares};
