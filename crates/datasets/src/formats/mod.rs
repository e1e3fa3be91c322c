//! Formats of stored datasets, one file each: readers, and some writers.

pub(crate) mod archive;
pub(crate) mod cifar;
pub mod idx;
pub mod idx_folder;
pub mod image_folder;
pub mod mat5;
pub mod npz;
pub(crate) mod numpy_advice;
pub(crate) mod other_picture;
pub(crate) mod packed;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
pub(crate) mod parquet;
pub mod picture;
pub(crate) mod proportion;
pub(crate) mod split_names;
pub(crate) mod unread;
