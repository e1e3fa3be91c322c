//! Code that several methods share.

pub mod fine_tuning;
pub(crate) mod fisher;
pub(crate) mod frozen;
pub(crate) mod influence;
pub(crate) mod l1_penalty;
pub(crate) mod last_stages;
pub(crate) mod noise;
pub(crate) mod wrong_labels;

pub use unlearn_training::range;
