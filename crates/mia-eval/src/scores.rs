//! What an attack sees of a model: logits and labels.

use crate::{Error, Result};

/// A model's logits over a set of samples, with the samples' true labels.
///
/// Once made, every logit is finite and every label has a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores<'a> {
    logits: &'a [f32],
    labels: &'a [u32],
    classes: usize,
}

impl<'a> Scores<'a> {
    /// Checks `logits` (`[labels.len(), classes]`, row-major) against `labels`.
    ///
    /// An empty set is valid scores; the attacks say which sets they need.
    ///
    /// # Errors
    /// Fewer than two classes, lengths that do not fit together, a logit that is not finite, a label without a column.
    pub fn new(logits: &'a [f32], labels: &'a [u32], classes: usize) -> Result<Self> {
        if classes < 2 {
            return Err(Error::TooFewClasses { classes });
        }
        if labels.len().checked_mul(classes) != Some(logits.len()) {
            return Err(Error::Length { logits: logits.len(), labels: labels.len(), classes });
        }
        if let Some(at) = logits.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { row: at / classes, class: at % classes, value: logits[at] });
        }
        if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(Error::Label { row, label: labels[row], classes });
        }
        Ok(Self { logits, labels, classes })
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Columns of the logits.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The true label of every sample.
    pub fn labels(&self) -> &'a [u32] {
        self.labels
    }

    /// The logits of every sample, a row of [`Scores::classes`] values each.
    pub fn rows(&self) -> std::slice::ChunksExact<'a, f32> {
        self.logits.chunks_exact(self.classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_no_model_produces_and_names_the_row() {
        let check = |logits: &[f32], labels: &[u32], classes, says: &str| {
            let message = Scores::new(logits, labels, classes).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        };
        check(&[1.0], &[0], 1, "at least 2");
        check(&[1.0, 2.0, 3.0], &[0], 2, "3 logits do not make 1 rows of 2 classes; 2 were expected");
        check(&[1.0, 2.0, 3.0, f32::NAN], &[0, 1], 2, "row 1, class 1 is NaN");
        check(&[1.0, 2.0, f32::NEG_INFINITY, 4.0], &[0, 1], 2, "row 1, class 0 is -inf");
        check(&[1.0, 2.0, 3.0, 4.0], &[0, 2], 2, "label of row 1 is 2, but the logits have classes 0 to 1");
        assert!(Scores::new(&[], &[], 2).unwrap().is_empty());
    }
}
