//! Labels that name stages for people: `unlearn ft · class 0 · omp 95 % · seed 1`.
//!
//! A stage's manifest does not hold its label. If a row of a suite lists the stage, the row gives the label. Otherwise the stage's own
//! configuration does.

use std::collections::{BTreeMap, BTreeSet};

use unlearn_run_store::{Manifest, Record, StageKey, Store, SuiteRow, pruning_label};
use unlearn_samples::ForgetSpec;

use crate::{
    Result,
    stages::{
        Audit, Detect, Evaluate, Import, Kind, PoisonStage, Prune, Rank, Train, TransferStage, Unlearn, UnlearnConfig,
        Validate,
    },
};

/// The labels of the finished stages of a store.
#[derive(Debug)]
pub struct Labels {
    labels: BTreeMap<StageKey, String>,
    /// The suites that need a stage.
    suites: BTreeMap<StageKey, BTreeSet<String>>,
}

impl Labels {
    /// Reads the labels of a store. Stages whose manifests cannot be read have no label, and an index that cannot be read is ignored.
    ///
    /// # Errors
    /// A store that cannot be listed.
    pub fn of(store: &Store) -> Result<Self> {
        Self::of_records(store, &store.records()?)
    }

    /// The same for stages of the store that were listed already.
    ///
    /// # Errors
    /// As for [`Labels::of`].
    pub fn of_records(store: &Store, records: &[Record]) -> Result<Self> {
        let manifests = manifests(records);
        let (mut rows, mut prunings, mut suites) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let indices = store.suites()?.into_iter().filter_map(|suite| Some((store.suite(&suite).ok()?, suite)));
        for (row, suite) in
            indices.flat_map(|(index, suite)| index.rows.into_iter().map(move |row| (row, suite.clone())))
        {
            needed_by(&suite, row.stages(), &manifests, &mut suites);
            let made = manifests.get(&row.unlearn).copied();
            if let Some(model) = made.and_then(|unlearn| before_requests(unlearn, &manifests)) {
                prunings.insert(model.key.clone(), row.model_label());
            }
            rows.insert(row.unlearn.clone(), row);
        }
        let naming = Naming { manifests: &manifests, rows: &rows, prunings: &prunings };
        let labels = manifests.iter().map(|(key, manifest)| ((*key).clone(), naming.label(manifest)));
        Ok(Self { labels: labels.collect(), suites })
    }

    /// The suites that need a stage: it is in one of their rows, or something in a row was computed from it.
    pub fn suites(&self, key: &StageKey) -> impl Iterator<Item = &str> {
        self.suites.get(key).into_iter().flatten().map(String::as_str)
    }

    /// The label of a finished stage, which begins with its kind.
    pub fn get(&self, key: &StageKey) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// Keys and labels, by key in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (&StageKey, &str)> {
        self.labels.iter().map(|(key, label)| (key, label.as_str()))
    }
}

/// The manifests of finished stages.
pub(crate) type Manifests<'m> = BTreeMap<&'m StageKey, &'m Manifest>;

/// The manifests of the finished ones among these stages.
pub(crate) fn manifests(records: &[Record]) -> Manifests<'_> {
    records.iter().filter_map(|record| Some((&record.summary.key, record.manifest.as_ref()?))).collect()
}

/// Notes that a suite needs these stages and everything that they were computed from.
fn needed_by<'r>(
    suite: &str,
    stages: impl Iterator<Item = &'r StageKey>,
    manifests: &Manifests<'_>,
    suites: &mut BTreeMap<StageKey, BTreeSet<String>>,
) {
    let mut open: Vec<StageKey> = stages.cloned().collect();
    while let Some(key) = open.pop() {
        if suites.entry(key.clone()).or_default().insert(suite.to_owned()) {
            open.extend(manifests.get(&key).into_iter().flat_map(|manifest| manifest.inputs.values().cloned()));
        }
    }
}

/// The stage that made the model of an `unlearn` stage, before any request was applied to that model.
fn before_requests<'m>(unlearn: &Manifest, manifests: &Manifests<'m>) -> Option<&'m Manifest> {
    let mut model = *manifests.get(unlearn.inputs.get("model")?)?;
    for _ in 0..manifests.len() {
        if model.kind != Unlearn::NAME {
            return Some(model);
        }
        model = *manifests.get(model.inputs.get("model")?)?;
    }
    None
}

struct Naming<'a> {
    manifests: &'a Manifests<'a>,
    /// The rows of suites, by their `unlearn` stage.
    rows: &'a BTreeMap<StageKey, SuiteRow>,
    /// The labels that suites give to pruned models, by the stage that made the model.
    prunings: &'a BTreeMap<StageKey, String>,
}

impl Naming<'_> {
    fn label(&self, manifest: &Manifest) -> String {
        let (kind, seed) = (&manifest.kind, manifest.seed);
        let text = |key: &str| manifest.config.get(key).and_then(|value| value.as_str()).unwrap_or("?");
        let model = || manifest.inputs.get("model").and_then(|key| self.manifests.get(key));
        match kind.as_str() {
            Train::NAME => {
                let data = manifest.config.pointer("/data/name").and_then(|name| name.as_str()).unwrap_or("?");
                format!("{kind} {} · {data} · seed {seed}", text("arch"))
            }
            Prune::NAME => format!("{kind} {} · seed {seed}", self.pruned(manifest)),
            Unlearn::NAME => format!("{kind} {}", self.unlearning(manifest)),
            Evaluate::NAME | Validate::NAME | Audit::NAME => match model() {
                Some(model) if model.kind == Unlearn::NAME => format!("{kind} {}", self.unlearning(model)),
                Some(model) => format!("{kind} {}", self.label(model)),
                None => format!("{kind} · seed {seed}"),
            },
            TransferStage::NAME => match model() {
                Some(model) if model.kind == Unlearn::NAME => {
                    format!("{kind} {} · {}", text("mode"), self.unlearning(model))
                }
                Some(model) => format!("{kind} {} · {}", text("mode"), self.label(model)),
                None => format!("{kind} {} · seed {seed}", text("mode")),
            },
            Rank::NAME => format!("{kind} by {} · seed {seed}", text("by")),
            Detect::NAME => format!("{kind} {} · seed {seed}", text("detector")),
            PoisonStage::NAME | Import::NAME => format!("{kind} · seed {seed}"),
            _ => format!("{kind} {} · seed {seed}", manifest.key.short()),
        }
    }

    /// The label from the suite's row, or else from the configuration: `ft · class 0 · omp 95 % · seed 1`.
    fn unlearning(&self, manifest: &Manifest) -> String {
        if let Some(row) = self.rows.get(&manifest.key) {
            return row.label();
        }
        let seed = manifest.seed;
        let config: Option<UnlearnConfig> = serde_json::from_value(manifest.config.clone()).ok();
        let (method, forget) = config.map_or(("?".to_owned(), "?".to_owned()), |config| {
            let forget = match &config.forget {
                None => "found samples".to_owned(),
                Some(ForgetSpec::Positions { positions }) => format!("{} images", positions.len()),
                Some(other) => other.label(),
            };
            (config.method, forget)
        });
        let model = before_requests(manifest, self.manifests);
        let pruning = model.map_or_else(|| "?".to_owned(), |model| self.pruned(model));
        format!("{method} · {forget} · {pruning} · seed {seed}")
    }

    /// How the model of a stage was pruned: the label from the suite, or else from the configuration.
    fn pruned(&self, manifest: &Manifest) -> String {
        match manifest.kind.as_str() {
            Train::NAME => "dense".to_owned(),
            Prune::NAME => self.prunings.get(&manifest.key).cloned().unwrap_or_else(|| {
                let name = manifest.config.get("method").and_then(|name| name.as_str()).unwrap_or("?");
                let sparsity = manifest.config.pointer("/config/sparsity").and_then(serde_json::Value::as_f64);
                sparsity.map_or_else(|| name.to_owned(), |sparsity| pruning_label(name, sparsity))
            }),
            other => other.to_owned(),
        }
    }
}
