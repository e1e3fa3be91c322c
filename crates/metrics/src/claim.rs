//! Whether a claim "this figure is greater than that one" holds over seeds.

use serde::{Deserialize, Serialize};

use crate::{Estimate, Result};

/// The result for a claim over several seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The whole interval of the difference is above zero.
    Holds,
    /// The whole interval is below zero.
    Fails,
    /// The interval includes zero, or there is a single seed and so no interval.
    Undecided,
}

/// A verdict with the difference that it is based on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Mean difference of the two figures, with its 95 % interval if there are several seeds.
    pub difference: Estimate,
}

impl Judgement {
    /// Judges the claim that `greater` exceeds `lesser`. Both have one value per seed, in the same order.
    ///
    /// # Errors
    /// As [`Estimate::paired_difference`].
    pub fn greater(greater: &[f64], lesser: &[f64]) -> Result<Self> {
        let difference = Estimate::paired_difference(greater, lesser)?;
        let verdict = match difference.interval() {
            Some([low, _]) if low > 0.0 => Verdict::Holds,
            Some([_, high]) if high < 0.0 => Verdict::Fails,
            _ => Verdict::Undecided,
        };
        Ok(Self { verdict, difference })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(greater: &[f64], lesser: &[f64], verdict: Verdict, mean: f64) {
        let judgement = Judgement::greater(greater, lesser).unwrap();
        assert_eq!((judgement.verdict, judgement.difference.mean), (verdict, mean));
    }

    #[test]
    fn an_interval_decides_only_when_it_is_clear_of_zero() {
        check(&[3.0, 4.0, 5.0], &[1.0, 2.0, 3.0], Verdict::Holds, 2.0);
        check(&[1.0, 2.0, 3.0], &[3.0, 4.0, 5.0], Verdict::Fails, -2.0);
        // The mean is 2, but the half-width is 4.303 · 2 / √3 ≈ 5.
        check(&[0.0, 2.0, 4.0], &[0.0; 3], Verdict::Undecided, 2.0);
        check(&[1.0, 1.0], &[1.0, 1.0], Verdict::Undecided, 0.0);
    }

    #[test]
    fn one_seed_decides_nothing_but_is_reported() {
        check(&[99.0], &[1.0], Verdict::Undecided, 98.0);
    }

    #[test]
    fn verdicts_are_written_in_lowercase() {
        let json = serde_json::to_string(&[Verdict::Holds, Verdict::Fails, Verdict::Undecided]).unwrap();
        assert_eq!(json, r#"["holds","fails","undecided"]"#);
    }
}
