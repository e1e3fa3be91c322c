//! Reads PyTorch's files as named tensors: `.pth` and `.pth.tar` in both of their formats, and plain safetensors. Also reads pickled
//! dictionaries of NumPy arrays ([`Record`]), the form in which some datasets are distributed.
//!
//! A `.pth` is a Python pickle, which is a program: the usual loader runs whatever it contains. This crate runs nothing. It reads as data
//! the few names that weights need (`globals.rs` lists them). If a file asks for any other name, the error shows that name. A damaged or
//! hostile file is an error. It never causes a panic, nor memory out of proportion to its size.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod archive;
mod candidates;
mod error;
mod globals;
mod legacy;
mod pickle;
mod record;
mod state_dict;
mod tensor;
#[cfg(test)]
mod tests;
mod writer;

pub use archive::record;
pub use candidates::Candidate;
pub use error::{Error, Result};
pub use record::{ByteArray, Record};
pub use state_dict::{Container, StateDict, TorchFile};
pub use tensor::{Dtype, Tensor};
pub use writer::{Written, write};
