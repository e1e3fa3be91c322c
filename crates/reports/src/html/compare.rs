//! The page on two reports beside each other.

use maud::{Markup, html};

use super::tables::{filtered, table};
use super::{Section, document};
use crate::compare::{Comparison, NOTE};

/// One self-contained page.
pub fn compare(comparison: &Comparison) -> String {
    let head = html! {
        p.kicker { "Machine unlearning · two reports" }
        h1 { "Two reports beside each other" }
        p.headline { (comparison.headline()) }
        ul.short { @for line in comparison.sides() { li { (line) } } }
    };
    let mut sections = Vec::new();
    for (title, grid) in comparison.differences() {
        let body = html! {
            p.note { (NOTE) }
            (filtered(&grid, &format!("B − A for {title}"), &["Method", "Model"], |_| false))
        };
        sections.push(Section { title, body });
    }
    let both = comparison.both(true);
    let body = filtered(&both, "Every figure on both sides", &["Method", "Model", "Forget set", "Figure"], |_| false);
    sections.push(Section { title: "Both sides".to_owned(), body });
    if !comparison.settings.is_empty() {
        let body = table(&comparison.settings_grid(), "Settings that differ");
        sections.push(Section { title: "Settings that differ".to_owned(), body });
    }
    let (only_a, only_b) = (&comparison.only_a, &comparison.only_b);
    if !only_a.is_empty() || !only_b.is_empty() {
        let list = |side: &str, rows: &[String]| -> Markup {
            html! { @if !rows.is_empty() { h3 { "Only in " (side) } ul.short { @for row in rows { li { (row) } } } } }
        };
        sections.push(Section {
            title: "Rows of one side alone".to_owned(),
            body: html! { (list("A", only_a)) (list("B", only_b)) },
        });
    }
    document("Two reports beside each other", &head, &sections)
}
