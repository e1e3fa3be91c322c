//! `activation-clustering`: divides the features of each class into two clusters, of which the smaller may be poison.
//!
//! Chen, Carvalho, Baracaldo, Ludwig, Edwards, Lee, Molloy, Srivastava: "Detecting Backdoor Attacks on Deep Neural Networks
//! by Activation Clustering", arXiv 1811.03728, sections 4 and 5. For each label, the features of its samples are reduced
//! to a few dimensions and divided by 2-means. The samples of the smaller cluster are suspicious if the cluster is small
//! (the paper's relative size) and well separated (the paper's silhouette score).
//!
//! The smaller cluster is poison only while poison is less than half of the samples with this label. Suppose that a tenth of the samples
//! of ten balanced classes are relabelled to one class. Then poison is about half of that class, and the relative size says nothing.
//!
//! Deviations: principal components replace independent components, and 10 of them are kept, as in the paper; the Adversarial Robustness
//! Toolbox offers this too. 2-means starts from the two sides of each component in turn and keeps the best result, so no seed is needed.
//! Both conditions must hold: `largest-share = 0.5` switches off the first, `least-silhouette = -1` the second. The defaults of both are
//! the toolbox's. The paper's third analysis, which trains without the cluster and classifies it, is left out.

use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Judged};
use crate::features::Features;
use crate::k_means::{silhouette, two_means};
use crate::parameter::Parameter;
use crate::principal::projections;
use crate::settings::within;

/// The detector.
pub struct ActivationClustering;

/// Its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// The number of principal components.
    pub components: u32,
    /// Largest share of a class that the smaller cluster may have and still be suspicious, in (0, 0.5].
    pub largest_share: f64,
    /// Least silhouette of the two clusters for the smaller to be suspicious, in −1..1.
    pub least_silhouette: f64,
}

impl Detector for ActivationClustering {
    const NAME: &'static str = "activation-clustering";
    const SUMMARY: &'static str = "the smaller of two clusters of each class's features, if it is small and separate";
    const SOURCE: &'static str = "Chen et al. 2018, arXiv 1811.03728";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter { key: "components", meaning: "principal components that are kept", range: "at least 1" },
        Parameter {
            key: "largest-share",
            meaning: "largest share of a class that a suspicious cluster has",
            range: "above 0 and at most 0.5",
        },
        Parameter {
            key: "least-silhouette",
            meaning: "least mean silhouette of the two clusters of a class with a suspicious one",
            range: "-1 to 1",
        },
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { components: 10, largest_share: 0.35, least_silhouette: 0.1 }
    }

    fn check(config: &Config) -> Result<(), String> {
        let Config { components, largest_share, least_silhouette } = *config;
        within("components", components.into(), components >= 1, "at least 1")?;
        let admits = largest_share > 0.0 && largest_share <= 0.5;
        within("largest-share", largest_share, admits, "above 0 and at most 0.5")?;
        within("least-silhouette", least_silhouette, (-1.0..=1.0).contains(&least_silhouette), "-1 to 1")
    }

    fn judge(config: &Config, features: &Features<'_>, rows: &[usize]) -> Judged {
        let reduced = projections(&features.centred(rows), features.dims(), config.components as usize);
        let Some(clusters) = two_means(&reduced) else { return Judged::default() };
        let first = clusters.iter().filter(|second| !**second).count();
        // If both clusters are equally large, the one with the first sample counts as the larger.
        let smaller = match (2 * first).cmp(&rows.len()) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => !clusters[0],
            std::cmp::Ordering::Greater => true,
        };
        let members: Vec<usize> =
            rows.iter().zip(&clusters).filter(|(_, second)| **second == smaller).map(|(row, _)| *row).collect();
        let share = members.len() as f64 / rows.len() as f64;
        let silhouette = silhouette(&reduced, &clusters);
        let suspicious = share <= config.largest_share && silhouette >= config.least_silhouette;
        Judged {
            suspicious: if suspicious { members } else { Vec::new() },
            statistics: vec![("share", share), ("silhouette", silhouette)],
        }
    }
}
