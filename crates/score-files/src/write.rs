//! Writes the scores of a model on one set.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use safetensors::{Dtype, tensor::TensorView};
use unlearn_samples::npy::Header;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::error::{Error, Result};
use crate::npy;

/// What the numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Raw outputs.
    Logits,
    /// Their softmax.
    Probabilities,
}

/// The scores of a model on some samples.
#[derive(Debug, Clone, Copy)]
pub struct Prediction<'a> {
    /// What `values` are.
    pub kind: Kind,
    /// `[samples, classes]`, row-major.
    pub values: &'a [f32],
    /// Number of classes.
    pub classes: usize,
    /// The true class of every sample.
    pub labels: &'a [u32],
    /// The position of every sample in the data set.
    pub ids: &'a [u32],
}

impl Kind {
    /// The name of the array.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities",
        }
    }

    const fn column(self) -> &'static str {
        match self {
            Self::Logits => "logit",
            Self::Probabilities => "probability",
        }
    }
}

/// The form that a file's name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Npz,
    Npy,
    Safetensors,
    Csv,
}

impl Form {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "npz" => Some(Self::Npz),
            "npy" => Some(Self::Npy),
            "safetensors" => Some(Self::Safetensors),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Checks that a file's name says in which form scores of this kind are to be written.
///
/// # Errors
/// If it ends otherwise. A `.npy` file is named for what it holds, because it has no names inside.
pub fn check_name(path: &Path, kind: Kind) -> Result<()> {
    let word = kind.name();
    match Form::of(path) {
        None => Err(Error::content(path, "the name says the form: end it in `.npz`, `.npy`, `.safetensors` or `.csv`")),
        Some(Form::Npy) if !path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(word)) => {
            Err(Error::content(
                path,
                format!(
                    "a `.npy` file has no names inside, so end its name in `{word}.npy`; labels and ids are written beside it"
                ),
            ))
        }
        Some(_) => Ok(()),
    }
}

/// Every file that [`write()`] leaves for this name: two more beside a `.npy` file.
pub fn paths(path: &Path) -> Vec<PathBuf> {
    let beside = ["ids", "labels"].into_iter().filter_map(|other| npy::companion(path, other));
    let beside = beside.filter(|_| Form::of(path) == Some(Form::Npy));
    beside.chain([path.to_owned()]).collect()
}

/// Writes scores in the form that the name says. All files are written, or none. Existing files are replaced.
///
/// # Errors
/// As [`check_name`], and if a file cannot be written.
pub fn write(path: &Path, prediction: &Prediction<'_>) -> Result<()> {
    check_name(path, prediction.kind)?;
    let Prediction { kind, values, classes, labels, ids } = *prediction;
    let scores = array("<f4", &[labels.len(), classes], &le_bytes(values));
    let whole = |values: &[u32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| i64::from(*value).to_le_bytes()).collect();
        array("<i8", &[values.len()], &bytes)
    };
    let failed = |path: &Path, source: std::io::Error| Error::Write { path: path.into(), source };
    let files: Vec<(PathBuf, Vec<u8>)> = match Form::of(path) {
        Some(Form::Npy) => paths(path).into_iter().zip([whole(ids), whole(labels), scores]).collect(),
        Some(Form::Npz) => {
            let arrays = [("ids", whole(ids)), ("labels", whole(labels)), (kind.name(), scores)];
            vec![(path.into(), archive(&arrays).map_err(|source| failed(path, source))?)]
        }
        Some(Form::Csv) => vec![(path.into(), table(prediction))],
        Some(Form::Safetensors) | None => {
            let bytes = tensors(prediction).map_err(|error| failed(path, std::io::Error::other(error)))?;
            vec![(path.into(), bytes)]
        }
    };
    unlearn_files::write_all_atomic(&files).map_err(|(path, source)| Error::Write { path, source })
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The bytes of a `.npy` file.
fn array(descr: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    [&Header { descr: descr.into(), column_major: false, shape: shape.to_vec() }.encode(), bytes].concat()
}

fn archive(arrays: &[(&str, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

fn table(prediction: &Prediction<'_>) -> Vec<u8> {
    let Prediction { kind, values, classes, labels, ids } = *prediction;
    let mut text = String::from("id,label");
    for class in 0..classes {
        let _ = write!(text, ",{}_{class}", kind.column());
    }
    text.push('\n');
    for ((row, label), id) in values.chunks_exact(classes).zip(labels).zip(ids) {
        let _ = write!(text, "{id},{label}");
        for value in row {
            let _ = write!(text, ",{value}");
        }
        text.push('\n');
    }
    text.into_bytes()
}

fn tensors(prediction: &Prediction<'_>) -> std::result::Result<Vec<u8>, safetensors::SafeTensorError> {
    let Prediction { kind, values, classes, labels, ids } = *prediction;
    let whole =
        |values: &[u32]| -> Vec<u8> { values.iter().flat_map(|value| i64::from(*value).to_le_bytes()).collect() };
    let (scores, labels_bytes, ids) = (le_bytes(values), whole(labels), whole(ids));
    let count = labels.len();
    let views = [
        ("ids", TensorView::new(Dtype::I64, vec![count], &ids)?),
        ("labels", TensorView::new(Dtype::I64, vec![count], &labels_bytes)?),
        (kind.name(), TensorView::new(Dtype::F32, vec![count, classes], &scores)?),
    ];
    safetensors::serialize(views, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, ScoreSets};

    #[test]
    fn what_is_written_in_any_form_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (values, labels, ids) = ([1.5, -2.25, 1e-8, 3.0e7, 0.1, 0.3], [0, 1, 1], [7, 4, 90]);
        let prediction = Prediction { kind: Kind::Logits, values: &values, classes: 2, labels: &labels, ids: &ids };
        for name in ["a.npz", "a_logits.npy", "a.safetensors", "a.csv"] {
            let path = folder.path().join(name);
            write(&path, &prediction).unwrap();
            assert!(paths(&path).iter().all(|path| path.exists()), "{name}");
            assert!(crate::is_scores(&path), "{name}");
            let read = ScoreSets::read_apart(&[(Role::Forget, &path)]).unwrap();
            let scores = &read.get(Role::Forget).unwrap().scores[0];
            assert_eq!((scores.logits(), scores.labels(), scores.positions()), (&values[..], &labels[..], &ids[..]));
            assert!(read.notes.is_empty(), "{:?}", read.notes);
        }
        for (name, says) in [("a.npy", "end its name in `logits.npy`"), ("a.txt", "end it in"), ("a", "end it in")] {
            let message = write(&folder.path().join(name), &prediction).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
