//! `configs/unlearning.toml` contains methods with all their keys at the defaults. The first five are in
//! `configs/defaults.toml`.

use serde_json::{Value, json};

#[test]
fn every_table_holds_all_keys_of_its_method_at_their_defaults() {
    let file: Value = toml::from_str(include_str!("../configs/unlearning.toml")).unwrap();
    for table in file["unlearn"].as_array().unwrap() {
        let mut table = table.as_object().unwrap().clone();
        let name = table.remove("method").unwrap();
        let method = unlearn_unlearning::find(name.as_str().unwrap()).unwrap();
        let mut defaults = method.resolve(&json!({})).unwrap();
        // Keys whose default is the original recipe's value have no value to write.
        defaults.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(Value::Object(table), defaults, "{name}");
    }
}

#[test]
fn every_method_has_a_table() {
    let files = [include_str!("../configs/defaults.toml"), include_str!("../configs/unlearning.toml")];
    let tables: Vec<Value> = files.map(|text| toml::from_str(text).unwrap()).to_vec();
    let tables = tables.iter().flat_map(|file: &Value| file["unlearn"].as_array().unwrap());
    let mut named: Vec<_> = tables.map(|table| table["method"].as_str().unwrap()).collect();
    let mut known: Vec<_> = unlearn_unlearning::METHODS.iter().map(|method| method.name).collect();
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}
