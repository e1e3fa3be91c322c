//! Errors that prevent a report.

use std::path::PathBuf;

use unlearn_run_store::StoreError;

/// A result of this crate.
pub type Result<T, E = ReportError> = std::result::Result<T, E>;

/// An error of the reports.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Scores that cannot be judged together.
    #[error("{place}: {problem}")]
    Scores {
        /// The files.
        place: String,
        /// What is wrong and the fix.
        problem: String,
    },
    /// The run store could not be read, or a file could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The report's folder cannot be made.
    #[error("the report folder {} cannot be written: {source}; name another one with `--out`{}", folder.display(), unlearn_files::advice(source))]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The report's folder holds something that the report would replace.
    #[error(
        "{} {what}, which the report of `{suite}` would replace; choose another folder with `--out`, or give `--replace`",
        file.display()
    )]
    Taken {
        /// The file in the way.
        file: PathBuf,
        /// A description of the file.
        what: String,
        /// The suite of the report.
        suite: String,
    },
    /// A suite without rows.
    #[error("the suite `{0}` has no rows; give it at least one `[[unlearn]]` method and run it again")]
    NoRows(String),
    /// No row has a requested figure.
    #[error(
        "no row of the suite `{suite}` has the figure `{figure}`: an input is missing, perhaps a Retrain; `unlearn figures` says what \
         it needs"
    )]
    Unmeasured {
        /// The figure.
        figure: String,
        /// The suite.
        suite: String,
    },
    /// A figure is NaN or infinite.
    #[error(
        "the {metric} of the row {row} is {value}, not a number a report can hold; \
         the model has probably diverged: lower its learning rate, or delete {} to evaluate it again",
        folder.display()
    )]
    NotFinite {
        /// The row in words.
        row: String,
        /// The figure's label.
        metric: String,
        /// The figure.
        value: f64,
        /// The evaluation's folder.
        folder: PathBuf,
    },
    /// A figure could not be computed.
    #[error("could not compute the figures of the row {row}: {source}")]
    Figures {
        /// The row in words.
        row: String,
        /// The fault of its scores.
        source: unlearn_metrics::Error,
    },
    /// An attack failed, or a requested one does not exist.
    #[error(transparent)]
    Attack(#[from] unlearn_mia_eval::Error),
    /// An attack was requested on an evaluation that does not say how attacks are drawn.
    #[error("{} is from a program that did not store how it drew an attack's members, so `{attack}` can't be run on it; run the suite again", folder.display())]
    OlderAttack {
        /// Name of the attack.
        attack: String,
        /// The evaluation's folder.
        folder: PathBuf,
    },
    /// A newer program wrote the shares that a pruning left.
    #[error(
        "the fact `sparsity` of {} has format {found}, this program knows up to {known}; \
         report with the program that ran the suite, or a newer one",
        folder.display()
    )]
    NewerShares {
        /// The pruning stage's folder.
        folder: PathBuf,
        /// The format found.
        found: u64,
        /// The newest known format.
        known: u64,
    },
    /// A pruned model's mask is none.
    #[error("the mask in {} can't be read: {reason}; remove the stage with `unlearn runs rm` and run the suite again", folder.display())]
    Mask {
        /// The stage's folder.
        folder: PathBuf,
        /// The problem.
        reason: String,
    },
    /// The shares that a pruning left are not valid.
    #[error("the fact `sparsity` of {} can't be read: {problem}; remove the stage with `unlearn runs rm` and run the suite again", folder.display())]
    Shares {
        /// The pruning stage's folder.
        folder: PathBuf,
        /// The fault.
        problem: String,
    },
    /// What a stage recorded about a backdoor is not valid.
    #[error("what {} says about a backdoor can't be read: {problem}; remove the stage with `unlearn runs rm` and run the suite again", folder.display())]
    Backdoor {
        /// The stage's folder.
        folder: PathBuf,
        /// The fault.
        problem: String,
    },
    /// A ranking of classes is not valid.
    #[error("the fact `ranking` of {} can't be read: {problem}; remove the stage with `unlearn runs rm` and run the suite again", folder.display())]
    Ranking {
        /// The folder of the `rank` stage.
        folder: PathBuf,
        /// The fault.
        problem: String,
    },
    /// The rows of a pool cannot be attacked.
    #[error("the pool's row {row} cannot be attacked: {problem}; run the pool again with `unlearn attack`")]
    Pool {
        /// The row.
        row: String,
        /// The fault.
        problem: String,
    },
    /// Pictures were asked for, and there are none.
    #[error(
        "the pictures of {forget} cannot be shown: {problem}; bring the data back, or write the report without `--pictures`"
    )]
    Pictures {
        /// The forget set.
        forget: String,
        /// The reason.
        problem: String,
    },
    /// A file in the place of a comparison that no comparison wrote.
    #[error("{} was not written by a comparison of this program; choose another folder with `--out`, or give `--replace`", file.display())]
    TakenByOther {
        /// The file in the way.
        file: PathBuf,
    },
    /// A report that is to be compared cannot be read.
    #[error("{}: {problem}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong and the fix.
        problem: String,
    },
    /// A report that is to be compared has a row twice.
    #[error(
        "{source_name} has the row `{row}` twice, so it is unclear which one to compare; write the report again from its run store"
    )]
    Twice {
        /// The report.
        source_name: String,
        /// The row in words.
        row: String,
    },
    /// Two reports without a common row.
    #[error(
        "{a} and {b} have no row in common: the first row of one is `{example_a}`, of the other `{example_b}`; compare reports of the same          data, models, forget sets, methods and seeds"
    )]
    NothingInCommon {
        /// The first report.
        a: String,
        /// The second one.
        b: String,
        /// A row of the first.
        example_a: String,
        /// A row of the second.
        example_b: String,
    },
    /// The rows could not be turned into CSV.
    #[error("could not write the rows as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// The results could not be turned into JSON.
    #[error("could not write the results as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A picture could not be drawn.
    #[error("could not draw the picture of {what}: {problem}")]
    Plot {
        /// What the picture shows.
        what: String,
        /// The drawing library's error.
        problem: String,
    },
}
