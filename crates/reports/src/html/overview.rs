//! The head of the page: the verdict on the paper's first claim, and what the suite ran.

use maud::{Markup, html};
use unlearn_metrics::Verdict;

use crate::results::{ResultRow, Results, distinct};
use crate::summary::{Block, Variant, sparsity_label};

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
