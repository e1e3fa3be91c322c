//! One file per kind of stage: what it reads, computes and leaves.

pub(crate) mod evaluate;
mod model;
pub(crate) mod prune;
mod prune_anew;
pub(crate) mod train;
pub(crate) mod unlearn;
pub(crate) mod validate;

pub(crate) use model::{LAST_FINITE, derived_seed, has_diverged, kept_apart};
pub use model::{MASK, MODEL};
