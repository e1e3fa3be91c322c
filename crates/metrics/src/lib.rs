//! Unlearning metrics: figures by name, gaps to Retrain and confidence intervals.
//!
//! - [`Scores`] are a model's logits over a set of samples, checked on construction. [`ModelScores`] are those on all
//!   sets of a request.
//! - [`FIGURES`] are the figures computed from them: UA, RA, TA, the average gap, closeness to Retrain. Each has one
//!   file and one line in the list. [`Figures`] is the list as a value, to which a program may add its own.
//! - [`Value`] is the value of one figure, with its interval and its draws if it has any.
//! - [`Estimate`] is a mean over seeds with its 95 % interval. [`Judgement`] says whether a claim holds over seeds, and
//!   [`judge_family`] whether several do; [`TTest`], [`holm`] and [`HedgesG`] are behind it.
//! - [`Roc`] is the curve of an attack's scores: [`Auc`] with DeLong's interval, TPR at an FPR with an exact interval, or
//!   that the FPR is below what the scores resolve.
//! - [`linear_cka`], [`Probe`], [`Mmd`], [`weight_distance`], [`MaskLeak`] and [`zrf`] measure what representations,
//!   weights and masks still hold of the forget set. [`silhouettes`] say which samples lie among those of another class.
//!
//! The crate uses no tensor library: logits and labels are plain slices. Accuracies and scores are percentages,
//! 0..100.
//!
//! ```
//! use unlearn_metrics::{Estimate, Figures, ModelScores, Scores, Values};
//!
//! let right = Scores::new(vec![2.0, 1.0, 3.0, 0.0], vec![0, 0], 2)?;
//! let half = Scores::new(vec![2.0, 1.0, 0.0, 3.0], vec![0, 0], 2)?;
//! let scores = ModelScores { forget: half, retain: right.clone(), test: right, validation: None, triggered: None, unseen: None };
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
mod binomial;
mod cka;
mod claim;
mod closeness;
mod effect;
mod error;
mod figure;
pub mod figures;
mod holm;
mod interval;
mod mask_overlap;
mod mmd;
mod probe;
mod rank_correlation;
mod roc;
mod rows;
mod scores;
mod silhouette;
pub mod softmax;
mod t_test;
mod value;
mod weight_distance;
mod zrf;

pub use auc::{Auc, AucInterval, auc};
pub use binomial::clopper_pearson;
pub use cka::linear_cka;
pub use claim::{InFamily, Judgement, Verdict, judge_family};
pub use effect::HedgesG;
pub use error::{Error, Result};
pub use figure::{Direction, Evidence, Figure, Need, Retrain, Unit};
pub use figures::{FIGURES, Figures};
pub use holm::holm;
pub use interval::Estimate;
pub use mask_overlap::{MaskLeak, MaskOverlap};
pub use mmd::Mmd;
pub use probe::Probe;
pub use rank_correlation::rank_correlation;
pub use roc::{AtFpr, Cut, Resolution, Roc, Step, TruePositives};
pub use rows::Rows;
pub use scores::{ModelScores, Scores, Triggered};
pub use silhouette::silhouettes;
pub use t_test::TTest;
pub use value::{Value, Values};
pub use weight_distance::{Distance, WeightDistance, weight_distance};
pub use zrf::zrf;
