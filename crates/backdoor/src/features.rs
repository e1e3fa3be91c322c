//! Features of samples, which a detector examines.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

/// Features of training samples, such as the inputs of a model's last layer, with the labels that were trained on.
#[derive(Debug, Clone, Copy)]
pub struct Features<'a> {
    values: &'a [f32],
    dims: usize,
    labels: &'a [u32],
    positions: &'a [u32],
}

impl<'a> Features<'a> {
    /// Features `[samples, dims]` with the label of each sample and its position in the training set.
    ///
    /// # Errors
    /// If there is no sample or no feature, if the lengths do not fit, if a feature is not finite, or if a position occurs
    /// twice.
    pub fn new(values: &'a [f32], dims: usize, labels: &'a [u32], positions: &'a [u32]) -> Result<Self> {
        let samples = labels.len();
        if samples == 0 {
            return Err(Error::Empty { what: "sample" });
        }
        if dims == 0 || samples.checked_mul(dims) != Some(values.len()) {
            return Err(Error::FeatureShape { values: values.len(), samples, dims });
        }
        if positions.len() != samples {
            return Err(Error::Lengths { what: "positions", found: positions.len(), expected: samples });
        }
        let mut seen = BTreeSet::new();
        if let Some(&position) = positions.iter().find(|position| !seen.insert(**position)) {
            return Err(Error::Repeated { position, what: "the features" });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let position = positions[at / dims];
            return Err(Error::FeatureValue { feature: at % dims, position, value: values[at] });
        }
        Ok(Self { values, dims, labels, positions })
    }

    /// Positions of the samples, in their order.
    pub fn positions(&self) -> &'a [u32] {
        self.positions
    }

    /// Features a sample.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The labels that occur, ascending.
    pub fn classes(&self) -> BTreeSet<u32> {
        self.labels.iter().copied().collect()
    }

    /// Rows with the label `class`, ascending.
    pub fn rows_of(&self, class: u32) -> Vec<usize> {
        (0..self.labels.len()).filter(|&row| self.labels[row] == class).collect()
    }

    /// The rows minus their mean, `[rows, dims]`, in f64.
    pub(crate) fn centred(&self, rows: &[usize]) -> Vec<f64> {
        let row = |row: usize| &self.values[row * self.dims..(row + 1) * self.dims];
        let mut mean = vec![0.0; self.dims];
        for &at in rows {
            for (sum, &value) in mean.iter_mut().zip(row(at)) {
                *sum += f64::from(value);
            }
        }
        for sum in &mut mean {
            *sum /= rows.len() as f64;
        }
        rows.iter().flat_map(|&at| row(at).iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_label_and_centred() {
        let values = [1.0, 2.0, 3.0, 6.0, 9.0, 9.0];
        let features = Features::new(&values, 2, &[4, 4, 1], &[10, 11, 12]).unwrap();
        assert_eq!((features.rows_of(4), features.classes()), (vec![0, 1], [1, 4].into()));
        assert_eq!(features.centred(&[0, 1]), [-1.0, -2.0, 1.0, 2.0]);
    }

    #[test]
    fn features_that_make_no_rows_are_refused() {
        let refuses = |values: &[f32], dims, labels: &[u32], positions: &[u32], message: &str| {
            let error = Features::new(values, dims, labels, positions).unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        };
        refuses(&[], 2, &[], &[], "no sample");
        refuses(&[1.0; 3], 2, &[0, 0], &[0, 1], "3 values do not make 2 rows of 2 features; 4 were expected");
        refuses(&[], 0, &[0], &[0], "rows of 0 features");
        refuses(&[1.0; 4], 2, &[0, 0], &[0], "1 positions for 2 samples");
        refuses(&[1.0; 4], 2, &[0, 0], &[3, 3], "position 3 occurs twice");
        refuses(&[1.0, 1.0, 1.0, f32::NAN], 2, &[0, 0], &[3, 5], "feature 1 of the sample at position 5 is NaN");
    }
}
