//! Membership-inference attacks on plain slices of scores and labels.
//!
//! An attack infers whether the model was trained on a sample from the model's scores for it. After unlearning, the
//! forget set should look like samples that the model never saw.
//!
//! - [`FEATURES`](features::FEATURES) reduce a model's [`Scores`](unlearn_metrics::Scores) to the input of an attack:
//!   confidence, entropy, ….
//! - [`ATTACKS`](attacks::ATTACKS) use samples of the retain set as members and of the test set as non-members. Their
//!   figures are means over several [`Draws`] of these samples.
//! - [`POOL_ATTACKS`](pool_attacks::POOL_ATTACKS) compare the attacked model with a pool ([`pool`]) of other models: LiRA,
//!   RMIA, U-LiRA, RULI, KLoM, forgetting quality.
//! - [`Registry`] holds all figures and attacks that a program knows, and measures the ones that [`Settings`] ask
//!   for.
//! - [`Svc`](svc::Svc) is the classifier of the paper's attacks: scikit-learn's `SVC(C=3, gamma="auto")`, in linear
//!   time for scalar features.
//!
//! The crate uses no tensor library and no model; logits are enough.
//!
//! ```
//! use unlearn_metrics::{ModelScores, Scores};
//! use unlearn_mia_eval::{MemberSelection, Registry, Settings};
//!
//! // Two classes, all samples of class 0: the model is confident on its training samples.
//! let retain = Scores::new(vec![5.0, 0.0, 6.0, 0.0], vec![0, 0], 2)?;
//! let test = Scores::new(vec![0.5, 0.0, -1.0, 0.0], vec![0, 0], 2)?;
//! let forget = Scores::new(vec![0.4, 0.0, 5.5, 0.0], vec![0, 0], 2)?;
//! let scores = ModelScores { forget, retain, test, validation: None, triggered: None, unseen: None };
//!
//! let settings = Settings {
//!     attacks: vec!["mia-efficacy".into()],
//!     mia: vec!["confidence".into()],
//!     draws: 10,
//!     members: MemberSelection::Stratified,
//!     seed: 1,
//! };
//! let values = Registry::standard().measure(&scores, &settings, None, None)?;
//! assert_eq!(values["mia_efficacy"].value, 50.0);
//! # Ok::<(), unlearn_mia_eval::Error>(())
//! ```

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]

pub mod attack;
pub mod attacks;
mod draws;
mod error;
pub mod features;
mod likelihood;
pub mod pool;
pub mod pool_attacks;
mod registry;
mod selection;
mod settings;
pub mod svc;

pub use attack::{Attack, Pool, Run};
pub use draws::Draws;
pub use error::{Error, Result};
pub use registry::Registry;
pub use selection::MemberSelection;
pub use settings::Settings;
