//! The spread of a figure over rounds.

use std::fmt;

/// Median, least and greatest of some figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

impl Spread {
    /// Returns `None` if there are no figures. The median of an even number of figures is the mean of the two in the
    /// middle.
    pub(super) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (least, greatest) = (*figures.first()?, *figures.last()?);
        let median = f64::midpoint(figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
        Some(Self { median, least, greatest })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}–{:.2})", self.median, self.least, self.greatest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_of_any_order_and_number() {
        let spread = |figures: &[f64]| Spread::of(figures.iter().copied()).map(|s| (s.least, s.median, s.greatest));
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[2.0]), Some((2.0, 2.0, 2.0)));
        assert_eq!(spread(&[10.0, 9.0, 1.0]), Some((1.0, 9.0, 10.0)));
        assert_eq!(spread(&[3.0, 1.0, 10.0, 2.0]), Some((1.0, 2.5, 10.0)));
    }
}
