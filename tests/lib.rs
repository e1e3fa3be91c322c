//! Golden data and end-to-end tests live beside this file. The crate itself is what tests of several crates need: a Hub on the
//! loopback device, and damaged files.

mod damaged_files;
mod hub_server;

pub use damaged_files::fuzz;
pub use hub_server::{Fault, HubServer, TOKEN};
