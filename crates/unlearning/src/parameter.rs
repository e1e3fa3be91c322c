//! The settings of a method: their meaning, the origin of their defaults, and their search ranges.

use serde::Serialize;

/// A setting of a method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its key in a suite.
    pub key: &'static str,
    /// Its meaning in one line.
    pub meaning: &'static str,
    /// Origin of its default.
    pub origin: Origin,
    /// Search range for a better value. `None` if it is not searched. Epochs are never searched, because a search
    /// compares methods under equal budgets.
    pub search: Option<Search>,
}

/// Origin of a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A paper that the method names as its source.
    Paper,
    /// The code of such a paper.
    Code,
    /// The recipe of the original training.
    Training,
    /// A choice of this project, if sources give no value or one that does not carry over.
    Ours,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Paper => "paper",
            Self::Code => "its code",
            Self::Training => "[train]",
            Self::Ours => "our choice",
        })
    }
}

/// A search range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Search {
    /// Numbers between two bounds, distributed uniformly on a logarithmic scale.
    Log {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
    },
    /// Numbers between two bounds, distributed uniformly.
    Linear {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
    },
    /// Whole numbers between two bounds, both included.
    Whole {
        /// The least.
        low: u64,
        /// The greatest.
        high: u64,
    },
    /// One of these names.
    OneOf(&'static [&'static str]),
}

impl std::fmt::Display for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Log { low, high } => write!(f, "{low:e} to {high:e}, logarithmic"),
            Self::Linear { low, high } => write!(f, "{low} to {high}"),
            Self::Whole { low, high } => write!(f, "{low} to {high}, whole"),
            Self::OneOf(names) => f.write_str(&names.join(", ")),
        }
    }
}

/// A setting that is not searched.
pub const fn fixed(key: &'static str, meaning: &'static str, origin: Origin) -> Parameter {
    Parameter { key, meaning, origin, search: None }
}

/// A setting that is searched.
pub const fn searched(key: &'static str, meaning: &'static str, origin: Origin, search: Search) -> Parameter {
    Parameter { key, meaning, origin, search: Some(search) }
}

/// Numbers between two bounds, distributed uniformly on a logarithmic scale.
pub const fn log(low: f64, high: f64) -> Search {
    Search::Log { low, high }
}
