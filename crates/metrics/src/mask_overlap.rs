//! How alike two pruning masks are, and whether a mask shows which data it was learned from.
//!
//! arXiv 2507.18725 observes that deleted data shape the mask. If so, a mask that was learned with the forget set is less like
//! masks learned without it than those are like each other.

use serde::{Deserialize, Serialize};

use crate::interval::sample_variance;
use crate::{Error, Result};

/// How alike two masks are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskOverlap {
    /// Number of weights.
    pub weights: usize,
    /// Weights that the first mask keeps.
    pub kept: usize,
    /// Weights that the other mask keeps.
    pub kept_by_other: usize,
    /// Weights that both keep.
    pub both: usize,
}

impl MaskOverlap {
    /// Compares two masks: `true` is a kept weight.
    ///
    /// # Errors
    /// If the masks differ in length, or one of them keeps nothing.
    pub fn new(mask: &[bool], other: &[bool]) -> Result<Self> {
        if mask.len() != other.len() {
            return Err(Error::Lengths { what: "masks", left: mask.len(), right: other.len(), of: "architecture" });
        }
        let count = |mask: &[bool]| mask.iter().filter(|kept| **kept).count();
        let both = mask.iter().zip(other).filter(|(a, b)| **a && **b).count();
        let found = Self { weights: mask.len(), kept: count(mask), kept_by_other: count(other), both };
        if found.kept == 0 || found.kept_by_other == 0 {
            return Err(Error::Undefined { figure: "the overlap of masks", why: "a mask keeps no weight" });
        }
        Ok(found)
    }

    /// Weights that both keep over weights that either keeps (Jaccard), 0..1. It is 1 for equal masks.
    pub fn jaccard(&self) -> f64 {
        self.both as f64 / (self.kept + self.kept_by_other - self.both) as f64
    }

    /// The Jaccard index at the number of common weights that masks of these sizes have by chance.
    pub fn by_chance(&self) -> f64 {
        let (kept, other) = (self.kept as f64, self.kept_by_other as f64);
        let both = kept * other / self.weights as f64;
        both / (kept + other - both)
    }
}

/// Whether a mask that was learned with the forget set differs from masks learned without it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskLeak {
    /// Mean overlap (Jaccard) of the mask in question with the masks learned without the forget set.
    pub overlap: f64,
    /// Mean overlap of those masks with each other: the noise floor.
    pub floor: f64,
    /// Standard deviation of the overlaps of those masks with each other. `None` for two masks, which are one pair.
    pub deviation: Option<f64>,
    /// Number of masks learned without the forget set.
    pub masks: usize,
}

impl MaskLeak {
    /// Compares a mask with at least two masks that were learned without the forget set, under other seeds.
    ///
    /// # Errors
    /// If there are fewer than two masks without the forget set, and as [`MaskOverlap::new`].
    pub fn new(mask: &[bool], without: &[&[bool]]) -> Result<Self> {
        let masks = without.len();
        if masks < 2 {
            return Err(Error::TooFew { what: "masks learned without the forget set", found: masks, needed: 2 });
        }
        let jaccard = |a: &[bool], b: &[bool]| MaskOverlap::new(a, b).map(|overlap| overlap.jaccard());
        let mut overlaps = Vec::new();
        let mut floors = Vec::new();
        for (i, one) in without.iter().enumerate() {
            overlaps.push(jaccard(mask, one)?);
            for other in &without[..i] {
                floors.push(jaccard(one, other)?);
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let deviation = sample_variance(&floors).map(f64::sqrt);
        Ok(Self { overlap: mean(&overlaps), floor: mean(&floors), deviation, masks })
    }

    /// How far the overlap is below the floor, in deviations of a pair. Pairs share masks, so this is no test; beyond about
    /// 2, the forget set is visible in the mask. `None` without a deviation above 0.
    pub fn distance(&self) -> Option<f64> {
        self.deviation.filter(|d| *d > 0.0).map(|deviation| (self.floor - self.overlap) / deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(bits: &str) -> Vec<bool> {
        bits.bytes().map(|b| b == b'1').collect()
    }

    #[test]
    fn overlaps_are_counted() {
        let found = MaskOverlap::new(&mask("11110000"), &mask("00111100")).unwrap();
        assert_eq!(found, MaskOverlap { weights: 8, kept: 4, kept_by_other: 4, both: 2 });
        assert!((found.jaccard() - 2.0 / 6.0).abs() < 1e-15 && (found.by_chance() - 2.0 / 6.0).abs() < 1e-15);
        let equal = MaskOverlap::new(&mask("1001"), &mask("1001")).unwrap();
        assert_eq!(equal.jaccard(), 1.0);
        assert!(MaskOverlap::new(&mask("10"), &mask("1")).is_err());
        let message = MaskOverlap::new(&mask("10"), &mask("00")).unwrap_err().to_string();
        assert_eq!(message, "the overlap of masks is undefined: a mask keeps no weight");
    }

    #[test]
    fn a_mask_unlike_the_others_leaks() {
        let without = ["11110000", "11101000", "11110000", "11011000"].map(mask);
        let without: Vec<&[bool]> = without.iter().map(Vec::as_slice).collect();
        let leak = MaskLeak::new(&mask("00001111"), &without).unwrap();
        assert!(leak.overlap < 0.1 && leak.floor > 0.5 && leak.distance().unwrap() > 2.0, "{leak:?}");
        let none = MaskLeak::new(&mask("11110000"), &without).unwrap();
        assert!(none.distance().unwrap() < 1.0, "{none:?}");
        // Overlaps among the four: 1.0, and 0.6 five times.
        assert!((leak.floor - (1.0 + 5.0 * 0.6) / 6.0).abs() < 1e-12, "{leak:?}");
        let two = MaskLeak::new(&mask("00001111"), &without[..2]).unwrap();
        assert_eq!((two.deviation, two.distance()), (None, None));
        assert!(MaskLeak::new(&mask("1"), &[&[true]]).is_err());
    }
}
