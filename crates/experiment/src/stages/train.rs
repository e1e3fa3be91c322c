//! `train`: trains a dense model from fresh or pretrained weights. It leaves `model.safetensors` and the snapshots
//! that rewinding needs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unlearn_hub::PREFIX;
use unlearn_models::{InputSpec, Origin, checkpoint::CheckpointInfo};
use unlearn_network::{Graph, Network, State};
use unlearn_random::derived_seed;
use unlearn_training::{CrossEntropy, Error as TrainingError, Outcome, Pruner, Recipe, Run, Session, train_and_prune};

use super::{Bench, Kind};
use crate::{
    Result,
    data::{Data, DataSection},
    initial::Initial,
    setting::{Setting, check_fingerprint},
};

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
        let outcome = train_dense(&setting, &config.snapshots, &mut network, samples, session)
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
    let Data { dataset, split, part, poisoning } =
        bench.materials.data(&data).map_err(|reason| bench.failure(reason))?;
    check_fingerprint(&dataset, &bench.spec.data_fingerprint).map_err(|reason| bench.failure(reason))?;
    let origin = init.as_ref().map(|init| init.origin(bench.spec.places.get(INIT)));
    let init = origin.transpose().map_err(|reason| bench.failure(reason))?;
    let info = CheckpointInfo::new(arch, input_spec(&dataset), &dataset.name);
    let (recipe, seed) = (recipe.clone(), bench.spec.seed);
    let unseen = part.map_or_else(Vec::new, |part| part.unseen);
    Ok((Setting { dataset, data, split, unseen, poisoning, recipe, seed, init, forgotten: Vec::new() }, info))
}

/// The inputs and outputs of a model for a dataset.
pub(crate) fn input_spec(dataset: &unlearn_samples::Dataset) -> InputSpec {
    let images = &dataset.train;
    InputSpec {
        shape: [images.channels, images.height, images.width],
        classes: dataset.classes.len(),
        mean: dataset.normalization.mean.clone(),
        std: dataset.normalization.std.clone(),
    }
}

impl Bench<'_> {
    /// The initial weights of the training.
    pub(super) fn initial(&self, setting: &Setting) -> Result<Arc<Initial>> {
        self.materials.initial(setting.init.as_ref()).map_err(|reason| self.failure(reason))
    }

    /// The values of a model before its training.
    pub(super) fn fresh(&self, initial: &Initial, graph: &Graph, setting: &Setting) -> Result<State> {
        initial.state(graph, initial_seed(setting.seed)).map_err(|error| self.failure(error))
    }
}

/// The seed of the weights that training with this seed begins with.
pub(super) fn initial_seed(seed: u64) -> u64 {
    derived_seed(seed, "initialization")
}

/// Prefix of snapshot names.
pub(super) const SNAPSHOT: &str = "epoch-";

pub(super) fn snapshot_name(epoch: usize) -> String {
    format!("{SNAPSHOT}{epoch}.safetensors")
}

/// Trains an untrained network on the samples at `positions` by the recipe of its setting.
pub(super) fn train_dense(
    setting: &Setting,
    snapshots: &[usize],
    network: &mut Network,
    positions: &[u32],
    session: Session<'_>,
) -> unlearn_training::Result<Outcome> {
    train_dense_and(setting, snapshots, network, positions, session, &mut |_, _| Ok(None))
}

/// The same, with a call after every epoch.
pub(super) fn train_dense_and(
    setting: &Setting,
    snapshots: &[usize],
    network: &mut Network,
    positions: &[u32],
    session: Session<'_>,
    after_epoch: &mut Pruner<'_, TrainingError>,
) -> unlearn_training::Result<Outcome> {
    let Setting { dataset, split, recipe, seed, .. } = setting;
    let images = &dataset.train;
    let batches = recipe.batches(images, positions, dataset.augmentation, derived_seed(*seed, "train"))?;
    let validation = Some((images, split.validation.as_slice()));
    let run = Run { snapshots, validation, ..Run::new(recipe, &batches) };
    let mut objective = CrossEntropy { label_smoothing: recipe.label_smoothing };
    train_and_prune(network, &mut objective, &run, session, after_epoch)
}
