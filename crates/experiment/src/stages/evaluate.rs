//! `evaluate`: how well a model forgot. Leaves one row of metrics and `scores.safetensors`: logits and losses of every
//! sample of the forget, retain and test set, from which every metric can be computed again without the model.

use serde::{Deserialize, Serialize};
use unlearn_mia_eval::features;
use unlearn_random::derived_seed;
use unlearn_run_store::{Evaluation, write_atomic};
use unlearn_tensor_files as tensor_file;
use unlearn_training::Predictions;

use super::{Bench, Kind, model::StageModel, unlearn::RunTime};
use crate::{Result, judgement::judge};

/// What decides how a model is judged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EvaluateConfig {
    /// Features of the membership-inference attack.
    pub(crate) mia: Vec<String>,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

pub(crate) struct Evaluate;

impl Kind for Evaluate {
    const NAME: &'static str = "evaluate";
    const SUMMARY: &'static str = "how well a model forgot, on the test set too";
    const INPUTS: &'static [&'static str] = &["model"];
    type Config = EvaluateConfig;

    fn run(config: &EvaluateConfig, bench: &mut Bench<'_>) -> Result<()> {
        let StageModel { mut network, setting, stage, .. } = bench.model("model", &config.arithmetic)?;
        let run_time = RunTime::of(&stage)?;
        let features = config.mia.iter().map(|name| features::find(name)).collect::<Result<Vec<_>, _>>();
        let features = features.map_err(|error| bench.failure(error))?;
        let division = setting.division();
        let sets = setting.sets(&division);
        let judged = judge(&mut network, &sets, &features, derived_seed(setting.seed, "attack"))
            .map_err(|error| bench.failure(error))?;
        save_scores(bench, &[("forget", &judged.forget), ("retain", &judged.retain), ("test", &judged.test)])?;
        bench.writer.truncate_metrics(0)?;
        bench.writer.append_metrics(&Evaluation {
            ua: judged.scores.ua,
            ra: judged.scores.ra,
            ta: judged.scores.ta,
            mia_efficacy: judged.scores.mia_efficacy,
            rte_seconds: run_time.rte_seconds,
            validation_accuracy: judged.validation_accuracy,
            mia: judged.mia,
        })?;
        Ok(())
    }
}

fn save_scores(bench: &Bench<'_>, sets: &[(&str, &Predictions)]) -> Result<()> {
    let mut columns: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    for (set, predictions) in sets {
        let Predictions { logits, labels, classes } = predictions;
        columns.push((format!("{set}.logits"), vec![labels.len(), *classes], logits.clone()));
        columns.push((format!("{set}.labels"), vec![labels.len()], labels.iter().map(|l| *l as f32).collect()));
        columns.push((format!("{set}.losses"), vec![labels.len()], predictions.losses().map(|l| l as f32).collect()));
    }
    let tensors: Vec<_> =
        columns.iter().map(|(name, shape, values)| (name.clone(), shape.as_slice(), values.as_slice())).collect();
    let json = serde_json::json!({ "kind": "scores", "format": 1 }).to_string();
    let bytes = tensor_file::encode(&tensors, json).map_err(|e| bench.failure(e))?;
    Ok(write_atomic(&bench.writer.path("scores.safetensors"), &bytes)?)
}
