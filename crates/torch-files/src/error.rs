//! What can be wrong with a file of PyTorch's.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A pickle names something that no weights need. Nothing of it was run: this crate runs nothing.
    #[error(
        "the file asks for `{name}`, which no weights need; nothing of it was run. If it comes from a source you trust, \
         save its weights alone: `torch.save(model.state_dict(), …)`"
    )]
    Global {
        /// Module and name as the file spells them.
        name: String,
    },
    /// A pickle of arrays names something that no array needs. Nothing of it was run.
    #[error("the file asks for `{name}`, which no array needs; nothing of it was run")]
    ArrayGlobal {
        /// Module and name as the file spells them.
        name: String,
    },
    /// An entry of a [`Record`](crate::Record) that is missing or of another kind.
    #[error("entry `{key}`: {reason}")]
    Record {
        /// The entry's key.
        key: String,
        /// What does not fit.
        reason: String,
    },
    /// A pickle that ends early, or whose parts do not fit together.
    #[error("damaged pickle at byte {at}: {reason}")]
    Pickle {
        /// Where in the pickle.
        at: usize,
        /// What does not fit.
        reason: String,
    },
    /// The archive around the pickle is damaged, or not one that `torch.save` writes.
    #[error("damaged archive: {0}")]
    Archive(String),
    /// A kind of file that is not read here.
    #[error("{0}")]
    Unsupported(String),
    /// A tensor whose description does not fit its values.
    #[error("tensor `{name}`: {reason}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// The file is whole and holds no tensors by name.
    #[error("no state dict in the file: {0}")]
    NoStateDict(String),
    /// Not a whole safetensors file.
    #[error("not a whole safetensors file: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
