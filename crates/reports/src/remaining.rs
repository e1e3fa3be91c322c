//! How long the stages of a plan will take, from those in the store.
//!
//! The estimate for a stage is the median wall time of finished stages of the same kind with the same configuration, whatever their seeds.
//! If there are none: of the same kind with the same method. If there are none either: of the same kind. A kind that never ran has no
//! estimate. Stages with equal settings may still differ, since a pruned model takes less time than a dense one.

use std::collections::BTreeMap;

use serde_json::Value;
use unlearn_run_store::{Manifest, StageKey, StageSpec, StageState, Store};

use crate::error::Result;

/// Wall times of finished stages, by what they have in common.
#[derive(Debug, Clone, Default)]
pub struct Durations {
    seconds: BTreeMap<String, Vec<f64>>,
    machines: Vec<String>,
    known: std::collections::BTreeSet<StageKey>,
}

/// What an estimate rests on, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Stages of the same kind and configuration.
    Settings,
    /// Stages of the same kind and method.
    Method,
    /// Stages of the same kind.
    Kind,
}

/// An estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    /// The median wall time.
    pub seconds: f64,
    /// What it rests on.
    pub basis: Basis,
    /// The number of stages that it rests on.
    pub stages: usize,
}

impl Basis {
    /// For readers: "with the same settings".
    pub fn words(self) -> &'static str {
        match self {
            Self::Settings => "with the same settings",
            Self::Method => "with the same method",
            Self::Kind => "of the same kind",
        }
    }
}

impl Durations {
    /// The wall times of all finished stages of a store.
    ///
    /// # Errors
    /// [`crate::ReportError::Store`] if the store cannot be listed. Damaged stages are left out.
    pub fn of(store: &Store) -> Result<Self> {
        let mut durations = Self::default();
        for summary in store.stages()?.into_iter().filter(|summary| summary.state == StageState::Finished) {
            if let Ok(Some(stage)) = store.find(&summary.kind, &summary.key) {
                durations.add(stage.manifest());
            }
        }
        Ok(durations)
    }

    /// Adds a finished stage, unless it is known.
    pub fn add(&mut self, manifest: &Manifest) {
        let is_usable = manifest.wall_seconds.is_finite() && manifest.wall_seconds >= 0.0;
        if !is_usable || !self.known.insert(manifest.key.clone()) {
            return;
        }
        for (_, name) in names(&manifest.kind, &manifest.config) {
            self.seconds.entry(name).or_default().push(manifest.wall_seconds);
        }
        if !self.machines.contains(&manifest.machine.cpu) {
            self.machines.push(manifest.machine.cpu.clone());
        }
    }

    /// The estimate for a stage. `None` if no stage of its kind has finished.
    pub fn guess(&self, spec: &StageSpec) -> Option<Guess> {
        names(&spec.kind, &spec.config).into_iter().find_map(|(basis, name)| {
            let seconds = self.seconds.get(&name)?;
            Some(Guess { seconds: median(seconds), basis, stages: seconds.len() })
        })
    }

    /// The processors that the times are from.
    pub fn machines(&self) -> &[String] {
        &self.machines
    }
}

/// What a stage shares with others, from the most to the least particular.
fn names(kind: &str, config: &Value) -> Vec<(Basis, String)> {
    let setting = |name: &str| config.get(name).or_else(|| config.get("config")?.get(name));
    let method = setting("method").map(|method| (Basis::Method, format!("{kind} method {method}")));
    let settings = (Basis::Settings, format!("{kind} settings {}", seedless(config)));
    std::iter::once(settings).chain(method).chain([(Basis::Kind, format!("{kind} kind"))]).collect()
}

/// A configuration without the seeds in it.
fn seedless(config: &Value) -> Value {
    match config {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| *name != "seed" && !name.ends_with("-seed"));
            kept.map(|(name, value)| (name.clone(), seedless(value))).collect()
        }
        Value::Array(items) => items.iter().map(seedless).collect(),
        other => other.clone(),
    }
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn durations(stages: &[(&str, Value, f64)]) -> Durations {
        let mut durations = Durations::default();
        for (seed, (kind, config, seconds)) in stages.iter().enumerate() {
            let key = StageSpec::new(*kind, config.clone(), "d", seed as u64).key();
            let value = json!({
                "format": 2, "kind": kind, "key": key, "config": config, "inputs": {}, "data_fingerprint": "d", "seed": seed,
                "machine": unlearn_run_store::Machine::this(), "crate_version": "1", "started": "", "wall_seconds": seconds,
                "cpu_seconds": null, "peak_rss_mib": null, "artifacts": {},
            });
            let manifest: Manifest = serde_json::from_value(value).unwrap();
            durations.add(&manifest);
            durations.add(&manifest);
        }
        durations
    }

    #[test]
    fn the_closest_stages_give_the_estimate() {
        let found = durations(&[
            ("unlearn", json!({ "method": "ft", "lr": 0.1, "data": { "seed": 1 } }), 10.0),
            ("unlearn", json!({ "method": "ft", "lr": 0.1, "data": { "seed": 2 } }), 30.0),
            ("unlearn", json!({ "method": "ft", "lr": 0.2 }), 2.0),
            ("unlearn", json!({ "method": "ga" }), 100.0),
        ]);
        let guess = |kind: &str, config: Value| {
            let guess = found.guess(&StageSpec::new(kind, config, "d", 9));
            guess.map(|Guess { seconds, basis, stages }| (seconds, basis, stages))
        };
        assert_eq!(
            guess("unlearn", json!({ "method": "ft", "lr": 0.1, "data": { "seed": 7 } })),
            Some((20.0, Basis::Settings, 2))
        );
        assert_eq!(guess("unlearn", json!({ "method": "ft", "lr": 0.3 })), Some((10.0, Basis::Method, 3)));
        assert_eq!(guess("unlearn", json!({ "method": "iu" })), Some((20.0, Basis::Kind, 4)));
        assert_eq!(guess("train", json!({})), None);
        assert_eq!(found.machines().len(), 1);
    }
}
