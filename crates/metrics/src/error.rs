//! What can go wrong with the numbers a metric is made from.

/// Errors of this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// No samples or no seeds.
    #[error("no {what} to take a mean over")]
    Empty {
        /// What is missing, in the plural.
        what: &'static str,
    },
    /// Fewer than two classes cannot be told apart.
    #[error("logits over {classes} classes; scores need at least 2")]
    TooFewClasses {
        /// Columns of the logits.
        classes: usize,
    },
    /// Logits and labels that do not belong together.
    #[error("{logits} logits do not make {labels} rows of {classes} classes; {} were expected", labels * classes)]
    Length {
        /// How many logits there are.
        logits: usize,
        /// How many labels there are.
        labels: usize,
        /// Columns of the logits.
        classes: usize,
    },
    /// Positions and samples that do not belong together.
    #[error("{positions} positions for {samples} samples; every sample has one")]
    Positions {
        /// How many positions there are.
        positions: usize,
        /// How many samples there are.
        samples: usize,
    },
    /// A model that diverged.
    #[error("the logit of row {row}, class {class} is {value}; only finite logits can be judged")]
    Logit {
        /// The sample.
        row: usize,
        /// The column.
        class: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// Two models' scores of other shapes.
    #[error(
        "the model has scores of {} samples of {} classes, Retrain of {} samples of {} classes; score both on the same set",
        model[0], model[1], retrain[0], retrain[1]
    )]
    Unlike {
        /// Samples and classes of the model's.
        model: [usize; 2],
        /// Samples and classes of Retrain's.
        retrain: [usize; 2],
    },
    /// Two models' scores of other samples.
    #[error(
        "sample {row} is the one at position {model} for the model and at position {retrain} for Retrain; score both on the same set"
    )]
    OtherSample {
        /// Which of the set.
        row: usize,
        /// Where the model's stands.
        model: u32,
        /// Where Retrain's stands.
        retrain: u32,
    },
    /// A value that no mean survives.
    #[error("{what}: value {index} is {value}; only finite values can be averaged")]
    NotFinite {
        /// The argument concerned.
        what: &'static str,
        /// Its index in the flat slice.
        index: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// A label without a column.
    #[error("the label of row {row} is {label}, but the logits have classes 0 to {}", classes - 1)]
    Label {
        /// The sample.
        row: usize,
        /// Its label.
        label: u32,
        /// Columns of the logits.
        classes: usize,
    },
    /// A value that the figure cannot have.
    #[error("{figure} is {value}, but lies between {low} and {high}")]
    Range {
        /// Which figure, by its label.
        figure: String,
        /// Its value.
        value: f64,
        /// The least it can be.
        low: f64,
        /// The greatest it can be.
        high: f64,
    },
    /// A figure that no registry knows.
    #[error("unknown figure `{name}`; valid names: {valid}")]
    UnknownFigure {
        /// The name asked for.
        name: String,
        /// All valid names.
        valid: String,
    },
    /// Two series that are not paired.
    #[error("{left} values cannot be paired with {right}; both need one value a seed, in the same order")]
    Unpaired {
        /// Length of the first series.
        left: usize,
        /// Length of the second.
        right: usize,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Refuses values that are NaN or infinite.
pub(crate) fn check_finite(what: &'static str, values: impl IntoIterator<Item = f64>) -> Result<()> {
    match values.into_iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((index, value)) => Err(Error::NotFinite { what, index, value }),
        None => Ok(()),
    }
}
