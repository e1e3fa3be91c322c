//! `poison`: the record of a poisoned training set. It leaves `poison.json` (positions, true classes, where the trigger changed nothing)
//! and `samples.png` (some of the images without and with the trigger).
//!
//! Training on the poisoned set rests on this stage, but makes the set again from its own description. Both name the set by its
//! fingerprint.

use serde::{Deserialize, Serialize};
use serde_json::json;
use unlearn_datasets::picture;
use unlearn_run_store::write_atomic;
use unlearn_samples::{ImageSet, sheet};

use super::{
    Bench, Kind,
    train::{PICTURE, POISON},
};
use crate::{
    Result,
    data::{Data, DataSection},
};

/// Configuration of a poisoned training set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PoisonConfig {
    /// `[data]` with its seeds and the trigger's settings filled in.
    pub(crate) data: DataSection,
}

/// Maximum number of images in the picture.
const SHOWN: usize = 10;

pub(crate) struct PoisonStage;

impl Kind for PoisonStage {
    const NAME: &'static str = POISON;
    const SUMMARY: &'static str = "which training samples carry the trigger of a backdoor, with pictures";
    const INPUTS: &'static [&'static str] = &[];
    type Config = PoisonConfig;

    fn run(config: &PoisonConfig, bench: &mut Bench<'_>) -> Result<()> {
        let section = config.data.with_place(bench.spec.places.get(PICTURE));
        let data = bench.materials.data(&section).map_err(|reason| bench.failure(reason))?;
        bench.check_images(&data.dataset)?;
        let Data { dataset, poisoning, .. } = data;
        let poisoning = poisoning.ok_or_else(|| bench.failure("its `data` have no `poison`"))?;
        let text = serde_json::to_vec_pretty(&json!({
            "label": poisoning.label,
            "target": poisoning.triggered.target(),
            "positions": poisoning.positions,
            "true_classes": poisoning.true_classes,
            "unchanged": poisoning.unchanged,
        }));
        write_atomic(&bench.writer.path("poison.json"), &text.map_err(|error| bench.failure(error))?)?;
        let clean = bench.materials.images(&section).map_err(|error| bench.failure(error))?;
        // Images of different classes say more than the first ones.
        let step = (poisoning.positions.len() / SHOWN).max(1);
        let shown: Vec<u32> = poisoning.positions.iter().step_by(step).take(SHOWN).copied().collect();
        let row = |images: &ImageSet| -> unlearn_samples::Result<Vec<Vec<u8>>> {
            shown.iter().map(|position| Ok(images.image(*position as usize)?.to_vec())).collect()
        };
        let rows = [row(&clean.train), row(&dataset.train)].map(|row| row.map_err(|error| bench.failure(error)));
        let [before, after] = rows;
        let ImageSet { channels, height, width, .. } = dataset.train;
        let drawn = sheet([channels, height, width], &[before?, after?]);
        let file = picture::encode(&drawn).map_err(|error| bench.failure(error))?;
        Ok(write_atomic(&bench.writer.path("samples.png"), &file)?)
    }
}
