//! The keys that a suite may have, taken from its types.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use unlearn_training::Recipe;

use crate::{
    audit::AuditSection,
    data::{DataSection, PoisonSection},
    launcher::LauncherSection,
    pool::PoolSection,
    schedule::SlurmSection,
    suite::{EvaluateSection, ModelSection, Suite, SuiteSection},
    transfer::{ProbeSettings, TransferSection},
};

/// A key that no type has.
const NO_KEY: &str = "\0";

/// The keys of a type that refuses unknown ones, read from its error message. `given` holds keys that decide which
/// others are valid.
pub fn of<T: DeserializeOwned>(given: Value) -> Vec<String> {
    let mut table = match given {
        Value::Object(table) => table,
        _ => Map::new(),
    };
    table.insert(NO_KEY.into(), json!(0));
    let Err(refusal) = serde_json::from_value::<T>(Value::Object(table)) else { return Vec::new() };
    refusal.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

/// The sections of a suite.
pub fn sections() -> Vec<String> {
    of::<Suite>(Value::Null)
}

/// The sections that are a single table, with their keys.
pub fn tables() -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("suite", of::<SuiteSection>(Value::Null)),
        ("data", of::<DataSection>(Value::Null)),
        ("data.poison", of::<PoisonSection>(Value::Null)),
        ("data.pool", of::<PoolSection>(Value::Null)),
        ("model", of::<ModelSection>(Value::Null)),
        ("train", of::<Recipe>(Value::Null)),
        ("evaluate", of::<EvaluateSection>(Value::Null)),
        ("transfer", of::<TransferSection>(Value::Null)),
        ("transfer.train", of::<Recipe>(Value::Null)),
        ("transfer.probe", of::<ProbeSettings>(Value::Null)),
        ("audit", of::<AuditSection>(Value::Null)),
        ("launcher", of::<LauncherSection>(Value::Null)),
        ("launcher.slurm", of::<SlurmSection>(Value::Null)),
    ]
}

/// Full paths of a key in a suite: `suite.seeds`. The keys of `[train]` are meant rather than the same keys of fine-tuning.
pub(crate) fn places(key: &str) -> Vec<String> {
    let tables = tables().into_iter().filter(|(section, _)| *section != "transfer.train");
    let tables = tables.filter(|(_, keys)| keys.iter().any(|known| known == key));
    tables.map(|(section, _)| format!("{section}.{key}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_section() {
        assert_eq!(places("seeds"), ["suite.seeds"]);
        assert_eq!(places("name"), ["suite.name", "data.name"]);
        assert_eq!(places("arch"), ["model.arch"]);
        assert_eq!(places("epochs"), ["train.epochs"]);
        assert_eq!(places("c"), ["transfer.probe.c", "audit.c"]);
        assert_eq!(places("zzz"), Vec::<String>::new());
    }
}
