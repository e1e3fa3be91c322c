//! `validate`: how well a model forgot as far as an operator can know, without a test set. Leaves one row of metrics.

use unlearn_metrics::figures::{mia_efficacy, ra, ta, ua};
use unlearn_run_store::{StageKey, Validation};

use super::unlearn::RunTime;
use crate::{
    Result,
    judgement::{Judging, foresee},
    runner::Bench,
};

pub(crate) fn run(bench: &mut Bench<'_>, seed: usize, forget: usize, unlearn: &StageKey) -> Result<()> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let stage = bench.input("unlearn", unlearn)?;
    let RunTime { rte_seconds } = RunTime::of(bench, &stage)?;
    let (mut network, _) = bench.load_network(&stage)?;
    let sets = data.forgets[forget].sets(&shared.dataset, &data.split);
    let settings = shared.table_attack_settings(data.seed);
    let judging =
        Judging { registry: &shared.registry, settings: &settings, rte_seconds: Some(rte_seconds), retrain: None };
    let found = foresee(&mut network, &sets, &judging).map_err(|error| bench.failure(error))?;
    let figure = |name: &str| {
        let value = found.figures.get(name).map(|figure| figure.value);
        value.ok_or_else(|| bench.failure(format!("the registry gives no figure `{name}`")))
    };
    let row = Validation {
        ua: figure(ua::NAME)?,
        ra: figure(ra::NAME)?,
        va: figure(ta::NAME)?,
        mia_efficacy: figure(mia_efficacy::NAME)?,
        forget_auc: found.forget_auc,
        rte_seconds,
    };
    bench.writer.truncate_metrics(0)?;
    bench.writer.append_metrics(&row)?;
    Ok(())
}
