//! `report.html`: one self-contained page. Pictures, the style sheet and a small script are inline. A content security
//! policy forbids everything else: the script is allowed by its hash, and nothing can be loaded or sent.
//!
//! The script sorts and filters tables and switches the colours. Without it the page is complete.
//!
//! Each section of the page is one file here and one line in [`page`]. The crate `maud` writes the markup and escapes
//! all text.

mod backdoor;
mod claims;
mod compare;
mod confusion;
mod drift;
mod forget_set;
mod glossary;
mod judged;
mod live;
mod membership;
mod models;
mod overview;
mod provenance;
mod prunings;
mod rankings;
mod recognised;
mod remains;
mod seeds;
mod settings;
mod stages;
mod tables;
mod training;
mod tuning;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

pub use compare::compare;
pub use judged::judged;
pub use live::{Live, LiveStage, LiveState};
use tables::table;

use crate::details::Details;
use crate::error::Result;
use crate::results::Results;
use crate::summary::blocks;
use crate::table::Grid;

/// Nothing may be loaded or sent, and no script be run but the page's own. Styles are inline.
fn policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; script-src 'sha256-{hash}'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
}

/// What sorts and filters tables, and switches colours.
const SCRIPT: &str = include_str!("script.js");

/// A part of the page with a heading and an entry in the table of contents.
struct Section {
    title: String,
    body: Markup,
}

/// The page. `details` is what it shows beside the results: curves, what the stored scores tell, and the stages.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub fn page(results: &Results, details: &Details) -> Result<String> {
    let title = results.title.as_deref().unwrap_or(&results.suite);
    let blocks = blocks(&results.rows);
    let mut sections = Vec::new();
    sections.extend(backdoor::section(results, &blocks));
    for block in &blocks {
        sections.push(forget_set::section(block, &results.figures)?);
    }
    sections.extend(models::section(&blocks, &results.figures));
    sections.extend(recognised::section(details, &results.suite));
    sections.extend(membership::section(&details.scored)?);
    sections.extend(confusion::section(&details.scored));
    sections.extend(remains::section(results, &blocks));
    sections.extend(drift::section(results.drift.as_ref())?);
    sections.extend(tuning::section(results.tuning.as_ref()));
    sections.extend(prunings::section(&results.prunings)?);
    sections.extend(rankings::section(&results.rankings));
    sections.extend(claims::section(results));
    sections.extend(training::section(&details.curves)?);
    sections.extend(settings::section(&results.configured));
    sections.push(provenance::section(&results.provenance));
    sections.extend(stages::section(&details.stages));
    sections.push(glossary::section(results));
    let head = html! {
        p.kicker { "Machine unlearning after pruning · suite " (results.suite) }
        h1 { (title) }
        (overview::headline(results))
        (overview::in_short(results, &blocks))
        (overview::facts(results, &blocks))
    };
    Ok(document(title, &head, &sections))
}

/// A page with a head, a table of contents, and these sections.
fn document(title: &str, head: &Markup, sections: &[Section]) -> String {
    let anchors = anchors(sections);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – unlearn" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                a.skip href="#content" { "Skip to the results" }
                header { (head) }
                nav aria-label="Contents" {
                    ol {
                        @for (section, anchor) in sections.iter().zip(&anchors) {
                            li { a href={ "#" (anchor) } { (section.title) } }
                        }
                    }
                }
                main id="content" tabindex="-1" {
                    @for (section, anchor) in sections.iter().zip(&anchors) {
                        section id=(anchor) aria-labelledby={ "h-" (anchor) } {
                            h2 id={ "h-" (anchor) } { a href={ "#" (anchor) } { (section.title) } }
                            (section.body)
                        }
                    }
                }
                footer { p.note { "Written by unlearn " (env!("CARGO_PKG_VERSION")) ". The page needs no network." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// An identifier for each section: its title in lower case with hyphens, and a number to distinguish equal ones.
fn anchors(sections: &[Section]) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for Section { title, .. } in sections {
        let words = title.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let anchor = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
        let same = |number: usize| if number == 1 { anchor.clone() } else { format!("{anchor}-{number}") };
        let free = (1..=sections.len()).map(same).find(|candidate| !anchors.contains(candidate));
        anchors.extend(free);
    }
    anchors
}

/// A text in which names between backticks are set as code.
fn prose(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A picture under its heading, with a name for screen readers and its numbers as a collapsed table.
fn picture(heading: &str, meaning: &str, svg: &str, label: &str, numbers: Option<&Grid>) -> Markup {
    let spoken = if numbers.is_some() {
        format!("{label}. The numbers are in the table that follows.")
    } else {
        label.to_owned()
    };
    let spoken = html! { (spoken) }.into_string();
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{spoken}\" "), 1);
    html! {
        figure {
            figcaption {
                b { (heading) }
                @if !meaning.is_empty() { small { (prose(meaning)) } }
            }
            (PreEscaped(svg))
            @if let Some(numbers) = numbers {
                details.numbers { summary { "Numbers" span.sr { ": " (label) } } (table(numbers, label)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_text_are_code() {
        assert_eq!(prose("`a<b` of c").into_string(), "<code>a&lt;b</code> of c");
    }

    #[test]
    fn anchors_are_distinct_and_plain() {
        let section = |title: &str| Section { title: title.to_owned(), body: Markup::default() };
        let sections = ["class 0 · resnet8s", "Claims <of> the paper", "class 0, resnet8s", "Claims"].map(section);
        assert_eq!(anchors(&sections), ["class-0-resnet8s", "claims-of-the-paper", "class-0-resnet8s-2", "claims"]);
    }
}
