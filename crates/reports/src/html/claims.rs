//! The paper's claims and their verdicts.

use maud::{Markup, html};
use unlearn_metrics::Verdict;

use super::Section;
use crate::claims::{Claim, note, word};
use crate::results::Results;

/// Each claim. If a claim has a whole (`C1`), its parts (`C1/…`) are collapsed.
pub(super) fn section(results: &Results) -> Option<Section> {
    let claims = &results.claims;
    let parts = |claim: &Claim| {
        let prefix = format!("{}/", claim.id);
        claims.iter().filter(move |part| part.id.starts_with(&prefix)).collect::<Vec<_>>()
    };
    let body = html! {
        p.note { (note(&results.seeds())) }
        ul.claims {
            @for claim in claims.iter().filter(|claim| !claim.is_part(claims)) {
                @let parts = parts(claim);
                li {
                    (one(claim))
                    @if !parts.is_empty() {
                        details {
                            summary { @if parts.len() == 1 { "its part" } @else { "its " (parts.len()) " parts" } }
                            ul { @for part in parts { li { (one(part)) } } }
                        }
                    }
                }
            }
        }
    };
    (!claims.is_empty()).then(|| Section { title: "Claims of the paper".to_owned(), body })
}

fn one(claim: &Claim) -> Markup {
    let mark = match claim.verdict {
        Verdict::Holds => "✓",
        Verdict::Fails => "✗",
        Verdict::Undecided => "?",
    };
    let word = word(claim.verdict);
    html! {
        p { span class={ "verdict " (word) } { (mark) " " (word) } (claim.statement) " " span.id { (claim.id) } }
        p.note { (claim.detail) }
        @if let Some(line) = claim.test.map(|test| test.line(claim.verdict)).filter(|line| !line.is_empty()) {
            p.note { (line) }
        }
    }
}
