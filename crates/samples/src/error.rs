//! Errors with samples: image sets, splits, forget sets and batches.

use std::path::PathBuf;

use crate::PictureError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stored picture that cannot be read.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Pixels and labels whose lengths do not agree with the image shape.
    #[error("{pixels} pixels do not make {labels} images of [channels {channels}, height {height}, width {width}]")]
    ImageSetShape {
        /// Bytes of pixels.
        pixels: usize,
        /// Labels.
        labels: usize,
        /// Channels per image.
        channels: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// A set of pictures whose labels differ in number.
    #[error("{labels} labels do not make a set of {pictures} pictures; each picture has one")]
    PictureLabels {
        /// Pictures.
        pictures: usize,
        /// Labels.
        labels: usize,
    },

    /// Subclasses that do not fit a dataset.
    #[error("the subclasses of {dataset} are not those of its images: {problem}")]
    Subclasses {
        /// The dataset.
        dataset: String,
        /// What does not fit.
        problem: String,
    },

    /// A file that cannot be read.
    #[error("failed to read {}: {source}{}", path.display(), unlearn_files::advice(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
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
    /// A validation share that is not a share, or leaves nothing to train on.
    #[error("validation fraction {fraction} is outside 0..1 (0 keeps every image for training)")]
    ValidationFraction {
        /// The given share.
        fraction: f64,
    },
    /// A split of a set that was changed after it was opened.
    #[error(
        "the training set of {dataset} was changed by {by}, and other labels give another split; \
         draw the split from the unchanged set and use it for both"
    )]
    SplitOfAltered {
        /// The dataset.
        dataset: String,
        /// What changed it.
        by: String,
    },
    /// A training limit that gives less than one image per class, or exceeds a class.
    #[error(
        "`train-limit` {limit} asks for {per_class} images of each of {classes} classes, but class {class} ({name}) \
         has {available}; give a limit from {classes} to {}", available * classes
    )]
    TrainLimit {
        /// Requested images over all classes.
        limit: usize,
        /// Images per class.
        per_class: usize,
        /// Number of classes.
        classes: usize,
        /// A class with too few images.
        class: usize,
        /// Its name.
        name: String,
        /// Images it has.
        available: usize,
    },

    /// A class number the dataset does not have.
    #[error("class {class} does not exist in {dataset}; valid classes: {valid}")]
    ClassOutOfRange {
        /// The given number.
        class: u32,
        /// The dataset.
        dataset: String,
        /// "0 (T-shirt/top), 1 (Trouser), …".
        valid: String,
    },
    /// Fewer classes than a classifier needs.
    #[error("{count} {} of {dataset} make no classifier; list two or more", if *count == 1 { "class" } else { "classes" })]
    TooFewClasses {
        /// Classes listed.
        count: usize,
        /// The dataset.
        dataset: String,
    },
    /// A class listed twice.
    #[error("`classes` lists class {class} of {dataset} twice; list each once")]
    ClassTwice {
        /// The class.
        class: u32,
        /// The dataset.
        dataset: String,
    },
    /// Images that cannot be converted to a shape.
    #[error(
        "images {from:?} (channels, height, width) cannot be converted to {to:?}; both must have 1 or 3 channels and at least one pixel"
    )]
    Conversion {
        /// Shape of the images.
        from: [usize; 3],
        /// Shape asked for.
        to: [usize; 3],
    },
    /// Converted images that would not fit into memory.
    #[error("{count} images of {to:?} (channels, height, width) are more than {limit} bytes; give fewer pixels")]
    ConvertedSize {
        /// Images in the set.
        count: usize,
        /// Shape asked for.
        to: [usize; 3],
        /// Maximum bytes.
        limit: usize,
    },
    /// Pictures on demand that cannot be converted to a shape.
    #[error(
        "pictures that are decoded on demand are in colour and square, and cannot be converted to {to:?} (channels, height, width); give [3, side, side]"
    )]
    StreamedConversion {
        /// Shape asked for.
        to: [usize; 3],
    },
    /// A class without training images.
    #[error("class {class} ({name}) has no image in the training split of {dataset}")]
    ClassAbsent {
        /// The class.
        class: u32,
        /// Its name.
        name: String,
        /// The dataset.
        dataset: String,
    },
    /// A share of the training set that is not a share.
    #[error("forget fraction {fraction} is outside (0, 1); 0.1 forgets a tenth of the training split")]
    ForgetFraction {
        /// The given share.
        fraction: f64,
    },
    /// `random` needs exactly one of two sizes.
    #[error("random forgetting takes either `fraction` or `count`, found {found}")]
    FractionOrCount {
        /// "both" or "neither".
        found: &'static str,
    },
    /// More images to forget than available.
    #[error("cannot forget {count} of {available} images ({what})")]
    ForgetCount {
        /// Requested images.
        count: usize,
        /// Available images.
        available: usize,
        /// The set that is counted.
        what: String,
    },
    /// An empty forget set.
    #[error("the forget set ({what}) is empty; it needs at least one image")]
    EmptyForgetSet {
        /// The forget set's label.
        what: String,
    },
    /// An empty retain set.
    #[error("the forget set ({what}) is the whole training split of {count} images; at least one must be retained")]
    EmptyRetainSet {
        /// The forget set's label.
        what: String,
        /// Images in the training split.
        count: usize,
    },
    /// A file of positions that cannot be read as a whole.
    #[error("{}: {problem}", path.display())]
    IndexFile {
        /// The file.
        path: PathBuf,
        /// The fault and the fix.
        problem: String,
    },
    /// A line or an element of such a file that is not a position, or repeats one.
    #[error("{place}: {problem}")]
    Index {
        /// The file with the line or the element.
        place: String,
        /// The fault and the fix.
        problem: String,
    },
    /// A position past the end of the training set.
    #[error("{place} names position {index}, but the training set has {count} images (0 to {})", count - 1)]
    IndexOutOfRange {
        /// The list, with the line if there is one.
        place: String,
        /// The position as written.
        index: i64,
        /// Images in the official training set.
        count: usize,
    },
    /// A position listed twice.
    #[error("{place} names position {index} more than once")]
    IndexDuplicate {
        /// The list, with the line if there is one.
        place: String,
        /// The position.
        index: u32,
    },
    /// A position that is not in the training split.
    #[error("{place} names position {index}, which is {reason}; only images that were trained on can be forgotten")]
    IndexNotTrained {
        /// The list, with the line if there is one.
        place: String,
        /// The position.
        index: u32,
        /// "in the validation split" or "left out by the train limit or forgotten already".
        reason: &'static str,
    },

    /// Empty batches.
    #[error("batch size 0 makes no batch; use at least 1")]
    BatchSizeZero,
    /// A cutout that is empty, or larger than the image.
    #[error("cutout of {side} pixels a side in images of {height}×{width}; give 1 to the shorter side")]
    Cutout {
        /// Side in pixels.
        side: usize,
        /// Rows, in pixels.
        height: usize,
        /// Columns, in pixels.
        width: usize,
    },
    /// `RandAugment` without operations, or with a strength out of range.
    #[error(
        "RandAugment of {operations} operations at magnitude {magnitude}; give 1 to 64 operations, and a magnitude from 0 to 30"
    )]
    RandAugment {
        /// Operations per picture.
        operations: usize,
        /// Strength of each.
        magnitude: usize,
    },
    /// `RandAugment` of images that are neither grey nor colour.
    #[error("RandAugment works in grey (1 channel) and red, green, blue (3), not in images of {channels} channels")]
    RandAugmentChannels {
        /// Channels of the images.
        channels: usize,
    },
    /// A mixup parameter without a distribution.
    #[error("mixup with α = {alpha}; give a positive number, such as 0.2")]
    Mixup {
        /// The parameter of the Beta distribution.
        alpha: f64,
    },
    /// A crop that could miss the image entirely.
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
    /// Replacement labels that do not cover the image set.
    #[error("{found} replacement labels for an image set of {expected} images; give one a position")]
    LabelOverride {
        /// Labels given.
        found: usize,
        /// Images in the set.
        expected: usize,
    },
}

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
