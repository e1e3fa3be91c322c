//! `import`: takes a trained model from outside the store. It leaves `model.safetensors`, which says what the model
//! was trained on, and the mask if there is one.

use std::path::Path;

use serde::{Deserialize, Serialize};
use unlearn::parts::{input_spec, network};
use unlearn_models::{ImportOptions, checkpoint::Training};
use unlearn_run_store::Artifact;
use unlearn_training::check_answers;

use super::{Bench, Kind};
use crate::{Result, opened::OpenedModel, setting::Setting};

/// Configuration of an imported model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ImportConfig {
    /// The model's file.
    pub(crate) model: Artifact,
    /// The file of its mask, if separate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mask: Option<Artifact>,
    /// The dictionary of tensors to take from a PyTorch file, if one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// What the model was trained on, according to its file or its owner.
    pub(crate) training: Training,
}

/// The keys in `places` for the model and its mask.
pub(crate) const MODEL_PLACE: &str = "model";
pub(crate) const MASK_PLACE: &str = "mask";

pub(crate) struct Import;

impl Kind for Import {
    const NAME: &'static str = "import";
    const SUMMARY: &'static str = "a trained model from outside the store";
    const INPUTS: &'static [&'static str] = &[];
    type Config = ImportConfig;

    fn run(config: &ImportConfig, bench: &mut Bench<'_>) -> Result<()> {
        let places = &bench.spec.places;
        let place =
            places.get(MODEL_PLACE).ok_or_else(|| bench.failure("its `places` do not say where `model` lies"))?;
        let mask = places.get(MASK_PLACE).map(Path::new);
        let setting = Setting::of(&config.training, bench.materials).map_err(|reason| bench.failure(reason))?;
        bench.check_images(&setting.dataset)?;
        let images = Some(input_spec(&setting.dataset));
        let options = ImportOptions { images, key: config.key.clone(), ..ImportOptions::default() };
        let opened = OpenedModel::open(Path::new(place), mask, &options)?;
        let found = opened.artifacts();
        if (found.get("model"), found.get("mask")) != (Some(&config.model), config.mask.as_ref()) {
            return Err(bench.failure(format!("{place} is not the file that was described: its content differs")));
        }
        let model = &opened.model;
        setting.fits(&model.info).map_err(|reason| bench.failure(reason))?;
        let mut network = network(model, bench.materials.device()).map_err(|error| bench.failure(error))?;
        check_answers(&mut network, &setting.dataset.train, &setting.split.train, &[])
            .map_err(|error| bench.failure(format!("{place}: {error}")))?;
        bench.save_state(super::MODEL, (&model.graph, &model.state), &model.info, &setting)?;
        if let Some(mask) = &model.mask {
            mask.save(bench.writer.path(super::MASK)).map_err(|error| bench.failure(error))?;
        }
        Ok(())
    }
}
