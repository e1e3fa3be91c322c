//! `validate`: judges how well a model forgot without a test set. It leaves one row of metrics.

use serde::{Deserialize, Serialize};
use unlearn_metrics::figures::{mia_efficacy, ra, ta, ua};
use unlearn_mia_eval::Settings;
use unlearn_run_store::Validation;

use super::{Bench, Kind, model::StageModel, unlearn::RunTime};
use crate::{
    Result,
    judgement::{Judging, foresee},
};

/// Configuration of a judgement without a test set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ValidateConfig {
    /// The attack that tables report, and its settings.
    pub(crate) attacks: Settings,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

pub(crate) struct Validate;

impl Kind for Validate {
    const NAME: &'static str = "validate";
    const SUMMARY: &'static str = "how well a model forgot, judged without a test set";
    const INPUTS: &'static [&'static str] = &["model"];
    type Config = ValidateConfig;

    fn run(config: &ValidateConfig, bench: &mut Bench<'_>) -> Result<()> {
        let StageModel { mut network, setting, stage, .. } = bench.model("model", &config.arithmetic)?;
        let run_time = RunTime::of(&stage)?.ok_or_else(|| bench.failure("its model was not made by `unlearn`"))?;
        let rte_seconds = run_time.rte_seconds;
        let division = setting.division();
        let sets = setting.sets(&division);
        let registry = &bench.materials.environment().registry;
        let interrupt = Some(bench.session.interrupt);
        let judging =
            Judging { registry, settings: &config.attacks, rte_seconds: Some(rte_seconds), retrain: None, interrupt };
        let found = foresee(&mut network, &sets, &judging).map_err(|error| bench.judging_failure(&error))?;
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
}
