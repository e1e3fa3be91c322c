//! What can go wrong between a dataset's name and its batches.

use std::path::PathBuf;

use crate::registry::{DATA_VARIABLE, Entry};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be opened or read.
    #[error("failed to {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },

    /// The file does not begin as IDX files do.
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
        /// Dimensions needed.
        expected: u8,
        /// Dimensions found.
        found: u8,
    },
    /// The file ends before its header says.
    #[error("{} is truncated: {expected} bytes of {part} expected, {found} found; fetch the file again", path.display())]
    IdxTruncated {
        /// The file.
        path: PathBuf,
        /// "header" or "elements".
        part: &'static str,
        /// Bytes needed.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// The file goes on after its last element.
    #[error("{} has trailing bytes after the {expected} bytes its header announces", path.display())]
    IdxTrailing {
        /// The file.
        path: PathBuf,
        /// Bytes of elements announced.
        expected: u64,
    },
    /// The header announces more than this crate is willing to hold in memory, or nothing at all.
    #[error("{} announces the shape {shape:?}; it must have no empty side and at most {limit} bytes", path.display())]
    IdxShape {
        /// The file.
        path: PathBuf,
        /// Dimensions in the header.
        shape: Vec<u32>,
        /// Most bytes accepted.
        limit: u64,
    },
    /// Images and labels do not pair up.
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
        /// Which image.
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
    /// Pixels and labels whose lengths do not agree with the image shape.
    #[error("{pixels} pixels do not make {labels} images of [channels {channels}, height {height}, width {width}]")]
    ImageSetShape {
        /// Bytes of pixels.
        pixels: usize,
        /// Labels.
        labels: usize,
        /// Channels an image.
        channels: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },

    /// No dataset of that name.
    #[error(transparent)]
    Unknown(#[from] unlearn_names::Unknown),
    /// A name that gives a form and a path, but not as it should.
    #[error("`{name}` names no dataset: {problem}")]
    Location {
        /// The name asked for.
        name: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// The Hub did not give what was asked of it.
    #[error("{name} is in no local folder, and the Hub does not give it: {source}")]
    Hub {
        /// The dataset's name.
        name: String,
        /// What went wrong.
        source: Box<unlearn_hub::Error>,
    },
    /// The dataset's files are nowhere.
    #[error("{name} was not found; looked in {looked}; it needs {needs}")]
    DatasetNotFound {
        /// The dataset.
        name: &'static str,
        /// Folders looked in.
        looked: String,
        /// What has to be done to have it.
        needs: &'static str,
    },
    /// A folder with some of a dataset's files.
    #[error("{} lacks {file}, though other files of the dataset are there", folder.display())]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The file missing.
        file: String,
    },
    /// A file whose size alone says that it is not the dataset's.
    #[error(
        "{} has {found} bytes, but {images} images of {dataset} take {expected}; fetch the file again",
        path.display()
    )]
    FileSize {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: &'static str,
        /// Images it should hold.
        images: usize,
        /// Bytes needed.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// A file that is not the one that was published.
    #[error("{} has the MD5 {found}, but {expected} is published; fetch the file again", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Its checksum in hexadecimal.
        found: String,
        /// The published one.
        expected: &'static str,
    },
    /// A file larger than any of the datasets'.
    #[error("{} has {found} bytes; at most {limit} are read", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// Most bytes accepted.
        limit: u64,
    },
    /// An array of another shape than the dataset's.
    #[error("{} holds `{array}` of shape {found:?}, but in {dataset} it has {expected:?}", path.display())]
    ArrayShape {
        /// The file.
        path: PathBuf,
        /// The array's name.
        array: &'static str,
        /// The dataset.
        dataset: &'static str,
        /// Lengths of its sides in the dataset.
        expected: Box<[usize]>,
        /// Lengths found.
        found: Box<[usize]>,
    },
    /// A file or a folder that is damaged or holds something else than was asked for.
    #[error("failed to read {}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A pickle that is not a record of arrays.
    #[error("failed to read {}: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<unlearn_torch_files::Error>,
    },

    /// A seed that NumPy's legacy generator cannot take.
    #[error(
        "seed {seed} is too large for sampler `numpy-legacy`, which takes 0 to 4294967295; or use sampler `seeded`"
    )]
    SeedTooLarge {
        /// The seed.
        seed: u64,
    },
    /// The legacy forget draw uses `seed − 1`.
    #[error(
        "seed 0 cannot draw a forget set with sampler `numpy-legacy`, which uses seed − 1; \
         use a seed of at least 1, or sampler `seeded`"
    )]
    LegacyForgetSeedZero,
    /// A validation share that leaves nothing to train on, or is no share.
    #[error("validation fraction {fraction} is outside 0..1 (0 keeps every image for training)")]
    ValidationFraction {
        /// The share asked for.
        fraction: f64,
    },
    /// A training limit that does not leave one image a class, or asks for more than there are.
    #[error(
        "train limit {limit} asks for {per_class} images of each of {classes} classes, but class {class} ({name}) \
         has {available}; at least 1 a class and at most that many are possible"
    )]
    TrainLimit {
        /// Images asked for over all classes.
        limit: usize,
        /// Images a class.
        per_class: usize,
        /// Number of classes.
        classes: usize,
        /// A class that cannot give them.
        class: usize,
        /// Its name.
        name: String,
        /// Images it has.
        available: usize,
    },

    /// A class number the dataset does not have.
    #[error("class {class} does not exist in {dataset}; valid classes: {valid}")]
    ClassOutOfRange {
        /// The number asked for.
        class: u32,
        /// The dataset.
        dataset: String,
        /// "0 (T-shirt/top), 1 (Trouser), …".
        valid: String,
    },
    /// No training image of that class.
    #[error("class {class} ({name}) has no image in the training split of {dataset}")]
    ClassAbsent {
        /// The class.
        class: u32,
        /// Its name.
        name: String,
        /// The dataset.
        dataset: String,
    },
    /// A share of the training set that is none.
    #[error("forget fraction {fraction} is outside (0, 1); 0.1 forgets a tenth of the training split")]
    ForgetFraction {
        /// The share asked for.
        fraction: f64,
    },
    /// `random` needs its size said once.
    #[error("random forgetting takes either `fraction` or `count`, found {found}")]
    FractionOrCount {
        /// "both" or "neither".
        found: &'static str,
    },
    /// More to forget than there is.
    #[error("cannot forget {count} of {available} images ({what})")]
    ForgetCount {
        /// Images asked for.
        count: usize,
        /// Images there are.
        available: usize,
        /// Where they are counted.
        what: String,
    },
    /// Nothing to forget.
    #[error("the forget set ({what}) is empty; it needs at least one image")]
    EmptyForgetSet {
        /// The forget set's label.
        what: String,
    },
    /// Nothing left to retain.
    #[error("the forget set ({what}) is the whole training split of {count} images; at least one must be retained")]
    EmptyRetainSet {
        /// The forget set's label.
        what: String,
        /// Images in the training split.
        count: usize,
    },
    /// A file of positions that cannot be understood.
    #[error("failed to read positions from {}: {problem}", path.display())]
    IndexFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, where, and what would be right.
        problem: String,
    },
    /// A position past the end of the training set.
    #[error("{} names position {index}, but the training set has {count} images (0 to {})", path.display(), count - 1)]
    IndexOutOfRange {
        /// The file.
        path: PathBuf,
        /// The position as written.
        index: i64,
        /// Images in the official training set.
        count: usize,
    },
    /// A position named twice.
    #[error("{} names position {index} more than once", path.display())]
    IndexDuplicate {
        /// The file.
        path: PathBuf,
        /// The position.
        index: u32,
    },
    /// A position nobody trained on.
    #[error("{} names position {index}, which is {place}; only images that were trained on can be forgotten", path.display())]
    IndexNotTrained {
        /// The file.
        path: PathBuf,
        /// The position.
        index: u32,
        /// "in the validation split" or "left out by the train limit or forgotten already".
        place: &'static str,
    },

    /// Batches of nothing.
    #[error("batch size 0 makes no batch; use at least 1")]
    BatchSizeZero,
    /// A square to cut out that is nothing, or larger than the image.
    #[error("cutout of {side} pixels a side in images of {height}×{width}; give 1 to the shorter side")]
    Cutout {
        /// Pixels a side.
        side: usize,
        /// Rows, in pixels.
        height: usize,
        /// Columns, in pixels.
        width: usize,
    },
    /// `RandAugment` of nothing, or stronger than there is.
    #[error(
        "RandAugment of {operations} operations at magnitude {magnitude}; give at least 1 operation, and a magnitude from 0 to 30"
    )]
    RandAugment {
        /// Operations a picture.
        operations: usize,
        /// Strength of each.
        magnitude: usize,
    },
    /// `RandAugment` of what is no picture.
    #[error("RandAugment works in grey (1 channel) and red, green, blue (3), not in images of {channels} channels")]
    RandAugmentChannels {
        /// Channels of the images.
        channels: usize,
    },
    /// Shares that have no distribution.
    #[error("mixup with α = {alpha}; give a positive number, such as 0.2")]
    Mixup {
        /// The parameter of the Beta distribution.
        alpha: f64,
    },
    /// A crop that could show nothing of the image.
    #[error("crop padding {padding} exceeds the image ({height}×{width} pixels)")]
    CropPadding {
        /// Zero pixels on each side.
        padding: usize,
        /// Rows, in pixels.
        height: usize,
        /// Columns, in pixels.
        width: usize,
    },
    /// A batch index outside the image set.
    #[error("index {index} is outside the image set of {count} images")]
    BatchIndex {
        /// The index.
        index: u32,
        /// Images in the set.
        count: usize,
    },
    /// An override that does not cover the image set.
    #[error("{found} replacement labels for an image set of {expected} images; give one a position")]
    LabelOverride {
        /// Labels given.
        found: usize,
        /// Images in the set.
        expected: usize,
    },
}

impl Error {
    /// That the dataset of `entry` is in none of `folders`.
    pub(crate) fn not_found(entry: &Entry, folders: &[PathBuf]) -> Self {
        let looked: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let nowhere = || format!("no folder, for neither --data-dir nor ${DATA_VARIABLE} names one");
        let looked = if looked.is_empty() { nowhere() } else { looked.join(", ") };
        Self::DatasetNotFound { name: entry.name, looked, needs: entry.needs }
    }
}

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
