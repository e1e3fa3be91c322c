//! `rank`: the influence of each class of a model's training set on a target task. It leaves `ranking.json`. Unlearning can then forget
//! the classes of least influence.
//!
//! **By removal.** A model is trained without the class, from the same beginning as the original. The influence is the validation
//! accuracy of a linear probe on the original's features of the target, less that on the new model's, in points.
//!
//! **By gradient**, without training. A step of gradient descent on the loss of one class, with learning rate η, lowers the target's loss
//! by η times the scalar product of the two losses' gradients, to first order (`TracIn`, Pruthi et al. 2020, arXiv 2002.08484,
//! equation 1). The gradients are with respect to the weights before the heads. The heads differ: the class's loss has the model's own,
//! and the target's loss, over the target's validation images, has a linear probe. `TracIn` sums the products over checkpoints. Here the
//! influence is the mean over the checkpoints of the cosine of the two gradients, so that a checkpoint with large gradients does not
//! decide alone. The mean product is stored beside it. The checkpoints are the trained model and the snapshots that its training kept.
//! Batch normalisation is in evaluation mode.

use serde::{Deserialize, Serialize};
use unlearn_models::checkpoint::{self, CheckpointInfo};
use unlearn_network::{Mode, Network};
use unlearn_run_store::{saved, write_atomic};
use unlearn_samples::{BatchOptions, BatchPlan, ForgetSpec, ImageSet};
use unlearn_training::{CrossEntropy, Error as TrainingError, Objective, Rounds, head_of};

use super::{Bench, Kind, model::StageModel, train::SNAPSHOT};
use crate::{
    Result,
    data::{Data, DataSection},
    setting::Setting,
    transfer::ProbeSettings,
    wanted::{By, Ranked},
};

/// Configuration of a ranking.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RankConfig {
    /// How influence is measured.
    pub(crate) by: By,
    /// The target: `[transfer.data]` with its seed filled in.
    pub(crate) data: DataSection,
    /// Settings of the linear probe.
    pub(crate) probe: ProbeSettings,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

/// The influence of classes on a target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ranking {
    pub(crate) by: By,
    /// Name of the target.
    pub(crate) target: String,
    /// Names of the classes.
    pub(crate) classes: Vec<String>,
    /// The influence of each class. Removing the class of greatest influence harms the target most.
    pub(crate) influence: Vec<f64>,
    /// By gradient: the mean product of the gradients, for comparison.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) products: Vec<f64>,
}

/// The file with it.
const FILE: &str = "ranking.json";
/// The accuracies that an interrupted ranking by removal knows.
const KNOWN: &str = "removal.json";
/// Samples per batch. It affects the speed only.
const BATCH_SIZE: usize = 256;

pub(crate) struct Rank;

impl Kind for Rank {
    const NAME: &'static str = "rank";
    const SUMMARY: &'static str = "the influence of each class that a model was trained on, on a target task";
    const INPUTS: &'static [&'static str] = &["model"];
    type Config = RankConfig;

    fn run(config: &RankConfig, bench: &mut Bench<'_>) -> Result<()> {
        let mut source = bench.model_of_other_data("model", &config.arithmetic)?;
        let target = bench.target(&config.data)?;
        bench.check_images(&target.dataset)?;
        if target.split.validation.is_empty() {
            return Err(bench.failure("a ranking is judged on the target's validation images, and there are none"));
        }
        if !source.setting.history.is_dense(&source.network) {
            return Err(bench.failure("its model is pruned or has forgotten something; rank what `train` left"));
        }
        let (influence, products) = match config.by {
            By::Removal => (by_removal(bench, config, &source, &target)?, Vec::new()),
            By::Gradient => by_gradient(bench, config, &mut source, &target)?,
        };
        if let Some(class) = influence.iter().chain(&products).position(|value| !value.is_finite()) {
            let class = class % influence.len();
            return Err(bench.failure(format!("the influence of class {class} is not a finite number")));
        }
        let classes = source.setting.dataset.classes.clone();
        let ranking = Ranking { by: config.by, target: config.data.title(), classes, influence, products };
        let text = serde_json::to_vec_pretty(&ranking).map_err(|error| bench.failure(error))?;
        write_atomic(&bench.writer.path(FILE), &text)?;
        Ok(bench.writer.note("ranking", &ranking)?)
    }
}

/// The positions of a class in the training split.
fn members(setting: &Setting, class: u32) -> Vec<u32> {
    let of_class = |position: &u32| setting.dataset.train.labels[*position as usize] == class;
    setting.split.train.iter().copied().filter(of_class).collect()
}

/// The validation accuracy of a linear probe on a source model's features, in percent.
fn validated(
    bench: &Bench<'_>,
    config: &RankConfig,
    source: (&Network, &CheckpointInfo),
    target: &Data,
) -> Result<f64> {
    let (mut network, _) = bench.for_target(source, target)?;
    bench.probe(&mut network, target, config.probe)?;
    bench.accuracy(&mut network, &target.dataset.train, &target.split.validation)
}

/// Trains a model without each class in turn. What is known survives a kill.
fn by_removal(bench: &Bench<'_>, config: &RankConfig, source: &StageModel, target: &Data) -> Result<Vec<f64>> {
    let StageModel { setting, info, network, .. } = source;
    let file: std::path::PathBuf = bench.writer.checkpoint_dir()?.join(KNOWN);
    let fail = |error: &dyn std::fmt::Display| bench.failure(error);
    let known = saved::load(&file)?;
    let mut known: Vec<f64> =
        known.map_or(Ok(Vec::new()), |text| serde_json::from_slice(&text)).map_err(|error| fail(&error))?;
    let graph = network.graph();
    let mut rounds = Rounds::load(bench.session.checkpoints).map_err(|error| fail(&error))?;
    while rounds.next() <= known.len() {
        rounds.finish(Vec::new(), 0.0);
    }
    if rounds.next() != known.len() + 1 {
        let error = TrainingError::Resume(format!("{KNOWN} lacks the accuracies of earlier rounds"));
        return Err(bench.failure(error));
    }
    let initial = bench.initial(setting)?;
    for class in known.len()..setting.dataset.classes.len() {
        let of_class = members(setting, class as u32);
        let others: Vec<u32> =
            setting.split.train.iter().copied().filter(|position| of_class.binary_search(position).is_err()).collect();
        let mut without = bench.network(graph, bench.fresh(&initial, graph, setting)?)?;
        let session = rounds.session(bench.session);
        let trained = setting.train(&mut without, &others, &[], session);
        let trained = trained.map_err(|error| bench.training_failure(&error, &error))?;
        rounds.finish(trained.epochs, trained.seconds);
        known.push(validated(bench, config, (&without, info), target)?);
        let text = serde_json::to_vec(&known).map_err(|error| fail(&error))?;
        saved::save(&file, &text)?;
    }
    let whole = validated(bench, config, (network, info), target)?;
    Ok(known.iter().map(|without| whole - without).collect())
}

/// Compares gradients at the trained model and its snapshots: mean cosines and mean products.
fn by_gradient(
    bench: &Bench<'_>,
    config: &RankConfig,
    source: &mut StageModel,
    target: &Data,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let graph = source.network.graph().clone();
    let head = head_of(&graph).map_err(|error| bench.failure(error))?;
    let mut states = vec![source.network.state().clone()];
    for name in source.stage.manifest().artifacts.keys().filter(|name| name.starts_with(SNAPSHOT)) {
        let bytes = source.stage.read(name)?;
        let (state, _) = checkpoint::from_bytes(&bytes, &graph, &source.stage.path().join(name))?;
        states.push(state);
    }
    let classes = source.setting.dataset.classes.len();
    let (mut cosines, mut products) = (vec![0.0; classes], vec![0.0; classes]);
    let count = states.len() as f64;
    for state in states {
        source.network.set_state(state);
        let (mut other, _) = bench.for_target((&source.network, &source.info), target)?;
        bench.probe(&mut other, target, config.probe)?;
        let wanted = gradient(bench, &mut other, head, &target.dataset.train, &target.split.validation)?;
        for class in 0..classes {
            let of_class = members(&source.setting, class as u32);
            let own = gradient(bench, &mut source.network, head, &source.setting.dataset.train, &of_class)?;
            let (product, lengths) = (dot(&wanted, &own), (dot(&wanted, &wanted) * dot(&own, &own)).sqrt());
            products[class] += product / count;
            cosines[class] += if lengths == 0.0 { 0.0 } else { product / lengths } / count;
        }
    }
    Ok((cosines, products))
}

/// The gradient of the mean cross-entropy over these samples with respect to all weights before the head.
fn gradient(
    bench: &Bench<'_>,
    network: &mut Network,
    head: [usize; 2],
    images: &ImageSet,
    positions: &[u32],
) -> Result<Vec<f64>> {
    let fail = |error: &dyn std::fmt::Display| bench.failure(error);
    let plan = BatchPlan::new(images, positions, BatchOptions::evaluation(BATCH_SIZE)).map_err(|error| fail(&error))?;
    let mut sums: Vec<f64> = Vec::new();
    let (mut logits, mut dlogits) = (Vec::new(), Vec::new());
    for batch in plan.epoch(0, 0) {
        bench.session.go_on().map_err(|error| bench.training_failure(&error, &error))?;
        let batch = batch.map_err(|error| fail(&error))?;
        network.forward(&batch.images, Mode::Frozen, &mut logits).map_err(|error| fail(&error))?;
        dlogits.resize(logits.len(), 0.0);
        CrossEntropy::default().loss(&batch, &logits, &mut dlogits);
        let gradients = network.backward(&dlogits).map_err(|error| fail(&error))?;
        let share = batch.labels.len() as f64 / positions.len() as f64;
        let shared = gradients.parameters.iter().enumerate().filter(|(id, _)| !head.contains(id));
        let values = shared.flat_map(|(_, values)| values).map(|value| f64::from(*value) * share);
        if sums.is_empty() {
            sums = values.collect();
        } else {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }
    Ok(sums)
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

impl Bench<'_> {
    /// The request for whole classes that the ranking in a role puts first or last. `labels` and `left` are the model's labels and the
    /// positions that it has not forgotten.
    pub(super) fn ranked_samples(
        &self,
        role: &str,
        ranked: Ranked,
        labels: &[u32],
        left: &[u32],
    ) -> Result<ForgetSpec> {
        let stage = self.input(role)?;
        if stage.manifest().kind != Rank::NAME {
            return Err(self.failure(format!("its input `{role}` is no ranking of classes")));
        }
        let ranking: Ranking = serde_json::from_slice(&stage.read(FILE)?)
            .map_err(|error| self.failure(format!("{FILE} of its input `{role}` is damaged: {error}")))?;
        let chosen = ranked.choose(&ranking.influence).map_err(|reason| self.failure(reason))?;
        let is_chosen = |position: &u32| chosen.contains(&labels[*position as usize]);
        Ok(ForgetSpec::Positions { positions: left.iter().copied().filter(is_chosen).collect() })
    }
}
