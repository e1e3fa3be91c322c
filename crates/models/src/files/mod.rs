//! Files that hold a model: ours, dense and sparse, and foreign ones.

pub mod checkpoint;
mod contents;
mod import;
mod model_file;
mod named_tensors;
mod pretrained;
mod shards;
pub mod sparse_checkpoint;
mod torch_target;

pub use contents::{MOST, contents, is_sharded};
pub use import::ImportOptions;
pub use model_file::{ModelFile, Source, Target};
pub use pretrained::{Anew, Origin, Pretrained};
pub use shards::{INDEX, ShardIndex};
