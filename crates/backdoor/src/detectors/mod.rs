//! All detectors by name. Each has one file, and one line here.

pub mod activation_clustering;
pub mod spectral_signatures;

use crate::detector::{DetectorEntry, detector_entry};
use crate::error::Result;

/// All detectors.
pub static DETECTORS: &[DetectorEntry] = &[
    detector_entry::<activation_clustering::ActivationClustering>(),
    detector_entry::<spectral_signatures::SpectralSignatures>(),
];

/// Looks a detector up by name.
///
/// # Errors
/// If the name is unknown. The error lists the valid ones.
pub fn detector(name: &str) -> Result<&'static DetectorEntry> {
    Ok(unlearn_names::find("detector", name, DETECTORS, |entry| entry.name)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value, json};

    use super::*;
    use crate::Features;

    /// Two classes of 40 samples around 0; in class 1, the last 10 are moved far away.
    fn planted() -> (Vec<f32>, Vec<u32>, Vec<u32>) {
        let moved = |row: usize, dim: usize| if row >= 70 && dim == 2 { 9.0 } else { 0.0 };
        let value = |row: usize, dim: usize| ((row * 31 + dim * 17) as f32 * 0.73).sin() + moved(row, dim);
        let values = (0..80).flat_map(|row| (0..5).map(move |dim| value(row, dim))).collect();
        (values, (0..80).map(|row| row / 40).collect(), (0..80).map(|row| 1000 - row).collect())
    }

    #[test]
    fn every_detector_is_documented_uniquely_named_and_finds_what_was_planted() {
        let names: BTreeSet<_> = DETECTORS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), DETECTORS.len());
        let (values, labels, positions) = planted();
        let features = Features::new(&values, 5, &labels, &positions).unwrap();
        for entry in DETECTORS {
            assert!(!entry.summary.is_empty() && !entry.source.is_empty(), "{}", entry.name);
            let defaults = entry.resolve(&Map::new()).unwrap();
            let documented: BTreeSet<_> = entry.parameters.iter().map(|parameter| parameter.key).collect();
            assert_eq!(documented, defaults.keys().map(String::as_str).collect(), "{}", entry.name);
            let found = entry.detect(&Map::new(), &features).unwrap();
            assert!(found.suspicious.is_sorted());
            assert_eq!(
                found.classes.iter().map(|class| (class.class, class.samples)).collect::<Vec<_>>(),
                [(0, 40), (1, 40)]
            );
            let planted: Vec<u32> = (921..=930).collect();
            let recall = crate::figures::recall(&found.suspicious, &planted).unwrap();
            assert!(recall >= 60.0, "{}: {recall}", entry.name);
            assert_eq!(found, entry.detect(&defaults, &features).unwrap());
            let text = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<crate::Detection>(&text).unwrap(), found);
        }
    }

    #[test]
    fn one_sample_and_equal_samples_are_never_suspicious() {
        for entry in DETECTORS {
            for count in [1, 2, 7] {
                let (values, labels) = (vec![0.1; count * 4], vec![2; count]);
                let positions: Vec<u32> = (0..count as u32).collect();
                let features = Features::new(&values, 4, &labels, &positions).unwrap();
                let found = entry.detect(&Map::new(), &features).unwrap();
                assert_eq!((found.suspicious.len(), found.classes.len()), (0, 1), "{} {count}", entry.name);
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let refuses = |name: &str, settings: Value, message: &str| {
            let error = detector(name).unwrap().resolve(settings.as_object().unwrap()).unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        };
        let clustering = "activation-clustering";
        refuses(clustering, json!({ "components": 0 }), "detector `activation-clustering`: `components` is 0");
        refuses(clustering, json!({ "largest-share": 0.6 }), "`largest-share` is 0.6");
        refuses(clustering, json!({ "least-silhouette": 2 }), "`least-silhouette` is 2");
        refuses("spectral-signatures", json!({ "expected": 0 }), "`expected` is 0");
        refuses("spectral-signatures", json!({ "expected": 0.9 }), "`multiplier` times `expected` is 1.35");
        let error = detector("spectral").err().map(|error| error.to_string()).unwrap();
        assert!(error.contains("did you mean `spectral-signatures`"), "{error}");
    }
}
