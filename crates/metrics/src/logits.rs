//! A model's logits, checked once.

use crate::error::check_finite;
use crate::{Error, Result};

/// Finite logits over at least one sample, `[samples, classes]`, row-major.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logits<'a> {
    values: &'a [f32],
    classes: usize,
}

impl<'a> Logits<'a> {
    /// Checks that `values` are whole rows of `classes` finite values.
    ///
    /// # Errors
    /// No values, a part of a row, NaN or an infinity.
    pub fn new(values: &'a [f32], classes: usize) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::Empty { what: "samples" });
        }
        if classes == 0 || !values.len().is_multiple_of(classes) {
            let rows = values.len().checked_div(classes).unwrap_or(0);
            return Err(Error::Length { what: "logits", found: values.len(), rows, classes });
        }
        check_finite("logits", values.iter().map(|&v| f64::from(v)))?;
        Ok(Self { values, classes })
    }

    /// How many samples there are, at least one.
    pub fn samples(&self) -> usize {
        self.values.len() / self.classes
    }

    /// Values a row.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The logits of every sample.
    pub fn rows(&self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.classes)
    }

    /// The predicted class of every sample: the greatest logit, the lowest class of equals.
    pub fn predictions(&self) -> impl Iterator<Item = usize> {
        self.rows().map(|row| (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best }))
    }

    /// log p of every class, for every sample.
    pub(crate) fn log_probabilities(&self) -> impl Iterator<Item = Vec<f64>> {
        self.rows().map(|row| {
            let greatest = f64::from(row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)));
            let log_sum = row.iter().map(|&v| (f64::from(v) - greatest).exp()).sum::<f64>().ln();
            row.iter().map(|&v| f64::from(v) - greatest - log_sum).collect()
        })
    }
}
