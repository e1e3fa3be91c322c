//! What the parts of a suite were configured with, for people: a report without its settings could not be published.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One table of a suite with every default filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configured {
    /// The table's section: `data`, `model`, `train`, `prune`, `unlearn` or `evaluate`.
    pub section: String,
    /// What reports call the part: `omp 95 %`, `ft`; empty for a section that a suite has once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The requests and models that these settings are for; empty for all of the suite's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_for: Vec<String>,
    /// What the part is, in a line; empty where nothing is to be said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The paper that the part follows; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The settings, in alphabetical order.
    pub settings: Vec<Configuration>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// Its key in the suite.
    pub key: String,
    /// Its value; `null` for what is off.
    pub value: Value,
    /// Where the value comes from: `suite`, `search`, `[train]`, or the origin of the default.
    pub origin: String,
}
