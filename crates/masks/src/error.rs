//! What can go wrong between a mask, the model it is for, and the file it lies in.

use std::{fmt, io, path::PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A shape that counts more elements than the address space holds.
    #[error("shape {shape:?} counts more elements than fit in memory")]
    TooLarge {
        /// The shape.
        shape: Vec<usize>,
    },
    /// A slice does not hold one value for each element of the shape.
    #[error("{what}: shape {shape:?} needs {expected} values, found {found}")]
    Count {
        /// The tensor or argument concerned.
        what: String,
        /// The mask's shape.
        shape: Vec<usize>,
        /// How many values the mask needs.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// Two shapes that must agree do not.
    #[error("tensor `{name}`: the mask has shape {mask:?}, its counterpart has shape {other:?}")]
    Shape {
        /// The parameter's name; empty where two [`Bits`](crate::Bits) without names meet.
        name: String,
        /// The shape in this mask.
        mask: Vec<usize>,
        /// The shape in the model or in the other mask.
        other: Vec<usize>,
    },
    /// A mask meets a model, or another mask, of a different architecture.
    #[error(
        "the mask is for architecture `{mask}` ({mask_tensors}), not for `{other}` ({other_tensors}); \
         use a mask that was made from the same architecture"
    )]
    Architecture {
        /// The architecture this mask is for.
        mask: String,
        /// The tensors this mask covers.
        mask_tensors: Tensors,
        /// The architecture it was held against.
        other: String,
        /// The tensors it was held against.
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
    /// A file of another form.
    #[error("it is {0}, and a mask is a safetensors file that `unlearn` wrote{advice}", advice = advice(*.0))]
    Form(unlearn_files::Form),
    /// A damaged safetensors file.
    #[error("not a whole safetensors file: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// A safetensors file that says nothing about being a mask.
    #[error("no metadata `{key}` in the file; a mask is written by `unlearn prune`", key = crate::METADATA_KEY)]
    MissingMetadata,
    /// Metadata that is not the JSON this format asks for.
    #[error("metadata `{key}` is not a mask's: {0}", key = crate::METADATA_KEY)]
    Metadata(#[source] serde_json::Error),
    /// A file of another kind, for example a checkpoint.
    #[error("the file holds a `{found}`, not a `{kind}`", kind = crate::KIND)]
    Kind {
        /// The kind the file names.
        found: String,
    },
    /// A file of a version that this build does not read.
    #[error("mask format {found} is not known here, only format {known}; read it with the version that wrote it", known = crate::FORMAT)]
    Version {
        /// The version the file names.
        found: u64,
    },
    /// The metadata and the tensors of a file name different things.
    #[error("tensor `{name}` is in the file's {present} but not in its {absent}")]
    Unpaired {
        /// The tensor's name.
        name: String,
        /// Where it is named.
        present: &'static str,
        /// Where it is missing.
        absent: &'static str,
    },
    /// A tensor that is not a flat run of bytes.
    #[error("tensor `{name}` is {found} with shape {shape:?}; a mask holds flat `U8` tensors")]
    Layout {
        /// The tensor's name.
        name: String,
        /// The element type in the file.
        found: String,
        /// The shape in the file.
        shape: Vec<usize>,
    },
    /// A packed tensor of the wrong size.
    #[error("{what}: shape {shape:?} packs into {expected} bytes, found {found}")]
    PackedLength {
        /// The tensor or argument concerned.
        what: String,
        /// The mask's shape.
        shape: Vec<usize>,
        /// How many bytes the shape needs.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Bits past the last element, which a writer leaves zero.
    #[error("{what}: bits past the last of {len} elements are set; the file is damaged")]
    TrailingBits {
        /// The tensor or argument concerned.
        what: String,
        /// How many elements the tensor has.
        len: usize,
    },
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Any of the above, with the file it happened in.
    #[error("{}: {source}", path.display())]
    File {
        /// The file concerned.
        path: PathBuf,
        /// What went wrong.
        source: Box<Error>,
    },
}

impl Error {
    /// Names the tensor in errors that arose where no name was known.
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

/// Names and shapes of tensors, printed in short: the first three, and how many more.
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
    form.advice().map(|advice| format!("; {advice}")).unwrap_or_default()
}
