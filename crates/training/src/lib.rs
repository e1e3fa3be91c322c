//! Training a [`Network`](unlearn_network::Network): recipes, schedules, objectives, the loop, prediction, and runs that
//! survive a kill.
//!
//! [`train`] follows a [`Recipe`] over batches and minimises an [`Objective`]; a [`Session`] says who hears of progress and
//! where the state is saved. Everything random is a function of seed, epoch and sample, so a run that is killed and started
//! again ends bit-identical to one that was not.

mod error;
mod masking;
mod objective;
mod predict;
mod recipe;
mod resume;
mod run;
mod schedule;
mod session;
mod sgd;

pub use error::{Error, Result};
pub use masking::apply_mask;
pub use objective::{CrossEntropy, NegatedCrossEntropy, Objective};
pub use predict::{Predictions, predict};
pub use recipe::{Recipe, Select};
pub use run::{Outcome, Pruner, Run, train, train_and_prune};
pub use schedule::Schedule;
pub use session::{Checkpoints, EpochRow, Position, Progress, Session, Unattended};
pub use sgd::Sgd;
