//! Features for attacks: one number or one vector per sample.
//!
//! The first five are those of Song & Mittal 2021 (arXiv 2003.10595) as the sparsity paper (arXiv 2304.04934) uses
//! them. Probabilities are the softmax in `f64`. 1 − p is computed as the sum over the other classes, so that it
//! keeps its precision when p is almost 1. Logarithms are cut off at log 10⁻³⁰, as in both papers' code.

use std::collections::BTreeSet;

use unlearn_metrics::Scores;
use unlearn_metrics::softmax::softmax;

use crate::{Error, Result};

/// Smaller probabilities are raised to this value inside a logarithm.
const SMALLEST: f64 = 1e-30;

/// One feature.
pub struct Feature {
    /// Name in configs, files and reports.
    pub name: &'static str,
    /// Description in one line.
    pub summary: &'static str,
    /// Number of values per sample.
    pub dimension: Dimension,
    /// Which values members have. `None` for a vector.
    pub members: Option<Members>,
    /// Publication that defines it, and deviations from it.
    pub source: &'static str,
    extract: fn(&Scores) -> Vec<f64>,
}

/// Number of values per sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// One value.
    Scalar,
    /// One value per class.
    Classes,
}

/// Which values of a scalar feature members have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// Greater values than non-members.
    Above,
    /// Smaller values than non-members.
    Below,
}

/// All features. The paper's tables use the first.
pub static FEATURES: &[Feature] = &[
    Feature {
        name: "confidence",
        summary: "probability of the true class, p_y",
        dimension: Dimension::Scalar,
        members: Some(Members::Above),
        source: "Song & Mittal 2021, arXiv 2003.10595",
        extract: confidence,
    },
    Feature {
        name: "correctness",
        summary: "1 where the true class is the predicted one (the lowest of equals), otherwise 0",
        dimension: Dimension::Scalar,
        members: Some(Members::Above),
        source: "Yeom et al. 2018, arXiv 1709.01604",
        extract: correctness,
    },
    Feature {
        name: "entropy",
        summary: "entropy of the prediction, −Σ p_c log p_c",
        dimension: Dimension::Scalar,
        members: Some(Members::Below),
        source: "Song & Mittal 2021, arXiv 2003.10595",
        extract: entropy,
    },
    Feature {
        name: "m-entropy",
        summary: "entropy modified by the true class, −(1 − p_y) log p_y − Σ_{c≠y} p_c log(1 − p_c)",
        dimension: Dimension::Scalar,
        members: Some(Members::Below),
        source: "Song & Mittal 2021, arXiv 2003.10595",
        extract: modified_entropy,
    },
    Feature {
        name: "prob",
        summary: "the whole vector of probabilities",
        dimension: Dimension::Classes,
        members: None,
        source: "Jia et al. 2023, arXiv 2304.04934, the authors' code",
        extract: |scores| scores.probabilities().flatten().collect(),
    },
    Feature {
        name: "m-entropy-compat",
        summary: "m-entropy as the paper's code computes it: −(1 − p_c) log p_c in the column of every label of the set",
        dimension: Dimension::Scalar,
        members: Some(Members::Below),
        source: "Jia et al. 2023, arXiv 2304.04934, the authors' code; only to reproduce its figures",
        extract: modified_entropy_compat,
    },
];

/// Looks a feature up by name.
///
/// # Errors
/// If the name is unknown. The error lists the valid ones.
pub fn find(name: &str) -> Result<&'static Feature> {
    FEATURES.iter().find(|f| f.name == name).ok_or_else(|| {
        let valid: Vec<_> = FEATURES.iter().map(|f| f.name).collect();
        Error::unknown_name("feature", name, &valid)
    })
}

impl Feature {
    /// The feature of every sample, `[scores.len(), self.values(scores.classes())]`, row-major.
    pub fn extract(&self, scores: &Scores) -> Vec<f64> {
        (self.extract)(scores)
    }

    /// Whether the feature is the same for all samples of all sets, so that no attack can tell them apart by it. Never if a set is
    /// empty.
    pub fn is_equal_for_all(&self, sets: [&Scores; 2]) -> bool {
        let mut first = None;
        sets.into_iter().rev().all(|set| {
            let values = self.extract(set);
            let mut rows = values.chunks_exact(self.values(set.classes()).max(1));
            let first = first.get_or_insert_with(|| rows.next().map(<[f64]>::to_vec));
            !set.is_empty() && rows.all(|row| first.as_deref() == Some(row))
        })
    }

    /// The feature of every sample, turned so that members have greater values. `None` for a vector.
    pub fn membership(&self, scores: &Scores) -> Option<Vec<f64>> {
        let sign = match self.members? {
            Members::Above => 1.0,
            Members::Below => -1.0,
        };
        Some(self.extract(scores).into_iter().map(|value| sign * value).collect())
    }

    /// Largest number of draws of an attack's members for this feature. A support-vector machine on a vector takes about
    /// twenty times as long as one on a number (a fit on 10,000 members and 10,000 non-members: 0.01 s for `confidence`,
    /// 0.3 s for `prob`, on one core).
    pub fn most_draws(&self) -> usize {
        match self.dimension {
            Dimension::Scalar => usize::MAX,
            Dimension::Classes => 3,
        }
    }

    /// Number of values per sample for a model with `classes` classes.
    pub fn values(&self, classes: usize) -> usize {
        match self.dimension {
            Dimension::Scalar => 1,
            Dimension::Classes => classes,
        }
    }
}

/// The logarithm of a probability, finite at zero.
fn log(p: f64) -> f64 {
    p.max(SMALLEST).ln()
}

/// The probability of all classes except `c`.
fn complement(p: &[f64], c: usize) -> f64 {
    p[..c].iter().sum::<f64>() + p[c + 1..].iter().sum::<f64>()
}

fn confidence(scores: &Scores) -> Vec<f64> {
    scores.rows().zip(scores.labels()).map(|(logits, &label)| softmax(logits)[label as usize]).collect()
}

fn correctness(scores: &Scores) -> Vec<f64> {
    scores.correct().map(|correct| f64::from(u8::from(correct))).collect()
}

fn entropy(scores: &Scores) -> Vec<f64> {
    scores.probabilities().map(|p| -p.iter().map(|&p| p * log(p)).sum::<f64>()).collect()
}

fn modified_entropy(scores: &Scores) -> Vec<f64> {
    let of_row = |(logits, &label): (&[f32], &u32)| {
        let p = softmax(logits);
        let term = |c: usize| {
            let rest = complement(&p, c);
            if c == label as usize { -rest * log(p[c]) } else { -p[c] * log(rest) }
        };
        (0..p.len()).map(term).sum()
    };
    scores.rows().zip(scores.labels()).map(of_row).collect()
}

/// The original code indexes whole columns by the labels of the set, takes log p for log(1 − p), and computes in
/// `f32`.
fn modified_entropy_compat(scores: &Scores) -> Vec<f64> {
    let columns: BTreeSet<usize> = scores.labels().iter().map(|&label| label as usize).collect();
    let term = |c: usize, p: f32| {
        let weight = if columns.contains(&c) { 1.0 - p } else { p };
        let log = if p > 0.0 { p.ln() } else { (SMALLEST as f32).ln() };
        -weight * log
    };
    let of_row = |p: Vec<f64>| f64::from(p.iter().enumerate().map(|(c, &p)| term(c, p as f32)).sum::<f32>());
    scores.probabilities().map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(name: &str, logits: &[f32], labels: &[u32], classes: usize) -> Vec<f64> {
        find(name).unwrap().extract(&Scores::new(logits.to_vec(), labels.to_vec(), classes).unwrap())
    }

    #[test]
    fn every_feature_is_documented_uniquely_named_and_gives_its_dimension() {
        let names: BTreeSet<_> = FEATURES.iter().map(|f| f.name).collect();
        assert_eq!(names.len(), FEATURES.len());
        let scores = Scores::new(vec![1.0, 2.0, 3.0, -90.0, 200.0, 4.0], vec![2, 0], 3).unwrap();
        for feature in FEATURES {
            assert!(!feature.summary.is_empty() && !feature.source.is_empty());
            let values = feature.extract(&scores);
            assert_eq!(values.len(), 2 * feature.values(3), "{}", feature.name);
            assert_eq!(feature.members.is_some(), feature.dimension == Dimension::Scalar, "{}", feature.name);
            assert!(values.iter().all(|v| v.is_finite()), "{}: {values:?}", feature.name);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones() {
        let message = find("m_entropy").err().unwrap().to_string();
        assert!(message.contains("did you mean `m-entropy`") && message.contains("correctness"), "{message}");
    }

    #[test]
    fn two_even_classes_by_hand() {
        let half = 0.5_f64;
        assert_eq!(values("confidence", &[3.0, 3.0], &[1], 2), [half]);
        assert_eq!(values("entropy", &[3.0, 3.0], &[1], 2), [-half.ln()]);
        assert_eq!(values("m-entropy", &[3.0, 3.0], &[1], 2), [-half.ln()]);
        // Among equal logits, the lowest class is predicted.
        assert_eq!(values("correctness", &[3.0, 3.0, 3.0, 3.0], &[0, 1], 2), [1.0, 0.0]);
    }

    #[test]
    fn m_entropy_depends_on_a_samples_own_label_and_the_compat_one_does_not() {
        let logits = [4.0, 0.0, 0.0, 4.0, 0.0, 0.0, 4.0, 0.0, 0.0];
        let own = values("m-entropy", &logits, &[0, 1, 2], 3);
        assert!(own[0] < 0.2 && own[1] > 3.0 && own[1] == own[2], "{own:?}");
        let compat = values("m-entropy-compat", &logits, &[0, 1, 2], 3);
        assert!(compat[0] == compat[1] && compat[1] == compat[2], "{compat:?}");
    }

    proptest! {
        #[test]
        fn shifting_all_logits_of_a_row_changes_nothing(
            row in prop::collection::vec(-20_i16..20, 2..8), shift in -500_i16..500, label in 0_u32..2,
        ) {
            let plain: Vec<f32> = row.iter().map(|&v| f32::from(v)).collect();
            let shifted: Vec<f32> = row.iter().map(|&v| f32::from(v + shift)).collect();
            for feature in FEATURES {
                prop_assert_eq!(
                    values(feature.name, &plain, &[label], row.len()),
                    values(feature.name, &shifted, &[label], row.len())
                );
            }
        }

        #[test]
        fn probabilities_sum_to_one_and_entropy_stays_within_log_classes(
            row in prop::collection::vec(-60.0_f32..60.0, 2..8), label in 0_u32..2,
        ) {
            let p = values("prob", &row, &[label], row.len());
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let entropy = values("entropy", &row, &[label], row.len())[0];
            prop_assert!((-1e-12..=(row.len() as f64).ln() + 1e-12).contains(&entropy));
            prop_assert!(values("m-entropy", &row, &[label], row.len())[0] >= 0.0);
        }
    }
}
