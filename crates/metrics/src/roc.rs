//! The ROC curve of a score: true-positive rate over false-positive rate, for every threshold.
//!
//! A sample with a score of at least the threshold is called positive. Rates are shares, 0..1.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::auc::check_groups;
use crate::binomial::clopper_pearson;
use crate::{Auc, Error, Result};

/// The ROC curve of a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Roc {
    positives: usize,
    negatives: usize,
    /// One step for every distinct score, by descending threshold.
    steps: Vec<Step>,
    auc: Auc,
}

/// One threshold of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Scores of at least this value are called positive.
    pub threshold: f64,
    /// Positives that are called positive.
    pub true_positives: usize,
    /// Negatives that are called positive.
    pub false_positives: usize,
}

/// The smallest false-positive rate that a number of negatives can resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// Number of negatives.
    pub negatives: usize,
}

/// The true-positive rate at a false-positive rate, or what is missing for it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtFpr {
    /// The rate.
    Known(TruePositives),
    /// The negatives are too few to resolve this false-positive rate.
    TooFew {
        /// The false-positive rate asked for, 0..1.
        fpr: f64,
        /// Number of negatives.
        negatives: usize,
        /// The least number of negatives.
        needed: usize,
    },
}

/// A true-positive rate at a false-positive rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruePositives {
    /// The false-positive rate asked for, 0..1. No threshold with a greater one is used.
    pub fpr: f64,
    /// The true-positive rate, 0..1.
    pub tpr: f64,
    /// Its exact 95 % interval (Clopper & Pearson) at that threshold.
    pub interval: [f64; 2],
    /// The threshold. `None` if every threshold has more false positives, so that nothing is called positive.
    pub threshold: Option<f64>,
    /// The false-positive rate at the threshold.
    pub reached: f64,
}

/// A threshold with its balanced accuracy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// Scores of at least this value are called positive.
    pub threshold: f64,
    /// (TPR + 1 − FPR) / 2, in 0..1.
    pub balanced_accuracy: f64,
}

impl Roc {
    /// The false-positive rates that papers on attacks report: 0.1 % and 1 %.
    pub const LOW_RATES: [f64; 2] = [0.001, 0.01];

    /// The curve of the scores of positives and negatives. Greater scores mean "positive".
    ///
    /// # Errors
    /// If a group is empty, a score is not finite, or all scores are equal.
    pub fn new(positives: &[f64], negatives: &[f64]) -> Result<Self> {
        let steps = steps(positives, negatives)?;
        let auc = Auc::delong(positives, negatives)?;
        Ok(Self { positives: positives.len(), negatives: negatives.len(), steps, auc })
    }

    /// Number of positives.
    pub const fn positives(&self) -> usize {
        self.positives
    }

    /// What the negatives can resolve.
    pub const fn resolution(&self) -> Resolution {
        Resolution { negatives: self.negatives }
    }

    /// The area under the curve, with DeLong's interval.
    pub const fn auc(&self) -> Auc {
        self.auc
    }

    /// All thresholds, descending.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The points of the curve, `[FPR, TPR]`, from [0, 0] to [1, 1]. Points within a straight line are left out.
    pub fn points(&self) -> Vec<[f64; 2]> {
        let mut corners: Vec<[usize; 2]> = vec![[0, 0]];
        for step in &self.steps {
            let point = [step.false_positives, step.true_positives];
            if let [.., before, last] = corners.as_slice() {
                let run = |a: [usize; 2], b: [usize; 2]| [b[0] - a[0], b[1] - a[1]].map(|v| v as u128);
                let (one, two) = (run(*before, *last), run(*last, point));
                if one[0] * two[1] == one[1] * two[0] {
                    corners.pop();
                }
            }
            corners.push(point);
        }
        let share = |[fp, tp]: [usize; 2]| [fp as f64 / self.negatives as f64, tp as f64 / self.positives as f64];
        corners.into_iter().map(share).collect()
    }

    /// The greatest true-positive rate among thresholds with a false-positive rate of at most `fpr`, or what is
    /// missing for it.
    ///
    /// # Errors
    /// If `fpr` is not between 0 and 1.
    pub fn at_fpr(&self, fpr: f64) -> Result<AtFpr> {
        if !(fpr > 0.0 && fpr < 1.0) {
            return Err(Error::Share { what: "the false-positive rate", value: fpr });
        }
        let resolution = self.resolution();
        if !resolution.resolves(fpr) {
            return Ok(AtFpr::TooFew { fpr, negatives: self.negatives, needed: Resolution::needed(fpr) });
        }
        let allowed = allowed(fpr, self.negatives);
        let within = self.steps.partition_point(|step| step.false_positives <= allowed);
        let last = within.checked_sub(1).map(|at| self.steps[at]);
        let [found, false_positives] = last.map_or([0; 2], |step| [step.true_positives, step.false_positives]);
        Ok(AtFpr::Known(TruePositives {
            fpr,
            tpr: found as f64 / self.positives as f64,
            interval: clopper_pearson(found, self.positives)?,
            threshold: last.map(|step| step.threshold),
            reached: false_positives as f64 / self.negatives as f64,
        }))
    }

    /// (TPR + 1 − FPR) / 2, in 0..1, of a threshold that was fixed without these scores.
    pub fn balanced_accuracy(&self, threshold: f64) -> f64 {
        let within = self.steps.partition_point(|step| step.threshold >= threshold);
        within.checked_sub(1).map_or(0.5, |at| self.balanced(&self.steps[at]))
    }

    /// The threshold with the greatest balanced accuracy; the greatest threshold among equals. It was chosen on these
    /// scores, so on others it is less accurate.
    pub fn best_cut(&self) -> Cut {
        best_cut(&self.steps, self.positives, self.negatives)
    }

    fn balanced(&self, step: &Step) -> f64 {
        balanced(step, self.positives, self.negatives)
    }
}

impl Cut {
    /// The threshold with the greatest balanced accuracy on these scores; the greatest threshold among equals. If none is
    /// better than chance, it is +∞, with a balanced accuracy of 0.5: nothing is called positive.
    ///
    /// # Errors
    /// As [`Roc::new`].
    pub fn best(positives: &[f64], negatives: &[f64]) -> Result<Self> {
        Ok(best_cut(&steps(positives, negatives)?, positives.len(), negatives.len()))
    }
}

/// One step for every distinct score, by descending threshold.
fn steps(positives: &[f64], negatives: &[f64]) -> Result<Vec<Step>> {
    check_groups(positives, negatives)?;
    // Adding 0 makes +0 and −0 one score.
    let mut scores: Vec<(f64, bool)> = positives.iter().map(|&v| (v + 0.0, true)).collect();
    scores.extend(negatives.iter().map(|&v| (v + 0.0, false)));
    scores.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    if scores[0].0 == scores[scores.len() - 1].0 {
        return Err(Error::AllEqual { what: "scores", count: scores.len() });
    }
    let [mut true_positives, mut false_positives] = [0; 2];
    let tied = scores.chunk_by(|a, b| a.0 == b.0);
    let step = |tied: &[(f64, bool)]| {
        let positive = tied.iter().filter(|(_, positive)| *positive).count();
        true_positives += positive;
        false_positives += tied.len() - positive;
        Step { threshold: tied[0].0, true_positives, false_positives }
    };
    Ok(tied.map(step).collect())
}

fn best_cut(steps: &[Step], positives: usize, negatives: usize) -> Cut {
    // TPR − FPR in whole numbers, so that rounding does not choose among equals.
    let gain = |step: &Step| {
        step.true_positives as i128 * negatives as i128 - step.false_positives as i128 * positives as i128
    };
    // Nothing is called positive above all scores.
    let (mut best, mut greatest) = (Cut { threshold: f64::INFINITY, balanced_accuracy: 0.5 }, 0);
    for step in steps {
        let gain = gain(step);
        if gain > greatest {
            let balanced_accuracy = balanced(step, positives, negatives);
            (best, greatest) = (Cut { threshold: step.threshold, balanced_accuracy }, gain);
        }
    }
    best
}

/// (TPR + 1 − FPR) / 2.
fn balanced(step: &Step, positives: usize, negatives: usize) -> f64 {
    let tpr = step.true_positives as f64 / positives as f64;
    f64::midpoint(tpr, 1.0 - step.false_positives as f64 / negatives as f64)
}

impl Resolution {
    /// The smallest false-positive rate that can be told from 0: one negative in all, 0..1.
    pub fn smallest_fpr(self) -> f64 {
        1.0 / self.negatives as f64
    }

    /// Whether this false-positive rate allows at least one false positive.
    pub fn resolves(self, fpr: f64) -> bool {
        allowed(fpr, self.negatives) > 0
    }

    /// The least number of negatives that resolve a false-positive rate in 0..1.
    pub fn needed(fpr: f64) -> usize {
        let about = (1.0 / fpr).floor() as usize;
        if allowed(fpr, about) > 0 { about } else { about + 1 }
    }
}

impl fmt::Display for AtFpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(found) => write!(f, "{:.2} % at {} % FPR", 100.0 * found.tpr, percent(found.fpr)),
            Self::TooFew { fpr, negatives, needed } => {
                write!(f, "too few negatives for {} % FPR: {negatives}; {needed} are needed", percent(*fpr))
            }
        }
    }
}

/// A share in percent, without the digits that binary rounding adds.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// The greatest number of false positives that a rate allows. 0.001 of 1000 is 1, although 0.001 is rounded.
fn allowed(fpr: f64, negatives: usize) -> usize {
    (fpr * negatives as f64 * (1.0 + 4.0 * f64::EPSILON)).floor() as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::auc;

    #[test]
    fn curves_are_scikit_learns() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/judging.json")).unwrap();
        for case in golden["roc"].as_array().unwrap() {
            let of = |key: &str| serde_json::from_value::<Vec<f64>>(case[key].clone()).unwrap();
            let roc = Roc::new(&of("positives"), &of("negatives")).unwrap();
            // scikit-learn's first threshold is infinite.
            let (fpr, tpr, thresholds) = (of("fpr"), of("tpr"), of("thresholds"));
            assert_eq!([fpr.len(), tpr.len()], [roc.steps().len() + 1, thresholds.len() + 1]);
            for (i, step) in roc.steps().iter().enumerate() {
                assert_eq!(step.threshold, thresholds[i]);
                assert!((step.false_positives as f64 / of("negatives").len() as f64 - fpr[i + 1]).abs() < 1e-12);
                assert!((step.true_positives as f64 / of("positives").len() as f64 - tpr[i + 1]).abs() < 1e-12);
            }
            assert!((roc.auc().value - case["auc"].as_f64().unwrap()).abs() < 1e-12);
            assert!((roc.best_cut().balanced_accuracy - case["best_balanced"].as_f64().unwrap()).abs() < 1e-12);
            assert!((roc.balanced_accuracy(0.0) - case["balanced_at_zero"].as_f64().unwrap()).abs() < 1e-12);
            for (at, expected) in [(0.01, "at_1_percent"), (0.1, "at_10_percent")] {
                match (roc.at_fpr(at).unwrap(), case[expected].as_f64()) {
                    (AtFpr::Known(found), Some(tpr)) => assert!((found.tpr - tpr).abs() < 1e-12, "{found:?} {tpr}"),
                    (AtFpr::TooFew { .. }, None) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn below_what_the_negatives_resolve_there_is_no_number() {
        let (positives, negatives) = ([3.0, 4.0], (0..999).map(f64::from).collect::<Vec<_>>());
        let roc = Roc::new(&positives, &negatives).unwrap();
        let refused = roc.at_fpr(0.001).unwrap();
        assert_eq!(refused, AtFpr::TooFew { fpr: 0.001, negatives: 999, needed: 1000 });
        let says = refused.to_string();
        let expected = "too few negatives for 0.1 % FPR: 999; 1000 are needed";
        assert_eq!(says, expected);
        let enough = Roc::new(&positives, &(0..1000).map(f64::from).collect::<Vec<_>>()).unwrap();
        let AtFpr::Known(found) = enough.at_fpr(0.001).unwrap() else { panic!("1000 negatives resolve 0.1 %") };
        assert_eq!((found.tpr, found.reached, found.threshold), (0.0, 0.001, Some(999.0)));
        assert_eq!(Resolution::needed(0.01), 100);
        assert_eq!(Resolution::needed(0.003), 334);
        assert!(roc.at_fpr(0.0).is_err() && roc.at_fpr(f64::NAN).is_err() && roc.at_fpr(1.0).is_err());
    }

    #[test]
    fn a_tie_at_the_top_leaves_no_threshold() {
        // Both highest scores are negatives, so any threshold has an FPR of at least 1.
        let roc = Roc::new(&[1.0, 0.5], &[2.0, 2.0]).unwrap();
        let AtFpr::Known(found) = roc.at_fpr(0.5).unwrap() else { panic!() };
        assert_eq!((found.tpr, found.threshold, found.reached), (0.0, None, 0.0));
        assert_eq!(found.interval[0], 0.0);
        assert_eq!(roc.best_cut(), Cut { threshold: f64::INFINITY, balanced_accuracy: 0.5 });
    }

    #[test]
    fn of_equally_good_thresholds_the_greatest_is_chosen() {
        // Every second step is as good as the first; in rounded rates, some of them look better.
        let positives: Vec<f64> = (0..49).map(|i| f64::from(2 * i)).collect();
        let negatives: Vec<f64> = (0..49).map(|i| f64::from(2 * i - 1)).collect();
        let cut = Cut::best(&positives, &negatives).unwrap();
        assert_eq!(cut.threshold, 96.0);
        assert!((cut.balanced_accuracy - (0.5 + 0.5 / 49.0)).abs() < 1e-15);
    }

    #[test]
    fn refuses_what_ranks_nothing() {
        let refused = Roc::new(&[1.0, 1.0], &[1.0]).unwrap_err().to_string();
        assert_eq!(refused, "all 3 scores are equal; they rank nothing, so no figure can be computed from them");
        assert!(Roc::new(&[0.0], &[-0.0]).is_err(), "both zeros are one score");
        assert!(Roc::new(&[], &[1.0]).is_err() && Roc::new(&[f64::NAN], &[1.0]).is_err());
    }

    proptest! {
        #[test]
        fn the_area_under_the_points_is_the_probability_of_the_right_order(
            positives in prop::collection::vec(-5_i8..5, 1..30), negatives in prop::collection::vec(-5_i8..5, 1..30),
        ) {
            let [positives, negatives] = [positives, negatives].map(|v| v.into_iter().map(f64::from).collect::<Vec<_>>());
            let Ok(roc) = Roc::new(&positives, &negatives) else { return Ok(()) };
            let points = roc.points();
            let area: f64 = points.windows(2).map(|p| (p[1][0] - p[0][0]) * (p[1][1] + p[0][1]) / 2.0).sum();
            prop_assert!((area - auc(&positives, &negatives).unwrap()).abs() < 1e-12);
            prop_assert_eq!(points[points.len() - 1], [1.0, 1.0]);
        }
    }
}
