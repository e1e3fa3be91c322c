//! Image datasets, opened by name from the [`registry`] or by form and path ([`location`]), from their distributed
//! files or from the Hub.
//!
//! The result is a [`Dataset`](unlearn_samples::Dataset). The crate `unlearn_samples` makes splits, forget sets and
//! batches of it. A damaged or hostile file is an error, never a panic.
//!
//! This crate knows no tensor library, no model and no file that it did not open itself.
#![doc = ""]
#![doc = include_str!("../README.md")]

pub mod checksum;
pub mod cifar10;
pub mod cifar100;
pub mod cifar20;
mod entry;
mod error;
pub mod fashion_mnist;
pub mod fashion_mnist_mini;
mod formats;
#[cfg(feature = "hub")]
mod hub_files;
#[cfg(not(feature = "hub"))]
#[path = "no_hub.rs"]
mod hub_files;
pub mod imagenet;
pub mod kmnist;
pub mod location;
pub mod mnist;
mod options;
pub mod oxford_pets;
mod place;
pub mod registry;
pub mod sun397;
pub mod svhn;
#[cfg(test)]
mod tests;
pub mod tiny_imagenet;
pub mod verify;

pub use error::{Error, Result};
pub use formats::{idx, idx_folder, image_folder, mat5, npz, picture};
