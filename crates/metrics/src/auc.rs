//! How well a score separates two groups.

use crate::{Error, Result, error::check_finite};

/// Area under the ROC curve, 0..1: the probability that a value of `positives` exceeds a value of `negatives`, where
/// ties count half. It is 0.5 for a score without information.
///
/// # Errors
/// If a group has no values, or a value is not finite.
pub fn auc(positives: &[f64], negatives: &[f64]) -> Result<f64> {
    for (what, group) in [("positives", positives), ("negatives", negatives)] {
        if group.is_empty() {
            return Err(Error::Empty { what });
        }
        check_finite(what, group.iter().copied())?;
    }
    let mut sorted = negatives.to_vec();
    sorted.sort_by(f64::total_cmp);
    let wins = |value: &f64| {
        let (below, up_to) =
            (sorted.partition_point(|other| other < value), sorted.partition_point(|other| other <= value));
        (below + up_to) as f64 / 2.0
    };
    let won: f64 = positives.iter().map(wins).sum();
    Ok(won / positives.len() as f64 / negatives.len() as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn is_scipys_rank_statistic() {
        let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/metrics/metrics.json")).unwrap();
        for case in golden["auc"].as_array().unwrap() {
            let values = |key: &str| serde_json::from_value::<Vec<f64>>(case[key].clone()).unwrap();
            let (positives, negatives) = (values("positives"), values("negatives"));
            let expected = case["auc"].as_f64().unwrap();
            assert!((auc(&positives, &negatives).unwrap() - expected).abs() < 1e-12);
            assert!((auc(&negatives, &positives).unwrap() - (1.0 - expected)).abs() < 1e-12);
        }
    }

    #[test]
    fn refuses_what_has_no_ranks() {
        assert!(matches!(auc(&[], &[1.0]), Err(Error::Empty { what: "positives" })));
        assert!(matches!(auc(&[1.0], &[f64::NAN]), Err(Error::NotFinite { what: "negatives", .. })));
    }
}
