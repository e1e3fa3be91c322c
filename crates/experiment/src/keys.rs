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
fn of<T: DeserializeOwned>(given: Value) -> Vec<String> {
    let mut table = match given {
        Value::Object(table) => table,
        _ => Map::new(),
    };
    table.insert(NO_KEY.into(), json!(0));
    let Err(refusal) = serde_json::from_value::<T>(Value::Object(table)) else { return Vec::new() };
    refusal.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

/// The sections of a suite.
pub(crate) fn sections() -> Vec<String> {
    of::<Suite>(Value::Null)
}

/// The sections that are a single table, with their keys.
pub(crate) fn tables() -> [(&'static str, Vec<String>); 13] {
    [
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
    use std::{collections::BTreeSet, path::Path};

    use toml::{Table, Value as Toml};
    use unlearn_samples::ForgetSpec;

    use super::*;

    /// `configs/defaults.toml` with the keys and tables that it shows in comments.
    fn defaults() -> Table {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/defaults.toml");
        let text = std::fs::read_to_string(file).unwrap();
        let is_key = |line: &str| {
            let key = line.split(" = ").next().unwrap_or_default();
            line.contains(" = ") && !key.contains(' ')
        };
        let shown = |line: &str| match line.strip_prefix("# ") {
            Some(hidden) if hidden.starts_with('[') || is_key(hidden) => hidden.to_owned(),
            _ => line.to_owned(),
        };
        toml::from_str(&text.lines().map(shown).collect::<Vec<_>>().join("\n")).unwrap()
    }

    fn keys(table: &Toml) -> BTreeSet<String> {
        table.as_table().unwrap().keys().cloned().collect()
    }

    fn list(table: &Toml) -> &[Toml] {
        table.as_array().unwrap()
    }

    #[test]
    fn the_commented_reference_has_every_key_of_the_types_and_no_other() {
        let defaults = defaults();
        let sections: BTreeSet<String> = sections().into_iter().collect();
        assert_eq!(defaults.keys().cloned().collect::<BTreeSet<_>>(), sections);
        for (section, known) in tables() {
            assert!(!known.is_empty(), "{section}");
            let mut parts = section.split('.');
            let table = &defaults[parts.next().unwrap()];
            let table = parts.fold(table, |table, part| &table[part]);
            assert_eq!(keys(table), known.into_iter().collect(), "[{section}]");
        }

        let mut kinds = BTreeSet::from(
            ["sequence", "subclass", "poisoned", "detected", "ranked", "hard", "pool"].map(str::to_owned),
        );
        for kind in of::<ForgetSpec>(json!({ "kind": "" })) {
            let known = of::<ForgetSpec>(json!({ "kind": kind }));
            let tables = list(&defaults["forget"]).iter().filter(|table| table["kind"].as_str() == Some(&kind));
            let mut shown: BTreeSet<String> = tables.flat_map(keys).collect();
            shown.remove("kind");
            shown.remove("name");
            assert_eq!(shown, known.into_iter().collect(), "[[forget]] of kind {kind}");
            kinds.insert(kind);
        }
        for table in list(&defaults["forget"]) {
            assert!(kinds.contains(table["kind"].as_str().unwrap()), "{table}");
        }
        let named = |section: &str| list(&defaults[section]).iter().any(|table| table.get("name").is_some());
        assert!(named("forget") && named("prune"), "reports may call a table by another name");
    }

    #[test]
    fn the_commented_reference_has_keys_of_methods_that_exist_and_all_of_a_pruning_methods() {
        let defaults = defaults();
        for section in ["prune", "unlearn"] {
            for table in list(&defaults[section]) {
                let method = table["method"].as_str().unwrap();
                let known: Vec<String> = if section == "unlearn" {
                    let method = unlearn_unlearning::find(method).unwrap();
                    method.parameters().map(|parameter| parameter.key.to_owned()).collect()
                } else if method == "none" {
                    Vec::new()
                } else {
                    let resolved = unlearn_pruning::find(method).unwrap().resolve(&json!({ "sparsity": 0.5 })).unwrap();
                    resolved.as_object().unwrap().keys().cloned().collect()
                };
                let shown: BTreeSet<String> =
                    keys(table).into_iter().filter(|key| key != "method" && key != "name").collect();
                let known: BTreeSet<String> = known.into_iter().collect();
                assert!(shown.is_subset(&known), "[[{section}]] {method}: {shown:?} of {known:?}");
                assert!(section == "unlearn" || shown == known, "[[prune]] {method}: {shown:?} of {known:?}");
            }
        }
    }

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
