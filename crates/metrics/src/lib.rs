//! Unlearning metrics: UA, RA, TA, gaps and confidence intervals.
//!
//! - [`accuracy`] and [`mean_cross_entropy`] judge one model on one labelled set.
//! - [`UnlearningScores`] are the four scores of an unlearned model; [`average_gap`] is their distance from Retrain's.
//! - [`closeness`] compares what an unlearned model and Retrain predict, sample by sample.
//! - [`Estimate`] is a mean over seeds with its 95 % interval; [`Judgement`] says whether a claim stands up over seeds.
//!
//! The crate knows no tensor library: logits and labels are plain slices. Accuracies and scores are in percent, 0..100.
//!
//! ```
//! use unlearn_metrics::{Estimate, Logits, UnlearningScores, accuracy, average_gap};
//!
//! let logits = Logits::new(&[2.0, 1.0, 0.0, 3.0], 2)?;
//! assert_eq!(accuracy(&logits, &[0, 0])?, 50.0);
//!
//! let unlearned = UnlearningScores::new(4.0, 99.0, 93.0, 12.0)?;
//! let retrain = UnlearningScores::new(6.0, 100.0, 94.0, 12.0)?;
//! assert_eq!(average_gap(&unlearned, &retrain), 1.0);
//!
//! let one_seed = Estimate::over_seeds(&[average_gap(&unlearned, &retrain)])?;
//! assert_eq!(one_seed.interval(), None);
//! # Ok::<(), unlearn_metrics::Error>(())
//! ```

mod accuracy;
mod auc;
mod claim;
pub mod closeness;
mod error;
mod interval;
mod logits;
mod unlearning;

pub use accuracy::{accuracy, mean_cross_entropy};
pub use auc::auc;
pub use claim::{Judgement, Verdict};
pub use error::{Error, Result};
pub use interval::Estimate;
pub use logits::Logits;
pub use unlearning::{UnlearningScores, average_gap};
