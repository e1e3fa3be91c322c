//! `unlearn`: a model made to forget. Leaves `model.safetensors`, the mask if there is one, and `run-time.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unlearn_network::{Graph, Network};
use unlearn_run_store::{Stage, write_atomic};
use unlearn_training::{Session, Task, mask_of};
use unlearn_unlearning::Request;

use super::{model::derived_seed, prune_anew::prune_anew};
use crate::{
    Result,
    plan::{Model, RowAt},
    runner::Bench,
};

const RUN_TIME: &str = "run-time.json";

/// The method's run time (RTE), without evaluation, loading and saving.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct RunTime {
    /// Seconds.
    pub(super) rte_seconds: f64,
}

impl RunTime {
    pub(super) fn of(bench: &Bench<'_>, stage: &Stage) -> Result<Self> {
        let path = stage.artifact(RUN_TIME)?;
        let damaged = |e: &dyn std::fmt::Display| bench.failure(format!("{} is damaged: {e}", path.display()));
        let text = std::fs::read(&path).map_err(|e| damaged(&e))?;
        serde_json::from_slice(&text).map_err(|e| damaged(&e))
    }

    fn save(self, bench: &Bench<'_>, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self).map_err(|e| bench.failure(e))?;
        Ok(write_atomic(path, &text)?)
    }
}

pub(crate) fn run(
    bench: &mut Bench<'_>,
    RowAt { seed, pruning, forget, method }: RowAt,
    config: &Value,
    model: &Model,
) -> Result<()> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let entry = shared.methods[method].entry;
    let (mut network, _) = bench.load_network(&bench.input(model.kind, &model.key)?)?;
    let prune_anew = |network: &mut Network, samples: &[u32], session: Session<'_>| {
        prune_anew(bench, (seed, pruning), network, samples, session)
    };
    let initial = |graph: &Graph, seed| {
        shared.initial.state(graph, seed).map_err(|error| unlearn_training::Error::Unsuitable(error.to_string()))
    };
    let mut request = Request {
        network: &mut network,
        task: Task {
            images: &shared.dataset.train,
            validation: &data.split.validation,
            recipe: &shared.recipe,
            augmentation: shared.dataset.augmentation,
            device: shared.device,
            seed: derived_seed(data.seed, "unlearn"),
            session: bench.session,
        },
        forget: &data.forgets[forget].split.forget,
        retain: &data.forgets[forget].split.retain,
        initial: &initial,
        prune_anew: Some(&prune_anew),
    };
    let outcome = entry.run(config, &mut request);
    let outcome = outcome.map_err(|error| bench.method_failure(&network, &error))?;
    let mask = mask_of(&network).map_err(|error| bench.failure(error))?;
    bench.save_network(&network, mask.as_ref())?;
    RunTime { rte_seconds: outcome.seconds }.save(bench, &bench.writer.path(RUN_TIME))?;
    bench.save_epochs(&outcome.epochs)
}
