//! Log-likelihoods of a score under a few scores of other models.

use crate::pool::{ModelPool, PoolSettings, Seen, Variance};
use crate::{Error, Result};

/// log 2π / 2.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// Mean, variance and number of a few scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    /// The sample variance, with n − 1 in the denominator. 0 for a single score.
    pub(crate) variance: f64,
    pub(crate) count: usize,
}

impl Moments {
    /// The moments of at least one score.
    pub(crate) fn of(scores: impl Iterator<Item = f64> + Clone) -> Self {
        let (sum, count) = scores.clone().fold((0.0, 0_usize), |(sum, count), v| (sum + v, count + 1));
        let first = scores.clone().next().unwrap_or(0.0);
        // Equal scores do not vary, although their mean may be rounded.
        if scores.clone().all(|v| v == first) {
            return Self { mean: first, variance: 0.0, count };
        }
        let mean = sum / count as f64;
        let squares: f64 = scores.map(|v| (v - mean).powi(2)).sum();
        Self { mean, variance: squares / (count as f64 - 1.0), count }
    }
}

/// The normal distributions of all samples on one side.
pub(crate) struct Normals {
    pub(crate) moments: Vec<Moments>,
    pub(crate) used: Variance,
    /// Σ (n − 1) s² / Σ (n − 1) over samples.
    global: f64,
}

impl Normals {
    /// Fits the scores of models that had this of each sample. Every sample has at least one.
    ///
    /// A sample whose scores do not vary gets the global variance in any case.
    ///
    /// # Errors
    /// If no sample's scores vary.
    pub(crate) fn fit(pool: &ModelPool<'_>, seen: Seen, variance: Variance) -> Result<Self> {
        let moments: Vec<Moments> =
            (0..pool.samples()).map(|sample| Moments::of(Samples(pool, sample, seen).iter())).collect();
        let (squares, freedom) = moments.iter().fold((0.0, 0.0), |(squares, freedom), m| {
            let n = m.count as f64 - 1.0;
            (squares + n * m.variance, freedom + n)
        });
        let global = squares / freedom;
        if !(global > 0.0 && global.is_finite()) {
            return Err(Error::NoSpread { seen: seen.words() });
        }
        Ok(Self { moments, used: variance, global })
    }

    /// The variance of a sample's scores.
    pub(crate) fn variance(&self, sample: usize) -> f64 {
        let own = self.moments[sample].variance;
        if self.used == Variance::PerSample && own > 0.0 { own } else { self.global }
    }

    /// The logarithm of the density of a score.
    pub(crate) fn log_density(&self, sample: usize, at: f64) -> f64 {
        let variance = self.variance(sample);
        -0.5 * ((at - self.moments[sample].mean).powi(2) / variance + variance.ln()) - HALF_LOG_TAU
    }
}

/// A group of scores that can be walked through several times.
struct Samples<'a, 'b>(&'b ModelPool<'a>, usize, Seen);

impl Samples<'_, '_> {
    fn iter(&self) -> impl Iterator<Item = f64> + Clone {
        // One pass over the models is cheaper than three.
        self.0.of(self.1, self.2).collect::<Vec<_>>().into_iter()
    }
}

/// Whose variance is used, and the least number of models on each side.
pub(crate) fn choose_variance(
    pool: &ModelPool<'_>,
    sides: [Seen; 2],
    settings: &PoolSettings,
) -> (Variance, [usize; 2]) {
    let models = sides.map(|seen| pool.least(seen).1);
    let enough = models.iter().all(|n| *n >= PoolSettings::MODELS_FOR_A_VARIANCE);
    let variance = match settings.variance {
        Variance::Auto if enough => Variance::PerSample,
        Variance::Auto => Variance::Global,
        asked => asked,
    };
    (variance, models)
}

/// log of the kernel density at `at`: the mean of normal densities around `scores` with this variance.
pub(crate) fn log_kernel_density(scores: &[f64], variance: f64, at: f64) -> f64 {
    let exponent = |score: &f64| -0.5 * (at - score).powi(2) / variance;
    let greatest = scores.iter().map(exponent).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (exponent(score) - greatest).exp()).sum();
    greatest + (sum / scores.len() as f64).ln() - 0.5 * variance.ln() - HALF_LOG_TAU
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::ScoreTable;

    #[test]
    fn moments_are_the_textbooks() {
        let found = Moments::of([1.0, 2.0, 6.0].into_iter());
        assert_eq!(found, Moments { mean: 3.0, variance: 7.0, count: 3 });
        assert_eq!(Moments::of([0.1; 10].into_iter()).variance, 0.0);
    }

    #[test]
    fn few_models_share_a_variance_and_scores_without_spread_are_refused() {
        let seen = [Seen::Never; 6];
        let fit = |scores: &[f64], variance| {
            let pool = ModelPool::new(ScoreTable::new(scores, 3, 2).unwrap(), &seen).unwrap();
            let (used, models) =
                choose_variance(&pool, [Seen::Never; 2], &PoolSettings { variance, ..PoolSettings::default() });
            assert_eq!(models, [3, 3]);
            Normals::fit(&pool, Seen::Never, used)
        };
        // The first sample's scores are 1, 2, 6 and vary by 7; the second's are equal.
        let scores = [1.0, 5.0, 2.0, 5.0, 6.0, 5.0];
        let global = fit(&scores, Variance::Auto).unwrap();
        assert_eq!((global.used, global.variance(0), global.variance(1)), (Variance::Global, 3.5, 3.5));
        let own = fit(&scores, Variance::PerSample).unwrap();
        assert_eq!((own.variance(0), own.variance(1)), (7.0, 3.5));
        let message = fit(&[4.0; 6], Variance::Auto).err().unwrap().to_string();
        assert!(message.contains("never saw the sample do not vary"), "{message}");
    }
}
