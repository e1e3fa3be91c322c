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
pub(crate) mod page_codec;
pub(crate) mod parquet_file;
pub mod parquet_folder;
pub(crate) mod parquet_pages;
pub(crate) mod parquet_table;
pub mod picture;
pub(crate) mod proportion;
pub(crate) mod snappy;
pub(crate) mod unread;
