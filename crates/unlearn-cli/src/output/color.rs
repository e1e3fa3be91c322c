//! Whether and where colours are written.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
};

use clap::ValueEnum;

/// When colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal unless `NO_COLOR` is set, and everywhere if `CLICOLOR_FORCE` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How the program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Whether standard output has colours.
    pub(crate) color_out: bool,
    /// Whether standard error has colours.
    pub(crate) color_err: bool,
    /// Whether messages are lines of JSON.
    pub(crate) json: bool,
}

impl Manner {
    /// The manner that arguments and environment ask for. It is known before the arguments are checked, so that
    /// errors in them are printed in that manner too.
    pub(crate) fn of(arguments: &[OsString]) -> Self {
        let color = option(arguments, "--color").and_then(|word| Color::from_str(word.to_str()?, false).ok());
        let json = option(arguments, "--log-format").is_some_and(|word| word == "json");
        let wanted = |is_terminal| wanted(color.unwrap_or(Color::Auto), |name| env::var_os(name), is_terminal);
        Self {
            color_out: wanted(io::stdout().is_terminal()),
            color_err: !json && wanted(io::stderr().is_terminal()),
            json,
        }
    }

    pub(super) fn to_bits(self) -> u8 {
        u8::from(self.color_out) | u8::from(self.color_err) << 1 | u8::from(self.json) << 2
    }

    pub(super) fn from_bits(bits: u8) -> Self {
        Self { color_out: bits & 1 != 0, color_err: bits & 2 != 0, json: bits & 4 != 0 }
    }
}

/// The last value that the arguments give to an option.
fn option<'a>(arguments: &'a [OsString], name: &str) -> Option<&'a OsStr> {
    let mut found = None;
    let mut words = arguments.iter().skip(1).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == name {
            found = words.next().map(OsString::as_os_str);
        } else if let Some(value) = word.to_str().and_then(|word| word.strip_prefix(name)?.strip_prefix('=')) {
            found = Some(OsStr::new(value));
        }
    }
    found
}

/// Decides in this order: the option; `NO_COLOR` (<https://no-color.org>), `CLICOLOR_FORCE` and `CLICOLOR`
/// (<https://bixense.com/clicolors>); whether there is a terminal that supports colours.
fn wanted(color: Color, variable: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if given("NO_COLOR").is_some() => false,
        Color::Auto if given("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        Color::Auto => {
            is_terminal
                && given("CLICOLOR").is_none_or(|value| value != "0")
                && given("TERM").is_none_or(|value| value != "dumb")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_before_the_environment_and_that_before_the_terminal() {
        let of = |color, set: &[(&str, &str)], is_terminal| {
            let set: Vec<(String, OsString)> = set.iter().map(|(name, value)| ((*name).into(), value.into())).collect();
            wanted(color, |name| set.iter().find(|(set, _)| set == name).map(|(_, value)| value.clone()), is_terminal)
        };
        assert!(of(Color::Auto, &[], true) && !of(Color::Auto, &[], false));
        assert!(of(Color::Always, &[("NO_COLOR", "1")], false));
        assert!(!of(Color::Never, &[("CLICOLOR_FORCE", "1")], true));
        assert!(!of(Color::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(of(Color::Auto, &[("NO_COLOR", "")], true), "an empty variable says nothing");
        assert!(of(Color::Auto, &[("CLICOLOR_FORCE", "1")], false));
        assert!(!of(Color::Auto, &[("CLICOLOR_FORCE", "0")], false));
        assert!(!of(Color::Auto, &[("CLICOLOR", "0")], true) && !of(Color::Auto, &[("TERM", "dumb")], true));
    }

    #[test]
    fn options_are_found_before_the_arguments_are_read() {
        let of = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            option(&words, "--color").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(of("unlearn run --color never x"), Some("never".into()));
        assert_eq!(of("unlearn --color=never run --color=always"), Some("always".into()));
        assert_eq!(of("unlearn run -- --color never"), None);
        assert_eq!(of("unlearn run --colors never"), None);
        assert_eq!(of("unlearn run --color"), None);
    }

    #[test]
    fn a_manner_survives_its_bits() {
        for bits in 0..8 {
            assert_eq!(Manner::from_bits(bits).to_bits(), bits);
        }
    }
}
