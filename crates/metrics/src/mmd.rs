//! Maximum mean discrepancy: how far apart two samples of vectors are as distributions.

use serde::{Deserialize, Serialize};

use crate::rows::{Rows, squared_distance};
use crate::{Error, Result};

/// Pairs among at most this many rows, evenly spaced, make the median distance.
const MEDIAN_ROWS: usize = 1000;

/// The squared maximum mean discrepancy of two samples under the radial kernel exp(−‖x − y‖² / (2σ²)).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mmd {
    /// The estimate without bias (Gretton et al. 2012, eq. 3). It is around 0, and may be negative, for equal
    /// distributions.
    pub unbiased: f64,
    /// The estimate with bias (eq. 5), never negative. It is above 0 for equal distributions, the more so the fewer
    /// rows there are.
    pub biased: f64,
    /// σ, the unit of distances.
    pub bandwidth: f64,
}

impl Mmd {
    /// The discrepancy with the median heuristic: σ is the median distance of the rows of both samples together. Of
    /// more than 1,000 rows, 1,000 evenly spaced ones make the median.
    ///
    /// # Errors
    /// As [`Mmd::with_bandwidth`], and if more than half of the rows are equal, so that the median distance is 0.
    pub fn new(x: Rows<'_>, y: Rows<'_>) -> Result<Self> {
        check(x, y)?;
        let bandwidth = median_distance(x, y);
        if bandwidth == 0.0 {
            let why = "most rows are equal, so the median distance is 0; give a bandwidth";
            return Err(Error::Undefined { figure: "MMD with the median heuristic", why });
        }
        Self::with_bandwidth(x, y, bandwidth)
    }

    /// The discrepancy with a given σ > 0. The time grows with the square of the number of rows.
    ///
    /// # Errors
    /// If a sample has fewer than two rows, the numbers of columns differ, or σ is not positive and finite.
    pub fn with_bandwidth(x: Rows<'_>, y: Rows<'_>, bandwidth: f64) -> Result<Self> {
        check(x, y)?;
        if !(bandwidth > 0.0 && bandwidth.is_finite()) {
            return Err(Error::Undefined { figure: "MMD", why: "the bandwidth is not a positive number" });
        }
        let scale = -0.5 / (bandwidth * bandwidth);
        let kernel = |a: &[f32], b: &[f32]| (scale * squared_distance(a, b)).exp();
        // The sum over ordered pairs of different rows of one sample.
        let within = |rows: Rows<'_>| -> f64 {
            2.0 * (0..rows.len())
                .flat_map(|i| (0..i).map(move |j| (i, j)))
                .map(|(i, j)| kernel(rows.row(i), rows.row(j)))
                .sum::<f64>()
        };
        let across: f64 = x.iter().map(|a| y.iter().map(|b| kernel(a, b)).sum::<f64>()).sum();
        let (m, n) = (x.len() as f64, y.len() as f64);
        let (xx, yy, xy) = (within(x), within(y), across / (m * n));
        let unbiased = xx / (m * (m - 1.0)) + yy / (n * (n - 1.0)) - 2.0 * xy;
        let biased = ((xx + m) / (m * m) + (yy + n) / (n * n) - 2.0 * xy).max(0.0);
        Ok(Self { unbiased, biased, bandwidth })
    }
}

fn check(x: Rows<'_>, y: Rows<'_>) -> Result<()> {
    for rows in [x, y] {
        if rows.len() < 2 {
            return Err(Error::TooFew { what: "rows", found: rows.len(), needed: 2 });
        }
    }
    if x.columns() == y.columns() {
        return Ok(());
    }
    Err(Error::Lengths { what: "rows", left: x.columns(), right: y.columns(), of: "number of columns" })
}

fn median_distance(x: Rows<'_>, y: Rows<'_>) -> f64 {
    let total = x.len() + y.len();
    let used = total.min(MEDIAN_ROWS);
    let row = |at: usize| {
        let at = at * total / used;
        if at < x.len() { x.row(at) } else { y.row(at - x.len()) }
    };
    let mut squares: Vec<f64> =
        (0..used).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| squared_distance(row(i), row(j))).collect();
    let middle = squares.len() / 2;
    let odd = !squares.len().is_multiple_of(2);
    let (below, upper, _) = squares.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = upper.sqrt();
    if odd {
        return upper;
    }
    f64::midpoint(below.iter().copied().fold(0.0, f64::max).sqrt(), upper)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn is_numpys() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("metrics/representations.json")).unwrap();
        for case in golden["mmd"].as_array().unwrap() {
            let of = |key: &str| serde_json::from_value::<Vec<f32>>(case[key].clone()).unwrap();
            let columns = case["columns"].as_u64().unwrap() as usize;
            let (x, y) = (of("x"), of("y"));
            let found = Mmd::new(Rows::new(&x, columns).unwrap(), Rows::new(&y, columns).unwrap()).unwrap();
            let check = |found: f64, key: &str| {
                let expected = case[key].as_f64().unwrap();
                assert!((found - expected).abs() < 1e-12 * (1.0 + expected.abs()), "{key}: {found} {expected}");
            };
            check(found.bandwidth, "bandwidth");
            check(found.unbiased, "unbiased");
            check(found.biased, "biased");
        }
    }

    #[test]
    fn a_sample_is_not_apart_from_itself_and_what_cannot_be_compared_is_refused() {
        let x = [0.0, 1.0, 4.0, 9.0];
        let rows = |columns| Rows::new(&x, columns).unwrap();
        assert_eq!(Mmd::new(rows(1), rows(1)).unwrap().biased, 0.0);
        let message = Mmd::new(rows(1), rows(2)).unwrap_err().to_string();
        assert_eq!(message, "rows of 1 and of 2 cannot be compared; both must be of the same number of columns");
        let equal = Rows::new(&[3.0; 8], 2).unwrap();
        assert!(Mmd::new(equal, equal).unwrap_err().to_string().contains("give a bandwidth"));
        assert_eq!(Mmd::with_bandwidth(equal, equal, 1.0).unwrap().biased, 0.0);
        assert!(Mmd::with_bandwidth(equal, equal, 0.0).is_err() && Mmd::new(rows(4), rows(4)).is_err());
    }
}
