//! One file per kind of stage: what it reads, computes and leaves.

pub(crate) mod evaluate;
pub(crate) mod model;
pub(crate) mod prune;
pub(crate) mod train;
pub(crate) mod unlearn;

pub use model::{MASK, MODEL};
