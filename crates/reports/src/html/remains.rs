//! What is left of the forgotten data, in models and in masks.

use maud::html;

use super::{Section, table};
use crate::mask_leaks;
use crate::remains;
use crate::results::Results;
use crate::summary::Block;

/// One table per forget set that was audited, and one for masks.
pub(super) fn section(results: &Results, blocks: &[Block]) -> Option<Section> {
    let audited: Vec<_> =
        blocks.iter().filter_map(|block| Some((block, remains::grid(block, &results.figures)?))).collect();
    let masks = mask_leaks::grid(&results.mask_leaks);
    if audited.is_empty() && masks.is_none() {
        return None;
    }
    let body = html! {
        @for (block, (grid, note)) in &audited {
            h3 { (block.title()) }
            (table(grid, &format!("{}: {}", remains::TITLE, block.title())))
            p.note { (note) }
        }
        @if let Some((grid, note)) = &masks {
            h3 { (mask_leaks::TITLE) }
            (table(grid, mask_leaks::TITLE))
            p.note { (note) }
        }
    };
    Some(Section { title: remains::TITLE.to_owned(), body })
}
