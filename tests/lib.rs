//! Golden data and end-to-end tests are in this folder. The crate itself contains what tests of several crates need:
//! a Hub on the loopback device, damaged files, files of `torch.save`, and the numbers that NumPy drew.

// The programs in the README are compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod damaged_files;
mod hub_server;
pub mod numpy_legacy;
mod saved;

pub use damaged_files::fuzz;
pub use hub_server::{Fault, HubServer, TOKEN};
pub use saved::{Tensors, saved};
