//! Attacks with a pool of models: what was measured, the description of an attack, and its result.
//!
//! A pool holds scores of many models for the same samples: φ, the log-odds of the true class, which is also the margin
//! ([`Scores::log_odds`](unlearn_metrics::Scores::log_odds)). For every model and sample it says what the model had of
//! the sample ([`Seen`]). All attacks share one pool, so models are trained once.

mod attack;
mod comparison;
mod sample_scores;
mod settings;
mod table;

pub use attack::{PoolAttack, PoolNeed, PoolRun, Question};
pub(crate) use comparison::mean;
pub use comparison::{Comparison, Floor, Pair};
pub use sample_scores::{Outcome, SampleScores, Used};
pub use settings::{Density, OfflineA, PoolSettings, Variance};
pub use table::{Attacked, ModelPool, Population, ScoreTable, Seen};
