//! Errors between a dataset's name and its images.

use std::path::{Path, PathBuf};

use unlearn_files::Form;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be opened or read.
    #[error("failed to {action} {}: {source}{}", path.display(), unlearn_files::advice(source))]
    Io {
        /// The attempted action.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },

    /// A place that a dataset cannot be written to.
    #[error("{}: {problem}", path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what would help.
        problem: String,
    },
    /// A file that does not begin like an IDX file.
    #[error("{} is not an IDX file: it begins with {found}, where IDX has 00 00, a type code and a dimension count", path.display())]
    NotIdx {
        /// The file.
        path: PathBuf,
        /// Its first bytes in hexadecimal.
        found: String,
    },
    /// An IDX file of something other than unsigned bytes.
    #[error("{} holds IDX elements of type 0x{code:02x}; only unsigned bytes (0x08) are read", path.display())]
    IdxElementType {
        /// The file.
        path: PathBuf,
        /// The type code found.
        code: u8,
    },
    /// An IDX file of another rank, such as labels where images were expected.
    #[error(
        "{} has {found} dimension(s), but {what} have {expected} (images: idx3, labels: idx1); \
         are the images and labels files swapped?",
        path.display()
    )]
    IdxDimensions {
        /// The file.
        path: PathBuf,
        /// "images" or "labels".
        what: &'static str,
        /// Required number of dimensions.
        expected: u8,
        /// Number of dimensions found.
        found: u8,
    },
    /// A file that is shorter than its header says.
    #[error("{} is truncated: {expected} bytes of {part} expected, {found} found; fetch the file again", path.display())]
    IdxTruncated {
        /// The file.
        path: PathBuf,
        /// "header" or "elements".
        part: &'static str,
        /// Required bytes.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// A file that continues after its last element.
    #[error("{} has trailing bytes after the {expected} bytes its header announces", path.display())]
    IdxTrailing {
        /// The file.
        path: PathBuf,
        /// Bytes of elements announced.
        expected: u64,
    },
    /// A header that announces more than this crate reads into memory, or nothing.
    #[error("{} announces the shape {shape:?}; it must have no empty side and at most {limit} bytes", path.display())]
    IdxShape {
        /// The file.
        path: PathBuf,
        /// Dimensions in the header.
        shape: Vec<u32>,
        /// Maximum bytes.
        limit: u64,
    },
    /// Images and labels that differ in number.
    #[error(
        "{} holds {images} images, but {} holds {labels} labels; they must come from the same set",
        images_path.display(), labels_path.display()
    )]
    CountMismatch {
        /// The images file.
        images_path: PathBuf,
        /// Images in it.
        images: usize,
        /// The labels file.
        labels_path: PathBuf,
        /// Labels in it.
        labels: usize,
    },
    /// A label outside the dataset's classes.
    #[error("{} gives image {position} the label {label}, but there are {classes} classes (0 to {})", path.display(), classes - 1)]
    LabelOutOfRange {
        /// The labels file.
        path: PathBuf,
        /// Position of the image.
        position: usize,
        /// Its label.
        label: i64,
        /// Number of classes.
        classes: usize,
    },
    /// Images of another size than the dataset's.
    #[error(
        "{} holds images of {found_height}×{found_width} pixels, but {dataset} has {height}×{width}",
        path.display()
    )]
    ImageSize {
        /// The images file.
        path: PathBuf,
        /// The dataset.
        dataset: &'static str,
        /// Height the dataset has, in pixels.
        height: usize,
        /// Width the dataset has, in pixels.
        width: usize,
        /// Height found, in pixels.
        found_height: usize,
        /// Width found, in pixels.
        found_width: usize,
    },

    /// An unknown name.
    #[error(transparent)]
    Unknown(#[from] unlearn_names::Unknown),
    /// A name with a form and a path that is not valid.
    #[error("`{name}` names no dataset: {problem}")]
    Location {
        /// The given name.
        name: String,
        /// The fault and the fix.
        problem: String,
    },
    /// The dataset needs a part of this crate that was not built.
    #[error("`{name}` cannot be opened: this build lacks the feature `{feature}`; build again with it")]
    NotBuilt {
        /// What was asked for.
        name: String,
        /// The Cargo feature that adds it.
        feature: &'static str,
    },
    /// The Hub did not deliver a dataset.
    #[cfg(feature = "hub")]
    #[error("{name} is in no local folder, and the Hub does not give it: {source}")]
    Hub {
        /// The dataset's name.
        name: String,
        /// The cause.
        source: Box<unlearn_hub::Error>,
    },
    /// The dataset's files were not found.
    #[error("{name} was not found; looked in {looked}; it needs {needs}")]
    DatasetNotFound {
        /// The dataset.
        name: &'static str,
        /// The searched folders.
        looked: String,
        /// What the user must do to get it.
        needs: &'static str,
    },
    /// A folder with some of a dataset's files.
    #[error("{} lacks {file}, though other files of the dataset are there", folder.display())]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The missing file.
        file: String,
    },
    /// A number of images or classes that differs from the published one.
    #[error(
        "{} holds {found} {what}, but {expected} are published for {dataset}; fetch it again, or open any number of images by path: \
         `{by_path}`",
        path.display()
    )]
    Count {
        /// The file or the folder.
        path: PathBuf,
        /// "training images", "classes", …
        what: &'static str,
        /// Number found.
        found: usize,
        /// The dataset.
        dataset: &'static str,
        /// Published number.
        expected: usize,
        /// The name that opens any number of images.
        by_path: String,
    },
    /// A file whose size is not a whole number of images.
    #[error("{} has {found} bytes, which are no whole number of images of {image} bytes each; fetch the file again", path.display())]
    FileSize {
        /// The file.
        path: PathBuf,
        /// Bytes of an image and its label.
        image: usize,
        /// Bytes found.
        found: u64,
    },
    /// A file that differs from the published one.
    #[error("{} has the MD5 {found}, but {expected} is published; fetch the file again", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Its checksum in hexadecimal.
        found: String,
        /// The published one.
        expected: &'static str,
    },
    /// A file that is larger than any file of the datasets.
    #[error("{} has {found} bytes; at most {limit} are read", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// Maximum bytes.
        limit: u64,
    },
    /// An array of another shape than the dataset's.
    #[error("{} holds `{array}` of shape {found:?}, where {expected} is needed", path.display())]
    ArrayShape {
        /// The file.
        path: PathBuf,
        /// The array's name.
        array: &'static str,
        /// The expected shape.
        expected: String,
        /// Lengths found.
        found: Box<[usize]>,
    },
    /// A file or a folder that is damaged or has unexpected content.
    #[error("failed to read {}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        problem: String,
    },
    /// A pickle that is not a record of arrays.
    #[error("failed to read {}: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: Box<unlearn_torch_files::Error>,
    },
    /// An error about samples of any dataset: splits, forget sets, batches.
    #[error(transparent)]
    Samples(#[from] unlearn_samples::Error),
}

impl Error {
    /// The file that could not be read.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::NotIdx { path, .. }
            | Self::IdxTruncated { path, .. }
            | Self::FileSize { path, .. }
            | Self::Damaged { path, .. }
            | Self::Record { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The same error. If the file is only the rest of a failed download, an error that says so.
    pub(crate) fn recognised(self) -> Self {
        let form = self.file().and_then(|path| unlearn_files::head(path).ok()).map(|head| Form::of(&head));
        match (form, self.file()) {
            (Some(form @ (Form::Empty | Form::GitLfsPointer | Form::Html)), Some(path)) => {
                damaged(path, format!("it is {form}: {}", form.advice().unwrap_or_default()))
            }
            _ => self,
        }
    }
}

/// The error for a damaged or unexpected file at `path`.
pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Error {
    Error::Damaged { path: path.into(), problem: problem.into() }
}

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
