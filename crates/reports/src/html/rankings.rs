//! The influence of classes on a target task.

use maud::html;

use super::{Section, table};
use crate::rankings::{Ranking, grid, note};

/// One table, and how far two ways of ranking agree.
pub(super) fn section(rankings: &[Ranking]) -> Option<Section> {
    let grid = grid(rankings)?;
    let body = html! {
        (table(&grid, "Influence of classes on the target"))
        p.note { (note(rankings)) }
    };
    Some(Section { title: "Influence of classes on the target".to_owned(), body })
}
