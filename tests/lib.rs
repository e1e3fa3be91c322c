//! What tests of several crates need: golden data, a Hub on the loopback device, damaged files, files of `torch.save`,
//! and the numbers that NumPy drew. End-to-end tests are in the same folder.

mod damaged_files;
pub mod golden;
mod hub_server;
pub mod numpy_legacy;
mod saved;

pub use damaged_files::fuzz;
pub use hub_server::{Fault, HubServer, TOKEN};
pub use saved::{Tensors, saved};
