//! Models and masks in stage folders: `model.safetensors` and `mask.safetensors`.

use std::sync::Arc;

use unlearn::parts;
use unlearn_masks::Mask;
use unlearn_models::{
    ImportOptions, ModelFile,
    checkpoint::{self, CheckpointInfo},
};
use unlearn_network::{Graph, Network, State};
use unlearn_run_store::{Stage, write_atomic};
use unlearn_training::{check_answers, one_of};

use super::Bench;
use crate::{Error, Result, opened::OpenedModel, setting::Setting};

/// A stage's model.
pub const MODEL: &str = "model.safetensors";
/// The mask of its kept weights, if it was pruned.
pub const MASK: &str = "mask.safetensors";
/// The last finite weights of a method that diverged.
pub(crate) const LAST_FINITE: &str = "last-finite.safetensors";

/// Whether a method failed because its numbers became infinite or NaN.
fn has_diverged(error: &unlearn_unlearning::Error) -> bool {
    use unlearn_unlearning::Error::{NonFinite, Training};
    matches!(error, Training { source: unlearn_training::Error::Diverged { .. }, .. } | NonFinite { .. })
}

/// A model that a stage left, opened for further work.
pub(crate) struct StageModel {
    /// The network on the device of the reading stage, pruned by its mask if it has one.
    pub(crate) network: Network,
    /// The description in its file.
    pub(crate) info: CheckpointInfo,
    /// What it was trained on.
    pub(crate) setting: Setting,
    /// The stage that left it.
    pub(crate) stage: Stage,
}

impl Bench<'_> {
    /// A network with these values, on the device of this run.
    pub(super) fn network(&self, graph: &Arc<Graph>, state: State) -> Result<Network> {
        Network::new(Arc::clone(graph), state, self.materials.device()).map_err(|e| self.failure(e))
    }

    /// The model that this stage reads in a role. It was trained on the data that the stage is described for.
    pub(super) fn model(&self, role: &str, arithmetic: &str) -> Result<StageModel> {
        let model = self.model_of_other_data(role, arithmetic)?;
        self.check_data(role, &model.setting)?;
        Ok(model)
    }

    /// What the model in a role was trained on and asked to forget.
    pub(super) fn setting(&self, role: &str) -> Result<Setting> {
        let (_, setting) = self.opened(self.input(role)?, role)?;
        self.check_data(role, &setting)?;
        Ok(setting)
    }

    fn check_data(&self, role: &str, setting: &Setting) -> Result<()> {
        if setting.dataset.fingerprint == self.spec.data_fingerprint {
            return Ok(());
        }
        Err(self.failure(format!(
            "it is described for data with the fingerprint {}, and the model of its input `{role}` was trained on {}",
            self.spec.data_fingerprint, setting.dataset.fingerprint
        )))
    }

    /// The model that this stage reads in a role, whatever it was trained on.
    pub(super) fn model_of_other_data(&self, role: &str, arithmetic: &str) -> Result<StageModel> {
        let stage = self.input(role)?;
        let (model, setting) = self.opened(stage.clone(), role)?;
        let network = parts::network(&model, self.materials.device()).map_err(|error| self.failure(error))?;
        self.check_arithmetic(arithmetic, &network.arithmetic())?;
        Ok(StageModel { network, info: model.info, setting, stage })
    }

    fn opened(&self, stage: Stage, role: &str) -> Result<(ModelFile, Setting)> {
        let OpenedModel { model, .. } = OpenedModel::of_stage(stage, &ImportOptions::default())?;
        let training = model.info.training.as_ref();
        let training = training.ok_or_else(|| {
            self.failure(format!("the model of its input `{role}` does not say what it was trained on"))
        })?;
        let setting = Setting::of(training, self.materials)
            .map_err(|reason| self.failure(format!("the model of its input `{role}`: {reason}")))?;
        Ok((model, setting))
    }

    /// Writes values as a checkpoint of this stage, for a model that `info` describes and that was trained as
    /// `setting` says.
    pub(super) fn save_state(
        &self,
        name: &str,
        (graph, state): (&Graph, &State),
        info: &CheckpointInfo,
        setting: &Setting,
    ) -> Result<()> {
        if let Some(tensor) = state.first_non_finite(graph) {
            return Err(self.failure(format!("the model has diverged: `{tensor}` holds a NaN; lower `lr`")));
        }
        let training = Some(setting.training().map_err(|e| self.failure(e))?);
        let info = CheckpointInfo { config: self.writer.key().to_string(), training, ..info.clone() };
        let bytes = checkpoint::to_bytes(graph, state, &info).map_err(|e| self.failure(e))?;
        Ok(write_atomic(&self.writer.path(name), &bytes)?)
    }

    /// Writes the network that this stage leaves, and its mask. The network must answer with finite numbers.
    pub(super) fn save_network(
        &self,
        network: &mut Network,
        mask: Option<&Mask>,
        info: &CheckpointInfo,
        setting: &Setting,
    ) -> Result<()> {
        let (images, lower) = (&setting.dataset.train, setting.history.recipe.strong_settings());
        if let Some(tensor) = network.state().first_non_finite(network.graph()) {
            let lower = one_of(&lower);
            return Err(self.failure(format!("a value in `{tensor}` of the model is not finite; lower {lower}")));
        }
        check_answers(network, images, &setting.split.train, &lower).map_err(|error| self.failure(error))?;
        self.save_state(MODEL, (network.graph(), network.state()), info, setting)?;
        mask.map_or(Ok(()), |mask| mask.save(self.writer.path(MASK)).map_err(|e| self.failure(e)))
    }

    /// The error of a failed method. If it diverged, the last finite weights are saved separately in the working
    /// folder.
    pub(super) fn method_failure(&self, model: &StageModel, error: &unlearn_unlearning::Error) -> Error {
        if let unlearn_unlearning::Error::Training { source: unlearn_training::Error::Interrupted, .. } = error {
            return self.interruption();
        }
        let StageModel { network, info, setting, .. } = model;
        if !has_diverged(error) || network.state().first_non_finite(network.graph()).is_some() {
            return self.failure(error);
        }
        match self.save_state(LAST_FINITE, (network.graph(), network.state()), info, setting) {
            Ok(()) => Error::Diverged {
                stage: self.label.to_owned(),
                reason: error.to_string(),
                kept: self.writer.path(LAST_FINITE),
            },
            Err(unsaved) => self.failure(format!("{error}; the last finite weights could not be kept: {unsaved}")),
        }
    }
}
