//! Named arrays of a file, whatever its form.

use std::collections::BTreeMap;
use std::path::Path;

use unlearn_files::Form;

use crate::error::{Checked, Error, Result};
use crate::{npy, npz, table, tensors};

/// Maximum bytes of a file: 8 GiB.
const MOST: u64 = 1 << 33;

/// The endings of the names of arrays that hold scores.
pub(crate) const SCORES: [&str; 3] = ["logits", "probabilities", "margins"];

/// An array: its shape, and its elements in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Lengths of the dimensions.
    pub shape: Vec<usize>,
    /// The elements. Their number is the product of the shape.
    pub elements: Elements,
}

/// The elements of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// Floating-point numbers.
    Floats(Vec<f64>),
    /// Whole numbers. Truth values are 0 and 1.
    Integers(Vec<i64>),
}

/// The named arrays of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arrays {
    /// The arrays by name.
    pub named: BTreeMap<String, Array>,
    /// Arrays that are not numbers, with the reason.
    pub unread: BTreeMap<String, String>,
    /// The line of each row of a table, by the set's name in the table. Empty for other forms.
    pub(crate) lines: BTreeMap<String, Vec<usize>>,
}

/// Whether the file at `path` is one of scores, by its content: an archive or a file of NumPy's, a table, safetensors with arrays of
/// scores, or what cannot be a model either, such as an empty file. A file that cannot be read is not one.
pub fn is_scores(path: &Path) -> bool {
    let Ok(head) = unlearn_files::head(path) else { return false };
    match Form::of(&head) {
        Form::Zip => npz::is_npz(path),
        Form::Safetensors => unlearn_files::read(path, MOST).is_ok_and(|bytes| tensors::has_scores(&bytes)),
        Form::Pickle | Form::Tar | Form::ShardIndex | Form::Unknown => false,
        _ => true,
    }
}

impl Arrays {
    /// Reads the arrays of a file. Its content decides the form, not its name. Beside `x_logits.npy`, the files `x_labels.npy`,
    /// `x_ids.npy` and `x_seen.npy` are read too.
    ///
    /// # Errors
    /// If the file cannot be read, has none of the forms, or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = unlearn_files::read(path, MOST).map_err(|source| Error::Read { path: path.into(), source })?;
        let parsed: Checked<Self> = match Form::of(&bytes) {
            Form::Npy => return npy::beside(path, &bytes),
            Form::Zip if npz::is_npz(path) => npz::read(&bytes),
            Form::Safetensors => tensors::read(&bytes),
            Form::Text => {
                unlearn_files::text(bytes).map_err(|error| error.to_string()).and_then(|text| table::read(&text))
            }
            form => {
                let advice = form.advice().unwrap_or(
                    "write the scores with `numpy.savez`, as a CSV table with a line of headings, or as safetensors",
                );
                Err(format!("it is {form}, not a file of scores; {advice}"))
            }
        };
        parsed.map_err(|problem| Error::content(path, problem))
    }

    /// The names of all arrays, for messages.
    pub(crate) fn names(&self) -> String {
        let mut names: Vec<_> = self.named.keys().chain(self.unread.keys()).map(|name| format!("`{name}`")).collect();
        if names.is_empty() {
            return "nothing".to_owned();
        }
        let more = names.len().saturating_sub(12);
        names.truncate(12);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        names.join(", ")
    }
}

impl Array {
    /// A shape in Python's notation.
    pub(crate) fn shown(&self) -> String {
        unlearn_samples::npy::tuple(&self.shape)
    }
}
