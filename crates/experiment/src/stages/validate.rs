//! `validate`: how well a model forgot as far as an operator can know, without a test set. Leaves one row of metrics.

use serde::{Deserialize, Serialize};
use unlearn_mia_eval::features;
use unlearn_random::derived_seed;
use unlearn_run_store::Validation;

use super::{Bench, Kind, model::StageModel, unlearn::RunTime};
use crate::{Result, judgement::foresee, suite::CONFIDENCE};

/// What decides how a model is judged without a test set: the same for all models.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ValidateConfig {
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

pub(crate) struct Validate;

impl Kind for Validate {
    const NAME: &'static str = "validate";
    const SUMMARY: &'static str = "how well a model forgot as far as can be known without a test set";
    const INPUTS: &'static [&'static str] = &["model"];
    type Config = ValidateConfig;

    fn run(config: &ValidateConfig, bench: &mut Bench<'_>) -> Result<()> {
        let StageModel { mut network, setting, stage, .. } = bench.model("model", &config.arithmetic)?;
        let RunTime { rte_seconds } = RunTime::of(&stage)?;
        let confidence = features::find(CONFIDENCE).map_err(|error| bench.failure(error))?;
        let division = setting.division();
        let sets = setting.sets(&division);
        let foresight = foresee(&mut network, &sets, confidence, derived_seed(setting.seed, "attack"))
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
}
