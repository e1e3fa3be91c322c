//! Samples: images in memory or streamed, index sets, splits, forget sets, transforms and batches.
//!
//! A [`Dataset`] is images and labels. Everything derived from it is an index set: [`split`](split::split) holds out
//! a validation set, [`resolve`](forget::resolve) divides the rest into a forget set and a retain set, and a
//! [`BatchPlan`] turns any of them into batches. Positions always refer to the official training set, so a forget set
//! means the same everywhere in the program.
//!
//! Randomness is a function of seeds and positions, never of timing: the same plan gives the same bits on any number
//! of threads, and from any batch on. Draws behind published numbers equal NumPy's, index for index.
//!
//! This crate knows no tensor library, no model, and no format of pictures or tables. Sets that are not in memory are
//! given as [`Pictures`].
#![doc = ""]
#![doc = include_str!("../README.md")]

mod batch_images;
pub mod batches;
mod dataset;
mod derived;
mod division;
mod error;
pub mod forget;
mod image_set;
mod normalization;
pub mod npy;
mod picture;
pub mod positions;
pub mod resize;
mod sampler;
mod sheet;
pub mod split;
mod streamed;
pub mod subclass_list;
mod subclasses;
#[cfg(test)]
mod tests;
mod transforms;

pub use batch_images::{ByteImages, Images};
pub use batches::{Batch, BatchOptions, BatchPlan, Batches};
pub use dataset::Dataset;
pub use division::Division;
pub use error::{Error, Result};
pub use forget::{ForgetSpec, ForgetSplit};
pub use image_set::ImageSet;
pub use normalization::{MEASURED, Normalization};
pub use picture::{Picture, Sides};
pub use sampler::Sampler;
pub use sheet::sheet;
pub use split::{Split, SplitOptions};
pub use streamed::{PictureError, Pictures};
pub use subclasses::Subclasses;
pub use transforms::{Augmentation, Mixed, RandAugment, Transform, mixup::MOST_MIXUP};
