//! `configs/unlearning.toml`: methods with all their keys at the defaults.

use serde_json::{Value, json};

#[test]
fn every_table_holds_all_keys_of_its_method_at_their_defaults() {
    let file: Value = toml::from_str(include_str!("../configs/unlearning.toml")).unwrap();
    for table in file["unlearn"].as_array().unwrap() {
        let mut table = table.as_object().unwrap().clone();
        let name = table.remove("method").unwrap();
        let method = unlearn_unlearning::find(name.as_str().unwrap()).unwrap();
        let mut defaults = method.resolve(&json!({})).unwrap();
        // What is the original recipe's has no value to write down.
        defaults.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(Value::Object(table), defaults, "{name}");
    }
}
