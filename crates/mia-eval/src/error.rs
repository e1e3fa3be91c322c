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
    /// Scores or figures that cannot be.
    #[error(transparent)]
    Metrics(#[from] unlearn_metrics::Error),
    /// An attack that failed.
    #[error("attack `{attack}`: {source}")]
    InAttack {
        /// Its name.
        attack: &'static str,
        /// Why.
        source: Box<Error>,
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
    /// The error of an attack by its name.
    pub(crate) fn in_attack(attack: &'static str, source: Self) -> Self {
        Self::InAttack { attack, source: Box::new(source) }
    }

    /// The error for a name that is none of `valid`.
    pub(crate) fn unknown_name(kind: &'static str, name: &str, valid: &[&'static str]) -> Self {
        let like = unlearn_names::nearest(name, valid.iter().copied());
        let nearest = like.or(valid.last().copied()).unwrap_or_default();
        Self::UnknownName { kind, name: name.to_owned(), nearest, valid: valid.join(", ") }
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
