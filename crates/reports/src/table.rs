//! The paper's table: one block per forget set, one line per method. Every cell is dense / sparse with the gap to
//! Retrain in parentheses. If the model was pruned in many ways, there is one line per method and model.

use std::fmt::Write;

use unlearn_metrics::figures::{avg_gap, mia_efficacy};
use unlearn_metrics::{Estimate, Figure, Figures};

use crate::claims::{self, Claim, word};
use crate::drift;
use crate::results::{RETRAIN, Results};
use crate::summary::{Block, Cell, blocks};
use crate::{mask_leaks, published, rankings, remains, settings, sweep, tuning};

/// Maximum number of variants in one cell.
const MOST_IN_A_CELL: usize = 3;

/// `table.md`. It shows the pictures over sparsity that are in the same folder.
pub fn markdown(results: &Results) -> String {
    let mut text = format!("# {}\n\n", plain(results.title.as_deref().unwrap_or(&results.suite)));
    let blocks = blocks(&results.rows);
    for (block, picture) in blocks.iter().zip(sweep::file_names(&blocks)) {
        let _ = writeln!(text, "## {}\n", plain(&block.title()));
        if let Some(file) = picture {
            let _ = writeln!(text, "![{} over sparsity]({file})\n", plain(&block.forget));
        }
        let columns = columns(block, &results.figures);
        let grid = if block.variants.len() > MOST_IN_A_CELL {
            Grid::tall(block, &columns)
        } else {
            let _ = writeln!(text, "Each cell: {}.\n", variants(block));
            Grid::wide(block, &columns)
        };
        let _ = writeln!(text, "{}\n{}\n", grid.markdown(), note(block, &results.figures));
        let further = further(block, &results.figures);
        if !further.is_empty() {
            let grid = Grid::tall(block, &further);
            let _ = writeln!(
                text,
                "### Further figures: {}\n\n{}\n{}\n",
                plain(&block.forget),
                grid.markdown(),
                legend(&further)
            );
        }
        if let Some((grid, note)) = remains::grid(block, &results.figures) {
            let forget = plain(&block.forget);
            let _ = writeln!(text, "### {}: {forget}\n\n{}\n{note}\n", remains::TITLE, grid.markdown());
        }
        if let Some((published, note)) = published::beside(block) {
            let _ = writeln!(text, "{}\n{note}\n", published.markdown());
        }
    }
    if let Some((grid, note)) = mask_leaks::grid(&results.mask_leaks) {
        let _ = writeln!(text, "## {}\n\n{}\n{note}\n", mask_leaks::TITLE, grid.markdown());
    }
    for (title, grid) in drifts(results) {
        let _ = writeln!(text, "## Drift over requests: {}\n\n{}", plain(&title), grid.markdown());
    }
    if let Some(drift) = &results.drift {
        let _ = writeln!(text, "{}\n", drift.note());
    }
    if let Some(grid) = rankings::grid(&results.rankings) {
        let note = plain(&rankings::note(&results.rankings));
        let _ = writeln!(text, "## Influence of classes on the target\n\n{}\n{note}\n", grid.markdown());
    }
    if !results.claims.is_empty() {
        let _ = writeln!(
            text,
            "## Claims of the paper\n\n{}\n{}\n",
            verdicts(&results.claims).markdown(),
            claims::note(&results.seeds())
        );
    }
    if let Some(tuning) = &results.tuning {
        text += &tuning::markdown(tuning);
        text.push('\n');
    }
    if !results.configured.is_empty() {
        text += &settings::markdown(&results.configured);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// One line per claim and per part of a claim.
fn verdicts(claims: &[Claim]) -> Grid {
    let head: Vec<_> = ["Claim", "Verdict", "Statement", "Figures", "p", "p (Holm)", "Effect g", "Seeds to decide"]
        .map(str::to_owned)
        .into();
    let line = |claim: &Claim| {
        let words = [claim.id.clone(), word(claim.verdict).to_owned(), claim.statement.clone(), claim.detail.clone()];
        words.into_iter().chain(claim.test.map_or([const { String::new() }; 4], |test| test.cells())).collect()
    };
    Grid { names: head.len(), head, lines: claims.iter().map(line).collect() }
}

/// One grid per sequence of requests, with its title.
fn drifts(results: &Results) -> impl Iterator<Item = (String, Grid)> {
    let groups = results.drift.iter().flat_map(drift::Drift::groups);
    groups.map(|group| (group[0].title(), drift::grid(&group)))
}

/// The same figures for a terminal, with one narrow line per method and sparsity, and the claims below them.
pub fn terminal(results: &Results) -> String {
    let mut text = String::new();
    for block in blocks(&results.rows) {
        let grid = Grid::tall(&block, &columns(&block, &results.figures)).naming_methods_once();
        let _ = writeln!(text, "{}\n{}{}\n", block.title(), grid.terminal(), note(&block, &results.figures));
        let further = further(&block, &results.figures);
        if !further.is_empty() {
            let grid = Grid::tall(&block, &further).naming_methods_once();
            let _ = writeln!(text, "further figures: {}\n{}{}\n", block.title(), grid.terminal(), legend(&further));
        }
        if let Some((grid, note)) = remains::grid(&block, &results.figures) {
            let grid = grid.naming_methods_once().terminal();
            let _ = writeln!(text, "{}: {}\n{grid}{note}\n", remains::TITLE.to_lowercase(), block.title());
        }
    }
    if let Some((grid, note)) = mask_leaks::grid(&results.mask_leaks) {
        let _ = writeln!(text, "{}\n{}{note}\n", mask_leaks::TITLE.to_lowercase(), grid.terminal());
    }
    for (title, grid) in drifts(results) {
        let _ = writeln!(text, "drift over requests: {title}\n{}", grid.naming_methods_once().terminal());
    }
    if let Some(drift) = &results.drift {
        let _ = writeln!(text, "{}\n", drift.note());
    }
    if let Some(grid) = rankings::grid(&results.rankings) {
        let note = rankings::note(&results.rankings);
        let _ = writeln!(text, "influence of classes on the target\n{}{note}\n", grid.terminal());
    }
    if !results.claims.is_empty() {
        let _ = writeln!(text, "claims of the paper\n{}\n", claims::note(&results.seeds()));
    }
    for claim in &results.claims {
        // The files hold the parts of a claim. Here the whole is enough.
        if !claim.is_part(&results.claims) {
            let Claim { id, statement, verdict, detail, test } = claim;
            let _ = writeln!(text, "{:<9}  {id}  {statement}\n           {detail}", word(*verdict));
            if let Some(line) = test.map(|test| test.line(*verdict)).filter(|line| !line.is_empty()) {
                let _ = writeln!(text, "           {line}");
            }
        }
    }
    text
}

/// Note under a block: how to read it and how reliable it is.
pub(crate) fn note(block: &Block, figures: &Figures) -> String {
    let draws = block.draws();
    let seeds = match block.seeds() {
        0 | 1 if draws > 1 => format!(
            "One seed: no figure here has a confidence interval over seeds. Where ± stands, it is the 95 % interval over the {draws} draws of an \
             attack's members."
        ),
        0 | 1 => "One seed: no figure here has a confidence interval.".to_owned(),
        seeds => format!("Mean ± 95 % confidence interval over {seeds} seeds (Student t)."),
    };
    let gaps = if block.line(RETRAIN).is_some() {
        "In parentheses: mean absolute difference to Retrain of the same seed and sparsity."
    } else {
        "No Retrain in this suite, so there are no gaps."
    };
    let attack = figures.get(mia_efficacy::NAME).filter(|figure| block.has(&figure.name));
    let attack = attack.map(|figure| format!(" {}.", legend(&[figure]))).unwrap_or_default();
    format!("{seeds} {gaps}{attack}{}", undefined(block, figures))
}

/// What is undefined in a block, for which models, and why. Empty if nothing is.
fn undefined(block: &Block, figures: &Figures) -> String {
    let mut found: Vec<(&Figure, &str, Vec<String>)> = Vec::new();
    let mut shorter_gap = false;
    for line in &block.lines {
        for (variant, cell) in block.variants.iter().zip(&line.cells) {
            for row in cell.iter().flat_map(|cell| &cell.rows) {
                let place = format!("{} ({}, seed {})", row.method, variant.label(), row.seed);
                shorter_gap |= avg_gap::OVER.iter().any(|figure| row.undefined(figure).is_some());
                for figure in figures.iter().filter(|figure| !is_twice(figure, figures)) {
                    let Some(reason) = row.undefined(&figure.name) else { continue };
                    match found.iter_mut().find(|(known, why, _)| *known == figure && *why == reason) {
                        Some((_, _, places)) => places.push(place.clone()),
                        None => found.push((figure, reason, vec![place.clone()])),
                    }
                }
            }
        }
    }
    let mut text = String::new();
    for (figure, reason, places) in found {
        let _ = write!(text, " {} is undefined for {}: {reason}.", figure.label, places.join(", "));
    }
    if shorter_gap && block.has(avg_gap::NAME) {
        text += " The average gap leaves out what is undefined for a model or for its Retrain.";
    }
    text
}

/// Whether a figure of an attack is in the main table under another name.
fn is_twice(figure: &Figure, figures: &Figures) -> bool {
    let shown_already = figures.get(mia_efficacy::NAME).is_some_and(|figure| figure.in_table);
    shown_already && figure.name == mia_efficacy::MEASURED_AS
}

/// The columns of the table: its figures that some row has.
pub(crate) fn columns<'f>(block: &Block, figures: &'f Figures) -> Vec<&'f Figure> {
    let mut columns = figures.in_table();
    columns.retain(|figure| block.has(&figure.name));
    columns
}

/// The figures of some row that the table does not show. The one that it shows under another name is left out.
pub(crate) fn further<'f>(block: &Block, figures: &'f Figures) -> Vec<&'f Figure> {
    let is_elsewhere = |figure: &Figure| figure.in_table || is_twice(figure, figures) || remains::is_audited(figure);
    figures.iter().filter(|figure| !is_elsewhere(figure) && block.has(&figure.name)).collect()
}

/// Meanings of figures, for readers who do not know their names.
pub(crate) fn legend(figures: &[&Figure]) -> String {
    figures.iter().map(|figure| format!("{}: {}", figure.label, figure.meaning)).collect::<Vec<_>>().join(". ")
}

/// An estimate of a figure as text, with its interval if there is one.
pub(crate) fn shown(figure: &Figure, estimate: &Estimate) -> String {
    match estimate.half_width {
        Some(half_width) => format!("{} ± {}", figure.shown(estimate.mean), figure.shown(half_width)),
        None => figure.shown(estimate.mean),
    }
}

/// An estimate in percent or points as text: two decimals, with its interval if there is one.
pub(crate) fn figure(estimate: &Estimate) -> String {
    match estimate.half_width {
        Some(half_width) => format!("{:.2} ± {half_width:.2}", estimate.mean),
        None => format!("{:.2}", estimate.mean),
    }
}

fn variants(block: &Block) -> String {
    block.variants.iter().map(crate::summary::Variant::label).collect::<Vec<_>>().join(" / ")
}

/// Text that Markdown shows unchanged. Names from outside can neither end a cell or a line nor add markup.
pub(crate) fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '|' | '`' | '[' | ']' | '\\' | '*' => safe.extend(['\\', character]),
            other if other.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

/// A table as text cells.
pub(crate) struct Grid {
    pub(crate) head: Vec<String>,
    /// Number of leading columns that hold names. The others hold figures.
    pub(crate) names: usize,
    pub(crate) lines: Vec<Vec<String>>,
}

impl Grid {
    /// The paper's layout: one line per method, `dense / sparse` in each cell.
    fn wide(block: &Block, columns: &[&Figure]) -> Self {
        let head = std::iter::once("Method".to_owned()).chain(columns.iter().map(|figure| figure.heading())).collect();
        let mut lines = Vec::new();
        for line in &block.lines {
            let mut cells = vec![line.method.clone()];
            for figure in columns {
                let parts: Vec<String> =
                    line.cells.iter().map(|cell| part(cell.as_ref(), figure, &line.method)).collect();
                cells.push(parts.join(" / "));
            }
            lines.push(cells);
        }
        Self { head, names: 1, lines }
    }

    /// One line per method and variant.
    pub(crate) fn tall(block: &Block, columns: &[&Figure]) -> Self {
        let names = ["Method", "Model"].map(str::to_owned).into_iter();
        let head = names.chain(columns.iter().map(|figure| figure.heading())).collect();
        let mut lines = Vec::new();
        for line in &block.lines {
            for (variant, cell) in block.variants.iter().zip(&line.cells) {
                let Some(cell) = cell else { continue };
                let figures = columns.iter().map(|figure| part(Some(cell), figure, &line.method));
                let names = [line.method.clone(), variant.label()];
                lines.push(names.into_iter().chain(figures).collect());
            }
        }
        Self { head, names: 2, lines }
    }

    /// Keeps the method's name on the first of its lines only.
    fn naming_methods_once(mut self) -> Self {
        for position in (1..self.lines.len()).rev() {
            if self.lines[position][0] == self.lines[position - 1][0] {
                self.lines[position][0].clear();
            }
        }
        self
    }

    pub(crate) fn markdown(&self) -> String {
        let safe = |cells: &[String]| cells.iter().map(|cell| plain(cell)).collect();
        let (head, lines) = (safe(&self.head), self.lines.iter().map(|line| safe(line)).collect());
        Self { head, names: self.names, lines }.padded_markdown()
    }

    fn padded_markdown(&self) -> String {
        let widths = self.widths();
        let rule = widths.iter().enumerate().map(|(column, width)| {
            if column < self.names {
                format!(" {} |", "-".repeat(*width))
            } else {
                format!(" {}: |", "-".repeat(width.saturating_sub(1)))
            }
        });
        let mut text = format!("|{}\n|{}\n", self.row(&self.head, " ", " |"), rule.collect::<String>());
        for line in &self.lines {
            let _ = writeln!(text, "|{}", self.row(line, " ", " |"));
        }
        text
    }

    pub(crate) fn terminal(&self) -> String {
        let widths = self.widths();
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
        let mut text = format!("{rule}\n{}\n{rule}\n", self.row(&self.head, "", "  ").trim_end());
        for line in &self.lines {
            let _ = writeln!(text, "{}", self.row(line, "", "  ").trim_end());
        }
        text + &rule + "\n"
    }

    /// A line with padded cells: names left-aligned, figures right-aligned.
    fn row(&self, cells: &[String], before: &str, after: &str) -> String {
        let pad = |(column, (cell, width)): (usize, (&String, usize))| {
            if column < self.names {
                format!("{before}{cell:<width$}{after}")
            } else {
                format!("{before}{cell:>width$}{after}")
            }
        };
        cells.iter().zip(self.widths()).enumerate().map(pad).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let width =
            |column: usize| self.lines.iter().chain([&self.head]).map(|line| line[column].chars().count()).max();
        (0..self.head.len()).map(|column| width(column).unwrap_or(0)).collect()
    }
}

/// A cell with its gap to Retrain in parentheses.
pub(crate) fn part(cell: Option<&Cell>, figure: &Figure, method: &str) -> String {
    let Some((cell, estimate)) = cell.and_then(|cell| Some((cell, cell.spread(&figure.name)?))) else {
        return "–".to_owned();
    };
    let gap = cell.gap(figure).filter(|_| method != RETRAIN).map(|gap| format!(" ({})", figure.shown(gap)));
    shown(figure, &estimate) + &gap.unwrap_or_default()
}
