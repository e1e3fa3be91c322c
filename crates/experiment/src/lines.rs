//! Where the tables and keys of a suite file stand, so that a message can name the line.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// The lines of a file's tables and keys. Empty for a suite without a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    /// Every table of a repeated section, by the section's name.
    repeated: BTreeMap<String, Vec<TableLines>>,
    /// Whether the suite may hold keys that the file lacks.
    changed: bool,
}

/// One table of a file.
#[derive(Debug, Clone)]
pub(crate) struct TableLines {
    /// Line of its heading, or of its opening brace, from 1.
    pub(crate) heading: usize,
    /// Its keys with their lines, in the order of the names.
    keys: Vec<(String, usize)>,
    /// The values of its keys that are text, with their lines.
    texts: Vec<(String, usize)>,
}

impl Lines {
    /// The lines of a text. `changed` says that assignments changed what the text says.
    pub(crate) fn of(text: &str, changed: bool) -> Self {
        let mut repeated = BTreeMap::new();
        let line = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
        let Ok(whole) = DeTable::parse(text) else { return Self { repeated, changed } };
        for (name, value) in whole.get_ref() {
            let DeValue::Array(tables) = value.get_ref() else { continue };
            let of = |table: &toml::Spanned<DeValue<'_>>| {
                let mut lines = TableLines { heading: line(table.span().start), keys: Vec::new(), texts: Vec::new() };
                for (key, value) in table.get_ref().as_table().into_iter().flatten() {
                    let at = line(key.span().start);
                    lines.keys.push((key.get_ref().to_string(), at));
                    lines.texts.extend(value.get_ref().as_str().map(|text| (text.to_owned(), at)));
                }
                lines
            };
            repeated.insert(name.get_ref().to_string(), tables.iter().map(of).collect());
        }
        Self { repeated, changed }
    }

    /// The lines of one table of a repeated section, by its number from 0.
    pub(crate) fn table(&self, section: &str, number: usize) -> Option<&TableLines> {
        self.repeated.get(section)?.get(number)
    }

    /// The line of a fault in a table of a repeated section: that of the key or the value that the message quotes, or that of the heading.
    /// `None` if the fault may not be in the file.
    pub(crate) fn of_fault(&self, section: &str, number: usize, message: &str) -> Option<usize> {
        let table = self.table(section, number)?;
        table.quoted(message).or((!self.changed).then_some(table.heading))
    }
}

impl TableLines {
    /// The line of the first key, or else of the first value, that a message quotes.
    pub(crate) fn quoted(&self, message: &str) -> Option<usize> {
        // What a message quotes after these words is valid.
        let end = ["valid keys", "valid names", "expected one of", "did you mean"]
            .iter()
            .filter_map(|words| message.find(words))
            .min();
        let message = &message[..end.unwrap_or(message.len())];
        let words = || message.split('`').skip(1).step_by(2);
        let at = |held: &[(String, usize)]| {
            words().find_map(|word| held.iter().find(|(name, _)| name == word).map(|(_, line)| *line))
        };
        at(&self.keys).or_else(|| at(&self.texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_keys_have_their_lines() {
        let text = "[suite]\nname = \"a\"\n\n[[forget]]\nkind = \"class\"\n\n# A remark.\n[[forget]]\nkind = \"random\"\nfraction = 0.1\n";
        let lines = Lines::of(text, false);
        for (number, message, line) in [
            (0, "missing", Some(4)),
            (1, "missing", Some(8)),
            (1, "`fraction` is too large", Some(10)),
            (1, "`randm` is none: did you mean `kind`?", Some(8)),
            (0, "unknown kind `class`", Some(5)),
            (2, "missing", None),
        ] {
            assert_eq!(lines.of_fault("forget", number, message), line, "{number}: {message}");
        }
        assert_eq!(Lines::of(text, true).of_fault("forget", 0, "`count` is 0"), None, "an assignment may be at fault");
        assert_eq!(Lines::of("a = [", false).of_fault("forget", 0, "x"), None);
        let inline = Lines::of("forget = [\n  { kind = \"a\" },\n  { kind = \"b\" },\n]", false);
        assert_eq!(inline.of_fault("forget", 1, "missing"), Some(3));
    }
}
