//! Principal components of centred rows, by orthogonal iteration.
//!
//! A block of vectors is multiplied by the covariance and made orthonormal. The eigenvalue problem within the block is solved exactly
//! (Rayleigh–Ritz, by Jacobi's rotations). These steps repeat until the leading vectors are eigenvectors up to rounding. All arithmetic
//! is f64 in a fixed order, so the bits are the same on every machine. Linear algebra libraries choose their arithmetic by the processor,
//! so none is used here.

use rand::Rng as _;
use unlearn_random::stream;

/// A vector counts as an eigenvector when its residual is at most this share of the greatest eigenvalue.
const TOLERANCE: f64 = 1e-11;
/// The greatest number of rounds. Vectors that have not converged by then have eigenvalues so close that the difference does not matter
/// here.
const ROUNDS: usize = 500;

/// Coordinates of each row along the leading principal components, `[rows, kept]`, as one vector per row. `values` are centred rows
/// `[rows, dims]`. At most `components` are kept, and no more than there are dimensions or rows. The sign of a direction is arbitrary, so
/// a whole column may be negated.
pub(crate) fn projections(values: &[f64], dims: usize, components: usize) -> Vec<Vec<f64>> {
    let rows = values.len() / dims;
    let kept = components.min(dims).min(rows);
    let covariance = covariance(values, dims);
    let vectors = leading(&covariance, dims, kept);
    values.chunks_exact(dims).map(|row| vectors.iter().map(|vector| dot(row, vector)).collect()).collect()
}

/// Σ xxᵀ / rows, `[dims, dims]`.
fn covariance(values: &[f64], dims: usize) -> Vec<f64> {
    let rows = (values.len() / dims) as f64;
    let mut sums = vec![0.0; dims * dims];
    for row in values.chunks_exact(dims) {
        for (i, &left) in row.iter().enumerate() {
            for (sum, right) in sums[i * dims + i..(i + 1) * dims].iter_mut().zip(&row[i..]) {
                *sum += left * right;
            }
        }
    }
    for i in 0..dims {
        for j in i..dims {
            let value = sums[i * dims + j] / rows;
            sums[i * dims + j] = value;
            sums[j * dims + i] = value;
        }
    }
    sums
}

/// The `count` leading eigenvectors of a symmetric positive semidefinite matrix `[dims, dims]`.
fn leading(matrix: &[f64], dims: usize, count: usize) -> Vec<Vec<f64>> {
    let block = (2 * count + 10).min(dims);
    let mut rng = stream("principal components", &[dims as u64, block as u64]);
    let mut draw = || f64::from(rng.next_u32() >> 8) / f64::from(1 << 24) - 0.5;
    let mut vectors: Vec<Vec<f64>> = (0..block).map(|_| (0..dims).map(|_| draw()).collect()).collect();
    orthonormalise(&mut vectors);
    for _ in 0..ROUNDS {
        let images: Vec<Vec<f64>> =
            vectors.iter().map(|vector| matrix.chunks_exact(dims).map(|row| dot(row, vector)).collect()).collect();
        let small: Vec<Vec<f64>> =
            vectors.iter().map(|vector| images.iter().map(|image| dot(vector, image)).collect()).collect();
        let (values, rotations) = symmetric_eigen(small);
        let rotated = |vectors: &[Vec<f64>], rotation: &[f64]| {
            let mut sum = vec![0.0; dims];
            for (vector, share) in vectors.iter().zip(rotation) {
                sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += share * value);
            }
            sum
        };
        vectors = rotations.iter().map(|rotation| rotated(&vectors, rotation)).collect();
        let images: Vec<Vec<f64>> = rotations.iter().map(|rotation| rotated(&images, rotation)).collect();
        let residual = |i: usize| {
            let difference = images[i].iter().zip(&vectors[i]).map(|(image, value)| image - values[i] * value);
            difference.map(|part| part * part).sum::<f64>().sqrt()
        };
        if block == dims || (0..count).all(|i| residual(i) <= TOLERANCE * values[0]) {
            break;
        }
        vectors = images;
        orthonormalise(&mut vectors);
    }
    vectors.truncate(count);
    vectors
}

/// Gram–Schmidt, twice for each vector. A vector that depends on the vectors before it is replaced by a unit vector that does not.
fn orthonormalise(vectors: &mut [Vec<f64>]) {
    for i in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(i);
        let vector = &mut rest[0];
        let mut unit = 0;
        loop {
            let length = dot(vector, vector).sqrt();
            for _ in 0..2 {
                for other in before.iter() {
                    let share = dot(vector, other);
                    vector.iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
                }
            }
            let left = dot(vector, vector).sqrt();
            if left > 1e-10 * length {
                for value in vector.iter_mut() {
                    *value /= left;
                }
                break;
            }
            // There are fewer vectors than dimensions, so some unit vector is outside their span.
            vector.fill(0.0);
            vector[unit] = 1.0;
            unit += 1;
        }
    }
}

/// Eigenvalues of a symmetric matrix, descending, and their eigenvectors, by cyclic Jacobi rotations.
fn symmetric_eigen(mut matrix: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let side = matrix.len();
    let mut vectors: Vec<Vec<f64>> =
        (0..side).map(|i| (0..side).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..100 {
        let mut rotated = false;
        for p in 0..side {
            for q in p + 1..side {
                let [diagonal_p, diagonal_q, off] = [matrix[p][p], matrix[q][q], matrix[p][q]];
                if off.abs() <= 1e-17 * (diagonal_p.abs() + diagonal_q.abs()) || off.abs() < f64::MIN_POSITIVE {
                    continue;
                }
                rotated = true;
                let theta = (diagonal_q - diagonal_p) / (2.0 * off);
                let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
                let sine = tangent * cosine;
                for row in &mut matrix {
                    let [at_p, at_q] = [row[p], row[q]];
                    row[p] = cosine * at_p - sine * at_q;
                    row[q] = sine * at_p + cosine * at_q;
                }
                for pair in [&mut matrix, &mut vectors] {
                    let (upper, lower) = pair.split_at_mut(q);
                    for (at_p, at_q) in upper[p].iter_mut().zip(&mut lower[0]) {
                        (*at_p, *at_q) = (cosine * *at_p - sine * *at_q, sine * *at_p + cosine * *at_q);
                    }
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..side).collect();
    order.sort_by(|&a, &b| matrix[b][b].total_cmp(&matrix[a][a]));
    (order.iter().map(|&i| matrix[i][i]).collect(), order.into_iter().map(|i| vectors[i].clone()).collect())
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of independent columns with the given deviations, mixed by a Householder reflection.
    fn rows(deviations: &[f64], count: usize) -> Vec<f64> {
        let dims = deviations.len();
        let mut rng = stream("test", &[dims as u64]);
        let mirror: Vec<f64> = (0..dims).map(|i| ((i + 1) as f64).sin()).collect();
        let length = dot(&mirror, &mirror);
        let mut values = Vec::new();
        for _ in 0..count {
            let row: Vec<f64> = deviations
                .iter()
                .map(|deviation| deviation * (f64::from(rng.next_u32()) / 2_147_483_648.0 - 1.0))
                .collect();
            let share = 2.0 * dot(&row, &mirror) / length;
            values.extend(row.iter().zip(&mirror).map(|(value, mirror)| value - share * mirror));
        }
        values
    }

    #[test]
    fn leading_vectors_are_orthonormal_eigenvectors() {
        let deviations: Vec<f64> = (0..60).map(|i| 0.9_f64.powi(i)).collect();
        let covariance = covariance(&rows(&deviations, 300), 60);
        let vectors = leading(&covariance, 60, 4);
        let mut last = f64::INFINITY;
        for (i, vector) in vectors.iter().enumerate() {
            let image: Vec<f64> = covariance.chunks_exact(60).map(|row| dot(row, vector)).collect();
            let value = dot(vector, &image);
            assert!(value < last && value > 0.0);
            last = value;
            for (image, part) in image.iter().zip(vector) {
                assert!((image - value * part).abs() < 1e-10, "vector {i}");
            }
            for (j, other) in vectors.iter().enumerate() {
                assert!((dot(vector, other) - f64::from(u8::from(i == j))).abs() < 1e-12, "{i} {j}");
            }
        }
    }

    #[test]
    fn ranks_below_the_block_do_not_hang() {
        let flat = projections(&[0.0; 40 * 30], 30, 3);
        assert!(flat.iter().flatten().all(|value| *value == 0.0));
        let line: Vec<f64> =
            (0..40).flat_map(|row| (0..30).map(move |dim| f64::from(row - 20) * f64::from(dim))).collect();
        let along = projections(&line, 30, 3);
        let length: f64 = (0..30).map(|dim| f64::from(dim * dim)).sum::<f64>().sqrt();
        assert!((along[0][0].abs() - 20.0 * length).abs() < 1e-8 && along[0][1].abs() < 1e-8);
    }

    #[test]
    fn no_more_components_than_rows_or_dimensions() {
        assert_eq!(projections(&rows(&[1.0, 2.0], 9), 2, 10)[0].len(), 2);
        assert_eq!(projections(&rows(&[1.0, 2.0, 3.0], 2), 3, 10)[0].len(), 2);
    }
}
