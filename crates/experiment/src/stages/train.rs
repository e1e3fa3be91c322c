//! `train`: a dense model from fresh weights. Leaves `model.safetensors` and the snapshots that rewinding needs.

use unlearn_training::{CrossEntropy, Run, train};

use super::model::derived_seed;
use crate::{Result, runner::Bench};

pub(super) fn snapshot_name(epoch: usize) -> String {
    format!("epoch-{epoch}.safetensors")
}

pub(crate) fn run(bench: &mut Bench<'_>, seed: usize) -> Result<()> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let recipe = &shared.recipe;
    let mut network = bench.network(bench.initial_state(data.seed))?;
    let seed = derived_seed(data.seed, "train");
    let batches = recipe
        .batches(&shared.dataset.train, &data.split.train, shared.dataset.augmentation, seed)
        .map_err(|error| bench.failure(error))?;
    let validation = Some((&shared.dataset.train, data.split.validation.as_slice()));
    let run = Run { snapshots: &shared.snapshots, validation, ..Run::new(recipe, &batches) };
    let mut objective = CrossEntropy { label_smoothing: recipe.label_smoothing };
    let outcome = train(&mut network, &mut objective, &run, bench.session)
        .map_err(|error| bench.training_failure(&error, &error))?;
    for (epoch, state) in &outcome.snapshots {
        bench.save_state(&snapshot_name(*epoch), state)?;
    }
    bench.save_network(&network, None)?;
    bench.save_epochs(&outcome.epochs)
}
