//! `audit`: what is left of the forgotten data in a model's features, weights and course of relearning. It leaves one row of figures, and
//! `audit.json` with the distance of each layer and the accuracy after each step of relearning.
//!
//! **Probe.** A linear probe is fitted on the model's features of samples of the retain set and of forgotten ones, with their true labels.
//! It is judged on other forgotten samples. If whole classes are forgotten, these are the test images of the classes, and all forgotten
//! samples are in the fit. Otherwise every second forgotten sample is held out.
//!
//! **Features and logits** of the forgotten samples are compared with those of the model before unlearning and of Retrain.
//!
//! **Theory.** If `[audit.theory]` asks for it, the Euclidean distance of all weights from Retrain's, and the factors of its bound that the
//! stage `curvature` measured.
//!
//! **Relearning.** The model is trained on the forgotten samples until its accuracy on them is near that of the model before unlearning.

use serde::{Deserialize, Serialize};
use unlearn_metrics::figures::{
    cka, cka_original, error_bound, hessian_eigenvalue, mmd, probe_accuracy, relearn_steps, training_shift,
    unlearning_error, weight_change, weight_distance, zrf,
};
use unlearn_metrics::{Mmd, Rows, Value, Values, WeightDistance, linear_cka};
use unlearn_models::initialize;
use unlearn_network::Network;
use unlearn_random::derived_seed;
use unlearn_run_store::{Evaluation, write_atomic};
use unlearn_samples::ImageSet;
use unlearn_training::{Features, Head, Recipe, Relearned, features, relearn, with_head_anew};

use super::{Bench, Kind, RETRAIN, model::StageModel};
use crate::{Result, audit::AuditSection, setting::Setting};

/// Configuration of an audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct AuditConfig {
    /// `[audit]` with its defaults filled in.
    pub(crate) audit: AuditSection,
    /// As in [`TrainConfig`](super::TrainConfig).
    pub(crate) arithmetic: String,
}

/// The role of the model before any of the requests.
pub(crate) const ORIGINAL: &str = "original";

/// The role of the stage that measured the model before any of the requests.
pub(crate) const CURVATURE: &str = "curvature";

/// What an audit found besides its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Audited {
    /// Number of forgotten samples that features and logits were compared on.
    pub(crate) samples: usize,
    /// Number of samples that the probe was judged on.
    pub(crate) held_out: usize,
    /// Accuracy on the forget set of the model before unlearning, in percent.
    pub(crate) original_accuracy: f64,
    /// Accuracy on the forget set before relearning and after each step, in percent.
    pub(crate) relearning: Vec<f64>,
    /// Whether relearning reached the wanted accuracy.
    pub(crate) relearned: bool,
    /// Relative distance of each layer's weights from those before unlearning.
    pub(crate) change_by_layer: Vec<(String, Option<f64>)>,
    /// Relative distance of each layer's weights from Retrain's. Empty without a Retrain.
    pub(crate) distance_by_layer: Vec<(String, Option<f64>)>,
}

/// The file with it.
const FILE: &str = "audit.json";

pub(crate) struct Audit;

impl Kind for Audit {
    const NAME: &'static str = "audit";
    const SUMMARY: &'static str = "what is left of the forgotten data in a model's features and weights";
    const INPUTS: &'static [&'static str] = &["model", ORIGINAL];
    const OPTIONAL_INPUTS: &'static [&'static str] = &[RETRAIN, CURVATURE];
    type Config = AuditConfig;

    fn run(config: &AuditConfig, bench: &mut Bench<'_>) -> Result<()> {
        let section = &config.audit;
        section.check().map_err(|reason| bench.failure(reason))?;
        let model = bench.model("model", &config.arithmetic)?;
        let mut original = bench.model(ORIGINAL, &config.arithmetic)?;
        let has_retrain = bench.spec.inputs.contains_key(RETRAIN);
        let mut retrain = if has_retrain { Some(bench.model(RETRAIN, &config.arithmetic)?) } else { None };
        if model.setting.history.forgotten.is_empty() {
            return Err(bench.failure("its model was not asked to forget anything; audit what an `unlearn` stage left"));
        }
        check_beside(bench, &model, &original, retrain.as_ref())?;
        let (mut values, mut audited) = compare(bench, section, &model, &mut original, retrain.as_mut())?;
        if section.theory.is_some() {
            values.extend(theory(bench, &model.network, retrain.as_ref().map(|retrain| &retrain.network))?);
        }
        let (accuracy, held_out) = probed(bench, section, &model.network, &model.setting)?;
        values.insert(probe_accuracy::NAME.to_owned(), Value::exact(accuracy));
        audited.held_out = held_out;
        let Relearned { steps, accuracies } = relearned(bench, section, model, audited.original_accuracy)?;
        values.insert(relearn_steps::NAME.to_owned(), Value::exact(steps.unwrap_or(section.max_steps) as f64));
        (audited.relearned, audited.relearning) = (steps.is_some(), accuracies);
        let text = serde_json::to_vec_pretty(&audited).map_err(|error| bench.failure(error))?;
        write_atomic(&bench.writer.path(FILE), &text)?;
        bench.writer.truncate_metrics(0)?;
        bench.writer.append_metrics(&Evaluation::new(values))?;
        Ok(())
    }
}

/// Refuses models that the audited one cannot be compared with.
fn check_beside(
    bench: &Bench<'_>,
    model: &StageModel,
    original: &StageModel,
    retrain: Option<&StageModel>,
) -> Result<()> {
    let forgotten = &model.setting.history.forgotten;
    for (role, other, must_forget) in [(ORIGINAL, Some(original), false), (RETRAIN, retrain, true)] {
        let Some(StageModel { setting, network, .. }) = other else { continue };
        if let Some(id) = forgotten.iter().find(|id| setting.history.forgotten.binary_search(id).is_ok() != must_forget)
        {
            let what = if must_forget { "was trained on" } else { "has forgotten" };
            return Err(bench.failure(format!("its `{role}` {what} image {id}, which the model was asked to forget")));
        }
        if network.graph().arch != model.network.graph().arch {
            return Err(bench.failure(format!("its `{role}` has another architecture than the model")));
        }
    }
    Ok(())
}

/// The unlearning error and the factors of its bound.
fn theory(bench: &Bench<'_>, model: &Network, retrain: Option<&Network>) -> Result<Values> {
    let measured = bench.measured_curvature(CURVATURE)?;
    let error = retrain.map(|retrain| {
        let both = model.state().parameters().iter().flatten().zip(retrain.state().parameters().iter().flatten());
        both.map(|(own, theirs)| (f64::from(*own) - f64::from(*theirs)).powi(2)).sum::<f64>().sqrt()
    });
    let figures = [
        (unlearning_error::NAME, error),
        (training_shift::NAME, Some(measured.training_shift)),
        (hessian_eigenvalue::NAME, measured.hessian_eigenvalue),
        (error_bound::NAME, measured.bound()),
    ];
    let values = figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::exact(value?))));
    Ok(values.collect())
}

/// At most `most` positions, evenly spaced.
pub(super) fn evenly(positions: &[u32], most: usize) -> Vec<u32> {
    let count = positions.len().min(most);
    (0..count).map(|i| positions[i * positions.len() / count]).collect()
}

impl Bench<'_> {
    fn features(&self, network: &Network, images: &ImageSet, positions: &[u32]) -> Result<Features> {
        features(network, self.materials.device(), images, positions).map_err(|error| self.failure(error))
    }
}

/// Compares the model's weights, features and predictions with those of the others.
fn compare(
    bench: &Bench<'_>,
    section: &AuditSection,
    model: &StageModel,
    original: &mut StageModel,
    retrain: Option<&mut StageModel>,
) -> Result<(Values, Audited)> {
    let fail = |error: unlearn_metrics::Error| bench.failure(error);
    let images = &model.setting.dataset.train;
    let forgotten = evenly(&model.setting.history.forgotten, section.samples);
    let mut values = Values::new();
    let mut put = |name: &str, value: Option<f64>| {
        values.extend(value.map(|value| (name.to_owned(), Value::exact(value))));
    };
    let graph = model.network.graph();
    let mut own = bench.network(graph, model.network.state().clone())?;
    let scores = bench.scores(&mut own, images, &forgotten)?;
    let found = bench.features(&own, images, &forgotten)?;
    let alike = |other: &Network| -> Result<Option<f64>> {
        let theirs = bench.features(other, images, &forgotten)?;
        defined(
            Rows::new(&found.values, found.dims)
                .and_then(|own| linear_cka(own, Rows::new(&theirs.values, theirs.dims)?)),
        )
        .map_err(fail)
    };
    put(cka_original::NAME, alike(&original.network)?);
    let change = distance(&own, &original.network).map_err(fail)?;
    put(weight_change::NAME, change.total.relative());
    let state = initialize(graph, derived_seed(bench.spec.seed, "audit random network"));
    let random = bench.scores(&mut bench.network(graph, state)?, images, &forgotten)?;
    put(zrf::NAME, Some(unlearn_metrics::zrf(&scores, &random).map_err(fail)?));
    let mut distance_by_layer = Vec::new();
    if let Some(retrain) = retrain {
        let network = &mut retrain.network;
        put(cka::NAME, alike(network)?);
        let apart = distance(&own, network).map_err(fail)?;
        put(weight_distance::NAME, apart.total.relative());
        distance_by_layer = by_layer(&apart);
        let theirs = bench.scores(network, images, &forgotten)?;
        let rows = Rows::new(scores.logits(), scores.classes());
        let apart = defined(rows.and_then(|own| Mmd::new(own, Rows::new(theirs.logits(), theirs.classes())?)));
        put(mmd::NAME, apart.map_err(fail)?.map(|apart| apart.biased));
    }
    let original_accuracy = bench.accuracy(&mut original.network, images, &model.setting.history.forgotten)?;
    let audited = Audited {
        samples: forgotten.len(),
        held_out: 0,
        original_accuracy,
        relearning: Vec::new(),
        relearned: false,
        change_by_layer: by_layer(&change),
        distance_by_layer,
    };
    Ok((values, audited))
}

/// No value where a figure is undefined for these samples: there are too few, or they do not vary.
fn defined<T>(result: unlearn_metrics::Result<T>) -> unlearn_metrics::Result<Option<T>> {
    use unlearn_metrics::Error::{TooFew, Undefined};
    match result {
        Ok(value) => Ok(Some(value)),
        Err(TooFew { .. } | Undefined { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The distance of all weights of convolutions and fully connected layers. Normalisation and biases are left out: their scale is another.
fn distance(model: &Network, other: &Network) -> unlearn_metrics::Result<WeightDistance> {
    let parameters = model.graph().parameters.iter().zip(model.state().parameters()).zip(other.state().parameters());
    let weights = parameters.filter(|((parameter, _), _)| parameter.shape.len() > 1);
    unlearn_metrics::weight_distance(
        weights.map(|((parameter, own), theirs)| (parameter.name.as_str(), own.as_slice(), theirs.as_slice())),
    )
}

fn by_layer(distance: &WeightDistance) -> Vec<(String, Option<f64>)> {
    distance.layers.iter().map(|(name, layer)| (name.clone(), layer.relative())).collect()
}

/// The accuracy of a linear probe on forgotten samples that it was not fitted on, and their number.
fn probed(bench: &Bench<'_>, section: &AuditSection, network: &Network, setting: &Setting) -> Result<(f64, usize)> {
    let division = setting.division();
    let (train, test) = (&setting.dataset.train, &setting.dataset.test);
    let of_whole_classes = |position: &u32| division.whole_classes.contains(&test.labels[*position as usize]);
    let unseen: Vec<u32> = (0..test.labels.len() as u32).filter(of_whole_classes).collect();
    let (fitted, images, held_out): (Vec<u32>, _, Vec<u32>) = if unseen.is_empty() {
        let nth = |parity: usize| setting.history.forgotten.iter().copied().skip(parity).step_by(2).collect();
        (nth(0), train, nth(1))
    } else {
        (setting.history.forgotten.clone(), test, unseen)
    };
    if held_out.is_empty() {
        return Err(bench.failure("one forgotten sample is too few for a probe; two or more are needed"));
    }
    // The shares of forgotten and retained samples stay as they are.
    let all = fitted.len() + division.retain.len();
    let most = |part: usize| (part * section.samples.min(all)).div_ceil(all);
    let mut known = evenly(&fitted, most(fitted.len()));
    known.extend(evenly(&division.retain, most(division.retain.len())));
    let held_out = evenly(&held_out, section.samples);
    let fail = |error: unlearn_training::Error| bench.failure(error);
    let found = bench.features(network, train, &known)?;
    let seed = derived_seed(bench.spec.seed, "audit probe");
    let mut probed = with_head_anew(network, network.graph(), seed, bench.materials.device()).map_err(fail)?;
    let head = Head::fit(&found, setting.dataset.classes.len(), section.c).map_err(fail)?;
    head.put_on(&mut probed).map_err(fail)?;
    let accuracy = bench.accuracy(&mut probed, images, &held_out)?;
    Ok((accuracy, held_out.len()))
}

/// Trains the model on the forgotten samples until its accuracy on them is near the original's.
fn relearned(bench: &Bench<'_>, section: &AuditSection, model: StageModel, original: f64) -> Result<Relearned> {
    let StageModel { mut network, setting, .. } = model;
    let recipe = Recipe {
        lr: section.lr,
        batch_size: section.batch_size.unwrap_or(setting.history.recipe.batch_size),
        ..setting.history.recipe.clone()
    };
    let seed = derived_seed(bench.spec.seed, "audit relearning");
    let wanted = (original - section.margin, section.max_steps);
    let samples = (&setting.dataset.train, setting.history.forgotten.as_slice());
    let found = relearn(&mut network, samples, &recipe, wanted, seed, bench.session);
    found.map_err(|error| bench.training_failure(&error, &error))
}
