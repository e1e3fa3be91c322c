//! A model trained and pruned from scratch on other samples, for a method that learns the mask anew. What was trained densely is
//! kept in the stage's `checkpoint` folder, so that a killed run goes on from there.

use std::{path::Path, time::Instant};

use serde::{Deserialize, Serialize};
use unlearn_models::checkpoint;
use unlearn_network::{Network, State};
use unlearn_run_store::write_atomic;
use unlearn_training::{EpochRow, Error, Session, Task};
use unlearn_unlearning::Outcome;

use super::{
    model::{MODEL, derived_seed},
    train::{snapshot_name, train_dense},
};
use crate::{checkpoints::FileCheckpoints, runner::Bench};

/// What is kept of the dense training beside its weights.
#[derive(Serialize, Deserialize)]
struct Dense {
    seconds: f64,
    epochs: Vec<EpochRow>,
}

/// Name of that file; it is written last.
const DENSE: &str = "dense.json";

/// Trains a fresh model densely on `samples`, prunes it as the suite's `pruning` says, and leaves both its values and its mask in `network`.
///
/// The seconds are those of all steps of dense training, and the wall time of the pruning from its last start.
pub(super) fn prune_anew(
    bench: &Bench<'_>,
    (seed, pruning): (usize, usize),
    network: &mut Network,
    samples: &[u32],
    session: Session<'_>,
) -> unlearn_training::Result<Outcome> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let Some((method, config)) = &shared.prunings[pruning].method else {
        return Err(Error::Unsuitable("a dense model has no mask to learn anew".into()));
    };
    let unsuitable = |error: &dyn std::fmt::Display| Error::Unsuitable(error.to_string());
    let folder = bench.writer.checkpoint_dir().map_err(|error| unsuitable(&error))?;
    let initial = bench.initial_state(data.seed).map_err(|error| unsuitable(&error))?;
    let mut dense = bench.network(initial.clone()).map_err(|error| unsuitable(&error))?;
    if read(&folder)?.is_none() {
        let trained = train_dense(bench, seed, &mut dense, samples, session)?;
        keep(bench, &dense, &trained, &folder).map_err(|error| unsuitable(&error))?;
    }
    let Dense { seconds, mut epochs } = read(&folder)?.ok_or(Error::Resume(format!("{DENSE} has gone")))?;
    let load = |name: &str| checkpoint::load(&folder.join(name), &shared.graph).map(|(state, _)| state);
    dense.set_state(load(MODEL).map_err(|error| unsuitable(&error))?);

    let clock = Instant::now();
    let pruning_folder = folder.join("prune");
    std::fs::create_dir_all(&pruning_folder).map_err(|source| Error::Io { action: "make the folder for", source })?;
    let checkpoints = FileCheckpoints::new(&pruning_folder, bench.checkpoint_interval);
    let snapshot = |epoch: usize| load(&snapshot_name(epoch)).ok();
    let mut request = unlearn_pruning::Request {
        network: &mut dense,
        initial,
        snapshot: &snapshot,
        task: Task {
            images: &shared.dataset.train,
            validation: &data.split.validation,
            recipe: &shared.recipe,
            augmentation: shared.dataset.augmentation,
            device: shared.device,
            seed: derived_seed(data.seed, "prune"),
            session: Session { checkpoints: &checkpoints, ..session },
        },
        train: samples,
    };
    let outcome = method.run(config, &mut request).map_err(|error| match error {
        unlearn_pruning::Error::Training(error) => error,
        other => unsuitable(&other),
    })?;
    epochs.extend(outcome.epochs);
    // The new mask first: values outside the mask that a network has become 0.
    network.prune(dense.kept().clone())?;
    network.set_state(dense.state().clone());
    Ok(Outcome { epochs, seconds: seconds + clock.elapsed().as_secs_f64() })
}

/// The dense training of an earlier, killed attempt.
fn read(folder: &Path) -> unlearn_training::Result<Option<Dense>> {
    match std::fs::read(folder.join(DENSE)) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| Error::Resume(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { action: "read", source }),
    }
}

/// Keeps what was trained densely.
fn keep(
    bench: &Bench<'_>,
    network: &Network,
    trained: &unlearn_training::Outcome,
    folder: &Path,
) -> Result<(), String> {
    let shared = &bench.plan.shared;
    let save = |name: &str, state: &State| {
        let bytes = checkpoint::to_bytes(&shared.graph, state, &shared.info).map_err(|error| error.to_string())?;
        write_atomic(&folder.join(name), &bytes).map_err(|error| error.to_string())
    };
    trained.snapshots.iter().try_for_each(|(epoch, state)| save(&snapshot_name(*epoch), state))?;
    save(MODEL, network.state())?;
    let dense = Dense { seconds: trained.seconds, epochs: trained.epochs.clone() };
    let text = serde_json::to_vec(&dense).map_err(|error| error.to_string())?;
    write_atomic(&folder.join(DENSE), &text).map_err(|error| error.to_string())
}
