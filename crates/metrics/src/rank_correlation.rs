//! Spearman's rank correlation: whether two lists order the same things alike.

use crate::{Error, Result};

/// Spearman's ρ of two lists of the same length, −1 to 1: Pearson's correlation of their ranks. Equal values share the mean of their
/// ranks.
///
/// # Errors
/// Lists of different lengths, fewer than two values, a value that is not finite, or a list of equal values, which has no order.
pub fn rank_correlation(one: &[f64], other: &[f64]) -> Result<f64> {
    if one.len() != other.len() {
        let [left, right] = [one.len(), other.len()];
        return Err(Error::Lengths { what: "two rankings", left, right, of: "things" });
    }
    for list in [one, other] {
        if let Some(index) = list.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what: "a ranking", index, value: list[index] });
        }
    }
    let undefined = |why| Err(Error::Undefined { figure: "a rank correlation", why });
    if one.len() < 2 {
        return undefined("there are fewer than two things to rank");
    }
    let [one, other] = [one, other].map(centred_ranks);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let spread = dot(&one, &one) * dot(&other, &other);
    if spread == 0.0 {
        return undefined("all values of a list are equal");
    }
    Ok((dot(&one, &other) / spread.sqrt()).clamp(-1.0, 1.0))
}

/// Ranks less their mean.
fn centred_ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let less = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        less as f64 + (equal as f64 - 1.0) / 2.0
    };
    let mean = (values.len() as f64 - 1.0) / 2.0;
    values.iter().map(|value| rank(value) - mean).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn is_scipys() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("transfer/transfer.json")).unwrap();
        let cases = golden["spearman"].as_array().unwrap();
        assert!(cases.len() >= 3);
        for case in cases {
            let [a, b]: [Vec<f64>; 2] = ["a", "b"].map(|key| serde_json::from_value(case[key].clone()).unwrap());
            let found = rank_correlation(&a, &b).unwrap();
            assert!((found - case["rho"].as_f64().unwrap()).abs() < 1e-12, "{found} {case}");
        }
    }

    #[test]
    fn what_has_no_order_has_no_correlation() {
        let words = |one: &[f64], other: &[f64]| rank_correlation(one, other).unwrap_err().to_string();
        assert!(words(&[1.0, 1.0], &[1.0, 2.0]).contains("all values of a list are equal"));
        assert!(words(&[1.0], &[1.0]).contains("fewer than two"));
        assert!(words(&[1.0, 2.0], &[1.0]).contains("two rankings of 2 and of 1"));
        assert!(words(&[1.0, f64::NAN], &[1.0, 2.0]).contains("a ranking"));
        assert_eq!(rank_correlation(&[1.0, 2.0, 3.0], &[-1.0, -2.0, -9.0]), Ok(-1.0));
    }
}
