//! Downloads models and datasets from the Hugging Face Hub, and uploads models.
//!
//! A [`Reference`] names a repository, `hub:owner/name@revision`. A [`Hub`] fetches its files into the cache that
//! Python's `huggingface_hub` uses too, lists them, and pushes files. A file's size and SHA-256 are compared with the
//! server's announcement before it enters the cache.
//!
//! The protocol is implemented here, over `ureq`: every version of the crate `hf-hub` depends on crates under the
//! MPL, and none checks a hash.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod cache;
mod client;
mod error;
mod fetch;
mod hub;
mod interrupt;
mod listing;
mod options;
mod push;
mod reference;

pub use error::{Error, Result};
pub use fetch::{Fetched, Progress};
pub use hub::Hub;
pub use interrupt::stop_when_set;
pub use listing::File;
pub use options::Options;
pub use push::{Addition, Pushed};
pub use reference::{Kind, PREFIX, Reference};
