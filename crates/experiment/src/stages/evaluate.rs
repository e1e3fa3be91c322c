//! `evaluate`: how well a model forgot. Leaves one row of metrics and `scores.safetensors`: logits and losses of every
//! sample of the forget, retain and test set, from which every metric can be computed again without the model.

use std::collections::BTreeMap;

use unlearn_metrics::UnlearningScores;
use unlearn_mia_eval::{MemberSelection, Scores, mia_efficacy};
use unlearn_models::tensor_file;
use unlearn_network::Network;
use unlearn_run_store::{Evaluation, StageKey, write_atomic};
use unlearn_training::{Predictions, predict};

use super::{model::derived_seed, unlearn::RunTime};
use crate::{Result, runner::Bench, suite::CONFIDENCE};

pub(crate) fn run(bench: &mut Bench<'_>, seed: usize, forget: usize, unlearn: &StageKey) -> Result<()> {
    let shared = &bench.plan.shared;
    let data = &shared.seeds[seed];
    let request = &data.forgets[forget];
    let stage = bench.input("unlearn", unlearn)?;
    let run_time = RunTime::of(bench, &stage)?;
    let (mut network, _) = bench.load_network(&stage)?;

    // Forgetting a whole class takes it out of the test set too.
    let test_labels = &shared.dataset.test.labels;
    let kept = |i: &u32| request.whole_class.is_none_or(|class| test_labels[*i as usize] != class);
    let test_indices: Vec<u32> = (0..test_labels.len() as u32).filter(kept).collect();
    let mut predictions = |images, indices: &[u32]| predict(&mut network, images, indices);
    let all = (|| {
        let forget = predictions(&shared.dataset.train, &request.split.forget)?;
        let retain = predictions(&shared.dataset.train, &request.split.retain)?;
        let test = predictions(&shared.dataset.test, &test_indices)?;
        Ok((forget, retain, test))
    })();
    let (forget, retain, test) = all.map_err(|error: unlearn_training::Error| bench.failure(error))?;
    let validation_accuracy = validation_accuracy(bench, &mut network, seed)?;

    let attack_seed = derived_seed(data.seed, "attack");
    let mut mia = BTreeMap::new();
    for feature in &shared.features {
        let scores = |p| scores(p).map_err(|e| bench.failure(e));
        let efficacy = mia_efficacy(
            &scores(&retain)?,
            &scores(&test)?,
            &scores(&forget)?,
            feature,
            MemberSelection::Stratified,
            attack_seed,
        )
        .map_err(|e| bench.failure(format!("attack `{}`: {e}", feature.name)))?;
        mia.insert(feature.name.to_owned(), efficacy);
    }
    let result = UnlearningScores::new(forget.accuracy(), retain.accuracy(), test.accuracy(), mia[CONFIDENCE])
        .map_err(|e| bench.failure(e))?;
    save_scores(bench, &[("forget", &forget), ("retain", &retain), ("test", &test)])?;
    bench.writer.truncate_metrics(0)?;
    bench.writer.append_metrics(&Evaluation {
        ua: result.ua,
        ra: result.ra,
        ta: result.ta,
        mia_efficacy: result.mia_efficacy,
        rte_seconds: run_time.rte_seconds,
        validation_accuracy,
        mia,
    })?;
    Ok(())
}

fn validation_accuracy(bench: &Bench<'_>, network: &mut Network, seed: usize) -> Result<Option<f64>> {
    let shared = &bench.plan.shared;
    let indices = &shared.seeds[seed].split.validation;
    if indices.is_empty() {
        return Ok(None);
    }
    let predictions = predict(network, &shared.dataset.train, indices).map_err(|e| bench.failure(e))?;
    Ok(Some(predictions.accuracy()))
}

fn scores(predictions: &Predictions) -> unlearn_mia_eval::Result<Scores<'_>> {
    Scores::new(&predictions.logits, &predictions.labels, predictions.classes)
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
