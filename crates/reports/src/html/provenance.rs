//! The origin of the figures.

use maud::html;

use super::{Section, prose};
use crate::results::Provenance;

/// Command, date, commit, version, machines and notes.
pub(super) fn section(provenance: &Provenance) -> Section {
    let body = html! {
        dl.provenance {
            dt { "Command" }
            dd { pre { (provenance.command) } }
            dt { "Date" }
            dd { (provenance.date) }
            @if let Some(commit) = &provenance.commit { dt { "Commit" } dd { (commit) } }
            dt { "Version" }
            dd { (provenance.versions.join(", ")) }
            @for machine in &provenance.machines {
                dt { "Machine" }
                dd { (machine.cpu) ", " (machine.cores) " hardware threads, " (machine.os) }
            }
            @for note in &provenance.notes { dt { "Note" } dd { (prose(note)) } }
        }
        p.note { "results.json and results.csv beside this page hold all figures, unrounded." }
    };
    Section { title: "Provenance".to_owned(), body }
}
