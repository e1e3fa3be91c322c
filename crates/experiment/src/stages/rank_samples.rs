//! `rank-samples`: a score of each training sample that says how hard it is to forget. It leaves `samples.json`. Unlearning can then
//! forget the hardest samples, or the easiest. A low score is hard.
//!
//! **Memorisation.** The score is the mean, over the epochs of the dense training, of the probability that the model gives to the
//! sample's label after the epoch. Jiang et al. 2021 (arXiv 2002.03206, section 4) found that this learning speed orders samples much as
//! the costly scores of memorisation by leave-one-out do, and Zhao et al. 2024 (arXiv 2406.01257; arXiv 2410.16516) used it as their
//! proxy for how hard a sample is to forget. The training is that of the dense model: same recipe, initial weights and seed.
//!
//! **Entanglement.** Zhao et al. 2024 (arXiv 2406.01257, section 4) call a forget set entangled with the retain set if the two lie
//! together in the model's features, and score sets. A score of single samples is needed here: the silhouette by the means of classes
//! ([`unlearn_metrics::silhouettes`]) in the inputs of the last layer. A sample with a low silhouette lies among retained samples of
//! another class. Deviation: their score compares two sets, whatever the classes; to compare a sample with its own class would order
//! samples by how typical they are.
//!
//! **Worst case.** See [`worst_case`](super::worst_case).

use serde::{Deserialize, Serialize};
use serde_json::json;
use unlearn_metrics::{Rows, silhouettes, softmax::softmax};
use unlearn_network::Network;
use unlearn_run_store::{saved, write_atomic};
use unlearn_samples::ForgetSpec;
use unlearn_training::{Error as TrainingError, features, predict};

use super::{
    Bench, Kind,
    model::StageModel,
    worst_case::{self, WorstCase},
};
use crate::{
    Result,
    hard::{Difficulty, Hard},
};

/// Configuration of a ranking of samples.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RankSamplesConfig {
    /// What makes a sample hard to forget.
    pub(crate) by: Difficulty,
    /// What the worst case depends on. Only by the worst case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) worst_case: Option<WorstCase>,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

/// The score of each sample.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Scored {
    by: Difficulty,
    /// Positions in the official training set, ascending.
    positions: Vec<u32>,
    /// The score of each position. A low one is hard to forget.
    scores: Vec<f64>,
}

/// What an interrupted ranking by memorisation knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    /// Number of finished epochs.
    epochs: usize,
    /// The sum over these of each sample's confidence.
    sums: Vec<f64>,
}

/// The file that the stage leaves.
const FILE: &str = "samples.json";
/// The file with what an interrupted ranking knows.
const KNOWN: &str = "confidences.json";

pub(crate) struct RankSamples;

impl Kind for RankSamples {
    const NAME: &'static str = "rank-samples";
    const SUMMARY: &'static str = "how hard each training sample is to forget";
    const INPUTS: &'static [&'static str] = &["model"];
    type Config = RankSamplesConfig;

    fn run(config: &RankSamplesConfig, bench: &mut Bench<'_>) -> Result<()> {
        let mut source = bench.model("model", &config.arithmetic)?;
        if !source.setting.history.is_dense(&source.network) {
            return Err(bench.failure("its model is pruned or has forgotten something; rank what `train` left"));
        }
        let positions = source.setting.split.train.clone();
        let scores = match config.by {
            Difficulty::Memorisation => by_memorisation(bench, &source)?,
            Difficulty::Entanglement => by_entanglement(bench, &source)?,
            Difficulty::WorstCase => by_worst_case(bench, config, &mut source)?,
        };
        if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
            return Err(bench.failure(format!("the score of image {} is not a finite number", positions[at])));
        }
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let note = json!({ "by": config.by, "samples": scores.len(), "mean_score": mean });
        let scored = Scored { by: config.by, positions, scores };
        let text = serde_json::to_vec(&scored).map_err(|error| bench.failure(error))?;
        write_atomic(&bench.writer.path(FILE), &text)?;
        Ok(bench.writer.note("sample_ranking", &note)?)
    }
}

/// Trains as the dense model was trained and records each sample's confidence after each epoch. What is known survives a kill.
fn by_memorisation(bench: &Bench<'_>, source: &StageModel) -> Result<Vec<f64>> {
    let setting = &source.setting;
    let positions = &setting.split.train;
    let file = bench.writer.checkpoint_dir()?.join(KNOWN);
    let fail = |error: &dyn std::fmt::Display| bench.failure(error);
    let none = || Known { epochs: 0, sums: vec![0.0; positions.len()] };
    let known = saved::load(&file)?.map(|text| serde_json::from_slice(&text)).transpose();
    let mut known: Known = known.map_err(|error| fail(&error))?.unwrap_or_else(none);
    let graph = source.network.graph();
    let initial = bench.initial(setting)?;
    let mut network = bench.network(graph, bench.fresh(&initial, graph, setting)?)?;
    let mut record = |network: &mut Network, epochs: usize| {
        // A resumed training may repeat epochs that are known.
        if epochs <= known.epochs {
            return Ok(None);
        }
        if epochs != known.epochs + 1 || known.sums.len() != positions.len() {
            return Err(TrainingError::Resume(format!("{KNOWN} lacks the confidences of earlier epochs")));
        }
        let found = predict(network, &setting.dataset.train, positions)?;
        for ((sum, logits), label) in known.sums.iter_mut().zip(found.logits.chunks(found.classes)).zip(&found.labels) {
            *sum += softmax(logits)[*label as usize];
        }
        known.epochs = epochs;
        let text = serde_json::to_vec(&known).map_err(|error| TrainingError::Resume(error.to_string()))?;
        saved::save(&file, &text).map_err(|error| TrainingError::Resume(error.to_string()))?;
        Ok(None)
    };
    setting
        .train_and(&mut network, positions, &[], bench.session, &mut record)
        .map_err(|error| bench.training_failure(&error, &error))?;
    if known.epochs == 0 {
        return Err(bench.failure("its model was not trained for a single epoch, so there are no confidences"));
    }
    Ok(known.sums.iter().map(|sum| sum / known.epochs as f64).collect())
}

/// The silhouette of each sample in the model's features.
fn by_entanglement(bench: &Bench<'_>, source: &StageModel) -> Result<Vec<f64>> {
    let StageModel { network, setting, .. } = source;
    let found = features(network, bench.materials.device(), &setting.dataset.train, &setting.split.train)
        .map_err(|error| bench.failure(error))?;
    let rows = Rows::new(&found.values, found.dims).map_err(|error| bench.failure(error))?;
    silhouettes(rows, &found.labels).map_err(|error| bench.failure(error))
}

/// Minus the weight of each sample in the worst case. It is short enough to be repeated after a kill.
fn by_worst_case(bench: &Bench<'_>, config: &RankSamplesConfig, source: &mut StageModel) -> Result<Vec<f64>> {
    let worst_case = config.worst_case.ok_or_else(|| bench.failure("its `config` lacks `worst-case`"))?;
    let StageModel { network, setting, .. } = source;
    let (images, positions) = (&setting.dataset.train, setting.split.train.as_slice());
    let weights = worst_case::select(network, (images, positions), worst_case, bench.spec.seed, bench.session)
        .map_err(|error| bench.training_failure(&error, &error))?;
    Ok(weights.iter().map(|weight| -weight).collect())
}

impl Bench<'_> {
    /// The request for the samples that the ranking in a role puts first or last.
    pub(super) fn hard_samples(&self, role: &str, hard: Hard) -> Result<ForgetSpec> {
        let stage = self.input(role)?;
        if stage.manifest().kind != RankSamples::NAME {
            return Err(self.failure(format!("its input `{role}` is no ranking of samples")));
        }
        let damaged = |reason: &str| self.failure(format!("{FILE} of its input `{role}` is damaged: {reason}"));
        let Scored { by, positions, scores } =
            serde_json::from_slice(&stage.read(FILE)?).map_err(|error| damaged(&error.to_string()))?;
        if positions.len() != scores.len() || by != hard.by {
            return Err(damaged("it has not one score for each position, by what the request names"));
        }
        let positions = hard.choose(&positions, &scores).map_err(|reason| self.failure(reason))?;
        Ok(ForgetSpec::Positions { positions })
    }
}
