//! The settings of attacks with a pool.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The settings of attacks with a pool. Every attack uses those that concern it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PoolSettings {
    /// The variance of Gaussian likelihoods.
    pub variance: Variance,
    /// The density of RULI's likelihoods.
    pub density: Density,
    /// RMIA's γ: by how much a sample's ratio must exceed that of a sample of the population. `None` is 2.
    pub gamma: Option<f64>,
    /// RMIA's a, which estimates the confidence of models with a sample from that of models without it.
    pub offline_a: OfflineA,
}

/// Which variance a Gaussian likelihood has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Variance {
    /// Per sample if every sample has at least 16 models on each side, otherwise global.
    #[default]
    Auto,
    /// That of the sample's own models.
    PerSample,
    /// One for all samples: the mean square distance of scores to their own sample's mean.
    Global,
}

/// How the density of a few scores is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Density {
    /// A normal distribution with their mean and variance.
    #[default]
    Gaussian,
    /// A kernel density with Scott's bandwidth, as SciPy's `gaussian_kde`.
    Kernel,
}

/// RMIA's offline coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum OfflineA {
    /// The one of 0, 0.1, … 1 with which attacks on models of the pool itself have the greatest mean AUC. It needs models in
    /// the pool that were trained with samples.
    #[default]
    Calibrated,
    /// A given value, 0..1.
    Given(f64),
}

impl PoolSettings {
    /// Fewer models than this on a side have one variance for all samples.
    pub const MODELS_FOR_A_VARIANCE: usize = 16;

    /// γ, at least 1.
    ///
    /// # Errors
    /// If it is below 1 or not finite.
    pub(crate) fn gamma(&self) -> Result<f64> {
        let gamma = self.gamma.unwrap_or(2.0);
        if gamma >= 1.0 && gamma.is_finite() {
            return Ok(gamma);
        }
        Err(Error::PoolSetting { name: "gamma", value: gamma, range: "at least 1" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_written_as_in_a_suite_and_checked() {
        let text = serde_json::to_string(&PoolSettings::default()).unwrap();
        let expected = r#"{"variance":"auto","density":"gaussian","gamma":null,"offline-a":"calibrated"}"#;
        assert_eq!(text, expected);
        let given: PoolSettings = serde_json::from_str(r#"{"offline-a":{"given":0.3},"gamma":0.5}"#).unwrap();
        assert_eq!((given.offline_a, given.variance), (OfflineA::Given(0.3), Variance::Auto));
        assert_eq!(given.gamma().unwrap_err().to_string(), "gamma is 0.5; it must be at least 1");
        assert!(serde_json::from_str::<PoolSettings>(r#"{"gama":1}"#).is_err());
    }
}
