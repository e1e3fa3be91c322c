//! A model's scores on a set of samples, checked on construction.

use crate::softmax::{argmax, cross_entropy, log_odds, log_softmax, softmax};
use crate::{Error, Result};

/// A model's logits over a set of samples, with the samples' true labels and their positions in the data set.
///
/// Every logit is finite and every label has a column. An empty set is valid; figures and attacks say which sets they
/// need.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    positions: Vec<u32>,
    labels: Vec<u32>,
    logits: Vec<f32>,
    classes: usize,
}

/// One model's scores on all sets.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelScores {
    /// Scores on `D_f`, the samples to forget.
    pub forget: Scores,
    /// Scores on `D_r`, the remaining training samples.
    pub retain: Scores,
    /// Scores on `D_t`, the test set, which the model never saw.
    pub test: Scores,
    /// Scores on `D_v`, held out of training. `None` if there is no validation set.
    pub validation: Option<Scores>,
    /// Scores on test images that carry the trigger of a backdoor. `None` if there is no backdoor.
    pub triggered: Option<Triggered>,
    /// Scores on samples of the split that a model of a pool was never trained with. `None` outside pools.
    pub unseen: Option<Scores>,
}

/// A model's scores on the test images of all classes, each with the trigger of a backdoor.
#[derive(Debug, Clone, PartialEq)]
pub struct Triggered {
    /// The scores, with the true labels of the images.
    pub scores: Scores,
    /// The class that the backdoor makes models predict.
    pub target: u32,
    /// Positions of the poison in the training set, ascending. Empty if they are unknown.
    pub poison: Vec<u32>,
}

impl Triggered {
    /// Whether the training sample at this position is poison.
    pub fn is_poison(&self, position: u32) -> bool {
        self.poison.binary_search(&position).is_ok()
    }

    /// The share, in percent, of the samples admitted by `counts` (given their true labels) that are predicted as the
    /// target: the attack success rate.
    ///
    /// # Errors
    /// If no sample is admitted.
    pub fn success_rate(&self, counts: impl Fn(u32) -> bool) -> Result<f64> {
        let labels = self.scores.labels().iter().copied();
        let counted: Vec<usize> =
            labels.zip(self.scores.predictions()).filter(|(label, _)| counts(*label)).map(|(_, class)| class).collect();
        if counted.is_empty() {
            return Err(Error::Empty { what: "triggered samples" });
        }
        let hits = counted.iter().filter(|class| **class == self.target as usize).count();
        Ok(100.0 * hits as f64 / counted.len() as f64)
    }
}

impl Scores {
    /// Checks `logits` (`[labels.len(), classes]`, row-major) against `labels`. Samples have positions 0, 1, … unless
    /// [`Scores::at`] sets others.
    ///
    /// # Errors
    /// If there are fewer than two classes, lengths do not match, a logit is not finite, or a label has no column.
    pub fn new(logits: Vec<f32>, labels: Vec<u32>, classes: usize) -> Result<Self> {
        if classes < 2 {
            return Err(Error::TooFewClasses { classes });
        }
        if labels.len().checked_mul(classes) != Some(logits.len()) {
            return Err(Error::Length { logits: logits.len(), labels: labels.len(), classes });
        }
        if let Some(at) = logits.iter().position(|v| !v.is_finite()) {
            return Err(Error::Logit { row: at / classes, class: at % classes, value: logits[at] });
        }
        if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(Error::Label { row, label: labels[row], classes });
        }
        let positions = (0..labels.len() as u32).collect();
        Ok(Self { positions, labels, logits, classes })
    }

    /// Sets the samples' positions in the data set.
    ///
    /// # Errors
    /// If the number of positions differs from the number of samples.
    pub fn at(self, positions: Vec<u32>) -> Result<Self> {
        if positions.len() != self.len() {
            return Err(Error::Positions { positions: positions.len(), samples: self.len() });
        }
        Ok(Self { positions, ..self })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of classes, which is the number of columns of the logits. At least two.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The position of every sample in the data set.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// The true label of every sample.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// All logits, `[len, classes]`, row-major.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// The logits of every sample, a row of [`Scores::classes`] values each.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.logits.chunks_exact(self.classes)
    }

    /// The probabilities of every sample.
    pub fn probabilities(&self) -> impl Iterator<Item = Vec<f64>> {
        self.rows().map(softmax)
    }

    /// The logarithms of the probabilities of every sample.
    pub fn log_probabilities(&self) -> impl Iterator<Item = Vec<f64>> {
        self.rows().map(log_softmax)
    }

    /// The predicted class of every sample. Among equal logits, the lowest class wins.
    pub fn predictions(&self) -> impl Iterator<Item = usize> {
        self.rows().map(argmax)
    }

    /// Whether each sample's predicted class is its label.
    pub fn correct(&self) -> impl Iterator<Item = bool> {
        self.predictions().zip(&self.labels).map(|(class, &label)| class == label as usize)
    }

    /// The cross-entropy of every sample, in nats.
    pub fn losses(&self) -> impl Iterator<Item = f64> {
        self.rows().zip(&self.labels).map(|(logits, &label)| cross_entropy(logits, label))
    }

    /// φ of every sample: the log-odds of its true class, which is also its margin, in nats.
    pub fn log_odds(&self) -> impl Iterator<Item = f64> {
        self.rows().zip(&self.labels).map(|(logits, &label)| log_odds(logits, label))
    }

    /// The share of samples, in percent, whose predicted class is their label: Σ correct / Σ samples.
    ///
    /// # Errors
    /// If there are no samples.
    pub fn accuracy(&self) -> Result<f64> {
        if self.is_empty() {
            return Err(Error::Empty { what: "samples" });
        }
        Ok(100.0 * self.correct().filter(|correct| *correct).count() as f64 / self.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_no_model_produces_and_names_the_row() {
        let check = |logits: &[f32], labels: &[u32], classes, says: &str| {
            let message = Scores::new(logits.to_vec(), labels.to_vec(), classes).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        };
        check(&[1.0], &[0], 1, "at least 2");
        check(&[1.0, 2.0, 3.0], &[0], 2, "3 logits do not make 1 rows of 2 classes; 2 were expected");
        check(&[1.0, 2.0, 3.0, f32::NAN], &[0, 1], 2, "row 1, class 1 is NaN");
        check(&[1.0, 2.0, f32::NEG_INFINITY, 4.0], &[0, 1], 2, "row 1, class 0 is -inf");
        check(&[1.0, 2.0, 3.0, 4.0], &[0, 2], 2, "label of row 1 is 2, but the logits have classes 0 to 1");
        let empty = Scores::new(vec![], vec![], 2).unwrap();
        assert!(empty.is_empty());
        assert_eq!(empty.accuracy(), Err(Error::Empty { what: "samples" }));
        assert_eq!(empty.at(vec![3]), Err(Error::Positions { positions: 1, samples: 0 }));
    }

    #[test]
    fn counts_samples_and_gives_ties_to_the_lowest_class() {
        let logits = vec![1.0, 2.0, 0.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0];
        let accuracy = |labels: [u32; 3]| Scores::new(logits.clone(), labels.to_vec(), 3).unwrap().accuracy();
        assert_eq!(accuracy([1, 0, 0]), Ok(100.0));
        assert_eq!(accuracy([1, 1, 2]), Ok(100.0 / 3.0));
    }

    #[test]
    fn positions_are_counted_unless_they_are_given() {
        let scores = Scores::new(vec![0.0; 4], vec![0, 1], 2).unwrap();
        assert_eq!(scores.positions(), [0, 1]);
        assert_eq!(scores.at(vec![17, 4]).unwrap().positions(), [17, 4]);
    }
}
