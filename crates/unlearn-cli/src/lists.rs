//! The lists: what there is, what it needs and where it comes from.

use serde_json::json;
use unlearn_metrics::{Direction, Need};
use unlearn_mia_eval::{Attack, Registry, Run};
use unlearn_unlearning::Parameter;

use crate::exit::Usage;

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

/// One method; pruning and unlearning share the names.
pub(crate) fn method(name: &str, with_defaults: bool) -> anyhow::Result<()> {
    if let Ok(method) = unlearn_pruning::find(name) {
        println!("{name} (pruning)\n    {}\n    source: {}", method.summary, method.source);
        if with_defaults {
            keys(&method.resolve(&json!({}))?);
        }
        return Ok(());
    }
    let method = unlearn_unlearning::find(name).map_err(|error| Usage(error.to_string()))?;
    println!("{name} (unlearning)\n    {}\n    source: {}", method.summary, method.source);
    if method.whole_classes_only {
        println!("    forgets whole classes only");
    }
    if with_defaults {
        let defaults = method.resolve(&json!({}))?;
        for Parameter { key, meaning, origin, search } in method.parameters() {
            println!("\n{key} = {}    from {origin}\n    {meaning}", shown(&defaults[key]));
            if let Some(search) = search {
                println!("    searched: {search}");
            }
        }
    }
    Ok(())
}

fn entry(name: &str, summary: &str, source: &str, defaults: &serde_json::Value) {
    println!("{name}\n    {summary}\n    source: {source}");
    keys(defaults);
}

fn keys(defaults: &serde_json::Value) {
    for (key, value) in defaults.as_object().into_iter().flatten() {
        println!("    {key} = {}", shown(value));
    }
}

/// A default; none is the original training's.
fn shown(value: &serde_json::Value) -> String {
    if value.is_null() { "as in [train]".to_owned() } else { value.to_string() }
}

pub(crate) fn attacks() {
    let registry = Registry::standard();
    println!("attacks (`evaluate.attacks`)\n");
    for Attack { name, summary, source, figures, run, .. } in registry.attacks() {
        let by_feature = if matches!(run, Run::ByFeature(_)) { ".FEATURE" } else { "" };
        let figures: Vec<_> = figures.iter().map(|figure| format!("{}{by_feature}", figure.name)).collect();
        println!("{name}\n    {summary}\n    figures: {}\n    source: {source}", figures.join(", "));
    }
    println!("\nfeatures (`evaluate.mia`)\n");
    for feature in unlearn_mia_eval::features::FEATURES {
        println!("{}\n    {}", feature.name, feature.summary);
    }
}

pub(crate) fn figures() {
    for figure in Registry::standard().figures().iter() {
        let direction = match figure.direction {
            Direction::Higher => "higher is better",
            Direction::Lower => "lower is better",
            Direction::TowardsRetrain => "the closer to Retrain's the better",
            Direction::Neither => "neither side is better",
        };
        println!("{}\n    {}: {}; {direction}", figure.name, figure.label, figure.meaning);
        println!("    needs: {}", figure.needs.iter().copied().map(needed).collect::<Vec<_>>().join(", "));
        println!("    source: {}", figure.source);
    }
}

fn needed(need: Need) -> &'static str {
    match need {
        Need::Forget => "the forget set",
        Need::Retain => "the retain set",
        Need::Test => "the test set",
        Need::Validation => "the validation set",
        Need::Triggered => "a backdoor and its triggered test images",
        Need::RunTime => "the run time",
        Need::Attack => "an attack",
        Need::RetrainScores => "scores of a Retrain",
        Need::RetrainFigures => "figures of a Retrain",
    }
}
