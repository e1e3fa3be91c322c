//! How well a score separates two groups: the area under the ROC curve, with its interval.

use rand::RngExt as _;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use crate::binomial::{Z, clopper_pearson};
use crate::interval::sample_variance;
use crate::{Error, Result, error::check_finite};

/// Area under the ROC curve, 0..1: the probability that a value of `positives` exceeds a value of `negatives`, where
/// ties count half. It is 0.5 for a score without information.
///
/// # Errors
/// If a group has no values, or a value is not finite.
pub fn auc(positives: &[f64], negatives: &[f64]) -> Result<f64> {
    check_groups(positives, negatives)?;
    let won: f64 = wins(positives, &sorted(negatives)).iter().sum();
    Ok(won / positives.len() as f64 / negatives.len() as f64)
}

/// An area under the ROC curve with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auc {
    /// The area, 0..1.
    pub value: f64,
    /// Its 95 % interval, within 0..1. `None` if `from` says why there is none.
    pub interval: Option<[f64; 2]>,
    /// Where the interval is from.
    pub from: AucInterval,
}

/// Where the interval of an [`Auc`] is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AucInterval {
    /// DeLong's variance and the normal distribution.
    DeLong,
    /// The groups do not overlap, so DeLong's variance is 0. min(m, n) disjoint pairs are independent trials that all
    /// ended alike, and the interval is the exact one of their share. It is wider than necessary, never narrower.
    DisjointPairs,
    /// Percentiles of bootstrap replicates.
    Bootstrap,
    /// None: all values are equal, so nothing is ranked.
    AllEqual,
    /// None: a group has a single value, which has no variance.
    OneValue,
}

impl Auc {
    /// The area with DeLong's 95 % interval.
    ///
    /// DeLong et al. 1988: V(x) is the share of negatives that a positive x exceeds, V(y) the share of positives that
    /// exceed a negative y, and Var = s²(V(x)) / m + s²(V(y)) / n. The interval is cut off at 0 and 1.
    ///
    /// # Errors
    /// As [`auc`].
    pub fn delong(positives: &[f64], negatives: &[f64]) -> Result<Self> {
        let value = auc(positives, negatives)?;
        let (m, n) = (positives.len(), negatives.len());
        if let Some(from) = without_interval(positives, negatives) {
            return Ok(Self { value, interval: None, from });
        }
        if value == 0.0 || value == 1.0 {
            let pairs = m.min(n);
            let interval = clopper_pearson(if value == 0.0 { 0 } else { pairs }, pairs)?;
            return Ok(Self { value, interval: Some(interval), from: AucInterval::DisjointPairs });
        }
        let (of_positives, lost) = (wins(positives, &sorted(negatives)), wins(negatives, &sorted(positives)));
        // wins / other group is the placement, so its variance is that of the wins over the group's size squared.
        let variance = sample_variance(&of_positives).unwrap_or(0.0) / (m as f64 * (n as f64).powi(2))
            + sample_variance(&lost).unwrap_or(0.0) / (n as f64 * (m as f64).powi(2));
        let half = Z * variance.sqrt();
        let interval = Some([(value - half).max(0.0), (value + half).min(1.0)]);
        Ok(Self { value, interval, from: AucInterval::DeLong })
    }

    /// The area with a 95 % interval from percentiles of bootstrap replicates. Each replicate draws as many positives
    /// and negatives as there are, with replacement. The same seed gives the same interval.
    ///
    /// # Errors
    /// As [`auc`], and if there are fewer than 100 replicates.
    pub fn bootstrap(positives: &[f64], negatives: &[f64], replicates: usize, seed: u64) -> Result<Self> {
        if replicates < 100 {
            return Err(Error::TooFew { what: "bootstrap replicates", found: replicates, needed: 100 });
        }
        let plain = Self::delong(positives, negatives)?;
        if plain.from != AucInterval::DeLong {
            return Ok(plain);
        }
        let ranks = Ranks::new(positives, negatives);
        let mut rng = Pcg64::new(u128::from(seed), 0);
        let mut counts = [vec![0_u32; ranks.steps], vec![0_u32; ranks.steps]];
        let mut areas: Vec<f64> = (0..replicates)
            .map(|_| {
                for (counts, group) in counts.iter_mut().zip(&ranks.of) {
                    counts.fill(0);
                    (0..group.len()).for_each(|_| counts[group[rng.random_range(0..group.len())]] += 1);
                }
                area(&counts[0], &counts[1])
            })
            .collect();
        areas.sort_by(f64::total_cmp);
        let interval = Some([0.025, 0.975].map(|share| percentile(&areas, share)));
        Ok(Self { interval, from: AucInterval::Bootstrap, ..plain })
    }
}

impl AucInterval {
    /// Why there is no interval. `None` if there is one.
    pub const fn missing(self) -> Option<&'static str> {
        match self {
            Self::DeLong | Self::DisjointPairs | Self::Bootstrap => None,
            Self::AllEqual => Some("all scores are equal, so they rank nothing"),
            Self::OneValue => Some("one of the groups has a single score, which has no variance"),
        }
    }
}

/// Values as positions among the distinct values of both groups, ascending.
struct Ranks {
    /// Number of distinct values.
    steps: usize,
    /// The position of every positive, and of every negative.
    of: [Vec<usize>; 2],
}

impl Ranks {
    fn new(positives: &[f64], negatives: &[f64]) -> Self {
        let mut distinct = [positives, negatives].concat();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        let of = [positives, negatives]
            .map(|group| group.iter().map(|v| distinct.partition_point(|other| other < v)).collect());
        Self { steps: distinct.len(), of }
    }
}

/// The area from how many values of each group are at each step.
fn area(positives: &[u32], negatives: &[u32]) -> f64 {
    let (mut below, mut won, mut total) = (0.0, 0.0, 0.0);
    for (&p, &n) in positives.iter().zip(negatives) {
        let (p, n) = (f64::from(p), f64::from(n));
        won += p * (below + n / 2.0);
        below += n;
        total += p;
    }
    won / total / below
}

/// The value below which a share of sorted values lies, interpolated linearly as in NumPy.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// The reason for which two checked groups have no interval.
fn without_interval(positives: &[f64], negatives: &[f64]) -> Option<AucInterval> {
    let first = positives[0];
    if positives.iter().chain(negatives).all(|v| *v == first) {
        return Some(AucInterval::AllEqual);
    }
    (positives.len() < 2 || negatives.len() < 2).then_some(AucInterval::OneValue)
}

pub(crate) fn check_groups(positives: &[f64], negatives: &[f64]) -> Result<()> {
    for (what, group) in [("positives", positives), ("negatives", negatives)] {
        if group.is_empty() {
            return Err(Error::Empty { what });
        }
        check_finite(what, group.iter().copied())?;
    }
    Ok(())
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// For every value, how many of the others it exceeds. Ties count half.
fn wins(values: &[f64], sorted_others: &[f64]) -> Vec<f64> {
    let wins = |value: &f64| {
        let (below, up_to) = (
            sorted_others.partition_point(|other| other < value),
            sorted_others.partition_point(|other| other <= value),
        );
        (below + up_to) as f64 / 2.0
    };
    values.iter().map(wins).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn golden() -> Value {
        serde_json::from_str(&unlearn_tests::golden::text("metrics/metrics.json")).unwrap()
    }

    fn groups(case: &Value) -> [Vec<f64>; 2] {
        ["positives", "negatives"].map(|key| serde_json::from_value(case[key].clone()).unwrap())
    }

    #[test]
    fn is_scipys_rank_statistic() {
        for case in golden()["auc"].as_array().unwrap() {
            let [positives, negatives] = groups(case);
            let expected = case["auc"].as_f64().unwrap();
            assert!((auc(&positives, &negatives).unwrap() - expected).abs() < 1e-12);
            assert!((auc(&negatives, &positives).unwrap() - (1.0 - expected)).abs() < 1e-12);
        }
    }

    #[test]
    fn intervals_are_those_of_delongs_definition() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/judging.json")).unwrap();
        for case in golden["roc"].as_array().unwrap() {
            let [positives, negatives] = groups(case);
            let found = Auc::delong(&positives, &negatives).unwrap();
            assert_eq!(found.from, AucInterval::DeLong);
            let expected: [f64; 2] = serde_json::from_value(case["delong"].clone()).unwrap();
            let interval = found.interval.unwrap();
            assert!((found.value - case["auc"].as_f64().unwrap()).abs() < 1e-12);
            assert!(interval.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{interval:?} {expected:?}");
            // 4,000 replicates of each side leave some noise in the percentiles.
            let drawn = Auc::bootstrap(&positives, &negatives, 4000, 1).unwrap();
            let theirs: [f64; 2] = serde_json::from_value(case["bootstrap"].clone()).unwrap();
            let width = theirs[1] - theirs[0];
            let drawn = drawn.interval.unwrap();
            assert!(drawn.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 0.05 * width), "{drawn:?} {theirs:?}");
        }
    }

    #[test]
    fn a_replicate_has_the_area_of_what_it_drew() {
        let (positives, negatives) = ([0.3, 0.1, 0.3, 2.0], [0.1, 0.3, -1.0]);
        let ranks = Ranks::new(&positives, &negatives);
        let (mut p, mut n) = (vec![0; ranks.steps], vec![0; ranks.steps]);
        for i in [0, 2, 3, 3] {
            p[ranks.of[0][i]] += 1;
        }
        for i in [0, 1, 1] {
            n[ranks.of[1][i]] += 1;
        }
        let expected = auc(&[0.3, 0.3, 2.0, 2.0], &[0.1, 0.3, 0.3]).unwrap();
        assert!((area(&p, &n) - expected).abs() < 1e-15);
    }

    #[test]
    fn separated_groups_have_an_interval_of_some_width() {
        let (high, low) = ([3.0, 4.0, 5.0, 6.0, 7.0], [0.0, 1.0, 1.5, 2.0, 2.5, 2.7]);
        let found = Auc::delong(&high, &low).unwrap();
        // Five of five pairs: the exact lower limit is 0.025^(1/5).
        let [from, to] = found.interval.unwrap();
        assert_eq!((found.value, found.from, to), (1.0, AucInterval::DisjointPairs, 1.0));
        assert!((from - 0.025_f64.powf(0.2)).abs() < 1e-9, "{from}");
        let mirrored = Auc::bootstrap(&low, &high, 100, 1).unwrap();
        assert_eq!((mirrored.value, mirrored.interval.unwrap()[0]), (0.0, 0.0));
    }

    #[test]
    fn what_has_no_interval_says_why() {
        let equal = Auc::delong(&[2.0; 4], &[2.0; 3]).unwrap();
        assert_eq!((equal.value, equal.interval), (0.5, None));
        assert!(equal.from.missing().unwrap().contains("all scores are equal"));
        let one = Auc::delong(&[2.0], &[1.0, 3.0]).unwrap();
        assert_eq!((one.value, one.interval, one.from), (0.5, None, AucInterval::OneValue));
        let few = Auc::bootstrap(&[1.0, 2.0], &[1.0, 3.0], 99, 1).unwrap_err().to_string();
        assert_eq!(few, "99 bootstrap replicates; at least 100 are needed");
    }

    #[test]
    fn refuses_what_has_no_ranks() {
        assert!(matches!(auc(&[], &[1.0]), Err(Error::Empty { what: "positives" })));
        assert!(matches!(auc(&[1.0], &[f64::NAN]), Err(Error::NotFinite { what: "negatives", .. })));
        assert!(Auc::delong(&[1.0, f64::INFINITY], &[1.0]).is_err());
    }
}
