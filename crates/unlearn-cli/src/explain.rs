//! `unlearn suite explain`: what a suite will do, in words.

use serde_json::Value;
use unlearn_experiment::{Environment, Explanation, Kinds, Plan, explain};
use unlearn_reports::duration;
use unlearn_run_store::{Configured, Store, StoreError};

use crate::{
    args::{ExplainArguments, SuiteArguments, SuiteCommand},
    output::{counted, say_json},
    run::load,
};

pub(crate) fn suite(arguments: &SuiteArguments) -> anyhow::Result<()> {
    let SuiteCommand::Explain(arguments) = &arguments.command;
    let ExplainArguments { chosen, json, environment, store } = &**arguments;
    let suite = load(chosen)?;
    let environment = Environment { offline: true, ..environment.environment()? };
    let plan = Plan::resolve(&suite, &environment)?;
    let held = match Store::open_existing(&store.runs) {
        Ok(store) => Some(store),
        Err(StoreError::NoStore(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let explained = explain(&plan, &suite, held.as_ref())?;
    if *json {
        say_json(&serde_json::to_string_pretty(&explained)?);
    } else {
        print(&explained);
    }
    Ok(())
}

fn print(it: &Explanation) {
    match &it.title {
        Some(title) => say!("suite {}: {title}", it.suite),
        None => say!("suite {}", it.suite),
    }
    let seeds: Vec<String> = it.seeds.iter().map(u64::to_string).collect();
    say!("  Everything is run for {}: {}.", counted(it.seeds.len(), "seed", "seeds"), seeds.join(", "));
    let data = &it.data;
    let [channels, height, width] = data.shape;
    say!("data {}", data.name);
    say!(
        "  {} with {channels}×{height}×{width} values, {} and {}.",
        counted(data.images, "training image", "training images"),
        counted(data.classes, "class", "classes"),
        counted(data.test, "test image", "test images")
    );
    say!(
        "  A model is trained on {} of them; {} held out for validation.",
        data.train,
        counted(data.validation, "is", "are")
    );
    say!("model {}", it.model.arch);
    say!("  {}.", counted(it.model.parameters, "trainable value", "trainable values"));
    match &it.model.init {
        Some(init) => say!("  Training begins with {init}."),
        None => say!("  Training begins with fresh weights."),
    }
    settings(&it.settings, "train");
    say!("models that are asked to forget");
    for pruning in &it.prunings {
        say!("  {pruning}");
    }
    settings(&it.settings, "prune");
    say!("requests");
    for request in &it.requests {
        let (images, rest) = (counted(request.images, "image", "images"), request.retained);
        let about = if request.found_by_a_stage { "; a stage will find them, so these numbers may change" } else { "" };
        say!("  {}: forget {images}, keep {rest}{about}", request.label);
    }
    say!("methods");
    settings(&it.settings, "unlearn");
    for section in ["evaluate", "transfer", "audit"] {
        settings(&it.settings, section);
    }
    if !it.notes.is_empty() {
        say!("notes");
        for note in &it.notes {
            say!("  {note}");
        }
    }
    let total: usize = it.stages.iter().map(|kinds| kinds.stages).sum();
    let done: usize = it.stages.iter().map(|kinds| kinds.done).sum();
    say!("{} for {}", counted(total, "stage", "stages"), counted(it.rows, "row of the report", "rows of the report"));
    for Kinds { kind, stages, done, seconds } in &it.stages {
        let time = seconds.map(|seconds| format!(", the others take about {}", duration(seconds))).unwrap_or_default();
        say!("  {kind:<12} {stages:>5}, {done} in the store{time}");
    }
    if done == total {
        say!("Every stage is in the store: a run writes the report only.");
        return;
    }
    let unknown = match it.unknown {
        0 => String::new(),
        count => format!("; {count} of {} stages to do have no past stage to go by", total - done),
    };
    match it.seconds {
        Some(seconds) => say!(
            "The stages to do take about {} one after the other, by past stages of the store{unknown}.",
            duration(seconds)
        ),
        None => {
            say!("How long the {} stages to do take is not known: the store has no past stage to go by.", total - done);
        }
    }
}

/// The settings of the parts of a section, with the source of each value.
fn settings(parts: &[Configured], section: &str) {
    for part in parts.iter().filter(|part| part.section == section) {
        let name = if part.name.is_empty() { format!("[{section}]") } else { part.name.clone() };
        let summary = if part.summary.is_empty() { String::new() } else { format!(": {}", part.summary) };
        let only =
            if part.only_for.is_empty() { String::new() } else { format!(" (for {})", part.only_for.join(", ")) };
        say!("  {name}{only}{summary}");
        for setting in &part.settings {
            let value = match &setting.value {
                Value::Null => "off".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            say!("    {} = {value} ({})", setting.key, setting.origin);
        }
    }
}
