//! Errors of masks, of models that they do not fit, and of mask files.

use std::{fmt, io, path::PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shape has more elements than fit in memory.
    #[error("shape {shape:?} has more elements than fit in memory")]
    TooLarge {
        /// The shape.
        shape: Vec<usize>,
    },
    /// The number of values differs from the number of elements of the shape.
    #[error("{what}: shape {shape:?} needs {expected} values, found {found}")]
    Count {
        /// The tensor or argument.
        what: String,
        /// The mask's shape.
        shape: Vec<usize>,
        /// Number of values that the mask needs.
        expected: usize,
        /// Number of values that were given.
        found: usize,
    },
    /// Two shapes must agree but differ.
    #[error("tensor `{name}`: the mask has shape {mask:?}, its counterpart has shape {other:?}")]
    Shape {
        /// The parameter's name. It is empty when two [`Bits`](crate::Bits) are compared, which have no names.
        name: String,
        /// The shape in this mask.
        mask: Vec<usize>,
        /// The shape in the model or in the other mask.
        other: Vec<usize>,
    },
    /// The mask and the model, or the other mask, have different architectures.
    #[error(
        "the mask is for architecture `{mask}` ({mask_tensors}), not for `{other}` ({other_tensors}); \
         use a mask that was made from the same architecture"
    )]
    Architecture {
        /// The architecture this mask is for.
        mask: String,
        /// The tensors that this mask covers.
        mask_tensors: Tensors,
        /// The architecture that it was compared with.
        other: String,
        /// The tensors that it was compared with.
        other_tensors: Tensors,
    },
    /// The mask names a tensor that the model lacks.
    #[error("the mask covers tensor `{name}`, which `{architecture}` does not have; its tensors: {tensors}")]
    NotInModel {
        /// The name in the mask.
        name: String,
        /// The model's architecture.
        architecture: String,
        /// The model's tensors.
        tensors: Tensors,
    },
    /// The file has another form.
    #[error("it is {0}, and a mask is a safetensors file that `unlearn` wrote{advice}", advice = advice(*.0))]
    Form(unlearn_files::Form),
    /// The safetensors file is damaged.
    #[error("not a whole safetensors file: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// The safetensors file lacks the metadata of a mask.
    #[error("no metadata `{key}` in the file; a mask is written by `unlearn prune`", key = crate::METADATA_KEY)]
    MissingMetadata,
    /// The metadata is not the JSON that this format requires.
    #[error("metadata `{key}` is not that of a mask: {0}", key = crate::METADATA_KEY)]
    Metadata(#[source] serde_json::Error),
    /// The file is of another kind, for example a checkpoint.
    #[error("the file holds a `{found}`, not a `{kind}`", kind = crate::KIND)]
    Kind {
        /// The kind that the file names.
        found: String,
    },
    /// The file has a format version that this build cannot read.
    #[error("mask format {found} is unknown to this version, which reads format {known} only; use the version that wrote the file", known = crate::FORMAT)]
    Version {
        /// The version that the file names.
        found: u64,
    },
    /// Metadata and tensors of the file name different parameters.
    #[error("tensor `{name}` is in the file's {present} but not in its {absent}")]
    Unpaired {
        /// The tensor's name.
        name: String,
        /// The part of the file that names it.
        present: &'static str,
        /// The part of the file that lacks it.
        absent: &'static str,
    },
    /// A tensor is not flat bytes.
    #[error("tensor `{name}` is {found} with shape {shape:?}; a mask holds flat `U8` tensors")]
    Layout {
        /// The tensor's name.
        name: String,
        /// The element type in the file.
        found: String,
        /// The shape in the file.
        shape: Vec<usize>,
    },
    /// A packed tensor has the wrong size.
    #[error("{what}: shape {shape:?} packs into {expected} bytes, found {found}")]
    PackedLength {
        /// The tensor or argument.
        what: String,
        /// The mask's shape.
        shape: Vec<usize>,
        /// Number of bytes that the shape needs.
        expected: usize,
        /// Number of bytes found.
        found: usize,
    },
    /// Bits past the last element are set. A writer leaves them zero.
    #[error("{what}: bits past the last of {len} elements are set; the file is damaged")]
    TrailingBits {
        /// The tensor or argument.
        what: String,
        /// Number of elements in the tensor.
        len: usize,
    },
    /// An error from the file system.
    #[error("{0}{advice}", advice = unlearn_files::advice(.0))]
    Io(#[from] io::Error),
    /// One of the errors above, with the file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file concerned.
        path: PathBuf,
        /// What went wrong.
        source: Box<Error>,
    },
}

impl Error {
    /// Adds the tensor's name to errors that were made without one.
    pub(crate) fn in_tensor(mut self, tensor: &str) -> Self {
        match &mut self {
            Self::Count { what, .. } | Self::PackedLength { what, .. } | Self::TrailingBits { what, .. } => {
                *what = format!("tensor `{tensor}`");
            }
            Self::Shape { name, .. } => tensor.clone_into(name),
            _ => {}
        }
        self
    }
}

/// Names and shapes of tensors. The display is short: the first three, and the number of further ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensors(pub Vec<(String, Vec<usize>)>);

impl fmt::Display for Tensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (i, (name, shape)) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {shape:?}")?;
        }
        match self.0.len() {
            0 => write!(f, "no tensors"),
            n if n > SHOWN => write!(f, " and {} more", n - SHOWN),
            _ => Ok(()),
        }
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can be done about a file of another form.
fn advice(form: unlearn_files::Form) -> String {
    use unlearn_files::Form;
    match form {
        Form::Zip | Form::Pickle => {
            ", perhaps one of PyTorch; a mask of `torch.nn.utils.prune` lies in the model's own file: convert that, \
                                     `unlearn convert MODEL.pth OUTPUT.safetensors`, and give no mask"
                .to_owned()
        }
        form => form.advice().map(|advice| format!("; {advice}")).unwrap_or_default(),
    }
}
