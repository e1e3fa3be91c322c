//! Training a [`Network`](unlearn_network::Network): recipes, schedules, objectives, the training loop, prediction,
//! and runs that survive a kill.
//!
//! [`train`] follows a [`Recipe`] over the batches of a [`Course`] and minimises an [`Objective`]. An [`Update`] says
//! how gradients become steps. A [`Session`] says who is told of progress and where the state is saved. A [`Task`]
//! holds everything that all training runs of one model share. All randomness is a function of seed, epoch and
//! sample, so a run that is killed and started again ends bit-identical to an uninterrupted one.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod adam;
mod course;
mod curvature;
mod divergence;
mod error;
mod features;
mod head;
mod learner;
mod masking;
mod objective;
mod penalty;
mod predict;
pub mod range;
mod recipe;
mod relearn;
mod resume;
mod rounds;
mod run;
mod schedule;
mod see;
mod session;
mod sgd;
mod step;
mod task;
#[doc(hidden)]
pub mod testing;
#[cfg(all(test, feature = "candle"))]
mod tests_on_device;
mod update;

pub use adam::Adam;
pub use course::Course;
pub use curvature::{Curvature, largest_eigenvalue};
pub use error::{Error, Result, one_of};
pub use features::{Features, features};
pub use head::{Head, head_of, with_head_anew};
pub use masking::{apply_mask, kept_by, mask_of, mask_over};
pub use objective::{CrossEntropy, NegatedCrossEntropy, Objective, evaluate, log_sum_exp};
pub use predict::{Predictions, check_answers, predict};
pub use recipe::{Recipe, Rule, Select};
pub use relearn::{Relearned, relearn};
pub use rounds::Rounds;
pub use run::{Outcome, Pruner, Run, train, train_and_prune};
pub use schedule::Schedule;
pub use see::see;
pub use session::{Checkpoints, EpochRow, Position, Progress, Session, Unattended};
pub use sgd::Sgd;
pub use task::Task;
pub use unlearn_network::Trainable;
pub use update::Update;
