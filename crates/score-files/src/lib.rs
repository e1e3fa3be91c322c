//! Files of models' scores, so that any program's model can be judged: logits, probabilities or margins, with labels.
//!
//! A file holds named arrays. `.npz`, safetensors, `.npy` files side by side and CSV tables differ only in how names and
//! values are written ([`Arrays`]). [`ScoreSets`] gives them their meaning, and checks them once: a name says whether a
//! number is a logit or a probability, and nothing is guessed from values.
//!
//! - `forget_logits`, `forget_probabilities` or `forget_margins`: `[samples, classes]`, or `[samples]` for margins. One more
//!   leading axis holds several models.
//! - `forget_labels`: whole numbers, `[samples]`. Margins need none.
//! - `forget_ids`: positions in a data set, `[samples]`. Optional.
//! - `forget_seen`: what each model had of each sample, `[models, samples]`: 0 never saw it, 1 trained with it, 2 unlearned it.
//!
//! `retain_…`, `test_…` and `validation_…` are the other sets. A file of one set may leave the prefix out. [`write()`] writes
//! such a file. In CSV, a row is a sample: `set`, `model`, `id`, `label`, and `logit_0`, `logit_1`, … or `probability_0`, ….
#![doc = ""]
#![doc = include_str!("../README.md")]

mod arrays;
mod error;
mod npy;
mod npz;
mod sets;
mod table;
mod tensors;
mod values;
mod write;

pub use arrays::{Array, Arrays, Elements, is_scores};
pub use error::{Error, Result};
pub use sets::{Role, ScoreSets, SetScores};
pub use write::{Kind, Prediction, check_name, paths, write};
