//! Look-up by name, and the error for an unknown name, which lists the valid names and the most similar one.
//!
//! Everything that has a name (a method, an architecture, a dataset, a key) is an entry of a static slice, and
//! [`find`] looks it up. The similarity of names is that of Jaro and Winkler (Winkler 1990, "String comparator
//! metrics and enhanced decision rules in the Fellegi–Sunter model of record linkage"), from 0 for nothing in common
//! to 1 for equal.
#![doc = ""]
#![doc = include_str!("../README.md")]

use std::{error::Error, fmt};

/// Names with a lower similarity are taken for different words, not for a typing error.
const THRESHOLD: f64 = 0.7;

/// Similarity of two names, from 0 to 1.
pub fn likeness(name: &str, other: &str) -> f64 {
    strsim::jaro_winkler(name, other)
}

/// The valid name most similar to `name`, or `None` if no name is similar. Among several equally similar names, the
/// last one is taken.
pub fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let rated = valid.into_iter().map(|other| (likeness(name, other), other));
    let near = rated.filter(|(likeness, _)| *likeness > THRESHOLD);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, nearest)| nearest)
}

/// The part of a message that suggests a name: " (did you mean `…`?)", or an empty string if no valid name is
/// similar.
pub fn suggestion<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, valid).map(|nearest| format!(" (did you mean `{nearest}`?)")).unwrap_or_default()
}

/// The error for an unknown name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The kind of thing that the name should denote, such as `dataset`.
    pub what: &'static str,
    /// The name asked for.
    pub name: String,
    /// All valid names.
    pub valid: Vec<String>,
}

impl Unknown {
    /// The error for `name`, which is not one of `valid`.
    pub fn new<'a>(what: &'static str, name: &str, valid: impl IntoIterator<Item = &'a str>) -> Self {
        Self { what, name: name.to_owned(), valid: valid.into_iter().map(ToOwned::to_owned).collect() }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, valid } = self;
        if valid.is_empty() {
            return write!(f, "unknown {what} `{name}`: there is none");
        }
        let suggestion = suggestion(name, valid.iter().map(String::as_str));
        write!(f, "unknown {what} `{name}`{suggestion}; valid names: {}", valid.join(", "))
    }
}

impl Error for Unknown {}

/// The first of `entries` with the name `name`. `name_of` returns an entry's name, and `what` is the kind of the
/// entries.
///
/// # Errors
/// If no entry has the name. The error lists the valid names and the most similar one.
pub fn find<'a, T>(
    what: &'static str,
    name: &str,
    entries: &'a [T],
    name_of: impl Fn(&T) -> &str,
) -> Result<&'a T, Unknown> {
    let found = entries.iter().find(|entry| name_of(entry) == name);
    found.ok_or_else(|| Unknown::new(what, name, entries.iter().map(name_of)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: [&str; 4] = ["ft", "l1-sparse", "retrain", "retrain-ls"];

    #[test]
    fn a_slip_of_the_pen_finds_its_name() {
        let slips = [("ftt", "ft"), ("l1sparse", "l1-sparse"), ("retrian", "retrain"), ("retrain-l", "retrain-ls")];
        for (typed, meant) in slips {
            assert_eq!(nearest(typed, VALID), Some(meant), "{typed}");
        }
    }

    #[test]
    fn another_word_finds_none() {
        for typed in ["zzz", "", "scrub"] {
            assert_eq!(nearest(typed, VALID), None, "{typed}");
        }
        assert_eq!(nearest("ft", []), None);
    }

    #[test]
    fn what_is_there_is_found_and_what_is_not_is_explained() {
        assert_eq!(find("method", "retrain", &VALID, |name| name), Ok(&"retrain"));
        let message = |name| find("method", name, &VALID, |name| name).unwrap_err().to_string();
        assert_eq!(
            message("ftt"),
            "unknown method `ftt` (did you mean `ft`?); valid names: ft, l1-sparse, retrain, retrain-ls"
        );
        assert_eq!(Unknown::new("launch", "a", []).to_string(), "unknown launch `a`: there is none");
        assert_eq!(message("zzz"), "unknown method `zzz`; valid names: ft, l1-sparse, retrain, retrain-ls");
    }
}
