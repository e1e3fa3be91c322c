//! Sparsity masks: which weights of a model are kept and which are exactly zero.
//!
//! A mask says *which* weights are pruned, never why. Criteria and schedules are in `unlearn-pruning`. Every training
//! and unlearning method takes the mask as given and keeps it. The crate uses no tensor library: weights are plain
//! `f32` slices with a shape.
//!
//! The crate has three concepts:
//!
//! - [`Bits`] is one tensor of keep-or-prune decisions, with one bit per weight.
//! - [`Mask`] maps parameter names to [`Bits`]. A parameter that a mask does not name is kept whole. Masks cover
//!   convolutions and linear layers, and not biases and normalisation.
//! - A mask file is a safetensors file whose bytes depend on the mask alone, so that equal masks give equal files.
//!   [`Mask::to_bytes`] describes the layout and the policy for other versions.
//!
//! ```
//! use unlearn_masks::{Bits, Mask};
//!
//! let mut weights = vec![0.5, -2.0, 0.1, 3.0];
//! let mut mask = Mask::new("resnet20s");
//! mask.insert("conv1.weight", Bits::from_predicate(&[2, 2], &weights, |w| w.abs() > 1.0)?);
//!
//! mask.apply("conv1.weight", &mut weights)?;
//! assert_eq!(weights, [0.0, -2.0, 0.0, 3.0]);
//! assert_eq!(mask.sparsity(), 0.5);
//! assert_eq!(Mask::from_bytes(&mask.to_bytes()?)?, mask);
//! # Ok::<(), unlearn_masks::Error>(())
//! ```

mod bits;
mod error;
mod file;
mod mask;
mod ranking;

pub use bits::Bits;
pub use error::{Error, Result, Tensors};
pub use file::{FORMAT, KIND, METADATA_KEY, MOST};
pub use mask::{LayerCount, Mask};
pub use ranking::{Ranked, keep_highest};
