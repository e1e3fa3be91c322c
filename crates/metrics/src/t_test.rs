//! Student's t-tests of a difference between two series.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

use crate::error::check_finite;
use crate::interval::sample_variance;
use crate::{Error, Estimate, Result};

/// The result of a t-test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TTest {
    /// The mean difference over its standard error. It is infinite if the values do not vary.
    pub statistic: f64,
    /// Degrees of freedom.
    pub freedom: f64,
    /// The probability, 0..1, of a statistic at least as far from 0 if there were no difference (two-sided).
    pub p: f64,
}

impl TTest {
    /// Tests whether the mean of `values[i] − reference[i]` is zero. Both have one value per seed, in the same order.
    ///
    /// If the differences do not vary at all, p is 1 if they are zero, and otherwise 0.
    ///
    /// # Errors
    /// If the series have different lengths or fewer than two values, or a value is not finite.
    pub fn paired(values: &[f64], reference: &[f64]) -> Result<Self> {
        let Estimate { mean, .. } = Estimate::paired_difference(values, reference)?;
        let differences: Vec<f64> = values.iter().zip(reference).map(|(a, b)| a - b).collect();
        let n = differences.len();
        let variance = sample_variance(&differences).ok_or(Error::TooFew { what: "pairs", found: n, needed: 2 })?;
        Ok(Self::of(mean, variance / n as f64, (n - 1) as f64))
    }

    /// Tests whether two independent series have the same mean, without assuming that they vary alike (Welch).
    ///
    /// If neither series varies, p is 1 if the means are equal, and otherwise 0.
    ///
    /// # Errors
    /// If a series has fewer than two values, or a value is not finite.
    pub fn welch(values: &[f64], others: &[f64]) -> Result<Self> {
        let of = |what: &'static str, values: &[f64]| {
            check_finite(what, values.iter().copied())?;
            let found = values.len();
            let variance = sample_variance(values).ok_or(Error::TooFew { what, found, needed: 2 })?;
            Ok((Estimate::over_seeds(values)?.mean, variance / found as f64, found as f64))
        };
        let ((mean, a, m), (other, b, n)) = (of("values", values)?, of("other values", others)?);
        let freedom =
            if a + b > 0.0 { (a + b).powi(2) / (a.powi(2) / (m - 1.0) + b.powi(2) / (n - 1.0)) } else { m + n - 2.0 };
        Ok(Self::of(mean - other, a + b, freedom))
    }

    fn of(difference: f64, squared_error: f64, freedom: f64) -> Self {
        if difference == 0.0 {
            return Self { statistic: 0.0, freedom, p: 1.0 };
        }
        let statistic = difference / squared_error.sqrt();
        // Location 0, scale 1 and at least one degree of freedom are always valid.
        let p = StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |t| 2.0 * t.sf(statistic.abs()));
        Self { statistic, freedom, p: if statistic.is_infinite() { 0.0 } else { p.min(1.0) } }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn are_scipys() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/judging.json")).unwrap();
        for case in golden["t_tests"].as_array().unwrap() {
            let of = |key: &str| serde_json::from_value::<Vec<f64>>(case[key].clone()).unwrap();
            let (a, b) = (of("a"), of("b"));
            let check = |found: TTest, key: &str| {
                let [statistic, freedom, p]: [f64; 3] = serde_json::from_value(case[key].clone()).unwrap();
                assert!((found.statistic - statistic).abs() < 1e-10 * (1.0 + statistic.abs()), "{case}: {found:?}");
                assert!((found.freedom - freedom).abs() < 1e-9, "{case}: {found:?}");
                assert!((found.p - p).abs() < 1e-10, "{case}: {found:?}");
            };
            check(TTest::welch(&a, &b).unwrap(), "welch");
            if a.len() == b.len() {
                check(TTest::paired(&a, &b).unwrap(), "paired");
            }
        }
    }

    #[test]
    fn values_that_do_not_vary_differ_or_do_not() {
        let p = |a: &[f64], b: &[f64]| (TTest::paired(a, b).unwrap().p, TTest::welch(a, b).unwrap().p);
        assert_eq!(p(&[3.0; 3], &[3.0; 3]), (1.0, 1.0));
        assert_eq!(p(&[3.0; 3], &[2.0; 3]), (0.0, 0.0));
    }

    #[test]
    fn refuses_what_cannot_be_tested() {
        let message = TTest::paired(&[1.0], &[2.0]).unwrap_err().to_string();
        assert_eq!(message, "1 pairs; at least 2 are needed");
        assert!(TTest::paired(&[1.0, 2.0], &[2.0]).is_err());
        assert!(TTest::welch(&[1.0, f64::NAN], &[2.0, 3.0]).is_err() && TTest::welch(&[1.0], &[2.0, 3.0]).is_err());
    }
}
