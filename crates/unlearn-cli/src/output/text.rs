//! Makes text from outside safe for a terminal and short enough to read.

use std::{borrow::Cow, fmt::Write as _};

/// Maximum characters of a quotation in an error.
const LONGEST_QUOTE: usize = 120;

/// The characters that are not escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Every control character is escaped, except line ends and tabs.
    Nothing,
    /// Colours, which the program itself wrote, are kept.
    Colors,
}

/// Whether a character may control a terminal, or make text look like other text.
fn is_unsafe(c: char) -> bool {
    let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reorders || c.is_control() && c != '\n' && c != '\t'
}

/// Escapes control characters, and those that change the direction of text, as in `\u{1b}`.
pub(super) fn escape(text: &str, keep: Keep) -> Cow<'_, str> {
    replace(text, |rest| match color(rest) {
        Some(length) if keep == Keep::Colors => Piece::Kept(length),
        _ => Piece::Escaped(|c, out| out.extend(c.escape_unicode())),
    })
}

/// The same for JSON text, where such characters occur only in strings.
pub(super) fn escape_json(text: &str) -> Cow<'_, str> {
    // Writing to a string never fails.
    replace(text, |_| Piece::Escaped(|c, out| write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default()))
}

/// What is done with an unsafe character.
enum Piece {
    /// This many bytes from it on are kept.
    Kept(usize),
    /// It is written in another form.
    Escaped(fn(char, &mut String)),
}

fn replace(text: &str, piece: impl Fn(&str) -> Piece) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_unsafe) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match piece(rest) {
            Piece::Kept(length) => {
                out.push_str(&rest[..length]);
                rest = &rest[length..];
            }
            Piece::Escaped(write) => {
                let mut characters = rest.chars();
                characters.next().into_iter().for_each(|c| write(c, &mut out));
                rest = characters.as_str();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Length in bytes of a colour sequence (`ESC [ numbers m`) at the start of `text`, if there is one.
fn color(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\x1b[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    numbers[end..].starts_with('m').then_some(2 + end + 1)
}

/// At most `most` characters of the text, with a note about what was left out.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}… ({} more bytes)", &text[..end], text.len() - end)),
    }
}

/// Shortens the quotations in an error: text between backticks, and lines of a file that a parser shows.
pub(super) fn shorten_quotes(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        if line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|') {
            return quote(line);
        }
        // Every second piece is between two backticks. The last of an even count has no closing one.
        let pieces: Vec<&str> = line.split('`').collect();
        let quoted = |at: usize| at % 2 == 1 && at + 1 < pieces.len();
        let short: Vec<Cow<'_, str>> = pieces
            .iter()
            .enumerate()
            .map(|(at, piece)| if quoted(at) { quote(piece) } else { Cow::Borrowed(*piece) })
            .collect();
        Cow::Owned(short.join("`"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The names of types in the errors of the reader of TOML and JSON, and plain words for them.
const TYPES: [(&str, &str); 16] = [
    ("usize", "a whole number, 0 or more"),
    ("u64", "a whole number, 0 or more"),
    ("u32", "a whole number, 0 or more"),
    ("u16", "a whole number, 0 or more"),
    ("u8", "a whole number, 0 or more"),
    ("i64", "a whole number"),
    ("i32", "a whole number"),
    ("f64", "a number"),
    ("f32", "a number"),
    ("a sequence", "a list"),
    ("sequence", "a list"),
    ("a map", "a table"),
    ("map", "a table"),
    ("a boolean", "true or false"),
    ("null", "no value"),
    ("unit", "no value"),
];

/// Puts plain words for the names of types after `expected` and `invalid type:`.
pub(super) fn plain_types(text: &str) -> Cow<'_, str> {
    const BEFORE: [&str; 2] = ["expected ", "invalid type: "];
    if !text.contains("invalid ") {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((at, before)) = BEFORE.iter().filter_map(|before| Some((rest.find(before)?, before.len()))).min() {
        let (told, left) = rest.split_at(at + before);
        out.push_str(told);
        let ends = |name: &str| left.strip_prefix(name).is_some_and(|more| !more.starts_with(char::is_alphanumeric));
        rest = match TYPES.iter().find(|(name, _)| ends(name)) {
            Some((name, words)) => {
                out.push_str(words);
                &left[name.len()..]
            }
            None => left,
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A number with the word that goes with it: `1 stage`, `2 stages`.
pub(crate) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Escapes line ends of names: a name must not make a message look like two. The program continues a message with
/// lines that are indented, and a parser shows lines of a file before a `|`, with its reason after the last of them.
pub(super) fn escape_line_ends(text: &str) -> Cow<'_, str> {
    let shows = |line: &str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    let continues = |before: &str, line: &str| line.starts_with([' ', '\t']) || shows(line) || shows(before);
    let mut lines = text.split('\n');
    let Some(mut before) = lines.next() else { return Cow::Borrowed(text) };
    let mut out = before.to_owned();
    for line in lines {
        out.push_str(if continues(before, line) { "\n" } else { "\\n" });
        out.push_str(line);
        before = line;
    }
    Cow::Owned(out)
}

fn quote(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST_QUOTE) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_by_text_from_outside() {
        for (text, shown) in [
            ("résumé\tünïcode 🙂\n", "résumé\tünïcode 🙂\n"),
            ("a\x1b]0;title\x07b", r"a\u{1b}]0;title\u{7}b"),
            ("\x1b[31mred\x1b[0m", r"\u{1b}[31mred\u{1b}[0m"),
            ("over\rwritten\x08", r"over\u{d}written\u{8}"),
            ("\u{9b}2J\u{7f}", r"\u{9b}2J\u{7f}"),
            ("txt\u{202e}gpj.exe", r"txt\u{202e}gpj.exe"),
        ] {
            assert_eq!(escape(text, Keep::Nothing), shown);
        }
    }

    #[test]
    fn colors_of_the_program_stay_and_nothing_else_does() {
        assert_eq!(
            escape("\x1b[1;31mred\x1b[0m \x1b[2J \x1b", Keep::Colors),
            "\x1b[1;31mred\x1b[0m \\u{1b}[2J \\u{1b}"
        );
    }

    #[test]
    fn escaped_json_is_the_same_json() {
        let value = serde_json::json!({ "name": "a\u{9b}b\u{7f}c\u{202e}\x1b" });
        let line = escape_json(&value.to_string()).into_owned();
        assert!(!line.contains(is_unsafe), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn types_have_plain_names() {
        for (text, shown) in [
            (
                "--set a=b: invalid type: string \"b\", expected usize",
                "--set a=b: invalid type: string \"b\", expected a whole number, 0 or more",
            ),
            (
                "invalid value: integer `-1`, expected u64 at line 3",
                "invalid value: integer `-1`, expected a whole number, 0 or more at line 3",
            ),
            ("invalid type: null, expected f64", "invalid type: no value, expected a number"),
            ("invalid type: map, expected a sequence", "invalid type: a table, expected a list"),
            (
                "invalid type: integer `7`, expected u64s or `unit`",
                "invalid type: integer `7`, expected u64s or `unit`",
            ),
            ("expected usize", "expected usize"),
        ] {
            assert_eq!(plain_types(text), shown);
        }
    }

    #[test]
    fn a_name_makes_no_line_of_its_own() {
        for (text, shown) in [
            ("failed to read a\nerror: all is well", "failed to read a\\nerror: all is well"),
            ("a\n\nb", "a\\n\\nb"),
            ("2 stages fit:\n  train:01\n  train:02", "2 stages fit:\n  train:01\n  train:02"),
            (
                "TOML parse error at line 3\n  |\n3 | name = 1\n  |        ^\ninvalid type",
                "TOML parse error at line 3\n  |\n3 | name = 1\n  |        ^\ninvalid type",
            ),
        ] {
            assert_eq!(escape_line_ends(text), shown);
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(cut("four", 4), "four");
        assert_eq!(cut("éééé!", 4), "éééé… (1 more bytes)");
    }

    #[test]
    fn what_an_error_quotes_is_short_and_the_rest_stays() {
        let long = "x".repeat(1000);
        let short = format!("{}…", "x".repeat(120));
        assert_eq!(shorten_quotes(&format!("`{long}` is none of `a`, `b`")), format!("`{short}` is none of `a`, `b`"));
        let outside = format!("{long} `a`");
        assert_eq!(shorten_quotes(&outside), outside);
        assert_eq!(shorten_quotes("it`s"), "it`s");
        let shown = shorten_quotes(&format!("TOML parse error\n  |\n3 | name = {long}\n  | {}^", " ".repeat(1000)));
        assert!(shown.len() < 400 && shown.contains("3 | name = xxx"), "{shown}");
    }
}
