//! `configs/prune/<schedule>.toml` contains the keys of every schedule with their defaults.

use serde_json::{Value, json};

#[test]
fn every_schedules_file_holds_all_its_keys_at_their_defaults() {
    for method in unlearn_pruning::METHODS {
        let path = format!("{}/../configs/prune/{}.toml", env!("CARGO_MANIFEST_DIR"), method.name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let file: Value = toml::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        let [table] = file["prune"].as_array().unwrap().as_slice() else { panic!("{path}: one table expected") };
        let mut table = table.as_object().unwrap().clone();
        assert_eq!(table.remove("method"), Some(method.name.into()), "{path}");
        assert_eq!(Value::Object(table), method.resolve(&json!({})).unwrap(), "{path}");
    }
}
