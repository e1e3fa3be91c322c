//! Messages of faults in a TOML text, at the line of the key that is at fault.
//!
//! The crate `toml` knows the line of a fault in a plain table. For tables whose keys are read together (`[[forget]]`), it only knows the
//! line of the first heading. So each of these tables is read by itself to find the one at fault, and the key or the value that the message
//! names is looked for in it. What is missing has no line of its own: the message names the table that lacks it.

use serde::de::DeserializeOwned;

use crate::{keys, lines::Lines, overrides::LISTS, suite::with_nearest};

/// The message for `error` in `text`, with the line at fault and the nearest valid name. `Forget` and `Method` read one table of
/// `[[forget]]`, and one of `[[prune]]` or `[[unlearn]]`; `table` is the whole text.
pub(crate) fn message<Forget: DeserializeOwned, Method: DeserializeOwned>(
    text: &str,
    table: &toml::Table,
    error: &toml::de::Error,
) -> String {
    let said = error.message();
    let refused = [
        ("forget", at_fault::<Forget>(table, "forget", said)),
        ("prune", at_fault::<Method>(table, "prune", said)),
        ("unlearn", at_fault::<Method>(table, "unlearn", said)),
    ];
    let lines = Lines::of(text, false);
    for (section, number) in refused {
        let Some(lines) = number.and_then(|number| lines.table(section, number)) else { continue };
        let line = lines.quoted(said).filter(|_| !said.starts_with("missing")).unwrap_or(lines.heading);
        return shown(text, line, &with_table(&format!("[[{section}]]"), said));
    }
    if let Some((section, advice)) = brackets(table) {
        let is_heading = |line: &str| line.trim_start().trim_start_matches('[').split(']').next() == Some(section);
        let line = text.lines().position(|line| line.trim_start().starts_with('[') && is_heading(line));
        return line.map_or_else(|| advice.clone(), |line| shown(text, line + 1, &advice));
    }
    let at = error.span().map(|span| span.start).filter(|start| *start <= text.len());
    let missing = said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match missing {
        Some(section) if SECTIONS.contains(&section) && !table.contains_key(section) => {
            format!("the section [{section}] is missing; a suite needs the sections [{}]", SECTIONS.join("], ["))
        }
        Some(_) => {
            let line = at.and_then(|at| text.get(..at)).map_or(1, |before| 1 + before.matches('\n').count());
            let heading = text.lines().nth(line - 1).unwrap_or_default().trim();
            shown(text, line, &with_table(heading, said))
        }
        None => with_nearest(error.to_string().trim()),
    }
}

/// The first section with one bracket where two are needed, or the other way round, and what to write.
fn brackets(table: &toml::Table) -> Option<(&str, String)> {
    table.iter().find_map(|(section, value)| {
        let advice = match value {
            toml::Value::Table(_) if LISTS.contains(&section.as_str()) => {
                format!("a suite may have several such tables: write `[[{section}]]`, with two brackets")
            }
            toml::Value::Array(tables)
                if !LISTS.contains(&section.as_str()) && tables.iter().all(toml::Value::is_table) =>
            {
                format!("a suite has one such table: write `[{section}]`, with one bracket")
            }
            _ => return None,
        };
        keys::sections().iter().any(|known| known == section).then_some((section.as_str(), advice))
    })
}

/// The sections that every suite needs.
const SECTIONS: [&str; 3] = ["suite", "data", "model"];

/// The first table of a repeated section that `T` refuses with this message, by its number from 0.
fn at_fault<T: DeserializeOwned>(table: &toml::Table, section: &str, message: &str) -> Option<usize> {
    let refuses = |table: &toml::Value| table.clone().try_into::<T>().is_err_and(|error| error.message() == message);
    table.get(section)?.as_array()?.iter().position(refuses)
}

/// The message with the nearest valid name. A message about a missing key also names the table that lacks it.
fn with_table(heading: &str, message: &str) -> String {
    match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        Some(key) if heading.starts_with('[') => format!("{heading} lacks the key `{key}`; add it"),
        _ => with_nearest(message),
    }
}

/// A message below the line that it is about, as `toml` shows one.
fn shown(text: &str, number: usize, message: &str) -> String {
    let line = text.lines().nth(number - 1).unwrap_or_default().trim_end();
    let margin = " ".repeat(number.to_string().len());
    let carets = "^".repeat(line.trim_start().chars().count().max(1));
    let indent = &line[..line.len() - line.trim_start().len()];
    let column = indent.chars().count() + 1;
    format!(
        "TOML parse error at line {number}, column {column}\n{margin} |\n{number} | {line}\n{margin} | {indent}{carets}\n{message}"
    )
}

#[cfg(test)]
mod tests {
    use crate::Suite;

    const HEAD: &str = "[suite]\nname = \"x\"\nseeds = [1]\n[data]\nname = \"digits\"\n[model]\narch = \"resnet8s\"\n[train]\nepochs = 1\n";

    fn refusal(text: &str) -> String {
        Suite::parse(text, std::path::Path::new("a.toml"), &[]).unwrap_err().to_string()
    }

    fn refused(rest: &str) -> String {
        refusal(&format!("{HEAD}{rest}"))
    }

    #[test]
    fn a_fault_in_a_repeated_table_is_shown_at_its_own_line() {
        let twice = "[[forget]]\nkind = \"class\"\nclass = 0\n[[forget]]\nkind = \"random\"\nclass = 0\n";
        for (table, line, what) in [
            (
                "[[forget]]\nkind = \"class\"\nclasses = [0]\n",
                "12 | classes = [0]\n   | ^^^^^^^^^^^^^\n",
                "did you mean `class`",
            ),
            ("[forget]\nkind = \"class\"\nclass = 0\n", "10 | [forget]\n", "write `[[forget]]`"),
            ("[[evaluate]]\ndraws = 3\n", "10 | [[evaluate]]\n", "write `[evaluate]`"),
            ("[[forget]]\nkind = \"clas\"\n", "11 | kind = \"clas\"\n", "did you mean `class`"),
            (
                "[[forget]]\nkind = \"random\"\n\n  fractoin = 0.1\n",
                "13 |   fractoin = 0.1\n   |   ^^^^^^^^^^^^^^\n",
                "`fraction`",
            ),
            (
                "[[forget]]\nkind = \"class\"\nclass = 0\n[[forget]]\nkind = \"class\"\nclas = 0\n",
                "15 | clas = 0\n",
                "`class`",
            ),
            // Of two equal keys, the one in the table at fault.
            (twice, "15 | class = 0\n", "unknown field `class`"),
            (
                "[[unlearn]]\nmethod = \"ft\"\n[[unlearn]]\nname = 3\nmethod = \"ga\"\n",
                "13 | name = 3\n",
                "must be a string",
            ),
        ] {
            let message = refused(table);
            assert!(message.contains(line) && message.contains(what), "{message}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_the_table_that_lacks_it() {
        let class = "[[forget]]\nkind = \"class\"\nclass = 0\n";
        let message = refused(&format!("{class}[[forget]]\nkind = \"class\"\n"));
        assert!(
            message.contains("13 | [[forget]]") && message.contains("[[forget]] lacks the key `class`"),
            "{message}"
        );
        for (line, words) in [
            ("seeds = [1]\n", "[suite] lacks the key `seeds`; add it"),
            ("name = \"digits\"\n", "[data] lacks the key `name`; add it"),
            ("arch = \"resnet8s\"\n", "[model] lacks the key `arch`; add it"),
            (
                "[model]\narch = \"resnet8s\"\n",
                "the section [model] is missing; a suite needs the sections [suite], [data], [model]",
            ),
        ] {
            let message = refusal(&HEAD.replace(line, ""));
            assert!(message.contains(words), "{message}");
        }
        assert!(refusal(&HEAD.replace("seeds = [1]\n", "")).contains("1 | [suite]"));
    }
}
