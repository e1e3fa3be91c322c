//! `prune`: a dense model, pruned and retrained. Leaves `model.safetensors`, `mask.safetensors` and, in the manifest, the fact
//! `sparsity`: the shares of parameters and of operations that are left, in total and per layer ([`Shares`]).

use unlearn_pruning::{Error, Request, Shares};
use unlearn_run_store::StageKey;
use unlearn_training::Task;

use super::{model::derived_seed, train::snapshot_name};
use crate::{Result, runner::Bench};

pub(crate) fn run(bench: &mut Bench<'_>, seed: usize, pruning: usize, train: &StageKey) -> Result<()> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let Some((method, config)) = &shared.prunings[pruning].method else {
        return Err(bench.failure("a dense model needs no pruning stage"));
    };
    let dense = bench.input("train", train)?;
    let (mut network, _) = bench.load_network(&dense)?;
    let snapshot = |epoch: usize| bench.load_state(&dense, &snapshot_name(epoch)).ok();
    let mut request = Request {
        network: &mut network,
        initial: bench.initial_state(data.seed)?,
        snapshot: &snapshot,
        task: Task {
            images: &shared.dataset.train,
            validation: &data.split.validation,
            recipe: &shared.recipe,
            augmentation: shared.dataset.augmentation,
            device: shared.device,
            seed: derived_seed(data.seed, "prune"),
            session: bench.session,
        },
        train: &data.split.train,
    };
    let outcome = method.run(config, &mut request).map_err(|error| match &error {
        Error::Training(training) => bench.training_failure(training, &error),
        _ => bench.failure(&error),
    })?;
    bench.save_network(&network, Some(&outcome.mask))?;
    let shares = Shares::new(&shared.graph, &outcome.mask);
    bench.writer.note("sparsity", &shares)?;
    bench.save_epochs(&outcome.epochs)
}
