//! `unlearn`: makes a model forget. It leaves `model.safetensors`, the mask if there is one, and `run-time.json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unlearn::parts::Purpose;
use unlearn_network::{Graph, Network};
use unlearn_run_store::{Stage, write_atomic};
use unlearn_samples::{ForgetSpec, ForgetSplit};
use unlearn_training::{Session, mask_of};
use unlearn_unlearning::{Outcome, Request};

use super::{
    Bench, Kind,
    model::StageModel,
    prune_anew::{Pruned, prune_anew},
};
use crate::{Result, hard::Hard, wanted::Ranked};

/// Configuration of a model that has forgotten, beside the original one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct UnlearnConfig {
    /// Name of the method.
    pub(crate) method: String,
    /// All settings of the method.
    pub(crate) config: Value,
    /// The request. It is drawn from the samples that the model was not asked to forget before. Without it, the input `found` says
    /// which samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) forget: Option<ForgetSpec>,
    /// The classes to take from the ranking in the input `found`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ranked: Option<Ranked>,
    /// The samples to take from the ranking in the input `found`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hard: Option<Hard>,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

/// The method's run time (RTE), without evaluation, loading and saving.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RunTime {
    /// Seconds.
    pub(crate) rte_seconds: f64,
}

impl RunTime {
    const FILE: &'static str = "run-time.json";

    /// The run time that a stage recorded when it made a model forget. `None` for a model that was not asked to
    /// forget.
    pub(crate) fn of(stage: &Stage) -> Result<Option<Self>> {
        if !stage.manifest().artifacts.contains_key(Self::FILE) {
            return Ok(None);
        }
        let bytes = stage.read(Self::FILE)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| crate::Error::Stage {
            stage: format!("{}/{}", stage.manifest().kind, stage.key()),
            reason: format!("{} is damaged: {error}", Self::FILE),
        })
    }

    fn save(self, bench: &Bench<'_>) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self).map_err(|e| bench.failure(e))?;
        Ok(write_atomic(&bench.writer.path(Self::FILE), &text)?)
    }
}

/// The role of a stage that finds the samples of a request.
pub(crate) const FOUND: &str = "found";

pub(crate) struct Unlearn;

impl Kind for Unlearn {
    const NAME: &'static str = "unlearn";
    const SUMMARY: &'static str = "a model made to forget what a request asks for";
    const INPUTS: &'static [&'static str] = &["model"];
    const OPTIONAL_INPUTS: &'static [&'static str] = &[FOUND];
    const TIMED: bool = true;
    type Config = UnlearnConfig;

    fn run(config: &UnlearnConfig, bench: &mut Bench<'_>) -> Result<()> {
        let mut model = bench.model("model", &config.arithmetic)?;
        let request = match (&config.forget, config.ranked, config.hard, bench.spec.inputs.contains_key(FOUND)) {
            (Some(forget), None, None, false) => forget.clone(),
            (None, None, None, true) => bench.found_samples(FOUND)?,
            (None, None, Some(hard), true) => bench.hard_samples(FOUND, hard)?,
            (None, Some(ranked), None, true) => {
                let left = model.setting.division().retain;
                bench.ranked_samples(FOUND, ranked, &model.setting.dataset.train.labels, &left)?
            }
            _ => return Err(bench.failure(format!("it needs either `forget` or the input `{FOUND}`"))),
        };
        let request = model.setting.draw(&request).map_err(|error| bench.failure(error))?;
        let outcome = forget(config, bench, &mut model, &request)?;
        let mask = mask_of(&model.network).map_err(|error| bench.failure(error))?;
        let history = &mut model.setting.history;
        history.forgotten = history.forgotten_with(&request.forget);
        bench.save_network(&mut model.network, mask.as_ref(), &model.info, &model.setting)?;
        RunTime { rte_seconds: outcome.seconds }.save(bench)?;
        bench.save_epochs(&outcome.epochs)
    }
}

/// Runs the method on the model's network.
fn forget(
    config: &UnlearnConfig,
    bench: &Bench<'_>,
    model: &mut StageModel,
    ForgetSplit { forget, retain }: &ForgetSplit,
) -> Result<Outcome> {
    let methods = &bench.materials.environment().methods;
    let method = methods.find(&config.method).map_err(|error| bench.failure(error))?;
    let pruned = Pruned::of(bench, &model.stage)?;
    let StageModel { network, info, setting, .. } = model;
    let setting = &*setting;
    let anew = pruned.as_ref().map(|pruned| {
        |network: &mut Network, samples: &[u32], session: Session<'_>| {
            prune_anew(bench, (pruned, info, setting), network, samples, session)
        }
    });
    // Only methods that need the initial weights open them. The others can run even if their file is missing.
    let initial = |graph: &Graph, seed| {
        let initial =
            bench.materials.initial(setting.history.init.as_ref()).map_err(unlearn_training::Error::Unsuitable)?;
        initial.state(graph, seed).map_err(|error| unlearn_training::Error::Unsuitable(error.to_string()))
    };
    let task = setting.task(Purpose::Unlearning, bench.materials.device(), bench.session);
    let initial_seed = info.training.as_ref().map(|_| setting.history.initial_seed());
    let mut request = Request::new(network, task, forget, retain).initial(&initial).initial_seed(initial_seed);
    if let Some(anew) = &anew {
        request = request.prune_anew(anew);
    }
    method.run(&config.config, &mut request).map_err(|error| bench.method_failure(model, &error))
}
