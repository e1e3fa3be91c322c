//! What can go wrong with triggers, poison, figures and detectors.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An unknown trigger or detector.
    #[error(transparent)]
    Name(#[from] unlearn_names::Unknown),
    /// Images or draws that the crate `samples` refuses.
    #[error(transparent)]
    Samples(#[from] unlearn_samples::Error),
    /// A setting that is wrong by itself.
    #[error("{kind} `{name}`: {reason}")]
    Settings {
        /// "trigger" or "detector".
        kind: &'static str,
        /// Its name.
        name: &'static str,
        /// The key, its value, and what is allowed.
        reason: String,
    },
    /// A trigger that does not fit images or its picture.
    #[error("trigger `{trigger}` does not fit: {reason}")]
    Unfit {
        /// Its name.
        trigger: &'static str,
        /// Both sides of the mismatch, and the fix.
        reason: String,
    },
    /// A picture whose bytes do not fill its sides.
    #[error(
        "{bytes} bytes do not make a picture of {height}×{width} pixels (height × width) with {channels} channels; \
         a picture has 1 to 4 channels and at least one pixel"
    )]
    Overlay {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Channels, including opacity.
        channels: usize,
        /// Bytes given.
        bytes: usize,
    },
    /// A picture that differs from the one in the description.
    #[error(
        "the picture of trigger `{trigger}` is another one than was described (BLAKE3 {found}, described {expected}); \
         restore the file, or describe the poison anew"
    )]
    OtherPicture {
        /// The trigger.
        trigger: &'static str,
        /// The digest in the description.
        expected: String,
        /// The picture's digest.
        found: String,
    },

    /// A target class that the dataset lacks.
    #[error("target class {target} does not exist in {dataset}; valid classes: {valid}")]
    Target {
        /// The class asked for.
        target: u32,
        /// The dataset.
        dataset: String,
        /// "0 (T-shirt/top), 1 (Trouser), …".
        valid: String,
    },
    /// The amount of poison is given twice or not at all.
    #[error("poison takes either `count` or `fraction`, found {found}")]
    Amount {
        /// "both" or "neither".
        found: &'static str,
    },
    /// A share that is out of range.
    #[error("poison fraction {fraction} is not above 0 and at most 1; 0.1 poisons a tenth of the training split")]
    Fraction {
        /// The share asked for.
        fraction: f64,
    },
    /// No image to poison.
    #[error("the poison ({what}) is no image at all; raise `count` or `fraction`")]
    Nothing {
        /// "count 0" or "fraction 0.001 of 200 images".
        what: String,
    },
    /// More images to poison than there are.
    #[error("cannot poison {count} of {available} images ({candidates})")]
    TooMany {
        /// Images asked for.
        count: usize,
        /// Images that could be poisoned.
        available: usize,
        /// Which ones: "training images of other classes than the target".
        candidates: &'static str,
    },
    /// Seeds that NumPy's generator cannot take.
    #[error(
        "seed {seed} cannot draw poison with sampler `numpy-legacy`, which draws with seed − 1 and takes 1 to \
         4294967296; use such a seed, or sampler `seeded`"
    )]
    Seed {
        /// The seed.
        seed: u64,
    },
    /// Images that are not in memory, but decoded on demand.
    #[error(
        "the {part} images of {dataset} are decoded when they are needed, and a trigger is set into images in memory; \
         open the dataset without `?stream=`"
    )]
    Streamed {
        /// The dataset.
        dataset: String,
        /// "training" or "test".
        part: &'static str,
    },
    /// A set that was already changed.
    #[error("the {part} set of {dataset} was changed by {by} already; poison the dataset as it was distributed")]
    Altered {
        /// The dataset.
        dataset: String,
        /// "training" or "test".
        part: &'static str,
        /// The change.
        by: String,
    },
    /// A training set that is also the test set.
    #[error("the training set of {dataset} is its test set; poison is for training images only")]
    TestSet {
        /// The dataset.
        dataset: String,
    },
    /// A split that does not fit the training set.
    #[error("the split does not fit {dataset}: {reason}; draw it from this dataset")]
    Split {
        /// The dataset.
        dataset: String,
        /// The difference.
        reason: String,
    },
    /// A trigger that changes nothing.
    #[error(
        "trigger `{trigger}` changes no pixel of any of the {images} {part} images, so it teaches or shows nothing; \
         change its settings (a patch of value 0 is invisible on black)"
    )]
    Invisible {
        /// The trigger.
        trigger: String,
        /// Images that were to be changed.
        images: usize,
        /// "poisoned" or "test".
        part: &'static str,
    },

    /// Lists of different lengths.
    #[error("{found} {what} for {expected} samples; every sample needs one")]
    Lengths {
        /// "labels", "positions" or "true classes".
        what: &'static str,
        /// Their number.
        found: usize,
        /// Samples.
        expected: usize,
    },
    /// A share of an empty set.
    #[error("no {what} to take a share of")]
    Empty {
        /// "test image of another class than the target".
        what: &'static str,
    },
    /// A class number that is out of range.
    #[error("class {class} is outside the {classes} classes")]
    Class {
        /// The number.
        class: u32,
        /// Classes.
        classes: usize,
    },
    /// Features that do not make rows.
    #[error("{values} values do not make {samples} rows of {dims} features; {} were expected", samples.saturating_mul(*dims))]
    FeatureShape {
        /// Values given.
        values: usize,
        /// Samples.
        samples: usize,
        /// Features a sample.
        dims: usize,
    },
    /// A feature that is not finite.
    #[error("feature {feature} of the sample at position {position} is {value}; features must be finite")]
    FeatureValue {
        /// Column.
        feature: usize,
        /// Position of the sample.
        position: u32,
        /// NaN or an infinity.
        value: f32,
    },
    /// A position that occurs twice.
    #[error("position {position} occurs twice in {what}; each sample is listed once")]
    Repeated {
        /// The position.
        position: u32,
        /// The list.
        what: &'static str,
    },
    /// A position that another list lacks, although it must contain it.
    #[error("position {position} is in {what}, but was not examined; examine every such sample")]
    NotExamined {
        /// The position.
        position: u32,
        /// The list.
        what: &'static str,
    },
}

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
