//! Unlearning metrics: figures by name, gaps to Retrain and confidence intervals.
//!
//! - [`Scores`] are a model's logits over a set of samples, checked on construction. [`ModelScores`] are those on all
//!   sets of a request.
//! - [`FIGURES`] are the figures computed from them: UA, RA, TA, the average gap, closeness to Retrain. Each has one
//!   file and one line in the list. [`Figures`] is the list as a value, to which a program may add its own.
//! - [`Value`] is the value of one figure, with its interval and its draws if it has any.
//! - [`Estimate`] is a mean over seeds with its 95 % interval. [`Judgement`] says whether a claim holds over seeds.
//!
//! The crate uses no tensor library: logits and labels are plain slices. Accuracies and scores are percentages,
//! 0..100.
//!
//! ```
//! use unlearn_metrics::{Estimate, Figures, ModelScores, Scores, Values};
//!
//! let right = Scores::new(vec![2.0, 1.0, 3.0, 0.0], vec![0, 0], 2)?;
//! let half = Scores::new(vec![2.0, 1.0, 0.0, 3.0], vec![0, 0], 2)?;
//! let scores = ModelScores { forget: half, retain: right.clone(), test: right, validation: None, triggered: None };
//!
//! let mut values = Values::new();
//! Figures::standard().complete(&mut values, Some(&scores), None, None, |_| true)?;
//! assert_eq!((values["ua"].value, values["ra"].value), (50.0, 100.0));
//!
//! let one_seed = Estimate::over_seeds(&[values["ua"].value])?;
//! assert_eq!(one_seed.interval(), None);
//! # Ok::<(), unlearn_metrics::Error>(())
//! ```

mod auc;
mod claim;
mod closeness;
mod error;
mod figure;
pub mod figures;
mod interval;
mod scores;
pub mod softmax;
mod value;

pub use auc::auc;
pub use claim::{Judgement, Verdict};
pub use error::{Error, Result};
pub use figure::{Direction, Evidence, Figure, Need, Retrain, Unit};
pub use figures::{FIGURES, Figures};
pub use interval::Estimate;
pub use scores::{ModelScores, Scores, Triggered};
pub use value::{Value, Values};
