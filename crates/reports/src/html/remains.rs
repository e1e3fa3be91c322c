//! What is left of the forgotten data.

use maud::html;

use super::{Section, table};
use crate::remains;
use crate::results::Results;
use crate::summary::Block;

/// One table per forget set that was audited.
pub(super) fn section(results: &Results, blocks: &[Block]) -> Option<Section> {
    let audited: Vec<_> =
        blocks.iter().filter_map(|block| Some((block, remains::grid(block, &results.figures)?))).collect();
    if audited.is_empty() {
        return None;
    }
    let body = html! {
        @for (block, (grid, note)) in &audited {
            h3 { (block.title()) }
            (table(grid))
            p.note { (note) }
        }
    };
    Some(Section { title: remains::TITLE.to_owned(), body })
}
