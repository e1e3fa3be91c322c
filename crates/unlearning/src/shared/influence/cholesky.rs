//! Linear systems with a symmetric positive definite matrix, by Cholesky factorisation.

use super::dot;

/// Solves `matrix · x = right` for a matrix `[n, n]`. Only the lower triangle is read, and it is overwritten by its
/// factor.
///
/// For a matrix that is not positive definite, the result is not finite.
pub(super) fn solve(matrix: &mut [f64], right: &[f64]) -> Vec<f64> {
    let n = right.len();
    for row in 0..n {
        let (above, from_row) = matrix.split_at_mut(row * n);
        for column in 0..row {
            let pivot_row = &above[column * n..=column * n + column];
            let sum = from_row[column] - dot(&from_row[..column], &pivot_row[..column]);
            from_row[column] = sum / pivot_row[column];
        }
        from_row[row] = (from_row[row] - dot(&from_row[..row], &from_row[..row])).sqrt();
    }
    let mut x = right.to_vec();
    for row in 0..n {
        let factor = &matrix[row * n..=row * n + row];
        x[row] = (x[row] - dot(&factor[..row], &x[..row])) / factor[row];
    }
    for row in (0..n).rev() {
        let factor = &matrix[row * n..=row * n + row];
        x[row] /= factor[row];
        let (before, at) = x.split_at_mut(row);
        before.iter_mut().zip(factor).for_each(|(x, l)| *x -= l * at[0]);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_computed_system() {
        // The factor is [[2, 0, 0], [1, 3, 0], [-1, 2, 1]]. Values above the diagonal are ignored.
        let mut matrix = [4.0, f64::NAN, f64::NAN, 2.0, 10.0, f64::NAN, -2.0, 5.0, 6.0];
        let x = solve(&mut matrix, &[4.0 + 4.0 - 6.0, 2.0 + 20.0 + 15.0, -2.0 + 10.0 + 18.0]);
        for (found, expected) in x.iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12, "{x:?}");
        }
    }
}
