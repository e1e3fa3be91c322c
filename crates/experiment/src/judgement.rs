//! How well a model forgot: its predictions on the sets of a request, and the figures that follow from them.

use std::collections::{BTreeMap, BTreeSet};

use unlearn_metrics::{UnlearningScores, auc};
use unlearn_mia_eval::{MemberSelection, Scores, features::Feature, mia_efficacy};
use unlearn_network::Network;
use unlearn_samples::Dataset;
use unlearn_training::{Predictions, predict};

use crate::suite::CONFIDENCE;

/// The samples that a model is judged on; positions in the official training and test sets.
pub(crate) struct Sets<'a> {
    pub(crate) dataset: &'a Dataset,
    /// All that must be forgotten, D_f.
    pub(crate) forget: &'a [u32],
    /// D_r.
    pub(crate) retain: &'a [u32],
    /// D_v, perhaps empty.
    pub(crate) validation: &'a [u32],
    /// Classes forgotten whole, which leave the test set too.
    pub(crate) whole_classes: &'a [u32],
}

/// A judged model.
pub(crate) struct Judgement {
    pub(crate) forget: Predictions,
    pub(crate) retain: Predictions,
    pub(crate) test: Predictions,
    /// UA, RA, TA and the efficacy of the attack on the confidence.
    pub(crate) scores: UnlearningScores,
    /// Percent; `None` without a validation set.
    pub(crate) validation_accuracy: Option<f64>,
    /// MIA-efficacy by feature.
    pub(crate) mia: BTreeMap<String, f64>,
}

/// Judges a model, attacking with each of `features`, `confidence` among them.
///
/// The error is a reason for people: a network that cannot predict, a set too small for the attack, a figure that is not finite.
pub(crate) fn judge(
    network: &mut Network,
    sets: &Sets<'_>,
    features: &[&'static Feature],
    attack_seed: u64,
) -> Result<Judgement, Failure> {
    let train = &sets.dataset.train;
    let test = &sets.dataset.test;
    let kept = |i: &u32| !sets.whole_classes.contains(&test.labels[*i as usize]);
    let test_indices: Vec<u32> = (0..test.labels.len() as u32).filter(kept).collect();
    let forget = predict(network, train, sets.forget)?;
    let retain = predict(network, train, sets.retain)?;
    let test = predict(network, test, &test_indices)?;
    let validation_accuracy =
        if sets.validation.is_empty() { None } else { Some(predict(network, train, sets.validation)?.accuracy()) };
    let mut mia = BTreeMap::new();
    for feature in features {
        mia.insert(feature.name.to_owned(), efficacy(&retain, &test, &forget, feature, attack_seed)?);
    }
    let scores = UnlearningScores::new(forget.accuracy(), retain.accuracy(), test.accuracy(), mia[CONFIDENCE])?;
    Ok(Judgement { forget, retain, test, scores, validation_accuracy, mia })
}

/// What can be known of a model without a test set.
pub(crate) struct Foresight {
    /// UA, RA, and the validation set in the place of the test set: VA and the efficacy of an attack fitted on it.
    pub(crate) scores: UnlearningScores,
    /// Probability that a forgotten sample has a lower loss than a validation sample of the forgotten classes, 0..1.
    pub(crate) forget_auc: f64,
}

/// Judges a model by the training images alone; the test set is not looked at.
///
/// # Errors
/// As [`judge`], and a validation set without an image of the forgotten classes.
pub(crate) fn foresee(
    network: &mut Network,
    sets: &Sets<'_>,
    confidence: &'static Feature,
    attack_seed: u64,
) -> Result<Foresight, Failure> {
    let train = &sets.dataset.train;
    let label = |position: &u32| train.labels[*position as usize];
    let (whole, others): (Vec<u32>, Vec<u32>) =
        sets.validation.iter().partition(|position| sets.whole_classes.contains(&label(position)));
    let classes: BTreeSet<u32> = sets.forget.iter().map(label).collect();
    let is_akin = |label: &u32| classes.contains(label);
    let forget = predict(network, train, sets.forget)?;
    let retain = predict(network, train, sets.retain)?;
    let validation = predict(network, train, &others)?;
    let efficacy = efficacy(&retain, &validation, &forget, confidence, attack_seed)?;
    let akin = |predictions: &Predictions| -> Vec<f64> {
        predictions
            .losses()
            .zip(&predictions.labels)
            .filter(|(_, label)| is_akin(label))
            .map(|(loss, _)| loss)
            .collect()
    };
    let mut unseen = akin(&validation);
    if !whole.is_empty() {
        unseen.extend(akin(&predict(network, train, &whole)?));
    }
    let forgotten: Vec<f64> = forget.losses().collect();
    let forget_auc = auc(&unseen, &forgotten)?;
    let scores = UnlearningScores::new(forget.accuracy(), retain.accuracy(), validation.accuracy(), efficacy)?;
    Ok(Foresight { scores, forget_auc })
}

fn efficacy(
    members: &Predictions,
    non_members: &Predictions,
    forget: &Predictions,
    feature: &'static Feature,
    seed: u64,
) -> Result<f64, Failure> {
    let attack = || mia_efficacy(&scores(members)?, &scores(non_members)?, &scores(forget)?, feature, MEMBERS, seed);
    attack().map_err(|source| Failure::Attack { feature: feature.name, source })
}

/// As many of each class as the set of non-members has, drawn with a seed.
const MEMBERS: MemberSelection = MemberSelection::Stratified;

/// Why a model could not be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Training(#[from] unlearn_training::Error),
    #[error("attack `{feature}`: {source}")]
    Attack { feature: &'static str, source: unlearn_mia_eval::Error },
    #[error(transparent)]
    Metrics(#[from] unlearn_metrics::Error),
}

/// What an attack looks at.
fn scores(predictions: &Predictions) -> unlearn_mia_eval::Result<Scores<'_>> {
    Scores::new(&predictions.logits, &predictions.labels, predictions.classes)
}
