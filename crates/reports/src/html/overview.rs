//! The head of the page: the verdict on the paper's first claim, and what the suite ran.

use maud::{Markup, html};
use unlearn_metrics::figures::{avg_gap, rte_seconds};
use unlearn_metrics::{Figure, Verdict};
use unlearn_run_store::CLEAN;

use crate::results::{RAW, RETRAIN, ResultRow, Results, distinct};
use crate::summary::{Block, Line, Variant, sparsity_label};
use crate::table::shown;

/// The suite in one sentence: the verdict on the paper's first claim.
pub(super) fn headline(results: &Results) -> Markup {
    let Some(claim) = results.claims.iter().find(|claim| claim.id == "C1") else { return Markup::default() };
    let opening = match claim.verdict {
        Verdict::Holds => "Pruning first brings approximate unlearning closer to retraining.",
        Verdict::Fails => "Here, pruning first does not bring approximate unlearning closer to retraining.",
        Verdict::Undecided => {
            "Whether pruning first brings approximate unlearning closer to retraining is undecided here."
        }
    };
    html! { p.headline { (opening) " Average gap: " (claim.detail) "." } }
}

/// What each forget set's table says, in a sentence: which method comes closest to Retrain, how fast, and where the others stand.
pub(super) fn in_short(results: &Results, blocks: &[Block]) -> Markup {
    let Some(gap) = results.figures.get(avg_gap::NAME) else { return Markup::default() };
    let sentences: Vec<String> = blocks.iter().filter_map(|block| sentence(block, gap)).collect();
    html! {
        @if !sentences.is_empty() {
            ul.short { @for sentence in &sentences { li { (sentence) } } }
            @if results.seeds().len() == 1 {
                p.note { "All of this rests on one seed: another seed may order the methods differently." }
            }
        }
    }
}

fn sentence(block: &Block, gap: &Figure) -> Option<String> {
    let is_method = |method: &str| ![RETRAIN, RAW, CLEAN].contains(&method);
    let mut found = Vec::new();
    for line in block.lines.iter().filter(|line| is_method(&line.method)) {
        for (variant, cell) in block.variants.iter().zip(&line.cells) {
            let estimate = cell.as_ref().and_then(|cell| cell.estimate(&gap.name));
            found.extend(estimate.map(|estimate| (line, variant, estimate)));
        }
    }
    let (line, variant, best) = found.iter().min_by(|one, other| one.2.mean.total_cmp(&other.2.mean))?;
    let seconds = |line: Option<&Line>| {
        let at = block.variants.iter().position(|other| other == *variant)?;
        line?.cells[at].as_ref()?.estimate(rte_seconds::NAME)
    };
    let time = match (seconds(Some(*line)), seconds(block.line(RETRAIN))) {
        (Some(own), Some(retrain)) if own.mean > 0.0 && retrain.mean > 0.0 => {
            format!(" It took {:.2} s, Retrain {:.2} s.", own.mean, retrain.mean)
        }
        _ => String::new(),
    };
    let worst = found.iter().max_by(|one, other| one.2.mean.total_cmp(&other.2.mean)).filter(|_| found.len() > 1);
    let worst = worst.map_or_else(String::new, |(line, variant, gap_of)| {
        format!(" The farthest is {} ({}), {} points.", line.method, variant.label(), shown(gap, gap_of))
    });
    Some(format!(
        "{}: {} ({}) comes closest to Retrain, with an average gap of {} points.{time}{worst}",
        block.title(),
        line.method,
        variant.label(),
        shown(gap, best)
    ))
}

/// Data, architecture, sparsities, requests, methods and seeds.
pub(super) fn facts(results: &Results, blocks: &[Block]) -> Markup {
    let named = |of: fn(&ResultRow) -> &str| distinct(results.rows.iter().map(of)).join(", ");
    let mut variants: Vec<&Variant> = blocks.iter().flat_map(|block| &block.variants).collect();
    variants.sort_by(|one, other| one.sparsity.total_cmp(&other.sparsity));
    let prunings =
        distinct(variants.iter().filter(|one| one.sparsity > 0.0).map(|one| one.pruning.as_str())).join(", ");
    let sparsities = distinct(variants.iter().map(|one| sparsity_label(one.sparsity))).join(", ");
    let sparsities = if prunings.is_empty() { sparsities } else { format!("{sparsities} ({prunings})") };
    let seeds = results.seeds();
    let listed = seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let entries = [
        ("Data", named(|row| &row.dataset)),
        ("Architecture", named(|row| &row.arch)),
        ("Sparsity", sparsities),
        ("To forget", named(|row| &row.forget)),
        ("Methods", named(|row| &row.method)),
        (if seeds.len() == 1 { "Seed" } else { "Seeds" }, listed),
    ];
    html! {
        dl.facts { @for (term, text) in &entries { div { dt { (term) } dd { (text) } } } }
    }
}
