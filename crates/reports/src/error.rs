//! What can keep a report from being written.

use std::path::PathBuf;

use unlearn_run_store::StoreError;

/// Shorthand for results of this crate.
pub type Result<T, E = ReportError> = std::result::Result<T, E>;

/// An error of the reports.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run store could not be read, or a file could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The report's folder can't be made.
    #[error("the report folder {} cannot be written: {source}; choose another one with `--out`", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The operating system's answer.
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
        /// What it is.
        what: String,
        /// The suite of the report.
        suite: String,
    },
    /// A suite without rows.
    #[error("the suite `{0}` has no rows; give it at least one `[[unlearn]]` method and run it again")]
    NoRows(String),
    /// A figure was asked for that no row has.
    #[error(
        "no row of the suite `{suite}` has the figure `{figure}`: what it needs is not there, a Retrain perhaps; `unlearn figures` says what \
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
        /// The row, spelled out.
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
        /// The row, spelled out.
        row: String,
        /// What is wrong with its scores.
        source: unlearn_metrics::Error,
    },
    /// An attack failed, or was asked for what does not exist.
    #[error(transparent)]
    Attack(#[from] unlearn_mia_eval::Error),
    /// An attack was asked for on an evaluation that does not say how attacks are drawn.
    #[error("{} is of a program that did not store how it drew an attack's members, so `{attack}` can't be run on it; run the suite again", folder.display())]
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
        /// The newest known.
        known: u64,
    },
    /// The shares that a pruning left can't be understood.
    #[error("the fact `sparsity` of {} can't be read: {problem}; remove the stage with `unlearn runs rm` and run the suite again", folder.display())]
    Shares {
        /// The pruning stage's folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
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
        /// The drawing library's answer.
        problem: String,
    },
}
