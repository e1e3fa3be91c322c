//! The statistics behind a verdict: the test of one claim, and Holm's correction over all claims of a suite.

use serde::{Deserialize, Serialize};
use unlearn_metrics::{HedgesG, Judgement, TTest, Verdict, holm};

use super::{Claim, Differences};

/// A verdict is reached at this probability of error.
const LEVEL: f64 = 0.05;

/// The side of a limit on which a claim expects a difference.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Below(f64),
    Above(f64),
}

/// The test of a claim. Claims of several parts, which must all be true, have the test of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// The two-sided p-value of the t-test on differences paired by seed. `None` for a single seed.
    pub p: Option<f64>,
    /// The p-value adjusted for all tests of the suite (Holm 1979).
    pub p_holm: Option<f64>,
    /// The verdict at 5 % after that correction.
    pub after_holm: Verdict,
    /// Hedges' g of the difference to the limit of the claim, in deviations over seeds; positive on the claimed side. `None` for fewer
    /// than three seeds, for no spread, and for a claim of several parts.
    pub effect: Option<f64>,
    /// Number of seeds.
    pub seeds: usize,
    /// Number of seeds in all that would decide an undecided claim if mean and spread stayed as they are. `None` if the claim is
    /// decided, if there is no spread to go by, or if no number of seeds would.
    pub seeds_needed: Option<usize>,
}

/// A verdict with its test.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tested {
    pub(super) verdict: Verdict,
    pub(super) test: Test,
}

impl Side {
    /// The verdict on the claim that the differences are on this side, and their mean. `None` if there is no seed.
    pub(super) fn judge(self, differences: &Differences) -> Option<(Tested, unlearn_metrics::Estimate)> {
        let values: Vec<f64> = differences.values().copied().collect();
        let limits = |limit: f64| vec![limit; values.len()];
        let (greater, lesser) = match self {
            Self::Below(limit) => (limits(limit), values.clone()),
            Self::Above(limit) => (values.clone(), limits(limit)),
        };
        let judgement = Judgement::greater(&greater, &lesser).ok()?;
        let is_undecided = judgement.verdict == Verdict::Undecided;
        let test = Test {
            p: TTest::paired(&greater, &lesser).ok().map(|test| test.p),
            p_holm: None,
            after_holm: Verdict::Undecided,
            effect: HedgesG::paired(&greater, &lesser).ok().map(|effect| effect.g),
            seeds: values.len(),
            seeds_needed: judgement.seeds_needed().filter(|_| is_undecided),
        };
        let estimate = unlearn_metrics::Estimate::over_seeds(&values).ok()?;
        Some((Tested { verdict: judgement.verdict, test }, estimate))
    }
}

/// The joint verdict on several claims: it fails if one fails, and holds if all hold. It holds at the greatest of the p-values. It fails
/// at the least p-value of those that fail, times the number of claims (Bonferroni).
pub(super) fn all(parts: &[Tested]) -> Tested {
    if let [one] = parts {
        return *one;
    }
    let verdict = if parts.iter().any(|part| part.verdict == Verdict::Fails) {
        Verdict::Fails
    } else if parts.iter().all(|part| part.verdict == Verdict::Holds) {
        Verdict::Holds
    } else {
        Verdict::Undecided
    };
    let p = |part: &Tested| part.test.p;
    let p = match verdict {
        Verdict::Fails => {
            let failing = parts.iter().filter(|part| part.verdict == Verdict::Fails);
            failing.filter_map(p).min_by(f64::total_cmp).map(|p| (p * parts.len() as f64).min(1.0))
        }
        _ => parts.iter().map(p).collect::<Option<Vec<f64>>>().and_then(|p| p.into_iter().max_by(f64::total_cmp)),
    };
    let undecided = parts.iter().filter(|part| part.verdict == Verdict::Undecided);
    let needed: Option<Vec<usize>> = undecided.map(|part| part.test.seeds_needed).collect();
    let seeds_needed = needed.filter(|_| verdict == Verdict::Undecided).and_then(|needed| needed.into_iter().max());
    let seeds = parts.iter().map(|part| part.test.seeds).min().unwrap_or(0);
    Tested {
        verdict,
        test: Test { p, p_holm: None, after_holm: Verdict::Undecided, effect: None, seeds, seeds_needed },
    }
}

/// Corrects the tests of all claims for their number. A claim with a single seed cannot be tested, and counts as if it were undecided.
pub(super) fn correct(claims: &mut [Claim]) {
    let tested: Vec<&mut Claim> = claims.iter_mut().filter(|claim| claim.test.is_some()).collect();
    let p: Vec<f64> = tested.iter().map(|claim| claim.test.and_then(|test| test.p).unwrap_or(1.0)).collect();
    let Ok(adjusted) = holm(&p) else { return };
    for (claim, adjusted) in tested.into_iter().zip(adjusted) {
        let verdict = claim.verdict;
        if let Some(test) = &mut claim.test {
            test.p_holm = test.p.map(|_| adjusted);
            let stays = test.p_holm.is_some_and(|p| p < LEVEL);
            test.after_holm = if stays { verdict } else { Verdict::Undecided };
        }
    }
}

impl Test {
    /// The cells of a table: p, p after Holm, effect, seeds that would decide. Missing values are dashes.
    pub(crate) fn cells(&self) -> [String; 4] {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        [
            or_dash(self.p.map(probability)),
            or_dash(self.p_holm.map(probability)),
            or_dash(self.effect.map(signed)),
            or_dash(self.seeds_needed.map(|seeds| seeds.to_string())),
        ]
    }

    /// The p-values in words: `p = 0.012, 0.08 after Holm`. Empty for a single seed.
    fn p_values(&self) -> String {
        match (self.p, self.p_holm) {
            (Some(p), Some(holm)) => format!("p {}, {} after Holm", probability(p), probability(holm)),
            _ => String::new(),
        }
    }

    /// The seeds that would decide. Empty if the claim is decided or nothing is known.
    fn needed(&self, verdict: Verdict) -> String {
        match (verdict, self.seeds_needed, self.seeds) {
            (Verdict::Undecided, Some(needed), _) => format!("about {needed} seeds would decide it at this spread"),
            (Verdict::Undecided, None, 1) => "one seed has no spread to go by".to_owned(),
            _ => String::new(),
        }
    }

    /// Everything in one line, for the terminal and the page. Parts without a value are left out.
    pub(crate) fn line(&self, verdict: Verdict) -> String {
        let effect = self.effect.map(|g| format!("effect g {}", signed(g))).unwrap_or_default();
        let parts = [self.p_values(), effect, self.needed(verdict)];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

fn signed(g: f64) -> String {
    format!("{g:+.2}").replace('-', "−")
}

/// A probability with two significant digits, or a bound.
fn probability(p: f64) -> String {
    match p {
        p if p < 0.0001 => "< 0.0001".to_owned(),
        p if p < 0.1 => {
            let digits = (2.0 - p.log10().floor() - 1.0).max(2.0) as usize;
            format!("{p:.digits$}")
        }
        p => format!("{p:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(values: &[f64]) -> Differences {
        (1..).zip(values.iter().copied()).collect()
    }

    fn claim(side: Side, values: &[f64]) -> Claim {
        let (tested, _) = side.judge(&differences(values)).unwrap();
        Claim::tested(format!("{values:?}"), String::new(), tested, String::new())
    }

    #[test]
    fn a_claim_among_many_needs_more_than_one_alone() {
        // t = 3.5 at 4 degrees of freedom: p = 0.0249, by SciPy's `ttest_1samp`.
        let error = 0.625_f64.sqrt() / 5.0_f64.sqrt();
        let one = [-1.0, -0.5, 0.0, 0.5, 1.0].map(|s| 3.5 * error + s);
        let idle = [-1.0, -0.5, 0.0, 0.5, 1.0];
        let mut alone = [claim(Side::Above(0.0), &one)];
        correct(&mut alone);
        let test = alone[0].test.unwrap();
        assert!((test.p.unwrap() - 0.024_896_6).abs() < 1e-6, "{test:?}");
        assert_eq!((alone[0].verdict, test.after_holm, test.p_holm), (Verdict::Holds, Verdict::Holds, test.p));
        let mut many: Vec<Claim> = (0..4).map(|_| claim(Side::Above(0.0), &idle)).collect();
        many.push(claim(Side::Above(0.0), &one));
        correct(&mut many);
        let last = &many[4];
        assert_eq!((last.verdict, last.test.unwrap().after_holm), (Verdict::Holds, Verdict::Undecided));
        assert!((last.test.unwrap().p_holm.unwrap() - 5.0 * test.p.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn the_effect_is_positive_on_the_claimed_side() {
        let test = |side: Side| side.judge(&differences(&[1.0, 2.0, 3.0])).unwrap().0.test;
        assert!(test(Side::Above(0.0)).effect.unwrap() > 0.0 && test(Side::Below(0.0)).effect.unwrap() < 0.0);
        assert!(test(Side::Above(5.0)).effect.unwrap() < 0.0);
    }

    #[test]
    fn an_undecided_claim_says_how_many_seeds_it_needs() {
        let (tested, _) = Side::Above(0.0).judge(&differences(&[0.0, 2.0, 4.0])).unwrap();
        assert_eq!((tested.verdict, tested.test.seeds_needed), (Verdict::Undecided, Some(7)));
        assert_eq!(tested.test.needed(Verdict::Undecided), "about 7 seeds would decide it at this spread");
        let (one, _) = Side::Above(0.0).judge(&differences(&[9.0])).unwrap();
        assert_eq!(
            (one.test.p, one.test.seeds_needed, one.test.line(one.verdict)),
            (None, None, "one seed has no spread to go by".into())
        );
        let (decided, _) = Side::Above(0.0).judge(&differences(&[3.0, 3.1, 2.9])).unwrap();
        assert_eq!(decided.test.seeds_needed, None);
    }

    #[test]
    fn a_claim_of_parts_is_as_sure_as_its_weakest_part() {
        let judge = |values: &[f64]| Side::Above(0.0).judge(&differences(values)).unwrap().0;
        let (sure, less) = (judge(&[3.0, 3.1, 2.9]), judge(&[3.0, 4.0, 2.5]));
        let both = all(&[sure, less]);
        assert_eq!((both.verdict, both.test.p), (Verdict::Holds, less.test.p));
        let against = judge(&[-3.0, -3.1, -2.9]);
        let failed = all(&[sure, less, against]);
        assert_eq!((failed.verdict, failed.test.p), (Verdict::Fails, against.test.p.map(|p| 3.0 * p)));
        let open = all(&[sure, judge(&[0.0, 2.0, 4.0])]);
        assert_eq!((open.verdict, open.test.seeds_needed), (Verdict::Undecided, Some(7)));
        assert_eq!(all(&[sure, judge(&[9.0])]).test.p, None);
    }

    #[test]
    fn probabilities_have_two_significant_digits() {
        let found = [0.5, 0.049, 0.0123, 0.004_56, 0.000_12, 0.000_001].map(probability);
        assert_eq!(found, ["0.50", "0.049", "0.012", "0.0046", "0.00012", "< 0.0001"]);
    }
}
