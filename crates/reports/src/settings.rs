//! The settings of a suite, as text.

use serde_json::Value;
use unlearn_run_store::Configured;

use crate::table::Grid;

/// Meaning of the settings' origins.
pub(crate) const ORIGINS: &str = "Each value has an origin: `suite` is the suite's file or `--set`, `search` is `unlearn tune`, `[train]` \
                                  is the recipe of the original training. Any other origin is a default: from a paper, its code, or a \
                                  choice of this program.";

/// The part of `table.md`: one line per table of the suite.
pub(crate) fn markdown(configured: &[Configured]) -> String {
    let line = |part: &Configured| {
        let each = part.settings.iter().map(|setting| {
            let value = shown(&setting.value);
            format!("{} = {value} ({})", setting.key, setting.origin)
        });
        let only_for = match part.only_for.as_slice() {
            [] => String::new(),
            places => format!(", for {}", places.join(", ")),
        };
        vec![format!("{}{only_for}", title(part)), each.collect::<Vec<_>>().join("; ")]
    };
    let head = ["Part", "Settings"].map(str::to_owned).to_vec();
    let grid = Grid { names: head.len(), head, lines: configured.iter().map(line).collect() };
    format!("## Settings\n\n{}\n{ORIGINS}\n", grid.markdown())
}

/// Section and name of a part: `train`, `unlearn: ft`.
pub(crate) fn title(part: &Configured) -> String {
    match part.name.as_str() {
        "" => part.section.clone(),
        name => format!("{}: {name}", part.section),
    }
}

/// A value as in a suite file. A value that is off is "none".
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
