//! Membership-inference attacks on plain score and label slices.
//!
//! An attack asks of a sample whether the model was trained on it, from what the model says about it. After unlearning,
//! the forget set should look like samples that were never seen.
//!
//! - [`Scores`] are a model's logits over a set, checked once.
//! - [`FEATURES`](features::FEATURES) reduce them to what an attack looks at: confidence, entropy, ….
//! - [`ATTACKS`](attack::ATTACKS) fit a classifier on members and non-members and give a figure in percent.
//! - [`Svc`](svc::Svc) is that classifier: scikit-learn's `SVC(C=3, gamma="auto")`, in linear time for scalar features.
//!
//! The crate knows no tensor library, and no model: whoever has logits can use it.
//!
//! ```
//! use unlearn_mia_eval::{MemberSelection, Scores, features, mia_efficacy};
//!
//! // Two classes, all samples of class 0: the model is sure of what it was trained on.
//! let retain = Scores::new(&[5.0, 0.0, 6.0, 0.0], &[0, 0], 2)?;
//! let test = Scores::new(&[0.5, 0.0, -1.0, 0.0], &[0, 0], 2)?;
//! let forget = Scores::new(&[0.4, 0.0, 5.5, 0.0], &[0, 0], 2)?;
//!
//! let confidence = features::find("confidence")?;
//! let efficacy = mia_efficacy(&retain, &test, &forget, confidence, MemberSelection::Stratified, 1)?;
//! assert_eq!(efficacy, 50.0);
//! # Ok::<(), unlearn_mia_eval::Error>(())
//! ```

pub mod attack;
mod error;
pub mod features;
mod mia_efficacy;
mod mia_privacy;
mod scores;
mod selection;
pub mod svc;

pub use error::{Error, Result};
pub use mia_efficacy::mia_efficacy;
pub use mia_privacy::mia_privacy;
pub use scores::Scores;
pub use selection::MemberSelection;
