//! The lists: every entry with its needs and its source.

use serde_json::json;
use unlearn::backdoor::{DETECTORS, Parameter, TRIGGERS};
use unlearn::metrics::{Direction, Figure, Need};
use unlearn::mia_eval::{
    Attack, Registry,
    features::Feature,
    pool::{PoolAttack, PoolNeed},
    pool_attacks::POOL_ATTACKS,
};

pub(crate) fn models() {
    for arch in unlearn::models::ARCHITECTURES {
        named(arch.name, arch.summary, arch.source);
    }
}

pub(crate) fn methods() -> anyhow::Result<()> {
    say!("pruning (`[[prune]]`); every schedule goes with every criterion and scope\n\nnone\n    the dense model");
    for method in unlearn::pruning::METHODS {
        entry(method.name, method.summary, method.source, &method.resolve(&json!({}))?);
    }
    say!("\npruning criteria (`criterion`)\n");
    for criterion in unlearn::pruning::CRITERIA {
        named(criterion.name, criterion.summary, criterion.source);
    }
    say!("\npruning scopes (`scope`)\n");
    for scope in unlearn::pruning::SCOPES {
        named(scope.name, scope.summary, scope.source);
    }
    say!("\nunlearning (`[[unlearn]]`)\n");
    for method in unlearn::unlearning::METHODS {
        entry(method.name, method.summary, method.source, &method.resolve(&json!({}))?);
    }
    Ok(())
}

/// Prints the facts that every named entry has.
pub(crate) fn named(name: &str, summary: &str, source: &str) {
    say!("{name}\n    {summary}\n    source: {source}");
}

fn entry(name: &str, summary: &str, source: &str, defaults: &serde_json::Value) {
    named(name, summary, source);
    keys(defaults);
}

pub(crate) fn keys(defaults: &serde_json::Value) {
    for (key, value) in defaults.as_object().into_iter().flatten() {
        say!("    {key} = {}", shown(value));
    }
}

/// What stands for a null default.
pub(crate) const AS_IN_TRAINING: &str = "as in [train]";

/// A default value. A null value means the value of the original training.
pub(crate) fn shown(value: &serde_json::Value) -> String {
    if value.is_null() { AS_IN_TRAINING.to_owned() } else { value.to_string() }
}

pub(crate) fn attacks() {
    let registry = Registry::standard();
    say!("attacks (`evaluate.attacks`)\n");
    registry.attacks().iter().for_each(attack);
    say!("\nattacks with a pool of models (`unlearn attack`, and `unlearn evaluate` on scores of several models)\n");
    POOL_ATTACKS.iter().for_each(pool_attack);
    say!("\nfeatures (`evaluate.mia`)\n");
    unlearn::mia_eval::features::FEATURES.iter().for_each(feature);
}

pub(crate) fn attack(attack: &Attack) {
    let Attack { name, summary, source, figures, .. } = attack;
    let by_feature = if attack.by_features() { ".FEATURE" } else { "" };
    let figures: Vec<_> = figures.iter().map(|figure| format!("{}{by_feature}", figure.name)).collect();
    say!("{name}\n    {summary}\n    figures: {}\n    source: {source}", figures.join(", "));
}

/// Prints an attack with a pool, with the models that it needs.
pub(crate) fn pool_attack(attack: &PoolAttack) {
    let PoolAttack { name, summary, source, needs, population, .. } = attack;
    say!("{name}\n    {summary}");
    match attack.questions() {
        [] => say!("    compares unlearned with retrained models"),
        questions => say!("    questions: {}", questions.iter().map(|it| it.name).collect::<Vec<_>>().join(", ")),
    }
    for PoolNeed { seen, least, wanted } in *needs {
        let seen = seen.words();
        say!(
            "    needs: for each sample, at least {least} of the models that {seen} it; as published from {wanted} on"
        );
    }
    if *population {
        say!("    needs: samples of the population, which no model was trained with");
    }
    say!("    source: {source}");
}

pub(crate) fn feature(feature: &Feature) {
    say!("{}\n    {}", feature.name, feature.summary);
}

pub(crate) fn backdoors() {
    say!("triggers (`data.poison.trigger`)\n");
    for trigger in TRIGGERS {
        named(trigger.name, trigger.summary, trigger.source);
        parameters(trigger.parameters);
    }
    say!("\ndetectors (`[[forget]]` with `kind = \"detected\"`)\n");
    for detector in DETECTORS {
        named(detector.name, detector.summary, detector.source);
        parameters(detector.parameters);
    }
}

/// Prints the settings of a trigger or a detector.
pub(crate) fn parameters(parameters: &[Parameter]) {
    for Parameter { key, meaning, range } in parameters {
        say!("    {key}: {meaning}; {range}");
    }
}

pub(crate) fn figures() {
    Registry::standard().figures().iter().for_each(figure);
}

pub(crate) fn figure(figure: &Figure) {
    let direction = directed(figure.direction);
    say!("{}\n    {}: {}; {direction}", figure.name, figure.label, figure.meaning);
    say!("    needs: {}", figure.needs.iter().copied().map(needed).collect::<Vec<_>>().join(", "));
    say!("    source: {}", figure.source);
}

/// Which values of a figure are better.
pub(crate) fn directed(direction: Direction) -> &'static str {
    match direction {
        Direction::Higher => "higher is better",
        Direction::Lower => "lower is better",
        Direction::TowardsRetrain => "closer to Retrain's is better",
        Direction::Neither => "neither higher nor lower is better",
    }
}

/// What a figure is computed from.
pub(crate) fn needed(need: Need) -> &'static str {
    match need {
        Need::Forget => "the forget set",
        Need::Retain => "the retain set",
        Need::Test => "the test set",
        Need::Validation => "the validation set",
        Need::Triggered => "a backdoor and its triggered test images",
        Need::Transfer => "a section [transfer] of a suite",
        Need::Audit => "a section [audit] of a suite",
        Need::Subclasses => "a dataset with subclasses, and a request for some of them",
        Need::RunTime => "the run time",
        Need::Attack => "an attack",
        Need::RetrainScores => "scores of a Retrain",
        Need::RetrainFigures => "figures of a Retrain",
    }
}
