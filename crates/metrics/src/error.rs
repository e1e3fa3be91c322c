//! Errors of the input of metrics.

/// Errors of this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// There are no samples or no seeds.
    #[error("no {what} to take a mean over")]
    Empty {
        /// What is missing, in the plural.
        what: &'static str,
    },
    /// There are fewer than two classes.
    #[error("logits over {classes} classes; scores need at least 2")]
    TooFewClasses {
        /// Columns of the logits.
        classes: usize,
    },
    /// The number of logits does not match the number of labels.
    #[error("{logits} logits do not make {labels} rows of {classes} classes; {} were expected", labels * classes)]
    Length {
        /// Number of logits.
        logits: usize,
        /// Number of labels.
        labels: usize,
        /// Columns of the logits.
        classes: usize,
    },
    /// The number of positions differs from the number of samples.
    #[error("{positions} positions for {samples} samples; every sample needs one")]
    Positions {
        /// Number of positions.
        positions: usize,
        /// Number of samples.
        samples: usize,
    },
    /// A logit is not finite, because the model diverged.
    #[error("the logit of row {row}, class {class} is {value}; only finite logits can be judged")]
    Logit {
        /// Row of the sample.
        row: usize,
        /// Column of the logit.
        class: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The scores of two models have different shapes.
    #[error(
        "the model has scores of {} samples of {} classes, the other one of {} samples of {} classes; score both on the same set",
        model[0], model[1], retrain[0], retrain[1]
    )]
    Unlike {
        /// Samples and classes of the model's scores.
        model: [usize; 2],
        /// Samples and classes of Retrain's scores.
        retrain: [usize; 2],
    },
    /// The scores of two models are of different samples.
    #[error(
        "sample {row} has position {model} in the model's scores and position {retrain} in the other one's; score both on the same set"
    )]
    OtherSample {
        /// Row of the first different sample.
        row: usize,
        /// Position of the model's sample.
        model: u32,
        /// Position of Retrain's sample.
        retrain: u32,
    },
    /// A value to average is not finite.
    #[error("{what}: value {index} is {value}; only finite values can be averaged")]
    NotFinite {
        /// The argument.
        what: &'static str,
        /// Its index in the flat slice.
        index: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// A label has no column in the logits.
    #[error("the label of row {row} is {label}, but the logits have classes 0 to {}", classes - 1)]
    Label {
        /// Row of the sample.
        row: usize,
        /// Its label.
        label: u32,
        /// Columns of the logits.
        classes: usize,
    },
    /// A value is outside the figure's range.
    #[error("{figure} is {value}, but must lie between {low} and {high}")]
    Range {
        /// Label of the figure.
        figure: String,
        /// Its value.
        value: f64,
        /// The least possible value.
        low: f64,
        /// The greatest possible value.
        high: f64,
    },
    /// The name of a figure is unknown.
    #[error("unknown figure `{name}`; valid names: {valid}")]
    UnknownFigure {
        /// The name asked for.
        name: String,
        /// All valid names.
        valid: String,
    },
    /// There are too few values.
    #[error("{found} {what}; at least {needed} are needed")]
    TooFew {
        /// What there is too little of, in the plural.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// All values are equal.
    #[error("all {count} {what} are equal; they rank nothing, so no figure can be computed from them")]
    AllEqual {
        /// What is equal, in the plural.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// A number is no share, or no share strictly between 0 and 1.
    #[error("{what} is {value}, but must lie between 0 and 1")]
    Share {
        /// The number.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// A probability has no finite logarithm of its odds.
    #[error("a probability of {value} has no finite log-odds; give logits, which are not rounded to 0 or 1")]
    Probability {
        /// The probability.
        value: f64,
    },
    /// Values do not make rows.
    #[error("{values} values of {what} do not make {rows} rows of {columns}")]
    Rows {
        /// What the values are.
        what: &'static str,
        /// Number of values.
        values: usize,
        /// Expected number of rows.
        rows: usize,
        /// Expected values per row.
        columns: usize,
    },
    /// Two things that are compared differ in length.
    #[error("{what} of {left} and of {right} cannot be compared; both must be of the same {of}")]
    Lengths {
        /// What is compared, in the plural.
        what: &'static str,
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
        /// What they must share.
        of: &'static str,
    },
    /// A figure is undefined for this input.
    #[error("{figure} is undefined: {why}")]
    Undefined {
        /// The figure.
        figure: &'static str,
        /// The reason.
        why: &'static str,
    },
    /// A solver did not reach the optimum.
    #[error(
        "the {solver} stopped after {iterations} iterations with a gradient of {gradient:.1e}, above {tolerance:.1e}; scale the features to a \
         similar spread, or regularise more strongly"
    )]
    NotConverged {
        /// Name of the solver.
        solver: &'static str,
        /// Number of iterations.
        iterations: usize,
        /// Largest component of the gradient at the end.
        gradient: f64,
        /// Largest component that is acceptable.
        tolerance: f64,
    },
    /// Two series cannot be paired.
    #[error("{left} values cannot be paired with {right}; both need one value per seed, in the same order")]
    Unpaired {
        /// Length of the first series.
        left: usize,
        /// Length of the second series.
        right: usize,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Returns an error if a value is NaN or infinite.
pub(crate) fn check_finite(what: &'static str, values: impl IntoIterator<Item = f64>) -> Result<()> {
    match values.into_iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((index, value)) => Err(Error::NotFinite { what, index, value }),
        None => Ok(()),
    }
}
