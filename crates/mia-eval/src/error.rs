//! Errors of scores, names and solvers.

/// Errors of this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A set has no samples.
    #[error("the {set} set is empty; an attack needs at least {needed} of its samples")]
    Empty {
        /// The set: `members`, `non-members` or `forget`.
        set: &'static str,
        /// The least number of samples.
        needed: usize,
    },
    /// Scores or figures are invalid.
    #[error(transparent)]
    Metrics(#[from] unlearn_metrics::Error),
    /// The user wants to stop.
    #[error("it was interrupted")]
    Interrupted,
    /// An attack failed.
    #[error("attack `{attack}`: {source}")]
    InAttack {
        /// Name of the attack.
        attack: &'static str,
        /// The reason.
        source: Box<Error>,
    },
    /// The models of two sets have different numbers of classes.
    #[error(
        "the {set} set has logits over {found} classes, the member set over {expected}; score all sets with one model"
    )]
    ClassCount {
        /// The set that differs from the members.
        set: &'static str,
        /// Columns of the members' logits.
        expected: usize,
        /// Columns of this set's logits.
        found: usize,
    },
    /// The values do not make whole rows, or not as many rows as there are labels.
    #[error("{values} values do not make {rows} points of dimension {dimension}")]
    Points {
        /// Number of values.
        values: usize,
        /// Expected number of points.
        rows: usize,
        /// Values per point.
        dimension: usize,
    },
    /// A coordinate is NaN or infinite.
    #[error("coordinate {coordinate} of point {row} is {value}; a support-vector machine needs finite points")]
    PointNotFinite {
        /// Row of the point.
        row: usize,
        /// Its coordinate.
        coordinate: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// All training points are of one class.
    #[error("all {rows} training points are {class}; a support-vector machine needs both members and non-members")]
    SingleClass {
        /// Number of points.
        rows: usize,
        /// `members` or `non-members`.
        class: &'static str,
    },
    /// A solver did not reach the optimum.
    #[error(
        "the {solver} stopped after {iterations} iterations with a violation of {violation:.1e}, above {tolerance:.1e}"
    )]
    NotConverged {
        /// Name of the solver.
        solver: &'static str,
        /// Number of iterations.
        iterations: usize,
        /// Violation of the optimality conditions at the end.
        violation: f64,
        /// Largest violation that is acceptable.
        tolerance: f64,
    },
    /// The name is unknown.
    #[error("unknown {kind} `{name}` (did you mean `{nearest}`?); valid names: {valid}")]
    UnknownName {
        /// `feature` or `attack`.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// The most similar valid name.
        nearest: &'static str,
        /// All valid names.
        valid: String,
    },
}

impl Error {
    /// Adds the attack's name to an error, unless the user interrupted it.
    pub(crate) fn in_attack(attack: &'static str, source: Self) -> Self {
        match source {
            Self::Interrupted => source,
            _ => Self::InAttack { attack, source: Box::new(source) },
        }
    }

    /// The error for a name that is not one of `valid`.
    pub(crate) fn unknown_name(kind: &'static str, name: &str, valid: &[&'static str]) -> Self {
        let like = unlearn_names::nearest(name, valid.iter().copied());
        let nearest = like.or(valid.last().copied()).unwrap_or_default();
        Self::UnknownName { kind, name: name.to_owned(), nearest, valid: valid.join(", ") }
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
