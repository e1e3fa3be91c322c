//! `detect`: a detector looks for poison in a model's features. It leaves `detection.json` with the suspicious samples. Unlearning can
//! then forget them, as somebody must who does not know the poison.

use serde::{Deserialize, Serialize};
use serde_json::json;
use unlearn_backdoor::{Detection, Features, figures};
use unlearn_run_store::write_atomic;
use unlearn_samples::ForgetSpec;
use unlearn_training::features;

use super::{Bench, Kind, model::StageModel};
use crate::{Result, wanted::Detector};

/// Configuration of a search for poison.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DetectConfig {
    /// Name of the detector.
    pub(crate) detector: String,
    /// All of its settings.
    pub(crate) settings: unlearn_backdoor::Settings,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

/// The file that the stage leaves.
const FILE: &str = "detection.json";

pub(crate) struct Detect;

impl Kind for Detect {
    const NAME: &'static str = "detect";
    const SUMMARY: &'static str = "training samples that a detector of poison suspects";
    const INPUTS: &'static [&'static str] = &["model"];
    type Config = DetectConfig;

    fn run(config: &DetectConfig, bench: &mut Bench<'_>) -> Result<()> {
        let StageModel { network, setting, .. } = bench.model("model", &config.arithmetic)?;
        let detector = Detector { name: config.detector.clone(), settings: config.settings.clone() };
        let entry = detector.entry().map_err(|reason| bench.failure(reason))?;
        let examined = &setting.split.train;
        let unlearn_training::Features { values, labels, dims } =
            features(&network, bench.materials.device(), &setting.dataset.train, examined)
                .map_err(|error| bench.failure(error))?;
        let features = Features::new(&values, dims, &labels, examined).map_err(|error| bench.failure(error))?;
        let found = entry.detect(&config.settings, &features).map_err(|error| bench.failure(error))?;
        let text = serde_json::to_vec_pretty(&found).map_err(|error| bench.failure(error))?;
        write_atomic(&bench.writer.path(FILE), &text)?;
        let mut note = json!({ "samples": examined.len(), "suspicious": found.suspicious.len() });
        if let Some(poisoning) = &setting.poisoning {
            let recall = figures::recall(&found.suspicious, &poisoning.positions);
            let false_alarms = figures::false_alarms(&found.suspicious, &poisoning.positions, examined);
            note["recall"] = json!(recall.map_err(|error| bench.failure(error))?);
            note["false_alarms"] = json!(false_alarms.map_err(|error| bench.failure(error))?);
        }
        Ok(bench.writer.note("detection", &note)?)
    }
}

impl Bench<'_> {
    /// The request for the samples that the stage in a role found.
    pub(super) fn found_samples(&self, role: &str) -> Result<ForgetSpec> {
        let stage = self.input(role)?;
        let found: Detection = serde_json::from_slice(&stage.read(FILE)?)
            .map_err(|error| self.failure(format!("{FILE} of its input `{role}` is damaged: {error}")))?;
        if found.suspicious.is_empty() {
            return Err(self.failure(
                "the detector suspects no sample, so there is nothing to forget; change its settings, or name another `detector`",
            ));
        }
        Ok(ForgetSpec::Positions { positions: found.suspicious })
    }
}
