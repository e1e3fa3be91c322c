//! What can go wrong with scores, names and the solvers.

/// Errors of this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A set without samples.
    #[error("the {set} set is empty; an attack needs at least {needed} of its samples")]
    Empty {
        /// Which set: `members`, `non-members` or `forget`.
        set: &'static str,
        /// The least number of samples.
        needed: usize,
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
    /// A model that diverged.
    #[error("the logit of row {row}, class {class} is {value}; only finite logits can be attacked")]
    NotFinite {
        /// The sample.
        row: usize,
        /// The column.
        class: usize,
        /// NaN or an infinity.
        value: f32,
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
    /// Two sets whose models differ.
    #[error(
        "the {set} set has logits over {found} classes, the members over {expected}; score all sets with one model"
    )]
    ClassCount {
        /// The set that differs.
        set: &'static str,
        /// Columns of the members' logits.
        expected: usize,
        /// Columns of this set's logits.
        found: usize,
    },
    /// Points that do not make whole rows, or as many rows as there are labels.
    #[error("{values} values do not make {rows} points of dimension {dimension}")]
    Points {
        /// How many values there are.
        values: usize,
        /// How many points there should be.
        rows: usize,
        /// Values a point.
        dimension: usize,
    },
    /// A coordinate that is NaN or infinite.
    #[error("coordinate {coordinate} of point {row} is {value}; a support-vector machine needs finite points")]
    PointNotFinite {
        /// The point.
        row: usize,
        /// Its coordinate.
        coordinate: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// Training points of one class only.
    #[error("all {rows} training points are {class}; a support-vector machine needs both members and non-members")]
    SingleClass {
        /// How many points there are.
        rows: usize,
        /// `members` or `non-members`.
        class: &'static str,
    },
    /// The optimum was not reached.
    #[error(
        "the {solver} stopped after {iterations} iterations with a violation of {violation:.1e}, above {tolerance:.1e}"
    )]
    NotConverged {
        /// Which solver.
        solver: &'static str,
        /// How many iterations it made.
        iterations: usize,
        /// How far from optimal it stopped.
        violation: f64,
        /// How near it had to come.
        tolerance: f64,
    },
    /// A name that no registry knows.
    #[error("unknown {kind} `{name}` (did you mean `{nearest}`?); valid names: {valid}")]
    UnknownName {
        /// `feature` or `attack`.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// The valid name that looks most like it.
        nearest: &'static str,
        /// All valid names.
        valid: String,
    },
}

impl Error {
    /// The error for a name that is none of `valid`.
    pub(crate) fn unknown_name(kind: &'static str, name: &str, valid: &[&'static str]) -> Self {
        let like = unlearn_names::nearest(name, valid.iter().copied());
        let nearest = like.or(valid.last().copied()).unwrap_or_default();
        Self::UnknownName { kind, name: name.to_owned(), nearest, valid: valid.join(", ") }
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
