//! Lower triangular matrices with a band below the diagonal.

use pulp::{Arch, Simd, WithSimd};

/// A square lower triangular matrix. Entries more than `half` columns left of the diagonal are zero.
#[derive(Debug, Clone)]
pub(super) struct Banded {
    /// Row i holds columns i − half to i. Entries left of column 0 stay zero.
    rows: Vec<f64>,
    half: usize,
}

impl Banded {
    pub(super) fn zeros(len: usize, half: usize) -> Self {
        Self { rows: vec![0.0; len * (half + 1)], half }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.rows.len() / (self.half + 1)
    }

    /// The first column of row i that may be nonzero.
    #[inline]
    pub(super) fn first(&self, i: usize) -> usize {
        i.saturating_sub(self.half)
    }

    /// Columns `from` to i of row i.
    #[inline]
    pub(super) fn row(&self, i: usize, from: usize) -> &[f64] {
        let end = (i + 1) * (self.half + 1);
        &self.rows[end - (i + 1 - from)..end]
    }

    /// As [`Banded::row`], but mutable.
    #[inline]
    pub(super) fn row_mut(&mut self, i: usize, from: usize) -> &mut [f64] {
        let end = (i + 1) * (self.half + 1);
        &mut self.rows[end - (i + 1 - from)..end]
    }

    /// Replaces the lower triangle of a symmetric matrix by its Cholesky factor. Returns `None` if the matrix is not
    /// positive definite.
    pub(super) fn cholesky(self) -> Option<Self> {
        Arch::new().dispatch(Cholesky(self))
    }

    #[inline(always)]
    fn factorised(mut self) -> Option<Self> {
        for i in 0..self.len() {
            let first = self.first(i);
            for j in first..=i {
                let from = first.max(self.first(j));
                let known = super::dot(&self.row(i, from)[..j - from], &self.row(j, from)[..j - from]);
                let rest = self.row(i, first)[j - first] - known;
                let value = if j < i {
                    rest / self.row(j, j)[0]
                } else if rest > 0.0 {
                    rest.sqrt()
                } else {
                    return None;
                };
                self.row_mut(i, first)[j - first] = value;
            }
        }
        Some(self)
    }

    /// The matrix times a vector.
    pub(super) fn product(&self, vector: &[f64]) -> Vec<f64> {
        let of_row = |i| super::dot(self.row(i, self.first(i)), &vector[self.first(i)..]);
        (0..self.len()).map(of_row).collect()
    }

    /// The transposed matrix times a vector.
    pub(super) fn transposed_product(&self, vector: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.len()];
        for (i, value) in vector.iter().enumerate() {
            let first = self.first(i);
            product[first..].iter_mut().zip(self.row(i, first)).for_each(|(p, l)| *p += l * value);
        }
        product
    }

    /// Solves L x = side in place.
    pub(super) fn solve(&self, side: &mut [f64]) {
        for i in 0..self.len() {
            let first = self.first(i);
            let row = self.row(i, first);
            side[i] = (side[i] - super::dot(&row[..i - first], &side[first..i])) / row[i - first];
        }
    }

    /// Solves Lᵀ x = side in place.
    pub(super) fn solve_transposed(&self, side: &mut [f64]) {
        for i in (0..self.len()).rev() {
            let first = self.first(i);
            let row = self.row(i, first);
            side[i] /= row[i - first];
            let value = side[i];
            side[first..i].iter_mut().zip(row).for_each(|(s, l)| *s -= value * l);
        }
    }
}

/// [`Banded::cholesky`], compiled for the processor at hand.
struct Cholesky(Banded);

impl WithSimd for Cholesky {
    type Output = Option<Banded>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Option<Banded> {
        self.0.factorised()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_times_its_transpose_is_the_matrix_and_solving_undoes_multiplying() {
        // The matrix has 4 on the diagonal, −1 beside it, and 0.5 beyond.
        let mut matrix = Banded::zeros(9, 2);
        for i in 0..9 {
            let first = matrix.first(i);
            for (j, value) in (first..=i).zip(matrix.row_mut(i, first)) {
                *value = [4.0, -1.0, 0.5][i - j];
            }
        }
        let factor = matrix.clone().cholesky().unwrap();
        for i in 0..9 {
            let mut unit = vec![0.0; 9];
            unit[i] = 1.0;
            let mut column = factor.product(&factor.transposed_product(&unit));
            for j in i..9 {
                let expected = if j - i <= 2 { [4.0, -1.0, 0.5][j - i] } else { 0.0 };
                assert!((column[j] - expected).abs() < 1e-14, "{i} {j}");
            }
            factor.solve(&mut column);
            factor.solve_transposed(&mut column);
            assert!(column.iter().zip(&unit).all(|(a, b)| (a - b).abs() < 1e-14), "{i}");
        }
        matrix.row_mut(8, 8)[0] = 0.0;
        assert!(matrix.cholesky().is_none());
    }
}
