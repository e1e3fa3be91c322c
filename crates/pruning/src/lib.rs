//! Pruning a model to a sparsity: what a weight is worth ([`CRITERIA`]), among which weights the least are looked for
//! ([`SCOPES`]), when how much is pruned and what is trained around it ([`METHODS`]), and what training goes on from
//! ([`Rewind`]). Every criterion goes with every scope and every schedule; [`Settings`] are the keys they share.
//!
//! Whatever the combination: the number of kept weights is exact, what is pruned stays so, and a pruned weight is exactly 0
//! from then on.
//!
//! ```
//! use unlearn_training::Recipe;
//!
//! let omp = unlearn_pruning::find("omp")?;
//! let config = omp.resolve(&serde_json::json!({ "sparsity": 0.95, "rewind-epoch": 2 }))?;
//! assert_eq!(omp.plan(&config, &Recipe::default())?.snapshots, [2]);
//! # Ok::<(), unlearn_pruning::Error>(())
//! ```

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
