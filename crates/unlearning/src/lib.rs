//! Machine unlearning: making a trained model forget chosen training data.
//!
//! A [`Method`] has one file, and one line in [`METHODS`]. It gets a [`Request`] with the model, the forget set D_f,
//! the retain set D_r and the recipe of the original training, and changes the model in place. Every method keeps the
//! mask of a pruned model: pruned weights stay exactly 0.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod error;
mod method;
mod methods;
pub mod parameter;
mod prospect;
mod shared;

pub use error::{Error, Result};
pub use method::{Entry, Initial, Method, Outcome, PruneAnew, Request, entry, fresh};
pub use methods::{METHODS, Methods, find};
pub use parameter::{Origin, Parameter, Search};
pub use prospect::{Prospect, Pruned};
pub use shared::fisher::{Estimator, FisherOptions, empirical_fisher, expected_fisher};
pub use shared::influence::{Influence, InfluenceOptions, Solver, influence};
pub use shared::{fine_tuning, range};
