//! `train`: trains a dense model from fresh or pretrained weights. It leaves `model.safetensors` and the snapshots
//! that rewinding needs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unlearn::parts::{History, input_spec};
use unlearn_hub::PREFIX;
use unlearn_models::{Origin, checkpoint::CheckpointInfo};
use unlearn_network::{Graph, State};
use unlearn_training::Recipe;

use super::{Bench, Kind};
use crate::{Result, data::DataSection, initial::Initial, setting::Setting};

/// Configuration of a dense model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TrainConfig {
    /// `[data]` with its seed filled in.
    pub(crate) data: DataSection,
    /// Architecture name.
    pub(crate) arch: String,
    pub(crate) recipe: Recipe,
    /// Epochs after which the weights are saved too.
    pub(crate) snapshots: Vec<usize>,
    /// Pretrained weights that training begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) init: Option<InitialKey>,
    /// The executor and its revision. The bits of every trained model depend on it.
    pub(crate) arithmetic: String,
}

/// The part of a stage's key for pretrained weights: the file's hash, with a commit of the Hub if it comes from there, and the key of
/// the dictionary in it if one was chosen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InitialKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    blake3: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// The role, and the kind, of the stage that records the poison.
pub(crate) const POISON: &str = "poison";

/// The key in `places` for the picture of a trigger.
pub(crate) const PICTURE: &str = "picture";

/// The key in `places` for pretrained weights from a file.
pub(crate) const INIT: &str = "init";

impl InitialKey {
    pub(crate) fn of(origin: &Origin) -> Self {
        let source = origin.source.starts_with(PREFIX).then(|| origin.source.clone());
        Self { source, blake3: origin.blake3.clone(), key: origin.key.clone() }
    }

    /// Where the weights come from. `place` is the path of a file in the description.
    fn origin(&self, place: Option<&String>) -> Result<Origin, String> {
        let source = self.source.as_ref().or(place).cloned();
        let source = source.ok_or("its `places` do not say where `init`, the pretrained weights, lies")?;
        Ok(Origin { source, blake3: self.blake3.clone(), key: self.key.clone() })
    }
}

pub(crate) struct Train;

impl Kind for Train {
    const NAME: &'static str = "train";
    const SUMMARY: &'static str = "a dense model, trained from fresh weights or pretrained ones";
    const INPUTS: &'static [&'static str] = &[];
    const OPTIONAL_INPUTS: &'static [&'static str] = &[POISON];
    type Config = TrainConfig;

    fn run(config: &TrainConfig, bench: &mut Bench<'_>) -> Result<()> {
        let (setting, info) = setting(config, bench)?;
        let graph = info.graph().map_err(|error| bench.failure(error))?;
        let initial = bench.initial(&setting)?;
        let mut network = bench.network(&graph, bench.fresh(&initial, &graph, &setting)?)?;
        bench.check_arithmetic(&config.arithmetic, &network.arithmetic())?;
        let (samples, session) = (&setting.split.train, bench.session);
        let outcome = setting
            .train(&mut network, samples, &config.snapshots, session)
            .map_err(|error| bench.training_failure(&error, &error))?;
        for (epoch, state) in &outcome.snapshots {
            bench.save_state(&snapshot_name(*epoch), (&graph, state), &info, &setting)?;
        }
        bench.save_network(&mut network, None, &info, &setting)?;
        bench.save_epochs(&outcome.epochs)
    }
}

/// The data of a model to be trained, and the model's description.
fn setting(config: &TrainConfig, bench: &Bench<'_>) -> Result<(Setting, CheckpointInfo)> {
    let TrainConfig { data, arch, recipe, init, .. } = config;
    let data = data.with_place(bench.spec.places.get(PICTURE));
    let opened = bench.materials.data(&data).map_err(|reason| bench.failure(reason))?;
    bench.check_images(&opened.dataset)?;
    let origin = init.as_ref().map(|init| init.origin(bench.spec.places.get(INIT)));
    let init = origin.transpose().map_err(|reason| bench.failure(reason))?;
    let info = CheckpointInfo::new(arch, input_spec(&opened.dataset), &opened.dataset.name);
    let history = History { recipe: recipe.clone(), init, ..History::fresh(bench.spec.seed) };
    Ok((Setting::new(opened, data, history), info))
}

impl Bench<'_> {
    /// The initial weights of the training.
    pub(super) fn initial(&self, setting: &Setting) -> Result<Arc<Initial>> {
        self.materials.initial(setting.history.init.as_ref()).map_err(|reason| self.failure(reason))
    }

    /// The values of a model before its training.
    pub(super) fn fresh(&self, initial: &Initial, graph: &Graph, setting: &Setting) -> Result<State> {
        initial.state(graph, setting.history.initial_seed()).map_err(|error| self.failure(error))
    }
}

/// Prefix of snapshot names.
pub(super) const SNAPSHOT: &str = "epoch-";

pub(super) fn snapshot_name(epoch: usize) -> String {
    format!("{SNAPSHOT}{epoch}.safetensors")
}
