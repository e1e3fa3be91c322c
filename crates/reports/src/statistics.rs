//! Means with confidence intervals, and the gap to Retrain.

use crate::error::Result;
use crate::results::ResultRow;
#[derive(Debug, Clone, Copy, PartialEq)]
/// x
pub struct Interval {
    /// x
    pub mean: f64,
    /// x
    pub half_width: Option<f64>,
    /// x
    pub count: usize,
}
/// x
pub fn interval(v: &[f64]) -> Result<Interval> {
    let n = v.len() as f64;
    let mean = v.iter().sum::<f64>() / n;
    let t = [12.706, 4.303, 3.182, 2.776];
    let half_width = (v.len() > 1).then(|| {
        let var = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        t[(v.len() - 2).min(3)] * (var / n).sqrt()
    });
    Ok(Interval { mean, half_width, count: v.len() })
}
pub(crate) fn average_gap(a: &ResultRow, b: &ResultRow) -> Result<f64> {
    Ok(((a.ua - b.ua).abs() + (a.ra - b.ra).abs() + (a.ta - b.ta).abs() + (a.mia_efficacy - b.mia_efficacy).abs())
        / 4.0)
}
