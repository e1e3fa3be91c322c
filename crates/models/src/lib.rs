//! Architectures as graphs, their fresh weights, and their checkpoints.
//!
//! [`find`] looks up an architecture in [`ARCHITECTURES`], and [`initialize`] draws its weights from a seed. [`checkpoint`] reads and
//! writes dense models. [`sparse_checkpoint`] does the same for a pruned model, in fewer bytes. [`ModelFile`] reads a model from any
//! supported file, PyTorch's included, and writes it in any supported form. [`Pretrained`] reads the weights that another training can
//! begin with.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod architectures;
mod error;
mod files;
mod structured;
#[cfg(test)]
mod tests;

pub use architectures::{ARCHITECTURES, Architecture, InputSpec, find};
pub use error::{Error, Result};
pub use files::{
    Anew, INDEX, ImportOptions, MOST, ModelFile, Origin, Pretrained, ShardIndex, Source, Target, checkpoint, contents,
    is_sharded, sparse_checkpoint,
};
pub use structured::{Structured, structured};
pub use unlearn_network::initialize;
