//! Trains and prunes a model from scratch on other samples, for a method that learns the mask again. The dense
//! training is saved in the stage's `checkpoint` folder, so that a killed run resumes after it.

use std::{path::Path, time::Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unlearn::parts::Purpose;
use unlearn_models::checkpoint::{self, CheckpointInfo};
use unlearn_network::{Network, State};
use unlearn_pruning::PruningMethod;
use unlearn_run_store::{Stage, saved};
use unlearn_training::{EpochRow, Error, Session};
use unlearn_unlearning::Outcome;

use super::{
    Bench, Kind,
    model::MODEL,
    prune::{Prune, PruneConfig},
    train::snapshot_name,
};
use crate::{Result, checkpoints::FileCheckpoints, setting::Setting};

/// How a model was pruned.
pub(super) struct Pruned {
    method: &'static PruningMethod,
    config: Value,
}

/// Facts of the dense training that are saved beside its weights.
#[derive(Serialize, Deserialize)]
struct Dense {
    seconds: f64,
    epochs: Vec<EpochRow>,
}

/// Name of the file with these facts. It is written last.
const DENSE: &str = "dense.json";

impl Pruned {
    /// How the model of a stage was pruned, by this stage or by one that it descends from. `None` for a dense model,
    /// and if the store does not say.
    pub(super) fn of(bench: &Bench<'_>, stage: &Stage) -> Result<Option<Self>> {
        let mut stage = stage.clone();
        loop {
            let manifest = stage.manifest();
            if manifest.kind == Prune::NAME {
                let config: PruneConfig =
                    serde_json::from_value(manifest.config.clone()).map_err(|error| bench.failure(error))?;
                let method = unlearn_pruning::find(&config.method).map_err(|error| bench.failure(error))?;
                return Ok(Some(Self { method, config: config.config }));
            }
            let Some(model) = manifest.inputs.get("model") else { return Ok(None) };
            let Some(before) = bench.store.locate(model)? else { return Ok(None) };
            stage = before;
        }
    }
}

/// Trains a fresh model densely on `samples`, prunes it as the original was pruned, and leaves its values and its
/// mask in `network`.
///
/// The reported seconds are the time of all steps of dense training, plus the wall time of the pruning since its last
/// start.
pub(super) fn prune_anew(
    bench: &Bench<'_>,
    (pruned, info, setting): (&Pruned, &CheckpointInfo, &Setting),
    network: &mut Network,
    samples: &[u32],
    session: Session<'_>,
) -> unlearn_training::Result<Outcome> {
    let Pruned { method, config } = pruned;
    let graph = network.graph().clone();
    let unsuitable = |error: &dyn std::fmt::Display| Error::Unsuitable(error.to_string());
    let folder = bench.writer.checkpoint_dir().map_err(|error| unsuitable(&error))?;
    let initial = bench.initial(setting).and_then(|initial| bench.fresh(&initial, &graph, setting));
    let initial = initial.map_err(|error| unsuitable(&error))?;
    let mut dense = bench.network(&graph, initial.clone()).map_err(|error| unsuitable(&error))?;
    if read(&folder)?.is_none() {
        let plan = method.plan(config, &setting.history.recipe).map_err(|error| unsuitable(&error))?;
        let trained = setting.train(&mut dense, samples, &plan.snapshots, session)?;
        keep(info, &dense, &trained, &folder).map_err(|error| unsuitable(&error))?;
    }
    let Dense { seconds, mut epochs } = read(&folder)?.ok_or(Error::Resume(format!("{DENSE} is missing")))?;
    let load = |name: &str| -> Result<State, String> {
        let file = folder.join(name);
        let bytes = saved::load(&file).map_err(|error| error.to_string())?;
        let bytes = bytes.ok_or_else(|| format!("{} has gone", file.display()))?;
        let read = checkpoint::from_bytes(&bytes, &graph, &file).map_err(|error| error.to_string())?;
        Ok(read.0)
    };
    dense.set_state(load(MODEL).map_err(Error::Resume)?);

    let clock = Instant::now();
    let pruning_folder = folder.join("prune");
    std::fs::create_dir_all(&pruning_folder).map_err(|source| Error::Io { action: "make the folder for", source })?;
    let checkpoints = FileCheckpoints::new(&pruning_folder, bench.checkpoint_interval);
    let snapshot = |epoch: usize| load(&snapshot_name(epoch)).ok();
    let mut request = unlearn_pruning::Request {
        network: &mut dense,
        initial,
        snapshot: &snapshot,
        task: setting.task(
            Purpose::Pruning,
            bench.materials.device(),
            Session { checkpoints: &checkpoints, ..session },
        ),
        train: samples,
    };
    let outcome = method.run(config, &mut request).map_err(|error| match error {
        unlearn_pruning::Error::Training(error) => error,
        other => unsuitable(&other),
    })?;
    epochs.extend(outcome.epochs);
    // The new mask comes first, because a network sets values outside its mask to 0.
    network.prune(dense.kept().clone())?;
    network.set_state(dense.state().clone());
    Ok(Outcome { epochs, seconds: seconds + clock.elapsed().as_secs_f64() })
}

/// The dense training of an earlier, killed attempt.
fn read(folder: &Path) -> unlearn_training::Result<Option<Dense>> {
    let text = saved::load(&folder.join(DENSE)).map_err(|error| Error::Resume(error.to_string()))?;
    let read = |text: Vec<u8>| serde_json::from_slice(&text).map_err(|error| Error::Resume(error.to_string()));
    text.map(read).transpose()
}

/// Saves the dense training.
fn keep(
    info: &CheckpointInfo,
    network: &Network,
    trained: &unlearn_training::Outcome,
    folder: &Path,
) -> Result<(), String> {
    let save = |name: &str, state: &State| {
        let bytes = checkpoint::to_bytes(network.graph(), state, info).map_err(|error| error.to_string())?;
        saved::save(&folder.join(name), &bytes).map_err(|error| error.to_string())
    };
    trained.snapshots.iter().try_for_each(|(epoch, state)| save(&snapshot_name(*epoch), state))?;
    save(MODEL, network.state())?;
    let dense = Dense { seconds: trained.seconds, epochs: trained.epochs.clone() };
    let text = serde_json::to_vec(&dense).map_err(|error| error.to_string())?;
    saved::save(&folder.join(DENSE), &text).map_err(|error| error.to_string())
}
