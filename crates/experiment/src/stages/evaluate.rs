//! `evaluate`: how well a model forgot. Leaves one row of figures and `scores.safetensors`: logits, labels and positions of every sample
//! of the forget, retain, test and validation set, from which every figure can be computed again without the model.

use unlearn_run_store::{Evaluation, StageKey, StoredScores};

use super::unlearn::RunTime;
use crate::{
    Result,
    judgement::{Judging, judge},
    runner::Bench,
};

pub(crate) fn run(bench: &mut Bench<'_>, seed: usize, forget: usize, unlearn: &StageKey) -> Result<()> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let stage = bench.input("unlearn", unlearn)?;
    let RunTime { rte_seconds } = RunTime::of(bench, &stage)?;
    let (mut network, _) = bench.load_network(&stage)?;
    let sets = data.forgets[forget].sets(&shared.dataset, &data.split);
    let settings = shared.attack_settings(data.seed);
    let judging =
        Judging { registry: &shared.registry, settings: &settings, rte_seconds: Some(rte_seconds), retrain: None };
    let judged = judge(&mut network, &sets, &judging).map_err(|error| bench.failure(error))?;
    StoredScores::write(&bench.writer.path(StoredScores::FILE), &judged.scores)?;
    bench.writer.truncate_metrics(0)?;
    bench.writer.append_metrics(&Evaluation::new(judged.figures))?;
    Ok(())
}
