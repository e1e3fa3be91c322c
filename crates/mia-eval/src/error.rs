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
    /// An attack can look at none of the features asked for.
    #[error("it looks at one number per sample, and none of the features `{asked}` is one; add one of {valid}")]
    NoFeature {
        /// The features asked for.
        asked: String,
        /// The features that it can look at.
        valid: String,
    },
    /// Values do not make a table of models and samples.
    #[error("{values} {what} do not make {models} models × {samples} samples, at least one of each")]
    PoolSize {
        /// What the values are, in the plural.
        what: &'static str,
        /// Number of values.
        values: usize,
        /// Expected number of models.
        models: usize,
        /// Expected number of samples.
        samples: usize,
    },
    /// A score of a pool is not finite.
    #[error("the score of model {model} for sample {sample} is {value}; only finite scores can be compared")]
    PoolScore {
        /// Row of the model.
        model: usize,
        /// Column of the sample.
        sample: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// A score of the attacked model is not finite.
    #[error("the score of the attacked model for sample {sample} is {value}; only finite scores can be compared")]
    TargetScore {
        /// Index of the sample.
        sample: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// The model is not in the pool.
    #[error("no model {model}; the pool has {models} models, and at most two can be left out")]
    NoSuchModel {
        /// The row asked for.
        model: usize,
        /// Number of models.
        models: usize,
    },
    /// The population was scored by other models.
    #[error(
        "the samples were scored by {models} models, the population was scored by {found} models; both need the same, in the same order"
    )]
    PopulationModels {
        /// Models of the samples.
        models: usize,
        /// Models of the population.
        found: usize,
    },
    /// The attack needs samples of the population.
    #[error("samples of the population are missing; score samples that no model was trained with by every model")]
    NoPopulation,
    /// A sample of the population was in every model's training set.
    #[error("no model never saw sample {sample} of the population; leave it out")]
    PopulationSeen {
        /// Index of the sample.
        sample: usize,
    },
    /// A sample has too few models.
    #[error("sample {sample} has {found} models that {seen} the sample; at least {needed} are needed, so train more")]
    TooFewModels {
        /// Index of the sample.
        sample: usize,
        /// Number of models.
        found: usize,
        /// What the models had of it.
        seen: &'static str,
        /// The least number.
        needed: usize,
    },
    /// A comparison has too few models.
    #[error("{found} {kind} models; at least {needed} are needed")]
    TooFewOfKind {
        /// `unlearned` or `retrained`.
        kind: &'static str,
        /// Number of models.
        found: usize,
        /// The least number.
        needed: usize,
    },
    /// Unlearned and retrained models were scored on different samples.
    #[error(
        "unlearned models have scores of {unlearned} samples, retrained ones of {retrained}; score both on the same"
    )]
    PairSamples {
        /// Samples of the unlearned models.
        unlearned: usize,
        /// Samples of the retrained models.
        retrained: usize,
    },
    /// Scores do not vary, so no density can be fitted.
    #[error(
        "the scores of models that {seen} the sample do not vary for any sample, so no density can be fitted to them"
    )]
    NoSpread {
        /// What the models had of the samples.
        seen: &'static str,
    },
    /// There is nothing to judge an attack by.
    #[error("no sample that attacked models {seen}; an attack is judged by samples of both kinds")]
    NothingToJudge {
        /// What the models had of the samples.
        seen: &'static str,
    },
    /// The coefficient of RMIA cannot be calibrated.
    #[error(
        "offline a cannot be calibrated: no model of the pool has both samples that it was trained with and samples that it never saw; \
         give a value, such as 0.3"
    )]
    NothingToCalibrate,
    /// The attack does not answer a question.
    #[error("it does not answer the question `{question}`")]
    NoSuchQuestion {
        /// Name of the question.
        question: &'static str,
    },
    /// A setting of an attack with a pool is out of range.
    #[error("{name} is {value}; it must be {range}")]
    PoolSetting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The valid values.
        range: &'static str,
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
