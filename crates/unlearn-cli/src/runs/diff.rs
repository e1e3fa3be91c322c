//! `unlearn runs diff`: what differs between two stages or two suites, and where the difference begins.

use serde_json::Value;
use unlearn_experiment::find_stage;
use unlearn_run_store::{
    Difference, Side, StageDifferences, Store, SuiteDifferences, between_stages, between_suites, difference::Origin,
};

use super::recognised;
use crate::{
    args::DiffArguments,
    exit::Usage,
    output::{self, counted},
};

pub(super) fn diff(store: &Store, arguments: &DiffArguments) -> anyhow::Result<()> {
    let elsewhere = arguments.other_runs.as_deref().map(recognised).transpose()?;
    let (here, there) = (store, elsewhere.as_ref().unwrap_or(store));
    let (one, other) = (&arguments.one, &arguments.other);
    match (here.suites()?.contains(one), there.suites()?.contains(other)) {
        (true, true) => {
            let (first, second) = (here.suite(one)?, there.suite(other)?);
            let found = between_suites(Side { store: here, of: &first }, Side { store: there, of: &second })?;
            if arguments.json {
                output::say_json(&serde_json::to_string_pretty(&found)?);
            } else {
                suites(&found);
            }
        }
        (false, false) => {
            let stage = |store: &Store, wanted: &str| -> anyhow::Result<_> {
                let found = find_stage(store, wanted)?;
                Ok(store.stage(&found.kind, &found.key)?)
            };
            let (first, second) = (stage(here, one)?, stage(there, other)?);
            let found = between_stages(Side { store: here, of: &first }, Side { store: there, of: &second })?;
            if arguments.json {
                output::say_json(&serde_json::to_string_pretty(&found)?);
            } else {
                stages(&found);
            }
        }
        (is_suite, _) => {
            let (suite, stage) = if is_suite { (one, other) } else { (other, one) };
            let reason = format!("`{suite}` is a suite, and `{stage}` is none; name two suites or two stages");
            return Err(Usage(reason).into());
        }
    }
    Ok(())
}

fn stages(found: &StageDifferences) {
    let StageDifferences { one, other, same_key, differences, origins } = found;
    if *same_key {
        say!("{one} and {other} have the same description");
    }
    if differences.is_empty() {
        say!("{one} and {other} do not differ");
    }
    for difference in differences {
        say!("{}", line(difference));
    }
    begins(origins);
}

fn suites(found: &SuiteDifferences) {
    let SuiteDifferences { one, other, settings, only_in_one, only_in_other, same, rows, origins } = found;
    if settings.is_empty() && only_in_one.is_empty() && only_in_other.is_empty() && rows.is_empty() {
        say!("{one} and {other} do not differ: {} the same", counted(same.len(), "row is", "rows are"));
        return;
    }
    for Difference { key, one, other, .. } in settings {
        say!("{key}: {} and {}", value(one.as_ref()), value(other.as_ref()));
    }
    for (suite, labels) in [(one, only_in_one), (other, only_in_other)] {
        for label in labels {
            say!("only in {suite}: {label}");
        }
    }
    if !same.is_empty() {
        say!("{} the same in both", counted(same.len(), "row is", "rows are"));
    }
    for row in rows {
        say!("{}: {} and {}", row.row, row.one, row.other);
        for difference in &row.figures {
            say!("  {}", line(difference));
        }
    }
    begins(origins);
}

/// Where a difference begins.
fn begins(origins: &[Origin]) {
    for Origin { through, one, other, differences } in origins {
        let through = if through.is_empty() { String::new() } else { format!(", through {}", through.join(" → ")) };
        say!("it begins in {one} and {other}{through}");
        for difference in differences {
            say!("  {}", line(difference));
        }
    }
}

/// `configuration recipe.epochs: 2 and 1`.
fn line(Difference { aspect, key, one, other }: &Difference) -> String {
    let aspect = aspect.name();
    let name = if key.is_empty() || key == aspect { aspect.to_owned() } else { format!("{aspect} {key}") };
    format!("{name}: {} and {}", value(one.as_ref()), value(other.as_ref()))
}

/// A value as the user would write it. A value that is not there is `none`.
fn value(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
