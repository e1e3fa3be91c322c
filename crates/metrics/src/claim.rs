//! Whether a claim "this figure is greater than that one" holds over seeds: one claim alone, or a family of claims.
//!
//! A single claim is decided by its 95 % interval. Of twenty claims without any effect, one is decided that way. So the
//! claims of a table are judged together: Holm's method keeps the chance that any of them is decided wrongly at 5 %.

use serde::{Deserialize, Serialize};

use crate::holm::holm;
use crate::t_test::TTest;
use crate::{Estimate, Result};

/// A verdict is reached at this probability of error.
const LEVEL: f64 = 0.05;

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

    /// The number of seeds, in all, at which the 95 % interval would exclude zero if mean and spread stayed as they are.
    /// With that many, about half of such experiments decide. `None` if there is no spread to go by (a single seed), or if
    /// no number of seeds up to a million decides.
    ///
    /// A claim that is decided already needs the seeds that it has.
    pub fn seeds_needed(&self) -> Option<usize> {
        if self.verdict == Verdict::Undecided {
            return self.difference.seeds_to_exclude_zero();
        }
        Some(self.difference.seeds)
    }
}

/// One claim of a family.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InFamily {
    /// The claim by itself.
    pub alone: Judgement,
    /// The two-sided p-value of the paired t-test. `None` for a single seed.
    pub p: Option<f64>,
    /// The p-value adjusted for the family (Holm). `None` for a single seed.
    pub adjusted: Option<f64>,
    /// The verdict within the family: undecided if the adjusted p-value is above 5 %.
    pub verdict: Verdict,
}

/// Judges several claims together. Each claim is that `greater` exceeds `lesser`; both have one value per seed, in the
/// same order.
///
/// A claim with a single seed cannot be tested, and counts towards the size of the family as if it were undecided.
///
/// # Errors
/// As [`Estimate::paired_difference`].
pub fn judge_family(claims: &[(&[f64], &[f64])]) -> Result<Vec<InFamily>> {
    let tested: Vec<(Judgement, Option<f64>)> = claims
        .iter()
        .map(|(greater, lesser)| {
            let alone = Judgement::greater(greater, lesser)?;
            let p = if greater.len() < 2 { None } else { Some(TTest::paired(greater, lesser)?.p) };
            Ok((alone, p))
        })
        .collect::<Result<_>>()?;
    let adjusted = holm(&tested.iter().map(|(_, p)| p.unwrap_or(1.0)).collect::<Vec<_>>())?;
    let in_family = |((alone, p), adjusted): ((Judgement, Option<f64>), f64)| {
        let verdict = match p {
            Some(_) if adjusted < LEVEL && alone.difference.mean > 0.0 => Verdict::Holds,
            Some(_) if adjusted < LEVEL && alone.difference.mean < 0.0 => Verdict::Fails,
            _ => Verdict::Undecided,
        };
        InFamily { alone, p, adjusted: p.map(|_| adjusted), verdict }
    };
    Ok(tested.into_iter().zip(adjusted).map(in_family).collect())
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
    fn a_family_asks_for_more_than_a_claim_alone() {
        // Differences with t = 5, 3.5 and 2 at 4 degrees of freedom: p = 0.0075, 0.0249 and 0.116.
        let spread = [-1.0, -0.5, 0.0, 0.5, 1.0];
        let error = 0.625_f64.sqrt() / 5.0_f64.sqrt();
        let claims = [5.0, 3.5, 2.0].map(|t| spread.map(|s| t * error + s));
        let none = [0.0; 5];
        let pairs: Vec<(&[f64], &[f64])> = claims.iter().map(|c| (c.as_slice(), none.as_slice())).collect();
        let found = judge_family(&pairs).unwrap();
        assert_eq!(
            found.iter().map(|f| f.alone.verdict).collect::<Vec<_>>(),
            [Verdict::Holds, Verdict::Holds, Verdict::Undecided]
        );
        assert_eq!(
            found.iter().map(|f| f.verdict).collect::<Vec<_>>(),
            [Verdict::Holds, Verdict::Holds, Verdict::Undecided]
        );
        // Four more claims without an effect: the second is no longer decided.
        let idle = [[-1.0, -0.5, 0.0, 0.5, 1.0]; 4];
        let more: Vec<_> = pairs.iter().copied().chain(idle.iter().map(|c| (c.as_slice(), none.as_slice()))).collect();
        let found = judge_family(&more).unwrap();
        assert_eq!((found[1].alone.verdict, found[1].verdict), (Verdict::Holds, Verdict::Undecided));
        assert!((found[1].adjusted.unwrap() - 6.0 * found[1].p.unwrap()).abs() < 1e-12);
        let one = judge_family(&[(&[9.0], &[1.0])]).unwrap();
        assert_eq!((one[0].p, one[0].adjusted, one[0].verdict), (None, None, Verdict::Undecided));
        assert!(judge_family(&[(&[9.0], &[1.0, 2.0])]).is_err());
    }

    #[test]
    fn says_how_many_seeds_would_decide() {
        // Mean 2, deviation 2. Four seeds: 3.182 · 2 / 2 = 3.18 > 2. Six: 2.571 · 2 / √6 = 2.10 > 2. Seven: 1.85 < 2.
        let undecided = Judgement::greater(&[0.0, 2.0, 4.0], &[0.0; 3]).unwrap();
        assert_eq!((undecided.verdict, undecided.seeds_needed()), (Verdict::Undecided, Some(7)));
        let decided = Judgement::greater(&[3.0, 4.0, 5.0], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(decided.seeds_needed(), Some(3));
        assert_eq!(Judgement::greater(&[1.0, -1.0], &[0.0; 2]).unwrap().seeds_needed(), None);
        assert_eq!(Judgement::greater(&[99.0], &[1.0]).unwrap().seeds_needed(), None);
    }

    #[test]
    fn verdicts_are_written_in_lowercase() {
        let json = serde_json::to_string(&[Verdict::Holds, Verdict::Fails, Verdict::Undecided]).unwrap();
        assert_eq!(json, r#"["holds","fails","undecided"]"#);
    }
}
