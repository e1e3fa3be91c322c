//! Means over seeds with 95 % confidence intervals.
//!
//! Student's t interval: mean ± t(0.975; n − 1) · s / √n, with the sample standard deviation s. A single seed has a
//! mean but no interval.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::statistics::Statistics as _;

use crate::error::check_finite;
use crate::{Error, Result};

/// A mean over seeds, in the unit of the values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Number of seeds.
    pub seeds: usize,
    /// Half the width of the 95 % confidence interval. `None` for a single seed.
    pub half_width: Option<f64>,
}

impl Estimate {
    /// The mean of one value per seed, with its interval if there are at least two.
    ///
    /// # Errors
    /// If there are no values, or one is not finite.
    pub fn over_seeds(values: &[f64]) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::Empty { what: "seeds" });
        }
        check_finite("values over seeds", values.iter().copied())?;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let half_width = sample_variance(values).map(|variance| quantile(n - 1.0) * (variance / n).sqrt());
        Ok(Self { mean, seeds: values.len(), half_width })
    }

    /// The mean of `values[i] − reference[i]`, paired by seed.
    ///
    /// Variation between seeds that affects both series alike cancels. So this interval is the one for judging a
    /// difference.
    ///
    /// # Errors
    /// As [`Estimate::over_seeds`], and if the series have different lengths.
    pub fn paired_difference(values: &[f64], reference: &[f64]) -> Result<Self> {
        if values.len() != reference.len() {
            return Err(Error::Unpaired { left: values.len(), right: reference.len() });
        }
        let differences: Vec<f64> = values.iter().zip(reference).map(|(a, b)| a - b).collect();
        Self::over_seeds(&differences)
    }

    /// The number of seeds, more than there are, at which the interval would exclude zero if mean and spread stayed as
    /// they are. `None` for a single seed, and if no number up to a million is enough.
    pub(crate) fn seeds_to_exclude_zero(&self) -> Option<usize> {
        const MOST: usize = 1_000_000;
        let n = self.seeds as f64;
        let deviation = self.half_width? * n.sqrt() / quantile(n - 1.0);
        let excludes = |seeds: usize| {
            let n = seeds as f64;
            quantile(n - 1.0) * deviation / n.sqrt() < self.mean.abs()
        };
        let (mut too_few, mut enough) = (self.seeds, self.seeds.checked_mul(2)?);
        while !excludes(enough) {
            if enough >= MOST {
                return None;
            }
            (too_few, enough) = (enough, (2 * enough).min(MOST));
        }
        while enough - too_few > 1 {
            let middle = usize::midpoint(too_few, enough);
            if excludes(middle) { enough = middle } else { too_few = middle }
        }
        Some(enough)
    }

    /// Both ends of the interval. `None` for a single seed.
    pub fn interval(&self) -> Option<[f64; 2]> {
        self.half_width.map(|half| [self.mean - half, self.mean + half])
    }
}

/// The sample variance, with n − 1 in the denominator. `None` for fewer than two values. Equal values give exactly 0.
pub(crate) fn sample_variance(values: &[f64]) -> Option<f64> {
    (values.len() > 1).then(|| values.variance())
}

/// The 97.5 % quantile of Student's t distribution with `freedom` degrees of freedom.
fn quantile(freedom: f64) -> f64 {
    // Location 0, scale 1 and at least one degree of freedom are always valid.
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |t| t.inverse_cdf(0.975))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn equal_values_do_not_vary() {
        // Their mean is rounded, and a sum of squared distances to it would be about 1e-27.
        let equal = [99.861_111_111_111_11; 10];
        assert_eq!(sample_variance(&equal), Some(0.0));
        assert_eq!(Estimate::over_seeds(&equal).unwrap().half_width, Some(0.0));
    }

    #[test]
    fn intervals_are_scipys() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/metrics.json")).unwrap();
        for case in golden["intervals"].as_array().unwrap() {
            let values: Vec<f64> = serde_json::from_value(case["values"].clone()).unwrap();
            let [low, high]: [f64; 2] = serde_json::from_value(case["interval"].clone()).unwrap();
            let [ours_low, ours_high] = Estimate::over_seeds(&values).unwrap().interval().unwrap();
            let tolerance = 1e-8 * (1.0 + (high - low).abs());
            assert!((ours_low - low).abs() < tolerance && (ours_high - high).abs() < tolerance, "{case}");
        }
    }

    #[test]
    fn one_seed_has_no_interval() {
        let estimate = Estimate::over_seeds(&[93.5]).unwrap();
        assert_eq!((estimate.mean, estimate.seeds, estimate.interval()), (93.5, 1, None));
    }

    #[test]
    fn equal_values_have_an_interval_of_no_width() {
        assert_eq!(Estimate::over_seeds(&[7.25; 3]).unwrap().interval(), Some([7.25, 7.25]));
    }

    #[test]
    fn refuses_what_has_no_mean() {
        assert_eq!(Estimate::over_seeds(&[]), Err(Error::Empty { what: "seeds" }));
        assert!(Estimate::over_seeds(&[1.0, f64::NAN]).is_err());
        assert_eq!(Estimate::paired_difference(&[1.0], &[]), Err(Error::Unpaired { left: 1, right: 0 }));
    }

    proptest! {
        #[test]
        fn what_both_series_share_cancels(
            pairs in prop::collection::vec((0_i32..100, 0_i32..100, 0_i32..1000), 2..8),
        ) {
            let of = |f: fn(&(i32, i32, i32)) -> i32| pairs.iter().map(|p| f64::from(f(p))).collect::<Vec<_>>();
            let plain = Estimate::paired_difference(&of(|p| p.0), &of(|p| p.1)).unwrap();
            let shifted = Estimate::paired_difference(&of(|p| p.0 + p.2), &of(|p| p.1 + p.2)).unwrap();
            prop_assert_eq!(plain, shifted);
        }
    }
}
