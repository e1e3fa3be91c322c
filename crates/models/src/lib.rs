//! Architectures as graphs, their fresh weights, and their checkpoints.
//!
//! [`find`] looks an architecture up in [`ARCHITECTURES`], [`initialize`] draws its weights from a seed, and
//! [`checkpoint`] reads and writes them; [`sparse_checkpoint`] does so for a pruned model, in a fraction of the bytes.
//! [`ModelFile`] reads a model from any file that holds one, PyTorch's included, and writes it as any of them; [`Pretrained`]
//! takes from one what another training can begin with.
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
