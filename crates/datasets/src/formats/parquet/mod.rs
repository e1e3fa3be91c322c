//! Parquet files: pictures and labels in the columns of a table.

mod codec;
pub(crate) mod file;
mod folder;
mod pages;
mod snappy;
mod table;

pub(crate) use folder::{open, open_place};
#[cfg(feature = "hub")]
pub(crate) use folder::{open_folder, split_of};
pub(crate) use table::StoredTable;
