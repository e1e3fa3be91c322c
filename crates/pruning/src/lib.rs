//! Pruning a trained model to a sparsity: what a weight is worth ([`CRITERIA`]), among which weights the least are looked
//! for ([`scope`]), what the kept ones go back to ([`Rewind`]), and the methods that put these together ([`METHODS`]).
//!
//! ```
//! let omp = unlearn_pruning::find("omp")?;
//! let config = (omp.resolve)(&serde_json::json!({ "sparsity": 0.95, "rewind-epoch": 2 }))?;
//! assert_eq!((omp.plan)(&config)?.snapshots, [2]);
//! # Ok::<(), unlearn_pruning::Error>(())
//! ```

mod criteria;
mod error;
mod method;
mod omp;
mod rewind;
pub mod scope;

pub use criteria::{CRITERIA, Criterion, Scores, criterion};
pub use error::{Error, Result};
pub use method::{METHODS, Outcome, Plan, PruningMethod, Request, find};
pub use rewind::Rewind;
