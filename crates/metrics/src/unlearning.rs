//! The four scores of an unlearned model, and its distance from Retrain.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// UA, RA, TA and MIA-efficacy, in percent.
///
/// Made by [`UnlearningScores::new`], all four lie between 0 and 100.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnlearningScores {
    /// Unlearning accuracy: 100 − accuracy on the forget set.
    pub ua: f64,
    /// Remaining accuracy: accuracy on the retain set.
    pub ra: f64,
    /// Testing accuracy: accuracy on the test set.
    pub ta: f64,
    /// Share of the forget set that a membership-inference attack calls non-member.
    pub mia_efficacy: f64,
}

impl UnlearningScores {
    /// From the accuracies on forget, retain and test set and the MIA-efficacy, all in percent.
    ///
    /// # Errors
    /// A figure that is not between 0 and 100.
    pub fn new(forget_accuracy: f64, retain_accuracy: f64, test_accuracy: f64, mia_efficacy: f64) -> Result<Self> {
        for (what, value) in [
            ("the forget accuracy", forget_accuracy),
            ("the retain accuracy", retain_accuracy),
            ("the test accuracy", test_accuracy),
            ("the MIA-efficacy", mia_efficacy),
        ] {
            if !(0.0..=100.0).contains(&value) {
                return Err(Error::Percent { what, value });
            }
        }
        Ok(Self { ua: 100.0 - forget_accuracy, ra: retain_accuracy, ta: test_accuracy, mia_efficacy })
    }
}

/// The mean over the four scores of their absolute difference to Retrain's, in percentage points; 0 is best.
pub fn average_gap(scores: &UnlearningScores, retrain: &UnlearningScores) -> f64 {
    let of = |s: &UnlearningScores| [s.ua, s.mia_efficacy, s.ra, s.ta];
    of(scores).iter().zip(of(retrain)).map(|(a, b)| (a - b).abs()).sum::<f64>() / 4.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gap_is_the_mean_of_four_differences() {
        let fine_tuned = UnlearningScores { ua: 22.53, mia_efficacy: 75.0, ra: 99.87, ta: 94.31 };
        let retrain = UnlearningScores { ua: 100.0, mia_efficacy: 100.0, ra: 100.0, ta: 94.83 };
        let gap = (77.47 + 25.0 + 0.13 + 0.52) / 4.0;
        assert!((average_gap(&fine_tuned, &retrain) - gap).abs() < 1e-12);
    }

    #[test]
    fn ua_is_what_the_forget_accuracy_leaves() {
        assert_eq!(UnlearningScores::new(5.0, 99.0, 94.0, 12.5).unwrap().ua, 95.0);
        let message = UnlearningScores::new(5.0, 0.99, f64::NAN, 12.5).unwrap_err().to_string();
        assert_eq!(message, "the test accuracy is NaN, but percentages lie between 0 and 100");
    }

    proptest! {
        #[test]
        fn a_gap_is_a_distance(a: [u8; 4], b: [u8; 4], c: [u8; 4]) {
            let scores = |v: [u8; 4]| {
                let [ua, ra, ta, mia_efficacy] = v.map(f64::from);
                UnlearningScores { ua, ra, ta, mia_efficacy }
            };
            let (a, b, c) = (scores(a), scores(b), scores(c));
            prop_assert_eq!(average_gap(&a, &a), 0.0);
            prop_assert_eq!(average_gap(&a, &b), average_gap(&b, &a));
            prop_assert!(average_gap(&a, &c) <= average_gap(&a, &b) + average_gap(&b, &c));
        }
    }
}
