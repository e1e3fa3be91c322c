//! `results.csv`: the rows of `results.json` with the same columns in the same order, plus a column for each further
//! figure.

use std::collections::BTreeSet;

use crate::error::{ReportError, Result};
use crate::results::{FIELDS, Results};

/// The file's content. A missing figure is an empty cell. Figures other than the six fields come last: first those of
/// the registry, in its order. Each has the two ends of its interval if any row has one.
///
/// # Errors
/// [`ReportError::Csv`].
pub fn to_csv(results: &Results) -> Result<Vec<u8>> {
    let rows = &results.rows;
    let has = |name: &str| rows.iter().any(|row| row.figures.contains_key(name));
    let has_interval =
        |name: &str| rows.iter().any(|row| row.figures.get(name).is_some_and(|found| found.interval.is_some()));
    let known = results.figures.iter().map(|figure| figure.name.as_ref());
    let mut further: Vec<&str> = known.filter(|name| !FIELDS.contains(name) && has(name)).collect();
    let unknown: BTreeSet<&str> = rows.iter().flat_map(|row| row.figures.keys()).map(String::as_str).collect();
    further.extend(unknown.into_iter().filter(|name| results.figures.get(name).is_none() && !FIELDS.contains(name)));
    let intervals: Vec<&str> =
        FIELDS.into_iter().chain(further.iter().copied()).filter(|name| has_interval(name)).collect();

    let mut writer = csv::Writer::from_writer(Vec::new());
    let places = ["dataset", "arch", "scenario", "forget", "sparsity", "pruning", "method", "seed"];
    let ends = intervals.iter().flat_map(|name| ["low", "high"].map(|end| format!("{name}_{end}")));
    let turns = ["sequence", "turn"];
    let head = places.into_iter().chain(FIELDS).chain(turns).chain(further.iter().copied()).map(str::to_owned);
    writer.write_record(head.chain(ends))?;
    for row in rows {
        let place = [
            text(&row.dataset),
            text(&row.arch),
            text(&row.scenario),
            text(&row.forget),
            number(row.sparsity),
            text(&row.pruning),
            text(&row.method),
            row.seed.to_string(),
        ];
        let value = |name: &str| row.value(name).map(number).unwrap_or_default();
        let turn = [
            row.sequence.as_deref().map(text).unwrap_or_default(),
            row.turn.map(|turn| turn.to_string()).unwrap_or_default(),
        ];
        let ends = intervals.iter().flat_map(|name| {
            let interval = row.figures.get(*name).and_then(|found| found.interval);
            interval.map_or_else(|| [String::new(), String::new()], |ends| ends.map(number))
        });
        let figures = FIELDS.into_iter().map(value).chain(turn).chain(further.iter().map(|name| value(name)));
        writer.write_record(place.into_iter().chain(figures).chain(ends))?;
    }
    writer.into_inner().map_err(|error| ReportError::Csv(error.into_error().into()))
}

/// A name as a cell that no spreadsheet takes for a formula, in one line. A first character that could begin a formula
/// gets an apostrophe before it. Control characters, which a folder's name may hold, are escaped.
fn text(name: &str) -> String {
    if name.contains(char::is_control) {
        let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        return text(&name.chars().map(shown).collect::<String>());
    }
    if name.starts_with(['=', '+', '-', '@']) { format!("'{name}") } else { name.to_owned() }
}

/// A number in the shortest form that reads back as the same value, with a fraction: "0.0".
fn number(value: f64) -> String {
    format!("{value:?}")
}
