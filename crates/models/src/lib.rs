//! Architectures as graphs, their fresh weights, and their checkpoints.
//!
//! [`find`] looks up an architecture in [`ARCHITECTURES`], and [`initialize`] draws its weights from a seed. [`checkpoint`] reads and
//! writes dense models. [`sparse_checkpoint`] does the same for a pruned model, in fewer bytes. [`ModelFile`] reads a model from any
//! supported file, PyTorch's included, and writes it in any supported form. [`Pretrained`] reads the weights that another training can
//! begin with.
//!
//! ```
//! use unlearn_models::{InputSpec, find, initialize};
//!
//! let input = InputSpec { shape: [1, 28, 28], classes: 10, mean: vec![0.286], std: vec![0.353] };
//! let graph = find("resnet8s")?.graph(&input)?;
//! let state = initialize(&graph, 1);
//! assert_eq!(state.parameters().len(), graph.parameters.len());
//! # Ok::<(), unlearn_models::Error>(())
//! ```

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
