//! The terms of the page.

use maud::html;

use super::{Section, prose};
use crate::glossary::entries;
use crate::results::Results;

/// Every term and its meaning.
pub(super) fn section(results: &Results) -> Section {
    let body = html! {
        dl.glossary { @for (term, meaning) in entries(results) { dt { (term) } dd { (prose(&meaning)) } } }
    };
    Section { title: "Glossary".to_owned(), body }
}
