//! The lists: what there is, what it needs and where it comes from.

use serde_json::json;

pub(crate) fn models() {
    for arch in unlearn_models::ARCHITECTURES {
        println!("{}\n    {}\n    source: {}", arch.name, arch.summary, arch.source);
    }
}

pub(crate) fn methods() -> anyhow::Result<()> {
    println!("pruning (`[[prune]]`); every schedule goes with every criterion and scope\n\nnone\n    the dense model");
    for method in unlearn_pruning::METHODS {
        entry(method.name, method.summary, method.source, &method.resolve(&json!({}))?);
    }
    println!("\npruning criteria (`criterion`)\n");
    for criterion in unlearn_pruning::CRITERIA {
        println!("{}\n    {}\n    source: {}", criterion.name, criterion.summary, criterion.source);
    }
    println!("\npruning scopes (`scope`)\n");
    for scope in unlearn_pruning::SCOPES {
        println!("{}\n    {}\n    source: {}", scope.name, scope.summary, scope.source);
    }
    println!("\nunlearning (`[[unlearn]]`)\n");
    for method in unlearn_unlearning::METHODS {
        entry(method.name, method.summary, method.source, &method.resolve(&json!({}))?);
    }
    Ok(())
}

fn entry(name: &str, summary: &str, source: &str, defaults: &serde_json::Value) {
    println!("{name}\n    {summary}\n    source: {source}");
    for (key, value) in defaults.as_object().into_iter().flatten() {
        let value = if value.is_null() { "as in [train]".to_owned() } else { value.to_string() };
        println!("    {key} = {value}");
    }
}

pub(crate) fn attacks() {
    for attack in unlearn_mia_eval::attack::ATTACKS {
        println!("{}\n    {}\n    source: {}", attack.name, attack.summary, attack.source);
    }
    println!("\nfeatures (`evaluate.mia`)\n");
    for feature in unlearn_mia_eval::features::FEATURES {
        println!("{}\n    {}", feature.name, feature.summary);
    }
}
