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

mod bad_teacher;
mod boundary_expand;
mod boundary_shrink;
mod cf_k;
mod distillation;
mod error;
mod eu_k;
mod ff;
mod fine_tuning;
mod fisher;
mod fisher_sample;
mod frozen;
mod ft;
mod ft_prune;
mod ga;
mod ga_l1;
mod influence;
mod iu;
mod l1_penalty;
mod l1_prox;
mod l1_sparse;
mod last_stages;
mod method;
mod neggrad_plus;
mod noise;
mod parameter;
mod range;
mod raw;
mod registry;
mod retrain;
mod retrain_ls;
mod retrain_relearn;
mod retrain_sam;
mod rl;
mod salun;
mod scrub;
mod ssd;
mod unsir;
mod wrong_labels;

pub use error::{Error, Result};
pub use fisher::{Estimator, FisherOptions, empirical_fisher, expected_fisher};
pub use influence::{Influence, InfluenceOptions, Solver, influence};
pub use method::{Entry, Initial, Method, Outcome, PruneAnew, Request, fresh};
pub use parameter::{Origin, Parameter, Search};
pub use registry::{METHODS, find};
