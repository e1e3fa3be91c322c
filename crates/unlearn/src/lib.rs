//! Machine unlearning in a few lines: a trained image classifier forgets chosen training data, and is judged.
//!
//! [`Data`] is a dataset with its split. [`Model`] is a network that can be opened, trained, pruned, made to forget,
//! judged and saved. [`Method`] names a method of pruning or unlearning and its settings. Everything happens in
//! memory. The results have the same bits as the stages of a suite with the same data, recipe and seed.
//!
//! ```
//! use unlearn::{Data, Method, Model, Recipe};
//!
//! let data = Data::open("fashion-mnist-mini")?.limited_to(400)?;
//! let recipe = Recipe { epochs: 2, ..Recipe::default() };
//! let mut model = Model::fresh("resnet8s", &data, 1)?;
//! model.train_keeping(&data, &recipe, &[1])?;
//! model.prune(&data, &Method::named("omp").set("sparsity", 0.9).set("rewind-epoch", 1))?;
//!
//! let asked = data.class(3)?;
//! model.forget(&data, &asked, &Method::named("ft").set("epochs", 1))?;
//! let judged = model.evaluate(&data, &asked)?;
//! println!("unlearning accuracy {:.1} %, test accuracy {:.1} %", judged["ua"].value, judged["ta"].value);
//! # Ok::<(), unlearn::Error>(())
//! ```
//!
//! Suites of many runs that survive a kill, certificates and reports are in the crate `unlearn-experiment` and in the
//! command `unlearn`. Both stand on this crate: the engine on its [`parts`], the command on the crates below, which are
//! re-exported here under their short names.

// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod data;
mod error;
mod method;
mod model;
pub mod parts;

pub use data::{Asked, Data};
pub use error::{Error, Result};
pub use method::Method;
pub use model::Model;
pub use unlearn_backdoor as backdoor;
pub use unlearn_datasets as datasets;
pub use unlearn_files as files;
#[cfg(feature = "hub")]
pub use unlearn_hub as hub;
pub use unlearn_masks as masks;
pub use unlearn_metrics as metrics;
pub use unlearn_mia_eval as mia_eval;
pub use unlearn_models as models;
pub use unlearn_names as names;
pub use unlearn_network as network;
pub use unlearn_pruning as pruning;
pub use unlearn_samples as samples;
pub use unlearn_score_files as score_files;
pub use unlearn_torch_files as torch_files;
pub use unlearn_training as training;
pub use unlearn_unlearning as unlearning;

pub use unlearn_metrics::{Scores, Values};
pub use unlearn_mia_eval::Settings as AttackSettings;
pub use unlearn_models::ImportOptions;
pub use unlearn_network::DeviceChoice;
pub use unlearn_pruning::Shares;
pub use unlearn_samples::{ImageSet, SplitOptions};
pub use unlearn_training::Recipe;
