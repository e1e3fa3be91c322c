//! One forget set: pictures, the table, further figures and the paper's figures.

use maud::{Markup, html};
use unlearn_metrics::{Figure, Figures};

use super::tables::{filtered, table as grid};
use super::{Section, picture, prose};
use crate::error::Result;
use crate::plots::{are_readable, dots, numbers, palette, pictured};
use crate::published;
use crate::results::RETRAIN;
use crate::summary::{Block, Variant};
use crate::sweep::{Sweep, intervals};
use crate::table::{Grid, columns, further, legend as meanings, note};
use crate::tradeoff::{self, gap_bars, pareto, ua_against_mia};

pub(super) fn section(block: &Block, figures: &Figures) -> Result<Section> {
    let dots = if are_readable(block) {
        let named = |label: &str| format!("{label} of each method for {}", block.title());
        let panels = panels(figures, |figure| dots(block, figure), |figure| numbers(block, figure), named)?;
        html! { div.panels { (legend(block)) (panels) } }
    } else {
        Markup::default()
    };
    let mut sweeps = Vec::new();
    if let Some(sweep) = Sweep::of(block) {
        for (number, line) in sweep.methods().enumerate() {
            let named = |label: &str| format!("{label} of {} over sparsity for {}", line.method, block.title());
            let panels =
                panels(figures, |figure| sweep.panel(line, figure), |figure| sweep.numbers(line, figure), named)?;
            sweeps.push(html! {
                h3 { (line.method) " over sparsity" }
                div.panels { (sweep_legend(block, number == 0)) (panels) }
            });
        }
    }
    let against = against(block, figures)?;
    let further = further(block, figures);
    let body = html! {
        (dots)
        @for sweep in &sweeps { (sweep) }
        (against)
        (table(block, &columns(block, figures), &format!("Figures of each method for {}", block.title())))
        p.note { (prose(&note(block, figures))) }
        @if !further.is_empty() {
            h3 { "Further figures" }
            (table(block, &further, &format!("Further figures for {}", block.title())))
            p.note { (prose(&meanings(&further))) }
        }
        @if let Some((published, note)) = published::beside(block) {
            (grid(&published, "Figures of the paper"))
            p.note { (prose(note)) }
        }
    };
    Ok(Section { title: block.title(), body })
}

/// One picture per figure, with its heading and the name that `label` gives it.
fn panels(
    figures: &Figures,
    draw: impl Fn(&Figure) -> Result<Option<String>>,
    numbers: impl Fn(&Figure) -> Grid,
    label: impl Fn(&str) -> String,
) -> Result<Markup> {
    let mut panels = Vec::new();
    for figure in pictured(figures) {
        if let Some(svg) = draw(figure)? {
            panels.push(picture(&figure.label, &figure.meaning, &svg, &label(&figure.label), Some(&numbers(figure))));
        }
    }
    Ok(html! { @for panel in &panels { (panel) } })
}

/// Figures against each other: gap bars, UA against MIA-efficacy, and the Pareto front of gap and run time. With more models than
/// colours, they show the dense one and the one nearest to 95 % sparsity.
fn against(block: &Block, figures: &Figures) -> Result<Markup> {
    let few = if are_readable(block) { block.clone() } else { block.dense_and_sparse() };
    let block = &few;
    let (bars, scatter, front) = (gap_bars(block, figures)?, ua_against_mia(block, figures)?, pareto(block, figures)?);
    let title = block.title();
    let drawn = |picture_of: &tradeoff::Picture, heading: &str, meaning: &str| {
        picture(heading, meaning, &picture_of.svg, &format!("{heading}, {title}"), Some(&picture_of.numbers))
    };
    Ok(html! {
        @if let Some(bars) = &bars {
            div.wide {
                (drawn(bars, "Where the gap to Retrain comes from", "a bar is the average gap, in points; its parts are a quarter of each figure's gap"))
            }
        }
        @if scatter.is_some() || front.is_some() {
            div.legend.row {
                ul {
                    @for (position, name) in tradeoff::keys(block).iter().enumerate() {
                        li { span class={ "key s" (palette(position)) } {} (name) }
                    }
                    @if block.line(RETRAIN).is_some() { li { "✕ Retrain" } }
                }
            }
            div.panels.large {
                @if let Some(scatter) = &scatter {
                    (drawn(scatter, "UA against MIA-efficacy", "the closer to the cross of its colour, the better; too far right or up is over-forgetting"))
                }
                @if let Some(front) = &front {
                    (drawn(front, "Gap against run time", "lower left is better; the dashed line joins the methods that no other beats in both (Pareto front)"))
                }
            }
        }
    })
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

/// How to read the pictures over sparsity, as the first panel. Only the first method's says it in words.
fn sweep_legend(block: &Block, first: bool) -> Markup {
    let names = || block.prunings().into_iter().map(str::to_owned);
    if !first {
        return keys(names(), block, "");
    }
    let note = format!(
        "Each line is a pruning method. All begin at the dense model. The closer a line is to the dashed line of its colour, the closer \
         the method comes to a model that was pruned the same way and never saw the forgotten data. The steps of sparsity are drawn equally \
         wide. {}",
        intervals(block)
    );
    keys(names(), block, &note)
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
            @if !note.is_empty() { p.note { (note) } }
        }
    }
}

fn table(block: &Block, columns: &[&Figure], caption: &str) -> Markup {
    let grid = Grid::tall(block, columns);
    let present: Vec<(&str, &Variant)> = block
        .lines
        .iter()
        .flat_map(|line| {
            let cells = block.variants.iter().zip(&line.cells).filter(|(_, cell)| cell.is_some());
            cells.map(|(variant, _)| (line.method.as_str(), variant))
        })
        .collect();
    let begins = |row: usize| begins_a_step(block, &present, row);
    filtered(&grid, caption, &["Method", "Model"], begins)
}

/// Whether to draw a line above a row: between methods, and between the sparsities of a long table.
fn begins_a_step(block: &Block, present: &[(&str, &Variant)], row: usize) -> bool {
    if row == 0 {
        return false;
    }
    let ((before, of), (method, variant)) = (present[row - 1], present[row]);
    before != method || (!are_readable(block) && of.sparsity != variant.sparsity)
}
