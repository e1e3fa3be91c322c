//! Image datasets, opened by name from the [`registry`] or by form and path ([`location`]), from files as they are distributed or
//! from the Hub.
//!
//! What is opened is a [`Dataset`](unlearn_samples::Dataset); splits, forget sets and batches of it are `unlearn_samples`'. A damaged or hostile file is
//! an error, never a panic.
//!
//! ```
//! use unlearn_datasets::registry;
//!
//! let dataset = registry::open("fashion-mnist-mini", &registry::OpenOptions::default())?;
//! assert_eq!((dataset.train.len(), dataset.test.len()), (8000, 2000));
//! # Ok::<(), unlearn_datasets::Error>(())
//! ```
//!
//! This crate knows no tensor library, no model and no file it did not open itself.

mod archive;
pub mod checksum;
mod cifar;
pub mod cifar10;
pub mod cifar100;
#[cfg(test)]
mod distributed;
mod error;
pub mod fashion_mnist;
pub mod fashion_mnist_mini;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden_imagenet;
#[cfg(test)]
mod golden_pictures;
mod hub_files;
pub mod idx;
pub mod idx_folder;
pub mod image_folder;
pub mod imagenet;
pub mod kmnist;
pub mod location;
pub mod mat5;
pub mod mnist;
pub mod npz;
mod packed;
mod parquet_file;
pub mod parquet_folder;
mod parquet_pages;
mod parquet_table;
pub mod picture;
pub mod registry;
mod snappy;
pub mod svhn;
pub mod tiny_imagenet;
pub mod verify;

pub use error::{Error, Result};
