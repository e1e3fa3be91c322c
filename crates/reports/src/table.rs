//! The paper's table: a block per forget set, a line per method, every cell dense / sparse with the gap to Retrain in parentheses.

use std::fmt::Write;

use unlearn_metrics::Estimate;

use crate::claims::{Claim, word};
use crate::metric::Metric;
use crate::results::{RETRAIN, Results};
use crate::summary::{Block, Cell, blocks};

/// `table.md`.
pub fn markdown(results: &Results) -> String {
    let mut text = format!("# {}\n\n", results.title.as_deref().unwrap_or(&results.suite));
    for block in blocks(&results.rows) {
        let grid = Grid::wide(&block);
        let _ = writeln!(text, "## {}\n\nEach cell: {}.\n", block.title(), variants(&block));
        let widths = grid.widths();
        let _ = writeln!(text, "|{}", row(&grid.head, &widths, " ", " |"));
        let rule = widths.iter().enumerate().map(|(column, width)| match column {
            0 => format!(" {} |", "-".repeat(*width)),
            _ => format!(" {}: |", "-".repeat(width.saturating_sub(1))),
        });
        let _ = writeln!(text, "|{}", rule.collect::<String>());
        for line in &grid.lines {
            let _ = writeln!(text, "|{}", row(line, &widths, " ", " |"));
        }
        let _ = writeln!(text, "\n{}\n", note(&block));
    }
    text
}

/// The same figures for a terminal, a line per method and sparsity, which stays narrow enough, and the claims below them.
pub fn terminal(results: &Results) -> String {
    let mut text = String::new();
    for block in blocks(&results.rows) {
        let grid = Grid::tall(&block);
        let widths = grid.widths();
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
        let _ = writeln!(text, "{}\n{rule}\n{}\n{rule}", block.title(), row(&grid.head, &widths, "", "  ").trim_end());
        for line in &grid.lines {
            let _ = writeln!(text, "{}", row(line, &widths, "", "  ").trim_end());
        }
        let _ = writeln!(text, "{rule}\n{}\n", note(&block));
    }
    for Claim { id, statement, verdict, detail } in &results.claims {
        // Parts of a claim are in the files; here the whole is enough.
        if !id.starts_with("C1/") {
            let _ = writeln!(text, "{:<9}  {id}  {statement}\n           {detail}", word(*verdict));
        }
    }
    text
}

/// What stands under a block: how to read it and how far to trust it.
pub(crate) fn note(block: &Block) -> String {
    let seeds = match block.seeds() {
        0 | 1 => "One seed: no figure here has a confidence interval.".to_owned(),
        seeds => format!("Mean ± 95 % confidence interval over {seeds} seeds (Student t)."),
    };
    let gaps = if block.line(RETRAIN).is_some() {
        "In parentheses: mean absolute difference to Retrain of the same seed and sparsity."
    } else {
        "No Retrain in this suite, so there are no gaps."
    };
    format!("{seeds} {gaps}")
}

/// A figure for people: two decimals, with its interval where there is one.
pub(crate) fn figure(estimate: &Estimate) -> String {
    match estimate.half_width {
        Some(half_width) => format!("{:.2} ± {half_width:.2}", estimate.mean),
        None => format!("{:.2}", estimate.mean),
    }
}

fn variants(block: &Block) -> String {
    block.variants.iter().map(crate::summary::Variant::label).collect::<Vec<_>>().join(" / ")
}

/// A block as text cells.
struct Grid {
    head: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Grid {
    /// As the paper prints it: a line per method, `dense / sparse` in each cell.
    fn wide(block: &Block) -> Self {
        let head = std::iter::once("Method").chain(Metric::COLUMNS.map(Metric::label)).map(str::to_owned).collect();
        let mut lines = Vec::new();
        for line in &block.lines {
            let mut cells = vec![line.method.clone()];
            for metric in Metric::COLUMNS {
                let parts: Vec<String> =
                    line.cells.iter().map(|cell| part(cell.as_ref(), metric, &line.method)).collect();
                cells.push(parts.join(" / "));
            }
            lines.push(cells);
        }
        Self { head, lines }
    }

    /// A line per method and variant.
    fn tall(block: &Block) -> Self {
        let head =
            ["Method", "Model"].into_iter().chain(Metric::COLUMNS.map(Metric::label)).map(str::to_owned).collect();
        let mut lines = Vec::new();
        for line in &block.lines {
            let mut method = line.method.as_str();
            for (variant, cell) in block.variants.iter().zip(&line.cells) {
                let Some(cell) = cell else { continue };
                let figures = Metric::COLUMNS.map(|metric| part(Some(cell), metric, &line.method));
                let names = [method.to_owned(), variant.label()];
                lines.push(names.into_iter().chain(figures).collect());
                method = "";
            }
        }
        Self { head, lines }
    }

    fn widths(&self) -> Vec<usize> {
        let width =
            |column: usize| self.lines.iter().chain([&self.head]).map(|line| line[column].chars().count()).max();
        (0..self.head.len()).map(|column| width(column).unwrap_or(0)).collect()
    }
}

fn part(cell: Option<&Cell>, metric: Metric, method: &str) -> String {
    let Some((cell, estimate)) = cell.and_then(|cell| Some((cell, cell.estimate(metric)?))) else {
        return "–".to_owned();
    };
    let gap = cell.gap(metric).filter(|_| method != RETRAIN).map(|gap| format!(" ({gap:.2})"));
    figure(&estimate) + &gap.unwrap_or_default()
}

/// Pads the cells: names to the left, figures to the right.
fn row(cells: &[String], widths: &[usize], before: &str, after: &str) -> String {
    let names = cells.len() - Metric::COLUMNS.len();
    let pad = |(column, (cell, &width)): (usize, (&String, &usize))| {
        if column < names { format!("{before}{cell:<width$}{after}") } else { format!("{before}{cell:>width$}{after}") }
    };
    cells.iter().zip(widths).enumerate().map(pad).collect()
}
