//! Image datasets, splits, forget sets, augmentation and batches.
//!
//! A [`Dataset`] is images and labels, opened by name from the [`registry`]. Everything after that is an index set:
//! [`split`](split::split) holds out a validation set, [`resolve`](forget::resolve) divides what is left into a forget
//! set and a retain set, and a [`BatchPlan`] turns any of them into batches. Positions always count in the official
//! training set, so a forget set means the same to every part of the program.
//!
//! Randomness is a function of seeds and positions, never of timing: the same plan gives the same bits on any number of
//! threads, and from any batch on. Draws that published numbers depend on are NumPy's, index for index.
//!
//! This crate knows no tensor library, no model and no file it did not open itself.
//!
//! ```
//! use unlearn_datasets::{
//!     BatchOptions, BatchPlan, ForgetSpec, SplitOptions, forget, registry, split,
//! };
//!
//! let dataset = registry::open("fashion-mnist-mini", &registry::OpenOptions::default())?;
//! let options = SplitOptions::default();
//! let split = split::split(&dataset, &options)?;
//! assert_eq!((split.train.len(), split.validation.len()), (7200, 800));
//!
//! let spec = ForgetSpec::Class { class: 0, count: None };
//! let parts = forget::resolve(&spec, &dataset, &split, options.sampler, options.seed)?;
//! assert_eq!((parts.forget.len(), parts.retain.len()), (720, 6480));
//!
//! let training = BatchOptions::training(128, dataset.augmentation, 1);
//! let plan = BatchPlan::new(&dataset.train, parts.retain, training)?;
//! for batch in plan.epoch(0, 0).take(2) {
//!     let batch = batch?;
//!     assert_eq!(batch.images.len(), 128 * 28 * 28);
//!     assert!(batch.labels.iter().all(|&label| label != 0));
//! }
//! # Ok::<(), unlearn_datasets::Error>(())
//! ```

mod archive;
pub mod augment;
pub mod batches;
pub mod checksum;
mod cifar;
pub mod cifar10;
pub mod cifar100;
mod cutout;
pub mod dataset;
#[cfg(test)]
mod distributed;
mod error;
pub mod fashion_mnist;
pub mod fashion_mnist_mini;
pub mod forget;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden_imagenet;
#[cfg(test)]
mod golden_pictures;
#[cfg(test)]
mod golden_rand_augment;
mod hub_files;
pub mod idx;
pub mod idx_folder;
pub mod image_folder;
pub mod imagenet;
pub mod kmnist;
pub mod location;
pub mod mat5;
mod mixup;
pub mod mnist;
mod npy;
pub mod npz;
mod packed;
mod parquet_file;
pub mod parquet_folder;
mod parquet_pages;
mod parquet_table;
pub mod picture;
mod pillow_ops;
pub mod positions;
pub mod rand_augment;
pub mod registry;
mod resize;
mod resized_crop;
pub mod sampler;
mod snappy;
pub mod split;
mod streamed;
pub mod svhn;
pub mod tiny_imagenet;
pub mod verify;

pub use augment::Augmentation;
pub use batches::{Batch, BatchOptions, BatchPlan, Batches};
pub use dataset::{Dataset, ImageSet, Normalization};
pub use error::{Error, Result};
pub use forget::{ForgetSpec, ForgetSplit};
pub use mixup::Mixed;
pub use rand_augment::RandAugment;
pub use sampler::Sampler;
pub use split::{Split, SplitOptions};
