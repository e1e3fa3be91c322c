//! Machine unlearning: making a trained model forget chosen training data.
//!
//! A [`Method`] is one file and one line in [`METHODS`]. It gets a [`Request`] — the model, the forget set D_f, the retain
//! set D_r, how the model was trained — and changes the model in place. Every method keeps the mask of a pruned model:
//! pruned weights stay exactly 0.
//!
//! ```
//! let method = unlearn_unlearning::find("ft")?;
//! let config = method.resolve(&serde_json::json!({ "epochs": 3 }))?;
//! assert_eq!(config["lr"], 0.01);
//! # Ok::<(), unlearn_unlearning::Error>(())
//! ```

mod error;
mod ff;
mod fine_tuning;
mod fisher;
mod fisher_sample;
mod frozen;
mod ft;
mod ga;
mod influence;
mod iu;
mod l1_sparse;
mod method;
mod noise;
mod raw;
mod registry;
mod retrain;
mod ssd;

pub use error::{Error, Result};
pub use fisher::{Estimator, FisherOptions, empirical_fisher, expected_fisher};
pub use influence::{Influence, InfluenceOptions, Solver, influence};
pub use method::{Entry, Method, Outcome, Request};
pub use registry::{METHODS, find};
