//! The lists: what there is, what it needs and where it comes from.

use serde_json::json;
use unlearn_metrics::{Direction, Need};
use unlearn_mia_eval::{Attack, Registry, Run};
use unlearn_unlearning::Parameter;

use crate::exit::Usage;

pub(crate) fn models() {
    for arch in unlearn_models::ARCHITECTURES {
        say!("{}\n    {}\n    source: {}", arch.name, arch.summary, arch.source);
    }
}

pub(crate) fn methods() -> anyhow::Result<()> {
    say!("pruning (`[[prune]]`); every schedule goes with every criterion and scope\n\nnone\n    the dense model");
    for method in unlearn_pruning::METHODS {
        entry(method.name, method.summary, method.source, &method.resolve(&json!({}))?);
    }
    say!("\npruning criteria (`criterion`)\n");
    for criterion in unlearn_pruning::CRITERIA {
        say!("{}\n    {}\n    source: {}", criterion.name, criterion.summary, criterion.source);
    }
    say!("\npruning scopes (`scope`)\n");
    for scope in unlearn_pruning::SCOPES {
        say!("{}\n    {}\n    source: {}", scope.name, scope.summary, scope.source);
    }
    say!("\nunlearning (`[[unlearn]]`)\n");
    for method in unlearn_unlearning::METHODS {
        entry(method.name, method.summary, method.source, &method.resolve(&json!({}))?);
    }
    Ok(())
}

/// One method; pruning and unlearning share the names.
pub(crate) fn method(name: &str, with_defaults: bool) -> anyhow::Result<()> {
    if let Ok(method) = unlearn_pruning::find(name) {
        say!("{name} (pruning)\n    {}\n    source: {}", method.summary, method.source);
        if with_defaults {
            keys(&method.resolve(&json!({}))?);
        }
        return Ok(());
    }
    let method = unlearn_unlearning::find(name).map_err(|error| Usage(error.to_string()))?;
    say!("{name} (unlearning)\n    {}\n    source: {}", method.summary, method.source);
    if method.whole_classes_only {
        say!("    forgets whole classes only");
    }
    if with_defaults {
        let defaults = method.resolve(&json!({}))?;
        for Parameter { key, meaning, origin, search } in method.parameters() {
            say!("\n{key} = {}    from {origin}\n    {meaning}", shown(&defaults[key]));
            if let Some(search) = search {
                say!("    searched: {search}");
            }
        }
    }
    Ok(())
}

fn entry(name: &str, summary: &str, source: &str, defaults: &serde_json::Value) {
    say!("{name}\n    {summary}\n    source: {source}");
    keys(defaults);
}

fn keys(defaults: &serde_json::Value) {
    for (key, value) in defaults.as_object().into_iter().flatten() {
        say!("    {key} = {}", shown(value));
    }
}

/// A default; none is the original training's.
fn shown(value: &serde_json::Value) -> String {
    if value.is_null() { "as in [train]".to_owned() } else { value.to_string() }
}

pub(crate) fn attacks() {
    let registry = Registry::standard();
    say!("attacks (`evaluate.attacks`)\n");
    for Attack { name, summary, source, figures, run, .. } in registry.attacks() {
        let by_feature = if matches!(run, Run::ByFeature(_)) { ".FEATURE" } else { "" };
        let figures: Vec<_> = figures.iter().map(|figure| format!("{}{by_feature}", figure.name)).collect();
        say!("{name}\n    {summary}\n    figures: {}\n    source: {source}", figures.join(", "));
    }
    say!("\nfeatures (`evaluate.mia`)\n");
    for feature in unlearn_mia_eval::features::FEATURES {
        say!("{}\n    {}", feature.name, feature.summary);
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
        say!("{}\n    {}: {}; {direction}", figure.name, figure.label, figure.meaning);
        say!("    needs: {}", figure.needs.iter().copied().map(needed).collect::<Vec<_>>().join(", "));
        say!("    source: {}", figure.source);
    }
}

fn needed(need: Need) -> &'static str {
    match need {
        Need::Forget => "the forget set",
        Need::Retain => "the retain set",
        Need::Test => "the test set",
        Need::Validation => "the validation set",
        Need::RunTime => "the run time",
        Need::Attack => "an attack",
        Need::RetrainScores => "scores of a Retrain",
        Need::RetrainFigures => "figures of a Retrain",
    }
}
