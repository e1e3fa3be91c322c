//! Golden data and end-to-end tests live beside this file. The crate itself is what tests of several crates need: a Hub on the
//! loopback device, damaged files, and what NumPy drew.

mod damaged_files;
mod hub_server;
pub mod numpy_legacy;

pub use damaged_files::fuzz;
pub use hub_server::{Fault, HubServer, TOKEN};
