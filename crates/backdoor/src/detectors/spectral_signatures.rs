//! `spectral-signatures`: suspects the samples of each class that are farthest out along its strongest direction.
//!
//! Tran, Li, Madry: "Spectral Signatures in Backdoor Attacks", NeurIPS 2018, arXiv 1811.00636, algorithm 1. For each label, v is the top
//! right singular vector of the centred features R(x) − R̂ of its n samples. The outlier score is
//!
//! ```text
//! τ(x) = ((R(x) − R̂) · v)²
//! ```
//!
//! The ⌊1.5 · ε · n⌋ samples with the highest scores are suspicious. ε is the share of a class that may be poison.
//!
//! The detector suspects that many samples of *every* class, clean classes included. So it always raises false alarms.
//!
//! Deviations: none. If scores are equal, the earlier sample is suspicious first. The default of ε is ours, because the paper assumes
//! that ε is known.

use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Judged};
use crate::features::Features;
use crate::parameter::Parameter;
use crate::principal::projections;
use crate::settings::within;

/// The detector.
pub struct SpectralSignatures;

/// Its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Expected share ε of poison in a class, in (0, 1).
    pub expected: f64,
    /// The number of suspicious samples, as a multiple of the expected number.
    pub multiplier: f64,
}

impl Detector for SpectralSignatures {
    const NAME: &'static str = "spectral-signatures";
    const SUMMARY: &'static str = "the samples of each class that lie farthest out along its strongest direction";
    const SOURCE: &'static str = "Tran et al. 2018, arXiv 1811.00636, algorithm 1";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter { key: "expected", meaning: "expected share of poison in a class", range: "above 0, below 1" },
        Parameter {
            key: "multiplier",
            meaning: "how many times the expected number is suspicious",
            range: "above 0; times `expected`, at most 1",
        },
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { expected: 0.1, multiplier: 1.5 }
    }

    fn check(config: &Config) -> Result<(), String> {
        let Config { expected, multiplier } = *config;
        within("expected", expected, expected > 0.0 && expected < 1.0, "above 0 and below 1")?;
        within("multiplier", multiplier, multiplier > 0.0 && multiplier.is_finite(), "above 0")?;
        let both = multiplier * expected;
        if both > 1.0 {
            return Err(format!("`multiplier` times `expected` is {both}, more than a whole class; make one smaller"));
        }
        Ok(())
    }

    fn judge(config: &Config, features: &Features<'_>, rows: &[usize]) -> Judged {
        let along = projections(&features.centred(rows), features.dims(), 1);
        let mut scored: Vec<(usize, f64)> =
            rows.iter().zip(along.iter()).map(|(&row, projection)| (row, projection[0] * projection[0])).collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (Some(&(_, highest)), Some(&(_, lowest))) = (scored.first(), scored.last()) else {
            return Judged::default();
        };
        if highest <= lowest {
            return Judged::default(); // All lie equally far out, as equal samples do.
        }
        let count = (config.multiplier * config.expected * rows.len() as f64) as usize;
        let cut = count.checked_sub(1).and_then(|last| scored.get(last)).map_or(highest, |(_, score)| *score);
        let suspicious = scored.into_iter().take(count).map(|(row, _)| row).collect();
        Judged { suspicious, statistics: vec![("highest-score", highest), ("lowest-suspicious-score", cut)] }
    }
}
