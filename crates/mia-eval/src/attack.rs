//! Every attack by name.

use crate::features::Feature;
use crate::{Error, MemberSelection, Result, Scores, mia_efficacy, mia_privacy};

/// One attack.
pub struct Attack {
    /// Name in configs, files and reports.
    pub name: &'static str,
    /// One line about it; every attack's figure is in percent.
    pub summary: &'static str,
    /// The sets it looks at.
    pub needs: &'static str,
    /// Where it was published.
    pub source: &'static str,
    run: fn(&Sets, &Feature, MemberSelection, u64) -> Result<f64>,
}

/// One model's scores on the three sets an attack may look at.
#[derive(Debug, Clone, Copy)]
pub struct Sets<'a> {
    /// `D_r`, what the model was trained on and should remember.
    pub retain: Scores<'a>,
    /// `D_t`, what it never saw.
    pub test: Scores<'a>,
    /// `D_f`, what it should have forgotten.
    pub forget: Scores<'a>,
}

/// All attacks.
pub static ATTACKS: &[Attack] = &[
    Attack {
        name: "mia-efficacy",
        summary: "share of the forget set that an SVC called non-member; higher is better forgotten",
        needs: "retain, test and forget scores",
        source: "Jia et al. 2023, arXiv 2304.04934",
        run: |sets, feature, selection, seed| {
            mia_efficacy(&sets.retain, &sets.test, &sets.forget, feature, selection, seed)
        },
    },
    Attack {
        name: "mia-privacy",
        summary: "accuracy of an SVC that tells retain from test samples it was not fitted on; 50 % is private",
        needs: "retain and test scores",
        source: "Jia et al. 2023, arXiv 2304.04934, the authors' code; Song et al. 2019, arXiv 1905.10291",
        run: |sets, feature, selection, seed| mia_privacy(&sets.retain, &sets.test, feature, selection, seed),
    },
];

/// Looks an attack up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn find(name: &str) -> Result<&'static Attack> {
    ATTACKS.iter().find(|a| a.name == name).ok_or_else(|| {
        let valid: Vec<_> = ATTACKS.iter().map(|a| a.name).collect();
        Error::unknown_name("attack", name, &valid)
    })
}

impl Attack {
    /// Runs the attack on one feature and gives its figure in percent.
    ///
    /// # Errors
    /// Those of [`mia_efficacy`] and [`mia_privacy`].
    pub fn run(&self, sets: &Sets, feature: &Feature, selection: MemberSelection, seed: u64) -> Result<f64> {
        (self.run)(sets, feature, selection, seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FEATURES;

    #[test]
    fn every_attack_is_documented_uniquely_named_and_runs_on_every_feature() {
        let mut names: Vec<_> = ATTACKS.iter().map(|a| a.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ATTACKS.len());
        let logits: Vec<f32> = (0..60).map(|i| (i as f32 * 0.9).sin() * 4.0).collect();
        let labels: Vec<u32> = (0..20).map(|i| i % 3).collect();
        let part = |rows: std::ops::Range<usize>| {
            Scores::new(&logits[rows.start * 3..rows.end * 3], &labels[rows], 3).unwrap()
        };
        let sets = Sets { retain: part(0..9), test: part(9..15), forget: part(15..20) };
        for attack in ATTACKS {
            assert!(!attack.summary.is_empty() && !attack.needs.is_empty() && !attack.source.is_empty());
            for feature in FEATURES {
                let percent = attack.run(&sets, feature, MemberSelection::Stratified, 1).unwrap();
                assert!((0.0..=100.0).contains(&percent), "{} on {}: {percent}", attack.name, feature.name);
            }
        }
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones() {
        let message = find("mia_privacy").err().unwrap().to_string();
        assert!(message.contains("did you mean `mia-privacy`") && message.contains("mia-efficacy"), "{message}");
    }
}
