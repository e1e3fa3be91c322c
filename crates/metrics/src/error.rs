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
    /// Values that do not make whole rows, or not as many as there are labels.
    #[error("{what}: {found} values do not make {rows} rows of {classes} classes; {} were expected", rows * classes)]
    Length {
        /// The argument concerned.
        what: &'static str,
        /// How many values there are.
        found: usize,
        /// How many rows there should be.
        rows: usize,
        /// Values a row.
        classes: usize,
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
    /// A percentage outside 0..100.
    #[error("{what} is {value}, but percentages lie between 0 and 100")]
    Percent {
        /// Which figure.
        what: &'static str,
        /// Its value.
        value: f64,
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
