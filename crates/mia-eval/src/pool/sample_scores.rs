//! The scores of samples, and the one way from them to figures: curve, AUC, rates at low false-positive rates.

use serde::{Deserialize, Serialize};
use unlearn_metrics::{AtFpr, Auc, Resolution, Roc};

use super::{Density, Question, Seen, Variance};
use crate::{Error, Result};

/// An attack's score of every sample of one attacked model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleScores {
    /// One score per sample. The greater, the more the sample looks like the question's positive.
    pub scores: Vec<f64>,
    /// The attack calls scores of at least this value positive. `None` if it leaves the threshold open.
    pub threshold: Option<f64>,
    /// The least number of models that any sample had on the positive and on the negative side.
    pub models: [usize; 2],
    /// What was chosen among the settings.
    pub used: Used,
}

/// What an attack chose among its settings.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Used {
    /// Whose variance the likelihoods have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance: Option<Variance>,
    /// How densities were estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub density: Option<Density>,
    /// RMIA's γ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// RMIA's a.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_a: Option<f64>,
}

/// How well an attack told positives from negatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Outcome {
    /// Area under the curve, with its 95 % interval.
    pub auc: Auc,
    /// True-positive rates at false-positive rates of 0.1 % and 1 %, or that there are too few models for it.
    pub at_fpr: [AtFpr; 2],
    /// (TPR + 1 − FPR) / 2 at the attack's own threshold, 0..1. `None` if it leaves the threshold open.
    pub balanced_accuracy: Option<f64>,
    /// The greatest balanced accuracy of any threshold. It was chosen on these scores, so it is too high.
    pub best_balanced_accuracy: f64,
    /// Number of positive scores.
    pub positives: usize,
    /// Number of negative scores, which limits how small a false-positive rate can be resolved.
    pub resolution: Resolution,
    /// The least number of models that any sample had on the positive and on the negative side.
    pub models: [usize; 2],
    /// What was chosen among the settings, for the first model attacked.
    pub used: Used,
    /// The curve, `[FPR, TPR]`.
    pub points: Vec<[f64; 2]>,
}

impl SampleScores {
    /// Judges the scores of one attacked model by what it had of every sample. Samples of which it had neither of what
    /// the question tells apart are left out, and so are those that `among` does not admit.
    ///
    /// # Errors
    /// As [`Outcome::of`].
    pub fn judge(&self, truth: &[Seen], question: Question, among: impl Fn(usize) -> bool) -> Result<Outcome> {
        Outcome::of(&[(self, truth)], question, among)
    }
}

impl Outcome {
    /// Judges the scores of several attacked models together. With each come what that model had of every sample.
    ///
    /// # Errors
    /// If there is no positive or no negative sample, numbers of samples differ, or all scores are equal.
    pub fn of(parts: &[(&SampleScores, &[Seen])], question: Question, among: impl Fn(usize) -> bool) -> Result<Self> {
        let Some((first, _)) = parts.first() else { return Err(Error::Empty { set: "attacked-model", needed: 1 }) };
        let mut groups = [Vec::new(), Vec::new()];
        for (scores, truth) in parts {
            if scores.scores.len() != truth.len() {
                let (values, samples) = (truth.len(), scores.scores.len());
                return Err(Error::PoolSize {
                    what: "entries of what the attacked model saw",
                    values,
                    models: 1,
                    samples,
                });
            }
            let rows = scores.scores.iter().zip(*truth).enumerate();
            for (&score, seen) in rows.filter(|(sample, _)| among(*sample)).map(|(_, row)| row) {
                if *seen == question.positive {
                    groups[0].push(score);
                } else if *seen == question.negative {
                    groups[1].push(score);
                }
            }
        }
        for (group, seen) in groups.iter().zip([question.positive, question.negative]) {
            if group.is_empty() {
                return Err(Error::NothingToJudge { seen: seen.words() });
            }
        }
        let roc = Roc::new(&groups[0], &groups[1])?;
        let [low, lower] = Roc::LOW_RATES.map(|fpr| roc.at_fpr(fpr));
        let least = |side: usize| parts.iter().map(|(scores, _)| scores.models[side]).min().unwrap_or(0);
        Ok(Self {
            auc: roc.auc(),
            at_fpr: [low?, lower?],
            balanced_accuracy: first.threshold.map(|threshold| roc.balanced_accuracy(threshold)),
            best_balanced_accuracy: roc.best_cut().balanced_accuracy,
            positives: roc.positives(),
            resolution: roc.resolution(),
            models: [least(0), least(1)],
            used: first.used,
            points: roc.points(),
        })
    }

    /// A rate of `at_fpr` in words: "12.50 % at 1 % FPR", or that the models are too few.
    pub fn stated(rate: &AtFpr) -> String {
        match rate {
            AtFpr::Known(_) => rate.to_string(),
            AtFpr::TooFew { negatives, needed, .. } => format!(
                "too few models for this FPR: {negatives} scores of models without the sample; {needed} are needed"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Seen::{Never, Trained, Unlearned};

    fn scores(scores: &[f64]) -> SampleScores {
        SampleScores { scores: scores.to_vec(), threshold: Some(0.0), models: [4, 3], used: Used::default() }
    }

    #[test]
    fn figures_are_of_what_the_question_tells_apart() {
        let found = scores(&[1.0, -1.0, 5.0, 2.0, -3.0]);
        let truth = [Trained, Never, Unlearned, Never, Trained];
        let outcome = found.judge(&truth, Question::MEMBERSHIP, |_| true).unwrap();
        assert_eq!((outcome.positives, outcome.resolution.negatives, outcome.auc.value), (2, 2, 0.25));
        assert_eq!((outcome.balanced_accuracy, outcome.models), (Some(0.5), [4, 3]));
        let without_last = found.judge(&truth, Question::MEMBERSHIP, |sample| sample != 4).unwrap();
        assert_eq!(without_last.auc.value, 0.5);
        let says = Outcome::stated(&outcome.at_fpr[1]);
        assert_eq!(says, "too few models for this FPR: 2 scores of models without the sample; 100 are needed");
        let json = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
    }

    #[test]
    fn several_models_are_judged_together() {
        let (one, other) = (scores(&[1.0, 0.0]), scores(&[0.5, 2.0]));
        let parts = [(&one, &[Trained, Never][..]), (&other, &[Never, Trained][..])];
        let outcome = Outcome::of(&parts, Question::MEMBERSHIP, |_| true).unwrap();
        assert_eq!((outcome.positives, outcome.resolution.negatives, outcome.auc.value), (2, 2, 1.0));
    }

    #[test]
    fn what_cannot_be_judged_is_an_error() {
        let found = scores(&[1.0, 1.0]);
        let check = |truth: &[Seen], says: &str| {
            let message = found.judge(truth, Question::MEMBERSHIP, |_| true).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        };
        check(&[Trained, Never], "all 2 scores are equal");
        check(&[Trained, Trained], "no sample that attacked models never saw");
        check(&[Unlearned, Never], "no sample that attacked models were trained with");
        check(&[Trained], "1 entries of what the attacked model saw");
        assert!(Outcome::of(&[], Question::MEMBERSHIP, |_| true).is_err());
    }
}
