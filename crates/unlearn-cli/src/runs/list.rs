//! `unlearn runs list`: the stages of the store, or those that options choose.

use serde_json::json;
use unlearn_experiment::{Entry, Order, Selection, State, Survey};
use unlearn_run_store::Store;

use super::size;
use crate::{
    args::{ListRunsArguments, SortBy, StateName},
    exit::Usage,
    output::{self, counted},
};

pub(super) fn list(store: &Store, arguments: &ListRunsArguments) -> anyhow::Result<()> {
    let survey = Survey::of(store)?;
    let order = match arguments.sort {
        SortBy::Kind => Order::Kind,
        SortBy::Size => Order::Size,
        SortBy::Age => Order::Age,
        SortBy::Label => Order::Label,
    };
    let chosen = survey.select(&selection(arguments), order).map_err(|error| Usage(error.to_string()))?;
    let bytes: u64 = chosen.iter().map(|entry| entry.bytes).sum();
    let counts: Vec<(State, usize)> = [State::Done, State::Partial, State::Damaged]
        .map(|state| (state, chosen.iter().filter(|entry| entry.state == state).count()))
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    if arguments.json {
        let states: serde_json::Map<_, _> =
            counts.iter().map(|(state, count)| (state.name().to_owned(), (*count).into())).collect();
        let totals = json!({ "stages": chosen.len(), "of": survey.entries.len(), "bytes": bytes, "states": states });
        output::say_json(&serde_json::to_string_pretty(&json!({ "stages": chosen, "totals": totals }))?);
        return Ok(());
    }
    for entry in &chosen {
        say!("{}", line(entry));
    }
    let of = if chosen.len() == survey.entries.len() { String::new() } else { format!(" of {}", survey.entries.len()) };
    let total = format!("{}{of}, {}", counted(chosen.len(), "stage", "stages"), size(bytes));
    let states = counts.iter().map(|(state, count)| format!("{count} {}", state.name()));
    say!("{}", std::iter::once(total).chain(states).collect::<Vec<_>>().join(", "));
    Ok(())
}

fn selection(arguments: &ListRunsArguments) -> Selection {
    let state = |name: &StateName| match name {
        StateName::Done => State::Done,
        StateName::Partial => State::Partial,
        StateName::Damaged => State::Damaged,
    };
    Selection {
        kinds: arguments.kind.clone(),
        suites: arguments.suite.clone(),
        methods: arguments.method.clone(),
        data: arguments.data.clone(),
        archs: arguments.arch.clone(),
        seeds: arguments.seed.clone(),
        states: arguments.state.iter().map(state).collect(),
        older_than: arguments.older_than,
        newer_than: arguments.newer_than,
        larger_than: arguments.larger_than,
        orphaned: arguments.orphaned,
    }
}

/// Kind, key, size, age, state, label, and the suites that need the stage.
fn line(entry: &Entry) -> String {
    let label = entry.label.clone().unwrap_or_default();
    let suites = if entry.suites.is_empty() { String::new() } else { format!(" ({})", entry.suites.join(", ")) };
    let said = [label + &suites, entry.problem.clone().unwrap_or_default()];
    let said = said.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    let age = entry.age_seconds.map_or_else(|| "?".to_owned(), age);
    let (kind, key, bytes, state) = (&entry.kind, entry.key.short(), size(entry.bytes), entry.state.name());
    format!("{kind:<12} {key}  {bytes:>10}  {age:>5}  {state:<7}  {said}").trim_end().to_owned()
}

/// An age in its largest whole unit: `40s`, `12m`, `5h`, `3d`.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_numbers_of_their_largest_unit() {
        assert_eq!(
            [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age),
            ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]
        );
    }
}
