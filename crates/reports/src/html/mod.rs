//! `report.html`: one self-contained page. Pictures and the style sheet are inline, and there is no script. A content
//! security policy forbids everything else.
//!
//! Each section of the page is one file here and one line in [`page`]. The crate `maud` writes the markup and escapes
//! all text.

mod backdoor;
mod claims;
mod drift;
mod forget_set;
mod glossary;
mod judged;
mod overview;
mod provenance;
mod prunings;
mod rankings;
mod remains;
mod settings;
mod training;
mod tuning;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use judged::judged;

use crate::curves::Curve;
use crate::error::Result;
use crate::results::Results;
use crate::summary::blocks;
use crate::table::Grid;

/// Nothing may be loaded, run or sent. Styles are inline.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A part of the page with a heading and an entry in the table of contents.
struct Section {
    title: String,
    body: Markup,
}

/// The page.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub fn page(results: &Results, curves: &[Curve]) -> Result<String> {
    let title = results.title.as_deref().unwrap_or(&results.suite);
    let blocks = blocks(&results.rows);
    let mut sections = Vec::new();
    sections.extend(backdoor::section(results, &blocks));
    for block in &blocks {
        sections.push(forget_set::section(block, &results.figures)?);
    }
    sections.extend(remains::section(results, &blocks));
    sections.extend(drift::section(results.drift.as_ref())?);
    sections.extend(tuning::section(results.tuning.as_ref()));
    sections.extend(prunings::section(&results.prunings)?);
    sections.extend(rankings::section(&results.rankings));
    sections.extend(claims::section(results));
    sections.extend(training::section(curves)?);
    sections.extend(settings::section(&results.configured));
    sections.push(provenance::section(&results.provenance));
    sections.push(glossary::section(results));
    let head = html! {
        p.kicker { "Machine unlearning after pruning · suite " (results.suite) }
        h1 { (title) }
        (overview::headline(results))
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
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – unlearn" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header { (head) }
                nav aria-label="Contents" {
                    ol {
                        @for (section, anchor) in sections.iter().zip(&anchors) {
                            li { a href={ "#" (anchor) } { (section.title) } }
                        }
                    }
                }
                @for (section, anchor) in sections.iter().zip(&anchors) {
                    section id=(anchor) {
                        h2 { a href={ "#" (anchor) } { (section.title) } }
                        (section.body)
                    }
                }
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

/// A grid as a table.
fn table(grid: &Grid) -> Markup {
    let class = |column: usize| (column < grid.names).then_some("left");
    html! {
        div.scroll {
            table {
                thead { tr { @for (column, text) in grid.head.iter().enumerate() { th class=[class(column)] { (text) } } } }
                tbody {
                    @for line in &grid.lines {
                        tr { @for (column, text) in line.iter().enumerate() { td class=[class(column)] { (text) } } }
                    }
                }
            }
        }
    }
}

/// A picture under its heading, with a name for screen readers.
fn picture(heading: &str, meaning: &str, svg: &str, label: &str) -> Markup {
    let label = html! { (label) }.into_string();
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1);
    html! {
        figure {
            figcaption {
                b { (heading) }
                @if !meaning.is_empty() { small { (meaning) } }
            }
            (PreEscaped(svg))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_distinct_and_plain() {
        let section = |title: &str| Section { title: title.to_owned(), body: Markup::default() };
        let sections = ["class 0 · resnet8s", "Claims <of> the paper", "class 0, resnet8s", "Claims"].map(section);
        assert_eq!(anchors(&sections), ["class-0-resnet8s", "claims-of-the-paper", "class-0-resnet8s-2", "claims"]);
    }
}
