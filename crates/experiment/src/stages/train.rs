//! `train`: a dense model, from fresh weights or pretrained ones. Leaves `model.safetensors` and the snapshots that rewinding needs.

use unlearn_network::Network;
use unlearn_training::{CrossEntropy, Outcome, Run, Session, train};

use super::model::derived_seed;
use crate::{Result, runner::Bench};

pub(super) fn snapshot_name(epoch: usize) -> String {
    format!("epoch-{epoch}.safetensors")
}

pub(crate) fn run(bench: &mut Bench<'_>, seed: usize) -> Result<()> {
    let data = &bench.plan.shared.seeds[seed];
    let mut network = bench.network(bench.initial_state(data.seed)?)?;
    let outcome = train_dense(bench, seed, &mut network, &data.split.train, bench.session)
        .map_err(|error| bench.training_failure(&error, &error))?;
    for (epoch, state) in &outcome.snapshots {
        bench.save_state(&snapshot_name(*epoch), state)?;
    }
    bench.save_network(&network, None)?;
    bench.save_epochs(&outcome.epochs)
}

/// Trains a network that is untrained yet on the samples at `positions` by the suite's recipe.
pub(super) fn train_dense(
    bench: &Bench<'_>,
    seed: usize,
    network: &mut Network,
    positions: &[u32],
    session: Session<'_>,
) -> unlearn_training::Result<Outcome> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let (images, recipe) = (&shared.dataset.train, &shared.recipe);
    let batches = recipe.batches(images, positions, shared.dataset.augmentation, derived_seed(data.seed, "train"))?;
    let validation = Some((images, data.split.validation.as_slice()));
    let run = Run { snapshots: &shared.snapshots, validation, ..Run::new(recipe, &batches) };
    train(network, &mut CrossEntropy { label_smoothing: recipe.label_smoothing }, &run, session)
}
