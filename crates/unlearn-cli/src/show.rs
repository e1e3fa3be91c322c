//! `unlearn … show NAME`: one entry of a list, or the command that shows it if it is in another list.

use serde_json::json;
use unlearn::backdoor::{DETECTORS, TRIGGERS};
use unlearn::metrics::Figures;
use unlearn::mia_eval::{Registry, features::FEATURES, pool_attacks::POOL_ATTACKS};
use unlearn::models::{ARCHITECTURES, InputSpec};
use unlearn::names::Unknown;
use unlearn::pruning::{CRITERIA, SCOPES};
use unlearn::unlearning::Parameter;

use crate::{exit::Usage, lists};

/// The lists of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// `unlearn models`.
    Models,
    /// `unlearn methods`.
    Methods,
    /// `unlearn attacks`.
    Attacks,
    /// `unlearn figures`.
    Figures,
    /// `unlearn datasets`.
    Datasets,
    /// `unlearn backdoors`.
    Backdoors,
}

impl List {
    /// The command that describes an entry.
    fn command(self) -> &'static str {
        match self {
            Self::Models => "models show",
            Self::Methods => "methods show",
            Self::Attacks => "attacks show",
            Self::Figures => "figures show",
            Self::Datasets => "datasets describe",
            Self::Backdoors => "backdoors show",
        }
    }

    /// What an entry of the list is called.
    fn entry(self) -> &'static str {
        match self {
            Self::Models => "architecture",
            Self::Methods => "method, criterion or scope",
            Self::Attacks => "attack or feature",
            Self::Figures => "figure",
            Self::Datasets => "dataset",
            Self::Backdoors => "trigger or detector",
        }
    }
}

/// A name, what it names, and the list that holds it.
type Name<'a> = (&'a str, &'static str, List);

/// All names.
fn names<'a>(registry: &'a Registry, figures: &'a Figures) -> Vec<Name<'a>> {
    let mut names = vec![(NONE, "the dense model", List::Methods)];
    names.extend(unlearn::pruning::METHODS.iter().map(|method| (method.name, "a pruning method", List::Methods)));
    names.extend(CRITERIA.iter().map(|criterion| (criterion.name, "a pruning criterion", List::Methods)));
    names.extend(SCOPES.iter().map(|scope| (scope.name, "a pruning scope", List::Methods)));
    names
        .extend(unlearn::unlearning::METHODS.iter().map(|method| (method.name, "an unlearning method", List::Methods)));
    names.extend(ARCHITECTURES.iter().map(|arch| (arch.name, "an architecture", List::Models)));
    names.extend(registry.attacks().iter().map(|attack| (attack.name, "an attack", List::Attacks)));
    names.extend(POOL_ATTACKS.iter().map(|attack| (attack.name, "an attack with a pool of models", List::Attacks)));
    names.extend(FEATURES.iter().map(|feature| (feature.name, "a feature that attacks look at", List::Attacks)));
    names.extend(figures.iter().map(|figure| (figure.name.as_ref(), "a figure", List::Figures)));
    names.extend(unlearn::datasets::registry::DATASETS.iter().map(|entry| (entry.name, "a dataset", List::Datasets)));
    names.extend(TRIGGERS.iter().map(|trigger| (trigger.name, "a trigger", List::Backdoors)));
    names.extend(DETECTORS.iter().map(|detector| (detector.name, "a detector of poison", List::Backdoors)));
    names
}

const NONE: &str = "none";

/// Prints what is known of `name`. If several entries have that name, all are printed.
pub(crate) fn show(list: List, name: &str, with_defaults: bool) -> anyhow::Result<()> {
    let registry = Registry::standard();
    let figures = registry.figures();
    let names = names(&registry, &figures);
    if !names.iter().any(|(known, _, at)| (*known, *at) == (name, list)) {
        let elsewhere = names
            .iter()
            .find(|(known, ..)| *known == name)
            .map(|(_, what, other)| format!("`{name}` is {what}; see `unlearn {} {name}`", other.command()));
        let valid = || names.iter().filter(|(_, _, at)| *at == list).map(|(known, ..)| *known);
        return Err(Usage(elsewhere.unwrap_or_else(|| Unknown::new(list.entry(), name, valid()).to_string())).into());
    }
    match list {
        List::Models => ARCHITECTURES.iter().filter(|arch| arch.name == name).try_for_each(architecture)?,
        List::Methods => method(name, with_defaults)?,
        List::Attacks => {
            registry.attacks().iter().filter(|attack| attack.name == name).for_each(lists::attack);
            POOL_ATTACKS.iter().filter(|attack| attack.name == name).for_each(lists::pool_attack);
            for feature in FEATURES.iter().filter(|feature| feature.name == name) {
                lists::named(feature.name, feature.summary, feature.source);
            }
        }
        List::Figures => figures.iter().filter(|figure| figure.name == name).for_each(lists::figure),
        List::Datasets => {}
        List::Backdoors => {
            for trigger in TRIGGERS.iter().filter(|trigger| trigger.name == name) {
                lists::named(trigger.name, trigger.summary, trigger.source);
                lists::parameters(trigger.parameters);
            }
            for detector in DETECTORS.iter().filter(|detector| detector.name == name) {
                lists::named(detector.name, detector.summary, detector.source);
                lists::parameters(detector.parameters);
            }
        }
    }
    Ok(())
}

fn architecture(arch: &unlearn::models::Architecture) -> anyhow::Result<()> {
    lists::named(arch.name, arch.summary, arch.source);
    let side = arch.minimum_side.max(32);
    let input = InputSpec { shape: [3, side, side], classes: 10, mean: vec![0.0; 3], std: vec![1.0; 3] };
    let parameters = arch.graph(&input)?.parameter_count();
    say!("    images: at least {} pixels per side", arch.minimum_side);
    say!("    parameters: {parameters} for 10 classes of colour images with {side} pixels per side");
    Ok(())
}

/// One entry of `unlearn methods`. Pruning and unlearning methods share a list of names.
fn method(name: &str, with_defaults: bool) -> anyhow::Result<()> {
    if name == NONE {
        say!("{NONE} (pruning)\n    the dense model");
    }
    for method in unlearn::pruning::METHODS.iter().filter(|method| method.name == name) {
        lists::named(&format!("{name} (pruning)"), method.summary, method.source);
        if with_defaults {
            lists::keys(&method.resolve(&json!({}))?);
        }
    }
    for criterion in CRITERIA.iter().filter(|criterion| criterion.name == name) {
        lists::named(&format!("{name} (pruning criterion)"), criterion.summary, criterion.source);
        say!("    in a suite: `criterion = \"{name}\"` in a [[prune]] table");
    }
    for scope in SCOPES.iter().filter(|scope| scope.name == name) {
        lists::named(&format!("{name} (pruning scope)"), scope.summary, scope.source);
        say!("    in a suite: `scope = \"{name}\"` in a [[prune]] table");
    }
    for method in unlearn::unlearning::METHODS.iter().filter(|method| method.name == name) {
        lists::named(&format!("{name} (unlearning)"), method.summary, method.source);
        if method.whole_classes_only {
            say!("    forgets whole classes only");
        }
        if with_defaults {
            let defaults = method.resolve(&json!({}))?;
            for Parameter { key, meaning, origin, search } in method.parameters() {
                say!("\n{key} = {}    from {origin}\n    {meaning}", lists::shown(&defaults[key]));
                if let Some(search) = search {
                    say!("    searched: {search}");
                }
            }
        }
    }
    Ok(())
}
