//! The configuration of the suite.

use maud::html;
use unlearn_run_store::Configured;

use super::{Section, prose};
use crate::settings::{ORIGINS, shown, title};

/// One collapsed table per part of the suite.
pub(super) fn section(configured: &[Configured]) -> Option<Section> {
    let body = html! {
        p.note { (prose(ORIGINS)) }
        @for part in configured {
            details {
                summary { (title(part)) }
                @if !part.summary.is_empty() { p.note { (part.summary) @if !part.source.is_empty() { " (" (part.source) ")" } } }
                @for place in &part.only_for { p.note { "for " (place) } }
                table.narrow {
                    caption { "Settings of " (title(part)) }
                    thead { tr { th.left scope="col" { "Key" } th.left scope="col" { "Value" } th.left scope="col" { "From" } } }
                    tbody {
                        @for setting in &part.settings {
                            tr { th scope="row" { (setting.key) } td.left { (shown(&setting.value)) } td.left { (setting.origin) } }
                        }
                    }
                }
            }
        }
    };
    (!configured.is_empty()).then(|| Section { title: "Settings".to_owned(), body })
}
