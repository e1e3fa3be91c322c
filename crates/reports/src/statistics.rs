//! Means over seeds with confidence intervals, and the gap to Retrain.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::results::ResultRow;

/// A mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % confidence interval (Student t); `None` for one seed, which has none.
    pub half_width: Option<f64>,
    /// How many seeds it rests on.
    pub count: usize,
}

impl Interval {
    /// The mean of `values`; `None` when there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let freedom = count as f64 - 1.0;
        let half_width = StudentsT::new(0.0, 1.0, freedom).ok().map(|student| {
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / freedom;
            student.inverse_cdf(0.975) * (variance / count as f64).sqrt()
        });
        Some(Self { mean, half_width, count })
    }
}

/// Mean absolute difference over UA, MIA-efficacy, RA and TA, in points.
pub(crate) fn average_gap(row: &ResultRow, retrain: &ResultRow) -> f64 {
    let figures = |row: &ResultRow| [row.ua, row.mia_efficacy, row.ra, row.ta];
    let gaps = figures(row).into_iter().zip(figures(retrain)).map(|(one, other)| (one - other).abs());
    gaps.sum::<f64>() / 4.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from `scipy.stats.t.interval(0.95, n - 1, mean, sem)`.
    #[test]
    fn agrees_with_scipy() {
        let three = Interval::of(&[1.0, 2.0, 4.5]).unwrap();
        assert!((three.mean - 2.5).abs() < 1e-12);
        assert!((three.half_width.unwrap() - 4.478_342_947_514_799).abs() < 1e-6, "{three:?}");
        let two = Interval::of(&[1.0, 2.0]).unwrap();
        assert!((two.half_width.unwrap() - 6.353_102_368_087_347).abs() < 1e-6, "{two:?}");
        assert_eq!(Interval::of(&[7.0]), Some(Interval { mean: 7.0, half_width: None, count: 1 }));
        assert_eq!(Interval::of(&[]), None);
    }
}
