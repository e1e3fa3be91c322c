//! Holm's correction of p-values for a family of tests.

use crate::{Error, Result};

/// The p-values adjusted for the number of tests, in the order of `p`.
///
/// Holm 1979: the i-th smallest of m p-values is multiplied by m − i + 1, cut off at 1, and is never smaller than that
/// of a smaller p-value. Rejecting below 5 % keeps the chance of any wrong rejection at 5 %, whatever the tests depend on.
///
/// # Errors
/// If a p-value is not within 0..1.
pub fn holm(p: &[f64]) -> Result<Vec<f64>> {
    if let Some(&value) = p.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Error::Share { what: "a p-value", value });
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut least = 0.0_f64;
    for (rank, &test) in order.iter().enumerate() {
        least = least.max((p[test] * (p.len() - rank) as f64).min(1.0));
        adjusted[test] = least;
    }
    Ok(adjusted)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn are_those_of_a_second_implementation() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/judging.json")).unwrap();
        for case in golden["holm"].as_array().unwrap() {
            let of = |key: &str| serde_json::from_value::<Vec<f64>>(case[key].clone()).unwrap();
            let found = holm(&of("p")).unwrap();
            assert!(found.iter().zip(of("adjusted")).all(|(a, b)| (a - b).abs() < 1e-15), "{case}: {found:?}");
        }
    }

    #[test]
    fn one_test_is_not_adjusted_and_what_is_no_probability_is_refused() {
        assert_eq!(holm(&[0.03]), Ok(vec![0.03]));
        assert_eq!(holm(&[]), Ok(vec![]));
        assert_eq!(holm(&[0.01, 0.02, 0.03]), Ok(vec![0.03, 0.04, 0.04]));
        assert!(holm(&[0.5, f64::NAN]).is_err() && holm(&[1.1]).is_err());
    }
}
