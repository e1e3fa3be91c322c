//! Effect sizes: a difference in units of the spread, so that figures of different units can be compared.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

use crate::binomial::Z;
use crate::error::check_finite;
use crate::interval::sample_variance;
use crate::{Error, Estimate, Result};

/// Hedges' g: a difference of means in standard deviations, corrected for the bias of few values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HedgesG {
    /// The effect size. About 0.2 is called small, 0.5 medium, 0.8 large (Cohen).
    pub g: f64,
    /// Its approximate 95 % interval, from the normal distribution.
    pub interval: [f64; 2],
}

impl HedgesG {
    /// The effect between series that are paired by seed: J(n − 1) · mean / deviation of the differences.
    ///
    /// Hedges 1981 with the exact J; the variance is 1/n + g²/(2n) (Hedges & Olkin 1985). The unit is the deviation of a
    /// difference, not that of one series: what a pair shares does not count.
    ///
    /// # Errors
    /// If the series have different lengths or fewer than three values (J is 0 for two), a value is not finite, or the
    /// differences do not vary, so that there is no unit.
    pub fn paired(values: &[f64], reference: &[f64]) -> Result<Self> {
        let mean = Estimate::paired_difference(values, reference)?.mean;
        let differences: Vec<f64> = values.iter().zip(reference).map(|(a, b)| a - b).collect();
        let found = differences.len();
        let too_few = Error::TooFew { what: "pairs", found, needed: 3 };
        let variance = sample_variance(&differences).filter(|_| found > 2).ok_or(too_few)?;
        let n = found as f64;
        let g = unbiased(n - 1.0) * in_deviations(mean, variance)?;
        Ok(Self::with_variance(g, 1.0 / n + g * g / (2.0 * n)))
    }

    /// The effect between independent series: J(m + n − 2) · difference of means / pooled deviation.
    ///
    /// Hedges 1981 with the exact J; the variance is (m + n)/(mn) + g²/(2(m + n)) (Hedges & Olkin 1985).
    ///
    /// # Errors
    /// If a series has fewer than two values, a value is not finite, or neither series varies, so that there is no unit.
    pub fn unpaired(values: &[f64], others: &[f64]) -> Result<Self> {
        let of = |what: &'static str, values: &[f64]| {
            check_finite(what, values.iter().copied())?;
            let found = values.len();
            let variance = sample_variance(values).ok_or(Error::TooFew { what, found, needed: 2 })?;
            Ok((Estimate::over_seeds(values)?.mean, variance, found as f64))
        };
        let ((mean, a, m), (other, b, n)) = (of("values", values)?, of("other values", others)?);
        let freedom = m + n - 2.0;
        let pooled = ((m - 1.0) * a + (n - 1.0) * b) / freedom;
        let g = unbiased(freedom) * in_deviations(mean - other, pooled)?;
        Ok(Self::with_variance(g, (m + n) / (m * n) + g * g / (2.0 * (m + n))))
    }

    fn with_variance(g: f64, variance: f64) -> Self {
        let half = Z * variance.sqrt();
        Self { g, interval: [g - half, g + half] }
    }
}

fn in_deviations(difference: f64, variance: f64) -> Result<f64> {
    if variance > 0.0 {
        return Ok(difference / variance.sqrt());
    }
    Err(Error::Undefined { figure: "an effect size", why: "the values do not vary, so their spread is no unit" })
}

/// J = Γ(m/2) / (√(m/2) Γ((m − 1)/2)), which removes the bias of d at m ≥ 2 degrees of freedom.
fn unbiased(freedom: f64) -> f64 {
    let half = freedom / 2.0;
    (ln_gamma(half) - ln_gamma(half - 0.5)).exp() / half.sqrt()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn are_those_of_a_second_implementation() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/judging.json")).unwrap();
        for case in golden["t_tests"].as_array().unwrap() {
            let of = |key: &str| serde_json::from_value::<Vec<f64>>(case[key].clone()).unwrap();
            let (a, b) = (of("a"), of("b"));
            let check = |found: HedgesG, key: &str| {
                let [g, low, high]: [f64; 3] = serde_json::from_value(case[key].clone()).unwrap();
                for (a, b) in [found.g, found.interval[0], found.interval[1]].into_iter().zip([g, low, high]) {
                    assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{case}: {found:?}");
                }
            };
            check(HedgesG::unpaired(&a, &b).unwrap(), "g_unpaired");
            if a.len() == b.len() {
                check(HedgesG::paired(&a, &b).unwrap(), "g_paired");
            }
        }
    }

    #[test]
    fn without_spread_there_is_no_effect_size() {
        let message = HedgesG::paired(&[2.0, 3.0, 5.0], &[1.0, 2.0, 4.0]).unwrap_err().to_string();
        assert_eq!(message, "an effect size is undefined: the values do not vary, so their spread is no unit");
        assert!(HedgesG::unpaired(&[2.0; 3], &[1.0; 2]).is_err());
        let two = HedgesG::paired(&[2.0, 1.0], &[1.0, 2.0]).unwrap_err().to_string();
        assert_eq!(two, "2 pairs; at least 3 are needed");
        assert!(HedgesG::paired(&[2.0], &[1.0]).is_err() && HedgesG::unpaired(&[2.0], &[1.0, 2.0]).is_err());
    }
}
