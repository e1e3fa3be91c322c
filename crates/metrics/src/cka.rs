//! Linear centred kernel alignment: how alike two representations of the same samples are.

use crate::rows::Rows;
use crate::{Error, Result};

/// Linear CKA of two representations of the same samples, in the same order: 0..1, and 1 if one is a rotation and
/// scaling of the other. They may have different numbers of columns.
///
/// Kornblith et al. 2019 (arXiv 1905.00414): `‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖)` for centred X and Y, with Frobenius norms. With few
/// samples beside columns it is near 1 for any two representations; compare it with the value of two Retrains.
///
/// # Errors
/// If the numbers of rows differ or are below two, or all rows of a representation are equal.
pub fn linear_cka(x: Rows<'_>, y: Rows<'_>) -> Result<f64> {
    if x.len() != y.len() {
        return Err(Error::Lengths { what: "representations", left: x.len(), right: y.len(), of: "samples" });
    }
    if x.len() < 2 {
        return Err(Error::TooFew { what: "samples", found: x.len(), needed: 2 });
    }
    let n = x.len();
    let (p, q) = (x.columns(), y.columns());
    let (x, y) = (x.centred(), y.centred());
    let by_columns = p * p + q * q + p * q <= n * (p + q);
    let [xy, xx, yy] = if by_columns {
        [(&x, p, &y, q), (&x, p, &x, p), (&y, q, &y, q)].map(|(a, p, b, q)| norm_of_product(a, p, b, q))
    } else {
        by_samples(&x, p, &y, q, n)
    };
    if xx == 0.0 || yy == 0.0 {
        return Err(Error::Undefined { figure: "CKA", why: "a representation is the same for all samples" });
    }
    // Rounding may exceed 1 by a few units in the last place.
    Ok((xy / (xx.sqrt() * yy.sqrt())).min(1.0))
}

/// ‖AᵀB‖² for A `[n, p]` and B `[n, q]`.
fn norm_of_product(a: &[f64], p: usize, b: &[f64], q: usize) -> f64 {
    let mut product = vec![0.0; p * q];
    for (a, b) in a.chunks_exact(p).zip(b.chunks_exact(q)) {
        for (row, &scale) in product.chunks_exact_mut(q).zip(a) {
            row.iter_mut().zip(b).for_each(|(to, v)| *to += scale * v);
        }
    }
    product.iter().map(|v| v * v).sum()
}

/// The same three norms from the samples' scalar products: ‖XᵀY‖² = Σᵢⱼ (XXᵀ)ᵢⱼ (YYᵀ)ᵢⱼ.
fn by_samples(x: &[f64], p: usize, y: &[f64], q: usize, n: usize) -> [f64; 3] {
    let dot = |v: &[f64], width: usize, i: usize, j: usize| -> f64 {
        v[i * width..(i + 1) * width].iter().zip(&v[j * width..(j + 1) * width]).map(|(a, b)| a * b).sum()
    };
    let mut sums = [0.0; 3];
    for i in 0..n {
        for j in 0..=i {
            let (a, b) = (dot(x, p, i, j), dot(y, q, i, j));
            let times = if i == j { 1.0 } else { 2.0 };
            for (sum, product) in sums.iter_mut().zip([a * b, a * a, b * b]) {
                *sum += times * product;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn is_numpys_with_few_and_with_many_columns() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/representations.json")).unwrap();
        for case in golden["cka"].as_array().unwrap() {
            let of = |key: &str| serde_json::from_value::<Vec<f32>>(case[key].clone()).unwrap();
            let columns = |key: &str| case[key].as_u64().unwrap() as usize;
            let (x, y) = (of("x"), of("y"));
            let (x, y) = (Rows::new(&x, columns("p")).unwrap(), Rows::new(&y, columns("q")).unwrap());
            let expected = case["cka"].as_f64().unwrap();
            assert!((linear_cka(x, y).unwrap() - expected).abs() < 1e-10, "{expected}");
            assert!((linear_cka(y, x).unwrap() - expected).abs() < 1e-10);
        }
    }

    #[test]
    fn a_rotated_and_scaled_representation_is_the_same() {
        let x = [1.0, 0.0, 0.0, 2.0, -3.0, 1.0, 0.5, 0.5];
        let turned: Vec<f32> = x.chunks_exact(2).flat_map(|v| [7.0 * v[1] + 1.0, -7.0 * v[0]]).collect();
        let (x, turned) = (Rows::new(&x, 2).unwrap(), Rows::new(&turned, 2).unwrap());
        assert!((linear_cka(x, turned).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn refuses_what_cannot_be_compared() {
        let (two, three, equal) = ([1.0, 2.0], [1.0, 2.0, 3.0], [5.0, 5.0]);
        let of = |values| Rows::new(values, 1).unwrap();
        let message = linear_cka(of(&two), of(&three)).unwrap_err().to_string();
        assert_eq!(message, "representations of 2 and of 3 cannot be compared; both must be of the same samples");
        let message = linear_cka(of(&two), of(&equal)).unwrap_err().to_string();
        assert_eq!(message, "CKA is undefined: a representation is the same for all samples");
        assert!(linear_cka(of(&two[..1]), of(&two[..1])).is_err());
    }
}
