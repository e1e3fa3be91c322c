//! `evaluate`: judges how well a model forgot. It leaves one row of figures, and `scores.safetensors` with logits,
//! labels and positions of every sample of the forget, retain, test and validation set. From these, every figure can
//! be computed again without the model.

use serde::{Deserialize, Serialize};
use unlearn_metrics::{
    Value,
    figures::{target_finetune, target_probe},
};
use unlearn_mia_eval::Settings;
use unlearn_run_store::{Evaluation, StoredScores};

use super::{Bench, Kind, model::StageModel, unlearn::RunTime};
use crate::{
    Result,
    judgement::{Judging, judge},
    transfer::Mode,
};

/// Configuration of an evaluation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EvaluateConfig {
    /// The attacks and their settings.
    pub(crate) attacks: Settings,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

/// The method that does not change the model.
pub(crate) const RAW: &str = "raw";
/// The gold standard: the method, and the role of its model in the stages that compare with it.
pub(crate) const RETRAIN: &str = "retrain";
/// The role of a model on whose sets this one is judged, if not on its own: what that one was trained on and asked to forget.
pub(crate) const SETS: &str = "sets";

pub(crate) struct Evaluate;

impl Kind for Evaluate {
    const NAME: &'static str = "evaluate";
    const SUMMARY: &'static str = "how well a model forgot, on the test set too, perhaps beside a Retrain";
    const INPUTS: &'static [&'static str] = &["model"];
    const OPTIONAL_INPUTS: &'static [&'static str] = &[RETRAIN, SETS, Mode::LinearProbe.name(), Mode::FineTune.name()];
    type Config = EvaluateConfig;

    fn run(config: &EvaluateConfig, bench: &mut Bench<'_>) -> Result<()> {
        let (mut network, setting, stage) = if bench.spec.inputs.contains_key(SETS) {
            let StageModel { network, stage, .. } = bench.model_of_other_data("model", &config.arithmetic)?;
            (network, bench.setting(SETS)?, stage)
        } else {
            let StageModel { network, setting, stage, .. } = bench.model("model", &config.arithmetic)?;
            (network, setting, stage)
        };
        Settings::count(Some(config.attacks.draws), config.attacks.members).map_err(|reason| bench.failure(reason))?;
        if setting.history.forgotten.is_empty() {
            return Err(
                bench.failure("its model was not asked to forget anything; evaluate what an `unlearn` stage left")
            );
        }
        let rte_seconds = RunTime::of(&stage)?.map(|run_time| run_time.rte_seconds);
        let division = setting.division();
        let sets = setting.sets(&division);
        let registry = &bench.materials.environment().registry;
        let interrupt = Some(bench.session.interrupt);
        let alone = Judging { registry, settings: &config.attacks, rte_seconds: None, retrain: None, interrupt };
        let retrain = if bench.spec.inputs.contains_key(RETRAIN) {
            let StageModel { mut network, setting: other, .. } = bench.model(RETRAIN, &config.arithmetic)?;
            let saw = setting.history.forgotten.iter().find(|id| other.history.forgotten.binary_search(id).is_err());
            if let Some(id) = saw {
                return Err(
                    bench.failure(format!("its `{RETRAIN}` was trained on image {id}, which is to be forgotten"))
                );
            }
            Some(judge(&mut network, &sets, &alone).map_err(|error| bench.judging_failure(&error))?)
        } else {
            None
        };
        let judging = Judging { rte_seconds, retrain: retrain.as_ref(), ..alone };
        let mut judged = judge(&mut network, &sets, &judging).map_err(|error| bench.judging_failure(&error))?;
        for mode in Mode::ALL.into_iter().filter(|mode| bench.spec.inputs.contains_key(mode.name())) {
            let name = match mode {
                Mode::LinearProbe => target_probe::NAME,
                Mode::FineTune => target_finetune::NAME,
            };
            judged.figures.insert(name.to_owned(), Value::exact(bench.transfer(mode)?.accuracy));
        }
        StoredScores::write(&bench.writer.path(StoredScores::FILE), &judged.scores)?;
        bench.writer.truncate_metrics(0)?;
        bench.writer.append_metrics(&Evaluation::new(judged.figures))?;
        Ok(())
    }
}
