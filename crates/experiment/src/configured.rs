//! Describes the settings of every part of a suite, and where each value comes from.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};
use unlearn_run_store::{Configuration, Configured};
use unlearn_unlearning::Parameter;

use crate::{Error, Result, Suite, resolved::Resolved};

/// Origin of a value that the suite gives, in its file or by `--set`.
const SUITE: &str = "suite";
/// Origin of a value that `unlearn tune` chose.
const SEARCH: &str = "search";
/// Origin of a value from the recipe of the original training.
const TRAINING: &str = "[train]";
/// Origin of a default without a more specific source.
const DEFAULT: &str = "default";

/// The settings of a suite, section by section.
///
/// # Errors
/// If JSON cannot represent a section.
pub(crate) fn of(suite: &Suite, resolved: &Resolved) -> Result<Vec<Configured>> {
    let recipe = object(&resolved.recipe)?;
    let architecture = unlearn_models::find(&suite.model.arch).ok();
    let mut data = object(&suite.data)?;
    data["seed"] = suite.data.seed.map_or_else(|| json!("seed of the run + 1"), Value::from);
    let mut evaluate = object(&resolved.attack_settings(0))?;
    evaluate.remove("seed");
    let mut parts = vec![
        section(suite, "data", String::new(), String::new(), data),
        section(
            suite,
            "model",
            architecture.map_or_else(String::new, |arch| arch.summary.to_owned()),
            architecture.map_or_else(String::new, |arch| arch.source.to_owned()),
            object(&suite.model)?,
        ),
        section(suite, "train", String::new(), String::new(), recipe.clone()),
    ];
    for (table, pruning) in suite.prune.iter().zip(&resolved.prunings) {
        let Some((method, config)) = &pruning.method else { continue };
        let origin = |key: &str, _: &Value| if is_given(&table.config, key) { SUITE } else { DEFAULT }.to_owned();
        parts.push(Configured {
            section: "prune".into(),
            name: pruning.label.clone(),
            only_for: Vec::new(),
            summary: method.summary.into(),
            source: method.source.into(),
            settings: settings(object(config)?, origin),
        });
    }
    for number in 0..resolved.methods.len() {
        parts.extend(of_method(suite, resolved, number, &recipe)?);
    }
    parts.push(section(suite, "evaluate", String::new(), String::new(), evaluate));
    if let Some(transfer) = &suite.transfer {
        let mut transfer = object(transfer)?;
        let recipe = transfer.get("train").cloned().unwrap_or(Value::Object(recipe));
        transfer.insert("train".into(), recipe);
        parts.push(section(suite, "transfer", String::new(), String::new(), transfer));
    }
    if let Some(audit) = &suite.audit {
        parts.push(section(suite, "audit", String::new(), String::new(), object(audit)?));
    }
    Ok(parts)
}

/// A section that occurs once in a suite.
fn section(suite: &Suite, section: &str, summary: String, source: String, values: Map<String, Value>) -> Configured {
    let given = suite.given.get(section);
    let is_given = |key: &str| given.is_some_and(|keys| keys.contains(key));
    let origin = |key: &str, _: &Value| if is_given(key) { SUITE } else { DEFAULT }.to_owned();
    let settings = settings(values, origin);
    Configured { section: section.into(), name: String::new(), only_for: Vec::new(), summary, source, settings }
}

/// A method's settings: once, or by request and model if a search chose different ones.
fn of_method(
    suite: &Suite,
    resolved: &Resolved,
    number: usize,
    recipe: &Map<String, Value>,
) -> Result<Vec<Configured>> {
    let method = &resolved.methods[number];
    let requests = || resolved.seeds.first().into_iter().flat_map(|data| &data.forgets);
    let mut groups: Vec<(&Value, BTreeSet<String>)> = Vec::new();
    for pruning in &resolved.prunings {
        for request in requests().filter(|request| resolved.serves(number, request)) {
            let config = resolved.settings(number, request, pruning);
            let place = format!("{} · {}", request.label, pruning.label);
            match groups.iter_mut().find(|(other, _)| *other == config) {
                Some((_, places)) => drop(places.insert(place)),
                None => groups.push((config, BTreeSet::from([place]))),
            }
        }
    }
    let parameters: Vec<&Parameter> = method.entry.parameters().collect();
    let table = &suite.unlearn[number].config;
    let differ = groups.len() > 1;
    groups
        .into_iter()
        .map(|(config, places)| {
            let mut values = object(config)?;
            let origin_of = |key: &str, value: &Value| {
                let default = parameters.iter().find(|parameter| parameter.key == key);
                if method.config.get(key) != Some(value) {
                    SEARCH.to_owned()
                } else if is_given(table, key) {
                    SUITE.to_owned()
                } else if value.is_null() && recipe.contains_key(key) {
                    TRAINING.to_owned()
                } else {
                    default.map_or_else(|| DEFAULT.to_owned(), |parameter| parameter.origin.to_string())
                }
            };
            let origins: Vec<String> = values.iter().map(|(key, value)| origin_of(key, value)).collect();
            for ((key, value), origin) in values.iter_mut().zip(&origins) {
                if origin == TRAINING && value.is_null() {
                    value.clone_from(recipe.get(key).unwrap_or(&Value::Null));
                }
            }
            let mut origins = origins.into_iter();
            Ok(Configured {
                section: "unlearn".into(),
                name: method.name.clone(),
                only_for: if differ { places.into_iter().collect() } else { Vec::new() },
                summary: method.entry.summary.into(),
                source: method.entry.source.into(),
                settings: settings(values, |_, _| origins.next().unwrap_or_default()),
            })
        })
        .collect()
}

fn is_given(table: &Value, key: &str) -> bool {
    table.get(key).is_some()
}

fn settings(values: Map<String, Value>, mut origin: impl FnMut(&str, &Value) -> String) -> Vec<Configuration> {
    let settings = values.into_iter().map(|(key, value)| Configuration { origin: origin(&key, &value), key, value });
    let mut settings: Vec<Configuration> = settings.collect();
    settings.sort_by(|one, other| one.key.cmp(&other.key));
    settings
}

fn object(value: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(value).map_err(|error| Error::description("suite", error))? {
        Value::Object(map) => Ok(map),
        other => Ok(Map::from_iter([("value".to_owned(), other)])),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Environment, Plan};

    #[test]
    fn every_value_says_where_it_comes_from() {
        let suite = r#"
            prune = [{ method = "none" }, { method = "omp", sparsity = 0.9, rewind-epoch = 1 }]
            forget = [{ kind = "class", class = 0 }]
            unlearn = [{ method = "ft", name = "gentle", epochs = 1 }, { method = "l1-sparse" }]
            [suite]
            name = "tiny"
            seeds = [1]
            [data]
            name = "fashion-mnist-mini"
            train-limit = 200
            [model]
            arch = "resnet8s"
            [train]
            epochs = 2
            batch-size = 32
        "#;
        let environment = Environment { device: "cpu".parse().unwrap(), offline: true, ..Environment::default() };
        let suite = Suite::parse(suite, Path::new("suite.toml"), &["train.momentum=0.8".into()]).unwrap();
        let configured = Plan::resolve(&suite, &environment).unwrap().index.configured;
        let value = |section: &str, name: &str, key: &str| {
            let part = configured.iter().find(|part| part.section == section && part.name == name).unwrap();
            let setting = part.settings.iter().find(|setting| setting.key == key).unwrap();
            (setting.value.clone(), setting.origin.as_str())
        };
        assert_eq!(value("data", "", "train-limit"), (json!(200), "suite"));
        assert_eq!(value("data", "", "validation"), (json!(0.1), "default"));
        assert_eq!(value("train", "", "epochs"), (json!(2), "suite"));
        assert_eq!(value("train", "", "momentum"), (json!(0.8), "suite"));
        assert_eq!(value("train", "", "lr"), (json!(0.1), "default"));
        assert_eq!(value("prune", "omp 90 %", "sparsity"), (json!(0.9), "suite"));
        assert_eq!(value("prune", "omp 90 %", "scope"), (json!("global"), "default"));
        assert_eq!(value("unlearn", "gentle", "epochs"), (json!(1), "suite"));
        assert_eq!(value("unlearn", "gentle", "batch-size"), (json!(32), "[train]"));
        assert_eq!(value("unlearn", "l1-sparse", "gamma-schedule").1, "paper");
        assert_eq!(value("evaluate", "", "draws"), (json!(10), "default"));
    }
}
