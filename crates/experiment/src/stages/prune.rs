//! `prune`: prunes a dense model and retrains it. It leaves `model.safetensors`, `mask.safetensors` and, in the
//! manifest, the fact `sparsity`: the remaining shares of parameters and of operations, in total and per layer
//! ([`Shares`]).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unlearn::parts::Purpose;
use unlearn_models::checkpoint;
use unlearn_network::{Graph, State};
use unlearn_pruning::{Error, Request, Shares};
use unlearn_run_store::Stage;

use super::{
    Bench, Kind,
    model::StageModel,
    train::{SNAPSHOT, snapshot_name},
};
use crate::Result;

/// Configuration of a pruned model, beside the dense one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PruneConfig {
    /// Name of the method.
    pub(crate) method: String,
    /// All settings of the method.
    pub(crate) config: Value,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

pub(crate) struct Prune;

impl Kind for Prune {
    const NAME: &'static str = "prune";
    const SUMMARY: &'static str = "a dense model, pruned and retrained";
    const INPUTS: &'static [&'static str] = &["model"];
    type Config = PruneConfig;

    fn run(config: &PruneConfig, bench: &mut Bench<'_>) -> Result<()> {
        let method = unlearn_pruning::find(&config.method).map_err(|error| bench.failure(error))?;
        let StageModel { mut network, info, setting, stage: dense } = bench.model("model", &config.arithmetic)?;
        if !setting.history.is_dense(&network) {
            return Err(
                bench.failure("its model is pruned already or has forgotten something; prune what `train` left")
            );
        }
        let graph = network.graph().clone();
        let initial = bench.initial(&setting)?;
        for name in dense.manifest().artifacts.keys().filter(|name| name.starts_with(SNAPSHOT)) {
            dense.read(name)?; // A damaged snapshot must not count as missing.
        }
        let snapshot = |epoch: usize| snapshot(&dense, epoch, &graph);
        let mut request = Request {
            network: &mut network,
            initial: bench.fresh(&initial, &graph, &setting)?,
            snapshot: &snapshot,
            task: setting.task(Purpose::Pruning, bench.materials.device(), bench.session),
            train: &setting.split.train,
        };
        let outcome = method.run(&config.config, &mut request).map_err(|error| match &error {
            Error::Training(training) => bench.training_failure(training, &error),
            _ => bench.failure(&error),
        })?;
        bench.save_network(&mut network, Some(&outcome.mask), &info, &setting)?;
        let shares = Shares::new(&graph, &outcome.mask);
        bench.writer.note("sparsity", &shares)?;
        bench.save_epochs(&outcome.epochs)
    }
}

/// The weights after an epoch of dense training, if its stage kept them.
fn snapshot(dense: &Stage, epoch: usize, graph: &Graph) -> Option<State> {
    let name = snapshot_name(epoch);
    let bytes = dense.read(&name).ok()?;
    checkpoint::from_bytes(&bytes, graph, &dense.path().join(name)).ok().map(|(state, _)| state)
}
