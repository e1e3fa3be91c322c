//! Rows of numbers: the features of samples, checked on construction.

use crate::{Error, Result};

/// The features of samples, `[len, columns]`, row-major. All values are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rows<'a> {
    values: &'a [f32],
    columns: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `columns` values each.
    ///
    /// # Errors
    /// If there are no columns, the values do not make whole rows, or a value is not finite.
    pub fn new(values: &'a [f32], columns: usize) -> Result<Self> {
        let what = "features";
        if columns == 0 || !values.len().is_multiple_of(columns) {
            let rows = values.len().checked_div(columns).unwrap_or(0);
            return Err(Error::Rows { what, values: values.len(), rows, columns });
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { what, index, value: f64::from(values[index]) });
        }
        Ok(Self { values, columns })
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Whether there are no rows.
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values per row.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// All rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.columns)
    }

    /// One row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// The values less their column's mean, `[len, columns]`, row-major.
    pub(crate) fn centred(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.columns];
        for row in self {
            sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
        }
        let n = self.len() as f64;
        self.iter().flat_map(|row| row.iter().zip(&sums).map(|(&v, sum)| f64::from(v) - sum / n)).collect()
    }
}

impl<'a> IntoIterator for &Rows<'a> {
    type Item = &'a [f32];
    type IntoIter = std::slice::ChunksExact<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The squared Euclidean distance of two rows.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

/// The squared Euclidean distance of a row from a point.
pub(crate) fn squared_distance_to(row: &[f32], point: &[f64]) -> f64 {
    row.iter().zip(point).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_makes_no_rows() {
        let message = Rows::new(&[1.0, 2.0, 3.0], 2).unwrap_err().to_string();
        assert_eq!(message, "3 values of features do not make 1 rows of 2");
        assert!(Rows::new(&[1.0], 0).is_err() && Rows::new(&[1.0, f32::NAN], 1).is_err());
        let rows = Rows::new(&[1.0, 2.0, 3.0, 6.0], 2).unwrap();
        assert_eq!((rows.len(), rows.row(1), rows.centred()), (2, &[3.0, 6.0][..], vec![-1.0, -2.0, 1.0, 2.0]));
        assert!(Rows::new(&[], 3).unwrap().is_empty());
    }
}
