//! Models and masks in stage folders: `model.safetensors` and `mask.safetensors`.

use std::path::Path;

use unlearn_masks::Mask;
use unlearn_models::checkpoint::{self, CheckpointInfo, Training};
use unlearn_network::{Network, State};
use unlearn_run_store::{Stage, write_atomic};
use unlearn_training::{EpochRow, apply_mask};

pub(crate) use unlearn_random::derived_seed;

use crate::{Error, Result, plan::Work, runner::Bench};

/// A stage's model.
pub const MODEL: &str = "model.safetensors";
/// Which of its weights are kept, if it was pruned.
pub const MASK: &str = "mask.safetensors";
/// The last finite weights of a method that diverged.
pub(crate) const LAST_FINITE: &str = "last-finite.safetensors";

/// Whether a method failed because its numbers became infinite or no numbers.
pub(crate) fn has_diverged(error: &unlearn_unlearning::Error) -> bool {
    use unlearn_unlearning::Error::{NonFinite, Training};
    matches!(error, Training { source: unlearn_training::Error::Diverged { .. }, .. } | NonFinite { .. })
}

/// What there is to say of a method that diverged and left finite weights.
pub(crate) fn kept_apart(error: &unlearn_unlearning::Error, place: &Path) -> String {
    format!("{error}; the last finite weights are kept in {}", place.display())
}

impl Bench<'_> {
    /// A network with these values on the suite's device.
    pub(super) fn network(&self, state: State) -> Result<Network> {
        let shared = &self.plan.shared;
        Network::new(shared.graph.clone(), state, shared.device).map_err(|e| self.failure(e))
    }

    /// The values of a model of this seed before any training of ours.
    pub(super) fn initial_state(&self, seed: u64) -> Result<State> {
        let shared = &self.plan.shared;
        let state = shared.initial.state(&shared.graph, derived_seed(seed, "initialization"));
        state.map_err(|e| self.failure(e))
    }

    /// Values from a checkpoint in a finished stage.
    pub(super) fn load_state(&self, stage: &Stage, name: &str) -> Result<State> {
        let path = stage.artifact(name)?;
        let (state, _) = checkpoint::load(&path, &self.plan.shared.graph).map_err(|e| self.failure(e))?;
        Ok(state)
    }

    /// The network that a finished stage left, pruned by its mask if it has one.
    pub(super) fn load_network(&self, stage: &Stage) -> Result<(Network, Option<Mask>)> {
        let mut network = self.network(self.load_state(stage, MODEL)?)?;
        if !stage.manifest().artifacts.contains_key(MASK) {
            return Ok((network, None));
        }
        let mask = Mask::load(&stage.artifact(MASK)?).map_err(|e| self.failure(e))?;
        apply_mask(&mut network, &mask).map_err(|e| self.failure(e))?;
        Ok((network, Some(mask)))
    }

    /// Writes values as a checkpoint of this stage.
    pub(super) fn save_state(&self, name: &str, state: &State) -> Result<()> {
        let shared = &self.plan.shared;
        if let Some(tensor) = state.first_non_finite(&shared.graph) {
            return Err(self.failure(format!("the model has diverged: `{tensor}` holds a NaN; lower `lr`")));
        }
        let training = Some(self.training()?);
        let info = CheckpointInfo { config: self.stage.key.to_string(), training, ..shared.info.clone() };
        let bytes = checkpoint::to_bytes(&shared.graph, state, &info).map_err(|e| self.failure(e))?;
        Ok(write_atomic(&self.writer.path(name), &bytes)?)
    }

    /// What the model of this stage was trained on, and asked to forget.
    fn training(&self) -> Result<Training> {
        let shared = &self.plan.shared;
        let data = &shared.seeds[self.stage.work.seed()];
        let forgotten = match self.stage.work {
            Work::Unlearn { at, .. } => data.forgets[at.forget].forgotten.clone(),
            _ => Vec::new(),
        };
        Ok(Training {
            data: serde_json::to_value(&data.data).map_err(|e| self.failure(e))?,
            fingerprint: shared.dataset.fingerprint.clone(),
            recipe: serde_json::to_value(&shared.recipe).map_err(|e| self.failure(e))?,
            seed: data.seed,
            init: shared.initial.origin().cloned(),
            forgotten,
        })
    }

    /// The error of a method that failed. If it diverged, the last finite weights are kept apart in the working folder.
    pub(super) fn method_failure(&self, network: &Network, error: &unlearn_unlearning::Error) -> Error {
        if let unlearn_unlearning::Error::Training { source: unlearn_training::Error::Interrupted, .. } = error {
            return Error::Interrupted { stage: self.stage.label.clone() };
        }
        if !has_diverged(error) || network.state().first_non_finite(network.graph()).is_some() {
            return self.failure(error);
        }
        match self.save_state(LAST_FINITE, network.state()) {
            Ok(()) => self.failure(kept_apart(error, &self.writer.path(LAST_FINITE))),
            Err(unsaved) => self.failure(format!("{error}; the last finite weights could not be kept: {unsaved}")),
        }
    }

    /// Writes the network this stage leaves, and its mask.
    pub(super) fn save_network(&self, network: &Network, mask: Option<&Mask>) -> Result<()> {
        self.save_state(MODEL, network.state())?;
        mask.map_or(Ok(()), |mask| mask.save(self.writer.path(MASK)).map_err(|e| self.failure(e)))
    }

    /// Writes the rows of `metrics.jsonl`; what an earlier, killed attempt wrote is replaced.
    pub(super) fn save_epochs(&mut self, rows: &[EpochRow]) -> Result<()> {
        self.writer.truncate_metrics(0)?;
        rows.iter().try_for_each(|row| Ok(self.writer.append_metrics(row)?))
    }
}
