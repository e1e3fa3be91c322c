//! `transfer`: a model made to classify a target's images: with a linear probe on its frozen features, or fine-tuned as a whole. It
//! leaves `model.safetensors`, the mask of a pruned source, and `transfer.json` with the accuracy on the target's test set.

use serde::{Deserialize, Serialize};
use unlearn::parts::History;
use unlearn_models::{Origin, checkpoint::CheckpointInfo};
use unlearn_network::Network;
use unlearn_random::derived_seed;
use unlearn_run_store::{Stage, write_atomic};
use unlearn_training::{EpochRow, Head, Recipe, features, mask_of, with_head_anew};

use super::{Bench, Kind, MODEL};
use crate::{
    Result,
    data::{Data, DataSection},
    setting::Setting,
    transfer::{Mode, ProbeSettings},
};

/// Configuration of a transfer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TransferConfig {
    /// How the model is transferred.
    pub(crate) mode: Mode,
    /// The target: `[transfer.data]` with its seed filled in.
    pub(crate) data: DataSection,
    /// The recipe of fine-tuning. None for a linear probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recipe: Option<Recipe>,
    /// Settings of a linear probe. None for fine-tuning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) probe: Option<ProbeSettings>,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

/// What a transfer says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transferred {
    pub(crate) mode: Mode,
    /// Name of the target.
    pub(crate) target: String,
    /// The stage of the model that was transferred.
    pub(crate) source: String,
    /// On the target's test set, %.
    pub(crate) accuracy: f64,
    /// Number of test images.
    pub(crate) test: usize,
}

/// The file with it.
const FILE: &str = "transfer.json";

pub(crate) struct TransferStage;

impl Kind for TransferStage {
    const NAME: &'static str = "transfer";
    const SUMMARY: &'static str = "a model made to classify a target's images, by linear probe or fine-tuning";
    const INPUTS: &'static [&'static str] = &["model"];
    type Config = TransferConfig;

    fn run(config: &TransferConfig, bench: &mut Bench<'_>) -> Result<()> {
        let source = bench.model_of_other_data("model", &config.arithmetic)?;
        let target = bench.target(&config.data)?;
        bench.check_images(&target.dataset)?;
        let (mut network, info) = bench.for_target((&source.network, &source.info), &target)?;
        let recipe = match (config.mode, &config.recipe, config.probe) {
            (Mode::LinearProbe, None, Some(probe)) => {
                bench.probe(&mut network, &target, probe)?;
                &source.setting.history.recipe
            }
            (Mode::FineTune, Some(recipe), None) => recipe,
            _ => return Err(bench.failure("a `linear-probe` needs `probe`, and `fine-tune` needs `recipe`")),
        };
        let setting = transferred(config, &source.stage, (target, recipe.clone(), bench.spec.seed));
        let rows = match config.mode {
            Mode::LinearProbe => Vec::new(),
            Mode::FineTune => fine_tune(bench, &mut network, &setting)?,
        };
        let test = &setting.dataset.test;
        let all: Vec<u32> = (0..test.len() as u32).collect();
        let accuracy = bench.accuracy(&mut network, test, &all)?;
        let mask = mask_of(&network).map_err(|error| bench.failure(error))?;
        bench.save_network(&mut network, mask.as_ref(), &info, &setting)?;
        let said = Transferred {
            mode: config.mode,
            target: setting.data.title(),
            source: format!("{}/{}", source.stage.manifest().kind, source.stage.key()),
            accuracy,
            test: all.len(),
        };
        let text = serde_json::to_vec_pretty(&said).map_err(|error| bench.failure(error))?;
        write_atomic(&bench.writer.path(FILE), &text)?;
        bench.writer.note("transfer", &said)?;
        bench.save_epochs(&rows)
    }
}

/// Trains the whole network on the target's training images, with batch normalisation in training mode.
fn fine_tune(bench: &Bench<'_>, network: &mut Network, setting: &Setting) -> Result<Vec<EpochRow>> {
    let outcome = setting.train(network, &setting.split.train, &[], bench.session);
    outcome.map(|outcome| outcome.epochs).map_err(|error| bench.training_failure(&error, &error))
}

/// What a transferred model was trained on: the target, beginning with the weights that a stage left.
fn transferred(config: &TransferConfig, source: &Stage, (target, recipe, seed): (Data, Recipe, u64)) -> Setting {
    let manifest = source.manifest();
    let blake3 = manifest.artifacts.get(MODEL).map(|artifact| artifact.blake3.clone()).unwrap_or_default();
    let init = Some(Origin { source: format!("stage {}/{}", manifest.kind, source.key()), blake3, key: None });
    Setting::new(target, config.data.clone(), History { recipe, init, ..History::fresh(seed) })
}

impl Bench<'_> {
    /// The data of a target.
    pub(super) fn target(&self, section: &DataSection) -> Result<Data> {
        self.materials.data(section).map_err(|reason| self.failure(reason))
    }

    /// The network of a source with a head for a target's classes, and its description. The normalisation stays the source's, on
    /// which its features rest.
    pub(super) fn for_target(
        &self,
        (network, info): (&Network, &CheckpointInfo),
        target: &Data,
    ) -> Result<(Network, CheckpointInfo)> {
        let images = &target.dataset.train;
        let found = [images.channels, images.height, images.width];
        if found != info.input {
            return Err(self.failure(format!(
                "the target's images are {found:?} (channels, height, width), and the model takes {:?}; convert them",
                info.input
            )));
        }
        let (classes, dataset) = (target.dataset.classes.len(), target.dataset.name.clone());
        let info = CheckpointInfo { classes, dataset, training: None, ..info.clone() };
        let graph = info.graph().map_err(|error| self.failure(error))?;
        let seed = derived_seed(self.spec.seed, "transfer head");
        let network = with_head_anew(network, &graph, seed, self.materials.device());
        Ok((network.map_err(|error| self.failure(error))?, info))
    }

    /// Fits a head to the network's features of the target's training images, without augmentation and with batch normalisation in
    /// evaluation mode.
    pub(super) fn probe(&self, network: &mut Network, target: &Data, probe: ProbeSettings) -> Result<()> {
        probe.check().map_err(|reason| self.failure(reason))?;
        let classes = target.dataset.classes.len();
        let found = features(network, self.materials.device(), &target.dataset.train, &target.split.train);
        let head = found.and_then(|found| Head::fit(&found, classes, probe.c));
        head.and_then(|head| head.put_on(network)).map_err(|error| self.failure(error))
    }

    /// What the transfer in a role says of itself. Its model must be the one that this stage reads in the role `model`.
    pub(super) fn transfer(&self, mode: Mode) -> Result<Transferred> {
        let role = mode.name();
        let stage = self.input(role)?;
        let manifest = stage.manifest();
        if manifest.kind != TransferStage::NAME || manifest.inputs.get("model") != self.spec.inputs.get("model") {
            return Err(self.failure(format!("its input `{role}` is no transfer of its own model")));
        }
        let said: Transferred = serde_json::from_slice(&stage.read(FILE)?)
            .map_err(|error| self.failure(format!("{FILE} of its input `{role}` is damaged: {error}")))?;
        if said.mode == mode {
            return Ok(said);
        }
        Err(self.failure(format!("its input `{role}` is a transfer by `{}`", said.mode.name())))
    }
}
