//! Every model of the suite in one table, to sort and filter.

use maud::html;
use unlearn_metrics::{Figure, Figures};

use super::Section;
use super::tables::filtered;
use crate::results::RETRAIN;
use crate::summary::{Block, sparsity_label};
use crate::table::{Grid, part};

/// One row per model of every forget set, with the figures of the main tables.
pub(super) fn section(blocks: &[Block], figures: &Figures) -> Option<Section> {
    let mut columns = figures.in_table();
    columns.retain(|figure| blocks.iter().any(|block| block.has(&figure.name)));
    let grid = grid(blocks, &columns);
    if grid.lines.is_empty() {
        return None;
    }
    let filters = ["Data", "Architecture", "Scenario", "Forget set", "Method", "Sparsity", "Pruning"];
    let body = html! {
        p.note {
            "One row for each model, over its seeds. In parentheses: mean absolute difference to " (RETRAIN) ". Choose what is shown with the \
             lists, and click on a header to sort."
        }
        (filtered(&grid, "Every model of the suite", &filters, |_| false))
    };
    Some(Section { title: "All models".to_owned(), body })
}

/// A name that a block may have, under its heading.
type Place = (&'static str, fn(&Block) -> &str);

fn grid(blocks: &[Block], columns: &[&Figure]) -> Grid {
    // A column that says the same everywhere says nothing.
    let differs = |of: fn(&Block) -> &str| blocks.iter().any(|block| of(block) != of(&blocks[0]));
    let places: [Place; 2] = [("Data", |block| &block.dataset), ("Architecture", |block| &block.arch)];
    let places: Vec<_> = places.into_iter().filter(|(_, of)| differs(*of)).collect();
    let mut head = vec!["Method".to_owned(), "Sparsity".to_owned(), "Pruning".to_owned()];
    head.extend(["Scenario".to_owned(), "Forget set".to_owned()]);
    head.extend(places.iter().map(|(name, _)| (*name).to_owned()));
    let names = head.len();
    head.extend(columns.iter().map(|figure| figure.heading()));
    let mut lines = Vec::new();
    for block in blocks {
        for line in &block.lines {
            for (variant, cell) in block.variants.iter().zip(&line.cells) {
                let Some(cell) = cell else { continue };
                let mut row = vec![line.method.clone(), sparsity_label(variant.sparsity), variant.pruning.clone()];
                row.extend([block.scenario.clone(), block.forget.clone()]);
                row.extend(places.iter().map(|(_, of)| of(block).to_owned()));
                row.extend(columns.iter().map(|figure| part(Some(cell), figure, &line.method)));
                lines.push(row);
            }
        }
    }
    Grid { head, names, lines }
}
