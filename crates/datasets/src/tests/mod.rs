//! Tests of the whole crate: real forms in small, beside what other programs read in them, and damaged files.

pub(crate) mod distributed;
mod fuzz;
pub(crate) mod imagenet;
pub(crate) mod pictures;
