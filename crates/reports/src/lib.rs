//! Tables, plots and one self-contained HTML page, made from the run store alone.
//!
//! [`write()`] turns a finished suite into five files. `results.json` holds every figure, unrounded, in a stable
//! form. `results.csv` holds the same rows. `table.md` is the paper's table, and `table.tex` the same for LaTeX. `report.html` is one self-contained page
//! with pictures, table, claims and provenance. For each forget set whose model was pruned to several sparsities,
//! there is also a picture `sweep-<forget set>.svg`. The steps can be used separately:
//!
//! 1. [`Results::gather`] reads the evaluations that a [`SuiteIndex`] names and computes the figures that need
//!    Retrain. [`prunings::gather`] reads what each pruning kept of its network. Alternatively, [`evaluate()`]
//!    computes every figure again from stored scores.
//! 2. [`summary::blocks`] gathers rows over seeds, and [`claims::claims`] judges the paper's claims on differences
//!    paired by seed.
//! 3. [`table`], [`csv`](mod@csv), [`plots`], [`sweep`], [`density`], [`drift`], [`tuning`], [`curves`] and [`html`]
//!    write the results.
//!
//! A registry ([`Figures`]) defines the figures. Columns, panels and keys follow it.
//!
//! [`prepare`] checks beforehand whether a report can be written into a folder. [`write()`] replaces existing files.
//!
//! This crate knows no model and no tensor. It reads manifests, `metrics.jsonl` and stored scores, and runs nothing.
#![doc = ""]
#![doc = include_str!("../README.md")]

pub mod backdoors;
mod canvas;
pub mod claims;
pub mod compare;
pub mod csv;
pub mod curves;
pub mod density;
pub mod details;
pub mod drift;
mod duration;
pub mod error;
mod glossary;
pub mod html;
mod identity;
pub mod judged;
pub mod latex;
mod mask_leaks;
mod place;
pub mod plots;
pub mod pool;
pub mod prunings;
mod published;
pub mod rankings;
pub mod remaining;
mod remains;
pub mod results;
mod roc;
pub mod scored;
mod settings;
mod source;
pub mod summary;
pub mod sweep;
pub mod table;
pub mod tensorboard;
mod tradeoff;
pub mod tuning;

use std::path::{Path, PathBuf};

use unlearn_metrics::Figures;
use unlearn_mia_eval::Registry;
use unlearn_run_store::{Store, SuiteIndex, write_atomic};

pub use claims::Claim;
pub use details::{Details, SamplePictures, Thumbnails};
pub use drift::Drift;
pub use duration::duration;
pub use error::{ReportError, Result};
pub use identity::Identity;
pub use mask_leaks::MaskLeaks;
pub use place::prepare;
pub use prunings::Pruning;
pub use rankings::Ranking;
pub use results::{Provenance, ResultRow, Results};
pub use unlearn_metrics::Verdict;

use source::Recomputed;
use sweep::Sweep;

/// The files that [`write()`] left.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// `results.json`.
    pub json: PathBuf,
    /// `results.csv`.
    pub csv: PathBuf,
    /// `table.md`.
    pub markdown: PathBuf,
    /// `report.html`.
    pub html: PathBuf,
    /// `table.tex`.
    pub latex: PathBuf,
    /// `sweep-<forget set>.svg`, in the order of the suite. Empty for a suite with fewer than three sparsities.
    pub sweeps: Vec<PathBuf>,
    /// The table and the claims for a terminal.
    pub summary: String,
    /// The content of the files.
    pub results: Results,
}

/// Writes the report of a suite into `folder`, which is created if needed: the evaluations' results, and the figures
/// of `figures` that follow from them. Each file is replaced atomically. No file is written unless all could be made.
///
/// # Errors
/// [`ReportError::Store`] if a stage is missing or damaged or a file cannot be written, [`ReportError::NotFinite`]
/// for a diverged model, [`ReportError::NewerShares`] if a newer program pruned, [`ReportError::Folder`].
pub fn write(store: &Store, index: &SuiteIndex, folder: &Path, figures: &Figures) -> Result<Written> {
    write_with(store, index, folder, figures, None)
}

/// The same, with pictures of forgotten samples if there is somebody to give them. A page with pictures is a copy of data that were to be
/// forgotten.
///
/// # Errors
/// As [`write()`], and [`ReportError::Pictures`].
pub fn write_with(
    store: &Store,
    index: &SuiteIndex,
    folder: &Path,
    figures: &Figures,
    pictures: Option<&dyn SamplePictures>,
) -> Result<Written> {
    write_results(store, index, folder, Results::gather(store, index, figures)?, pictures)
}

/// The same, with every figure computed again from stored scores, and with the additional figures `asked`. No model
/// is needed.
///
/// # Errors
/// As [`write()`], and [`ReportError::Attack`] for a figure that does not exist or cannot be computed.
pub fn evaluate(
    store: &Store,
    index: &SuiteIndex,
    folder: &Path,
    registry: &Registry,
    asked: &[String],
) -> Result<Written> {
    let source = Recomputed::new(registry, asked)?;
    let results = Results::gather_from(&source, store, index, &registry.figures())?;
    if let Some(figure) = asked.iter().find(|name| results.rows.iter().all(|row| !row.figures.contains_key(*name))) {
        return Err(ReportError::Unmeasured { figure: figure.clone(), suite: index.suite.clone() });
    }
    write_results(store, index, folder, results, None)
}

fn write_results(
    store: &Store,
    index: &SuiteIndex,
    folder: &Path,
    results: Results,
    pictures: Option<&dyn SamplePictures>,
) -> Result<Written> {
    let details = Details::gather(store, index, &results, pictures)?;
    let [json, csv, markdown, html, latex] = place::FILES;
    let files = [
        (json, results.to_json()?),
        (csv, csv::to_csv(&results)?),
        (markdown, table::markdown(&results).into_bytes()),
        (html, html::page(&results, &details)?.into_bytes()),
        (latex, latex::latex(&results).into_bytes()),
    ];
    let blocks = summary::blocks(&results.rows);
    let mut pictures = Vec::new();
    for (block, name) in blocks.iter().zip(sweep::file_names(&blocks)) {
        if let Some((sweep, name)) = Sweep::of(block).zip(name) {
            pictures.push((name, sweep.page(&results.figures)?.into_bytes()));
        }
    }
    std::fs::create_dir_all(folder).map_err(|source| ReportError::Folder { folder: folder.to_path_buf(), source })?;
    let mut sweeps = Vec::new();
    for (name, bytes) in pictures {
        sweeps.push(folder.join(name));
        write_atomic(&sweeps[sweeps.len() - 1], &bytes)?;
    }
    for (name, bytes) in &files {
        write_atomic(&folder.join(name), bytes)?;
    }
    let [json, csv, markdown, html, latex] = files.map(|(name, _)| folder.join(name));
    Ok(Written { json, csv, markdown, html, latex, sweeps, summary: table::terminal(&results), results })
}
