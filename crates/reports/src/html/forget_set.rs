//! One forget set: pictures, the table, further figures and the paper's figures.

use maud::{Markup, html};
use unlearn_metrics::{Figure, Figures};

use super::{Section, picture, table as grid};
use crate::error::Result;
use crate::plots::{are_readable, dots, palette, pictured};
use crate::published;
use crate::results::RETRAIN;
use crate::summary::{Block, Cell, Variant};
use crate::sweep::{Sweep, intervals};
use crate::table::{columns, further, legend as meanings, note, shown};

pub(super) fn section(block: &Block, figures: &Figures) -> Result<Section> {
    let dots = if are_readable(block) {
        let named = |label: &str| format!("{label} of each method for {}", block.title());
        let panels = panels(figures, |figure| dots(block, figure), named)?;
        html! { div.panels { (legend(block)) (panels) } }
    } else {
        Markup::default()
    };
    let mut sweeps = Vec::new();
    if let Some(sweep) = Sweep::of(block) {
        for line in sweep.methods() {
            let named = |label: &str| format!("{label} of {} over sparsity for {}", line.method, block.title());
            let panels = panels(figures, |figure| sweep.panel(line, figure), named)?;
            sweeps.push(html! {
                h3 { (line.method) " over sparsity" }
                div.panels { (sweep_legend(block)) (panels) }
            });
        }
    }
    let further = further(block, figures);
    let body = html! {
        (dots)
        @for sweep in &sweeps { (sweep) }
        (table(block, &columns(block, figures)))
        p.note { (note(block, figures)) }
        @if !further.is_empty() {
            h3 { "Further figures" }
            (table(block, &further))
            p.note { (meanings(&further)) }
        }
        @if let Some((published, note)) = published::beside(block) {
            (grid(&published))
            p.note { (note) }
        }
    };
    Ok(Section { title: block.title(), body })
}

/// One picture per figure, with its heading and the name that `label` gives it.
fn panels(
    figures: &Figures,
    draw: impl Fn(&Figure) -> Result<Option<String>>,
    label: impl Fn(&str) -> String,
) -> Result<Markup> {
    let mut panels = Vec::new();
    for figure in pictured(figures) {
        if let Some(svg) = draw(figure)? {
            panels.push(picture(&figure.label, &figure.meaning, &svg, &label(&figure.label)));
        }
    }
    Ok(html! { @for panel in &panels { (panel) } })
}

/// How to read the dots, as the first panel.
fn legend(block: &Block) -> Markup {
    let note = format!(
        "Each dot is a method. The closer it is to the dashed line of its colour, the closer the method comes to a model that never saw \
         the forgotten data. {}",
        intervals(block)
    );
    keys(block.variants.iter().map(Variant::label), block, &note)
}

/// How to read the pictures over sparsity, as the first panel.
fn sweep_legend(block: &Block) -> Markup {
    let note = format!(
        "Each line is a pruning method. All begin at the dense model. The closer a line is to the dashed line of its colour, the closer \
         the method comes to a model that was pruned the same way and never saw the forgotten data. The steps of sparsity are drawn equally \
         wide. {}",
        intervals(block)
    );
    keys(block.prunings().into_iter().map(str::to_owned), block, &note)
}

fn keys(series: impl Iterator<Item = String>, block: &Block, note: &str) -> Markup {
    html! {
        div.legend {
            ul {
                @for (position, name) in series.enumerate() {
                    li { span class={ "key s" (palette(position)) } {} (name) }
                }
                @if block.line(RETRAIN).is_some() { li { span class="key dash" {} "Retrain, the value to reach" } }
            }
            p.note { (note) }
        }
    }
}

fn table(block: &Block, columns: &[&Figure]) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th.left { "Method" }
                        th.left { "Model" }
                        @for figure in columns { th title=(figure.meaning) { (figure.heading()) } }
                    }
                }
                @for line in &block.lines {
                    @let cells = block.variants.iter().zip(&line.cells);
                    @let present = cells.filter_map(|(variant, cell)| Some((variant, cell.as_ref()?))).collect::<Vec<_>>();
                    tbody {
                        @for (position, (variant, cell)) in present.iter().enumerate() {
                            tr class=[begins_a_step(block, &present, position).then_some("step")] {
                                @if position == 0 {
                                    th.left scope="rowgroup" rowspan=(present.len()) { (line.method) }
                                }
                                td.left { (variant.label()) }
                                @for figure in columns { td { (value(cell, figure, &line.method)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether to draw a line above a row. It groups a long table by sparsity.
fn begins_a_step(block: &Block, present: &[(&Variant, &Cell)], position: usize) -> bool {
    !are_readable(block) && position > 0 && present[position - 1].0.sparsity != present[position].0.sparsity
}

/// A figure with its interval and, in parentheses, its gap to Retrain.
fn value(cell: &Cell, figure: &Figure, method: &str) -> Markup {
    let text = cell.spread(&figure.name).map_or_else(|| "–".to_owned(), |estimate| shown(figure, &estimate));
    let gap = cell.gap(figure).filter(|_| method != RETRAIN);
    html! { (text) @if let Some(gap) = gap { small { "(" (figure.shown(gap)) ")" } } }
}
