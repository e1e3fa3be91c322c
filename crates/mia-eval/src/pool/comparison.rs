//! Comparisons of unlearned with retrained models, sample by sample, and the value that retrained models have beside
//! each other.

use serde::{Deserialize, Serialize};

use super::ScoreTable;
use crate::{Error, Result};

/// Scores of models that unlearned, and of models that were retrained without the forget set, for the same samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair<'a> {
    /// Models that unlearned.
    pub unlearned: ScoreTable<'a>,
    /// Models that were retrained.
    pub retrained: ScoreTable<'a>,
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Comparison {
    /// One value per sample.
    pub per_sample: Vec<f64>,
    /// The figure over all samples. Which mean it is, the attack says.
    pub value: f64,
    /// The 95th percentile of the samples' values.
    pub percentile_95: f64,
    /// Number of unlearned and of retrained models.
    pub models: [usize; 2],
    /// The same figure between two halves of the retrained models. `None` if there are too few of them to be halved.
    pub floor: Option<Floor>,
}

/// The noise floor of a comparison: retrained models against retrained models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Floor {
    /// The figure.
    pub value: f64,
    /// The 95th percentile of the samples' values.
    pub percentile_95: f64,
    /// Number of models in each half.
    pub models: usize,
    /// The figure of as many unlearned models beside the first half. Figures depend on the number of models, so this one
    /// is to be read beside the floor.
    pub unlearned: f64,
}

impl<'a> Pair<'a> {
    /// Scores of both kinds of models for the same samples, in the same order.
    ///
    /// # Errors
    /// If the numbers of samples differ.
    pub fn new(unlearned: ScoreTable<'a>, retrained: ScoreTable<'a>) -> Result<Self> {
        let [samples, found] = [unlearned.samples(), retrained.samples()];
        if samples != found {
            return Err(Error::PairSamples { unlearned: samples, retrained: found });
        }
        Ok(Self { unlearned, retrained })
    }

    /// Computes a comparison and its floor. `of_sample` gives the value of one sample from both groups' scores;
    /// `over_samples` gives the figure from all values and the number of models in the smaller group.
    ///
    /// # Errors
    /// If a group has fewer than `least` models.
    pub(crate) fn compare(
        &self,
        least: usize,
        of_sample: impl Fn(&[f64], &[f64]) -> f64,
        over_samples: impl Fn(&[f64], usize) -> f64,
    ) -> Result<Comparison> {
        let models = [self.unlearned.models(), self.retrained.models()];
        for (found, kind) in models.into_iter().zip(["unlearned", "retrained"]) {
            if found < least {
                return Err(Error::TooFewOfKind { kind, found, needed: least });
            }
        }
        let samples = self.unlearned.samples();
        let half = models[0].min(models[1] / 2);
        let mut per_sample = Vec::with_capacity(samples);
        let [mut floors, mut beside] = [(); 2].map(|()| Vec::with_capacity(samples));
        let [mut ours, mut theirs, mut even, mut odd]: [Vec<f64>; 4] = Default::default();
        for sample in 0..samples {
            refill(&mut ours, self.unlearned.of_sample(sample));
            refill(&mut theirs, self.retrained.of_sample(sample));
            per_sample.push(of_sample(&ours, &theirs));
            if half >= least {
                refill(&mut even, theirs.iter().step_by(2).take(half).copied());
                refill(&mut odd, theirs.iter().skip(1).step_by(2).take(half).copied());
                floors.push(of_sample(&even, &odd));
                beside.push(of_sample(&ours[..half], &even));
            }
        }
        let floor = (!floors.is_empty()).then(|| Floor {
            value: over_samples(&floors, half),
            percentile_95: percentile_95(&floors),
            models: half,
            unlearned: over_samples(&beside, half),
        });
        let value = over_samples(&per_sample, models[0].min(models[1]));
        let percentile_95 = percentile_95(&per_sample);
        Ok(Comparison { per_sample, value, percentile_95, models, floor })
    }
}

fn refill(to: &mut Vec<f64>, values: impl Iterator<Item = f64>) {
    to.clear();
    to.extend(values);
}

/// The 95th percentile, interpolated linearly as in NumPy. `values` is not empty.
fn percentile_95(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = 0.95 * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// The mean of values; there is at least one.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_between_halves_of_the_retrained_models() {
        let (unlearned, retrained) = ([10.0, 20.0, 30.0, 40.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        let table = |values, models| ScoreTable::new(values, models, 2).unwrap();
        let pair = Pair::new(table(&unlearned, 2), table(&retrained, 5)).unwrap();
        let apart = |a: &[f64], b: &[f64]| mean(a) - mean(b);
        let found = pair.compare(2, apart, |values, models| mean(values) * models as f64).unwrap();
        assert_eq!(found.per_sample, [15.0, 24.0]);
        assert_eq!((found.value, found.models), (39.0, [2, 5]));
        assert!((found.percentile_95 - 23.55).abs() < 1e-12);
        // Rows 0 and 2 against rows 1 and 3: 2 apart, for both samples. 20 and 30 against rows 0 and 2: 17 and 26.
        assert_eq!(found.floor, Some(Floor { value: -4.0, percentile_95: -2.0, models: 2, unlearned: 43.0 }));
        assert_eq!(pair.compare(2, apart, |_, _| 0.0).unwrap().floor.unwrap().models, 2);
        let few = Pair::new(table(&unlearned, 2), table(&unlearned, 2)).unwrap();
        assert_eq!(few.compare(2, apart, |_, _| 0.0).unwrap().floor, None);
        let message = few.compare(3, apart, |_, _| 0.0).unwrap_err().to_string();
        assert_eq!(message, "2 unlearned models; at least 3 are needed");
        let wide = ScoreTable::new(&unlearned, 1, 4).unwrap();
        assert!(Pair::new(wide, table(&unlearned, 2)).is_err());
    }
}
