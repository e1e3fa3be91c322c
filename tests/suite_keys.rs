//! `configs/defaults.toml` shows every key that a suite may have, and no other.

use std::collections::BTreeSet;

use serde_json::json;
use toml::{Table, Value as Toml};
use unlearn_experiment::keys;
use unlearn_samples::ForgetSpec;

/// `configs/defaults.toml` with the keys and tables that it shows in comments.
fn defaults() -> Table {
    let text = include_str!("../configs/defaults.toml");
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

fn keys_of(table: &Toml) -> BTreeSet<String> {
    table.as_table().unwrap().keys().cloned().collect()
}

fn list(table: &Toml) -> &[Toml] {
    table.as_array().unwrap()
}

#[test]
fn the_commented_reference_has_every_key_of_the_types_and_no_other() {
    let defaults = defaults();
    let sections: BTreeSet<String> = keys::sections().into_iter().collect();
    assert_eq!(defaults.keys().cloned().collect::<BTreeSet<_>>(), sections);
    for (section, known) in keys::tables() {
        assert!(!known.is_empty(), "{section}");
        let mut parts = section.split('.');
        let table = &defaults[parts.next().unwrap()];
        let table = parts.fold(table, |table, part| &table[part]);
        assert_eq!(keys_of(table), known.into_iter().collect(), "[{section}]");
    }

    let mut kinds =
        BTreeSet::from(["sequence", "subclass", "poisoned", "detected", "ranked", "hard", "pool"].map(str::to_owned));
    for kind in keys::of::<ForgetSpec>(json!({ "kind": "" })) {
        let known = keys::of::<ForgetSpec>(json!({ "kind": kind }));
        let tables = list(&defaults["forget"]).iter().filter(|table| table["kind"].as_str() == Some(&kind));
        let mut shown: BTreeSet<String> = tables.flat_map(keys_of).collect();
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
                keys_of(table).into_iter().filter(|key| key != "method" && key != "name").collect();
            let known: BTreeSet<String> = known.into_iter().collect();
            assert!(shown.is_subset(&known), "[[{section}]] {method}: {shown:?} of {known:?}");
            assert!(section == "unlearn" || shown == known, "[[prune]] {method}: {shown:?} of {known:?}");
        }
    }
}
