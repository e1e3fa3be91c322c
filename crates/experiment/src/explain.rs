//! What a suite will do, for a reader who has not run it: its parts, its stages, what is done already, and an estimate of the time.

use std::collections::BTreeMap;

use serde::Serialize;
use unlearn::parts::input_spec;
use unlearn_run_store::{Configured, Record, StageKey, Store};

use crate::{
    Error, Plan, PlannedStage, Result, Status, Suite,
    labels::{Manifests, manifests},
    requests::Samples,
    stages::{Kind, Prune, Unlearn},
    survey::About,
};

/// What a suite will do.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Its name.
    pub suite: String,
    /// Its title, if it has one.
    pub title: Option<String>,
    /// Its seeds.
    pub seeds: Vec<u64>,
    /// The data.
    pub data: ExplainedData,
    /// The model.
    pub model: ExplainedModel,
    /// Labels of the models that requests are served on: `dense`, `omp 95 %`.
    pub prunings: Vec<String>,
    /// The requests of the first seed.
    pub requests: Vec<ExplainedRequest>,
    /// Names of the methods.
    pub methods: Vec<String>,
    /// Every setting of every part, with the source of each value.
    pub settings: Vec<Configured>,
    /// Remarks that the report will repeat.
    pub notes: Vec<String>,
    /// Number of rows of the report.
    pub rows: usize,
    /// The stages by kind, in the order of the plan.
    pub stages: Vec<Kinds>,
    /// Estimate of the seconds that the stages to do take one after the other, from past stages of the store. Stages without any to go by
    /// are left out. `None` if there are none to go by.
    pub seconds: Option<f64>,
    /// Number of stages to do without a past one to go by.
    pub unknown: usize,
}

/// The data of a suite.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedData {
    /// Its name in reports.
    pub name: String,
    /// Number of classes.
    pub classes: usize,
    /// Number of images in the official training set, or what is left of it.
    pub images: usize,
    /// Number of images that the first seed trains on.
    pub train: usize,
    /// Number of images that the first seed holds out for validation.
    pub validation: usize,
    /// Number of test images.
    pub test: usize,
    /// Channels, height and width of an image as the model sees it.
    pub shape: [usize; 3],
}

/// The model of a suite.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedModel {
    /// The architecture.
    pub arch: String,
    /// Number of trainable values.
    pub parameters: usize,
    /// Where training begins, if not with fresh weights.
    pub init: Option<String>,
}

/// A request of a suite.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedRequest {
    /// Its label in reports.
    pub label: String,
    /// Number of images to forget.
    pub images: usize,
    /// Number of images that are left.
    pub retained: usize,
    /// Whether a stage has yet to find the images. Then the numbers are only an estimate.
    pub found_by_a_stage: bool,
}

/// The stages of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct Kinds {
    /// The kind.
    pub kind: String,
    /// How many there are.
    pub stages: usize,
    /// How many are in the store.
    pub done: usize,
    /// Estimate of the seconds that the others take.
    pub seconds: Option<f64>,
}

/// Explains a plan of a suite. It reads the store, if there is one, and computes nothing.
///
/// # Errors
/// A store that cannot be listed.
pub fn explain(plan: &Plan, suite: &Suite, store: Option<&Store>) -> Result<Explanation> {
    let resolved = &plan.resolved;
    let records = store.map(Store::records).transpose()?.unwrap_or_default();
    let status = crate::status(plan, store)?;
    let past = Past::of(&records);
    let first = resolved.seeds.first().ok_or_else(|| Error::Suite {
        path: suite.path.clone(),
        reason: "`suite.seeds` must list one or more seeds, each once".into(),
    })?;
    let requests = first.forgets.iter().map(|forget| ExplainedRequest {
        label: forget.label.clone(),
        images: forget.split.forget.len(),
        retained: forget.split.retain.len(),
        found_by_a_stage: !matches!(forget.samples, Samples::Drawn(_)),
    });
    let requests: Vec<ExplainedRequest> = requests.collect();
    let begins = first.forgets.iter().position(crate::requests::Forget::is_first);
    let mut explained = Explanation {
        suite: plan.index.suite.clone(),
        title: plan.index.title.clone(),
        seeds: suite.suite.seeds.clone(),
        data: ExplainedData {
            name: resolved.data_title.clone(),
            classes: resolved.dataset.classes.len(),
            images: resolved.dataset.train.len(),
            train: begins.map_or(0, |at| requests[at].images + requests[at].retained),
            validation: first.validation_images(),
            test: resolved.dataset.test.len(),
            shape: input_spec(&resolved.dataset).shape,
        },
        model: ExplainedModel {
            arch: resolved.graph.arch.clone(),
            parameters: resolved.graph.parameter_count(),
            init: plan.index.init.clone(),
        },
        prunings: resolved.prunings.iter().map(|pruning| pruning.label.clone()).collect(),
        requests,
        methods: resolved.methods.iter().map(|method| method.name.clone()).collect(),
        settings: plan.index.configured.clone(),
        notes: plan.index.notes.clone(),
        rows: plan.index.rows.len(),
        stages: Vec::new(),
        seconds: None,
        unknown: 0,
    };
    for (stage, status) in plan.stages.iter().zip(&status) {
        let at = explained.stages.iter().position(|kinds| kinds.kind == stage.spec.kind).unwrap_or_else(|| {
            let kind = stage.spec.kind.clone();
            explained.stages.push(Kinds { kind, stages: 0, done: 0, seconds: None });
            explained.stages.len() - 1
        });
        let kinds = &mut explained.stages[at];
        kinds.stages += 1;
        if *status == Status::Done {
            kinds.done += 1;
            continue;
        }
        match past.seconds(stage, &suite.data.name, &resolved.graph.arch) {
            Some(seconds) => {
                *kinds.seconds.get_or_insert(0.0) += seconds;
                *explained.seconds.get_or_insert(0.0) += seconds;
            }
            None => explained.unknown += 1,
        }
    }
    Ok(explained)
}

/// The times of the stages of a store.
struct Past<'r> {
    /// Wall seconds by kind and method, with the data and the architecture.
    times: BTreeMap<(&'r str, Option<String>), Vec<Time>>,
    manifests: Manifests<'r>,
}

struct Time {
    key: StageKey,
    data: Option<String>,
    arch: Option<String>,
    seconds: f64,
}

impl<'r> Past<'r> {
    fn of(records: &'r [Record]) -> Self {
        let manifests = manifests(records);
        let mut times: BTreeMap<(&str, Option<String>), Vec<Time>> = BTreeMap::new();
        for manifest in manifests.values() {
            let About { data, arch, .. } = About::of(manifest, &manifests);
            let time = Time { key: manifest.key.clone(), data, arch, seconds: manifest.wall_seconds };
            times.entry((&manifest.kind, method(&manifest.kind, &manifest.config))).or_default().push(time);
        }
        Self { times, manifests }
    }

    /// The mean time of past stages of the same kind, method, data and architecture. Those with the same configuration go before others.
    fn seconds(&self, stage: &PlannedStage, data: &str, arch: &str) -> Option<f64> {
        let times = self.times.get(&(stage.spec.kind.as_str(), method(&stage.spec.kind, &stage.spec.config)))?;
        let alike = |time: &&Time| time.data.as_deref() == Some(data) && time.arch.as_deref() == Some(arch);
        let alike: Vec<&Time> = times.iter().filter(alike).collect();
        let is_same =
            |time: &&&Time| self.manifests.get(&time.key).is_some_and(|manifest| manifest.config == stage.spec.config);
        let same: Vec<f64> = alike.iter().filter(is_same).map(|time| time.seconds).collect();
        let known = if same.is_empty() { alike.iter().map(|time| time.seconds).collect() } else { same };
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }
}

/// The method of a stage that has one.
fn method(kind: &str, config: &serde_json::Value) -> Option<String> {
    [Unlearn::NAME, Prune::NAME].contains(&kind).then(|| config["method"].as_str().map(str::to_owned))?
}
