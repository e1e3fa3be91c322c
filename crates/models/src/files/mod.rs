//! Files that hold a model: ours, dense and sparse, and foreign ones.

pub mod checkpoint;
mod import;
mod model_file;
mod pretrained;
pub mod sparse_checkpoint;

pub use import::ImportOptions;
pub use model_file::{ModelFile, Source, Target};
pub use pretrained::{Anew, Origin, Pretrained};
