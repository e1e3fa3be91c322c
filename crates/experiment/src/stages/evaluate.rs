//! `evaluate`: how well a model forgot. Leaves one row of metrics and `scores.safetensors`: logits and losses of every
//! sample of the forget, retain and test set, from which every metric can be computed again without the model.

use unlearn_run_store::{Evaluation, StageKey, write_atomic};
use unlearn_tensor_files as tensor_file;
use unlearn_training::Predictions;

use super::{model::derived_seed, unlearn::RunTime};
use crate::{Result, judgement::judge, runner::Bench};

pub(crate) fn run(bench: &mut Bench<'_>, seed: usize, forget: usize, unlearn: &StageKey) -> Result<()> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let stage = bench.input("unlearn", unlearn)?;
    let run_time = RunTime::of(bench, &stage)?;
    let (mut network, _) = bench.load_network(&stage)?;
    let sets = data.forgets[forget].sets(&shared.dataset, &data.split);
    let judged = judge(&mut network, &sets, &shared.features, derived_seed(data.seed, "attack"))
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
