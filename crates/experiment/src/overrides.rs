//! `--set key=value`: changes one value of a suite from the command line.
//!
//! A key is a path with dots: `train.epochs=3`. In a list of tables, a step is a position counted from 0, or the
//! table's `name`, `method` or `kind`: `prune.1.sparsity=0.9`, `unlearn.ft.lr=0.02`.

use toml::{Table, Value};

use crate::{Error, Result, finite, keys};

/// Sections of a suite that are lists of tables.
pub(crate) const LISTS: [&str; 3] = ["prune", "forget", "unlearn"];

/// Applies one assignment.
///
/// # Errors
/// If there is no `=`, or if the path does not exist. The error says where the path ends and what is there.
pub(crate) fn apply(table: &mut Table, assignment: &str) -> Result<()> {
    let refuse = |reason: String| Error::Set { assignment: assignment.into(), reason };
    let (path, text) = assignment.split_once('=').ok_or_else(|| refuse("write it as key=value".into()))?;
    let steps: Vec<&str> = path.trim().split('.').collect();
    let (last, way) = steps.split_last().filter(|(last, _)| !last.is_empty()).ok_or_else(|| refuse("no key".into()))?;
    if let Some(section) = way.first().filter(|section| LISTS.contains(section) && !table.contains_key(**section)) {
        return Err(refuse(format!("the suite has no [[{section}]] table that could be changed; add one to its file")));
    }
    let mut place = table;
    let mut here = String::new();
    let mut way = way.iter().peekable();
    while let Some(step) = way.next() {
        here = if here.is_empty() { (*step).to_owned() } else { format!("{here}.{step}") };
        let next = place.entry(*step).or_insert_with(|| Value::Table(Table::new()));
        place = match next {
            Value::Table(table) => table,
            Value::Array(tables) => {
                let step = way.next().ok_or_else(|| refuse(format!("`{here}` is a list; {}", choices(tables))))?;
                let index = position(tables, step)
                    .ok_or_else(|| refuse(format!("`{here}` has no table `{step}`; {}", choices(tables))))?;
                here = format!("{here}.{step}");
                tables[index].as_table_mut().ok_or_else(|| refuse(format!("`{here}` is not a table")))?
            }
            _ => return Err(refuse(format!("`{here}` is a value, not a table"))),
        };
    }
    place.insert((*last).to_owned(), parse(text.trim()).map_err(refuse)?);
    Ok(())
}

/// Extends the suite's refusal of an assignment. An unknown section may be a key whose section is missing.
pub(crate) fn meant(assignment: &str, reason: String) -> String {
    let path = assignment.split('=').next().unwrap_or_default().trim();
    let section = path.split('.').next().unwrap_or_default();
    let places = keys::places(path);
    if keys::sections().iter().any(|known| known == section) || places.is_empty() {
        return reason;
    }
    let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
    format!("`{section}` is not a section of a suite; did you mean {}?", places.join(" or "))
}

/// Only the assignments, as a JSON object.
///
/// # Errors
/// As [`apply`].
pub(crate) fn object(assignments: &[String]) -> Result<serde_json::Value> {
    let mut table = Table::new();
    for assignment in assignments {
        apply(&mut table, assignment)?;
        finite::check(&table).map_err(|reason| Error::Set { assignment: assignment.clone(), reason })?;
    }
    serde_json::to_value(&table).map_err(|e| Error::Set { assignment: assignments.join(" "), reason: e.to_string() })
}

/// A TOML value. Text that is not valid TOML becomes a string, so that no quotes are needed in a shell.
///
/// # Errors
/// If there is more than one value.
pub(crate) fn parse(text: &str) -> std::result::Result<Value, String> {
    let parsed: Option<Table> = toml::from_str(&format!("value = {text}")).ok();
    match parsed {
        Some(table) if table.len() > 1 => Err("it has more than one value; give one `KEY=VALUE` at a time".into()),
        Some(mut table) => Ok(table.remove("value").unwrap_or_else(|| Value::String(text.to_owned()))),
        None => Ok(Value::String(text.to_owned())),
    }
}

fn label(table: &Value) -> Option<&str> {
    ["name", "method", "kind"].iter().find_map(|key| table.get(key)?.as_str())
}

fn position(tables: &[Value], step: &str) -> Option<usize> {
    let by_number = step.parse().ok().filter(|index| *index < tables.len());
    by_number.or_else(|| tables.iter().position(|table| label(table) == Some(step)))
}

fn choices(tables: &[Value]) -> String {
    let names: Vec<_> = tables.iter().enumerate().map(|(i, t)| label(t).map_or(i.to_string(), str::to_owned)).collect();
    format!("name one of its tables: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: &str = "[train]\nepochs = 10\n[[prune]]\nmethod = \"none\"\n[[prune]]\nmethod = \"omp\"\nsparsity = 0.5\n\
         [[prune]]\nmethod = \"at-init\"\nname = \"synflow\"\n";

    fn after(assignment: &str) -> Result<Table> {
        let mut table = toml::from_str(SUITE).unwrap();
        apply(&mut table, assignment).map(|()| table)
    }

    #[test]
    fn a_path_reaches_tables_lists_by_number_and_by_name() {
        assert_eq!(after("train.epochs=3").unwrap()["train"]["epochs"], Value::Integer(3));
        assert_eq!(after("prune.1.sparsity=0.9").unwrap()["prune"][1]["sparsity"], Value::Float(0.9));
        assert_eq!(after("prune.omp.sparsity = 0.9").unwrap()["prune"][1]["sparsity"], Value::Float(0.9));
        assert_eq!(after("prune.synflow.sparsity=0.8").unwrap()["prune"][2]["sparsity"], Value::Float(0.8));
        assert_eq!(after("train.schedule=cosine").unwrap()["train"]["schedule"], Value::String("cosine".into()));
        assert_eq!(after("suite.seeds=[1, 2]").unwrap()["suite"]["seeds"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_path_that_leads_nowhere_says_where_it_ends() {
        for (assignment, expected) in [
            ("train.epochs", "write it as key=value"),
            ("prune.imp.sparsity=1", "`prune` has no table `imp`; name one of its tables: none, omp, synflow"),
            ("unlearn.ft.epochs=1", "the suite has no [[unlearn]] table"),
            ("train.epochs.x=1", "`train.epochs` is a value"),
            ("prune.sparsity=1", "name one of its tables"),
        ] {
            let message = after(assignment).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
