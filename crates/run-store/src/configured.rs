//! The settings of the parts of a suite, for readers of its report.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One table of a suite with every default filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configured {
    /// The table's section: `data`, `model`, `train`, `prune`, `unlearn` or `evaluate`.
    pub section: String,
    /// Name of the part in reports: `omp 95 %`, `ft`. Empty for a section that occurs once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The requests and models that these settings are for. Empty if they are for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_for: Vec<String>,
    /// The part in one line, or an empty string.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The paper that the part follows, or an empty string.
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
    /// Its value. `null` means off.
    pub value: Value,
    /// The source of the value: `suite`, `search`, `[train]`, or the origin of the default.
    pub origin: String,
}
