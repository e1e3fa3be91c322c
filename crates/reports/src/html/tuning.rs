//! The search that chose the settings.

use maud::html;
use unlearn_run_store::Tuning;

use super::{Section, table};
use crate::tuning::{chosen, criterion, space, trials};

/// The chosen settings and, collapsed, the alternatives.
pub(super) fn section(tuning: Option<&Tuning>) -> Option<Section> {
    let tuning = tuning?;
    let body = html! {
        p.note { (criterion(tuning)) }
        (table(&chosen(tuning), "Chosen settings"))
        details {
            summary { "the search space" }
            ul.note { @for line in space(tuning) { li { (line) } } }
        }
        details {
            summary { (if tuning.trials.len() == 1 { "its trial".to_owned() } else { format!("its {} trials", tuning.trials.len()) }) }
            (table(&trials(tuning), "Trials of the search"))
        }
    };
    Some(Section { title: "Settings that a search chose".to_owned(), body })
}
