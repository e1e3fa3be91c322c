//! `validate`: how well a model forgot as far as an operator can know, without a test set. Leaves one row of metrics.

use unlearn_run_store::{StageKey, Validation};

use super::{model::derived_seed, unlearn::RunTime};
use crate::{Result, judgement::foresee, runner::Bench};

pub(crate) fn run(bench: &mut Bench<'_>, seed: usize, forget: usize, unlearn: &StageKey) -> Result<()> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let stage = bench.input("unlearn", unlearn)?;
    let RunTime { rte_seconds } = RunTime::of(bench, &stage)?;
    let (mut network, _) = bench.load_network(&stage)?;
    let sets = data.forgets[forget].sets(&shared.dataset, &data.split);
    let foresight = foresee(&mut network, &sets, shared.confidence(), derived_seed(data.seed, "attack"))
        .map_err(|error| bench.failure(error))?;
    let scores = foresight.scores;
    bench.writer.truncate_metrics(0)?;
    bench.writer.append_metrics(&Validation {
        ua: scores.ua,
        ra: scores.ra,
        va: scores.ta,
        mia_efficacy: scores.mia_efficacy,
        forget_auc: foresight.forget_auc,
        rte_seconds,
    })?;
    Ok(())
}
