//! MIA-privacy: how well an attacker distinguishes the unlearned model's training samples from samples that it never
//! saw.
//!
//! From the code of Jia et al. 2023 (arXiv 2304.04934): a support-vector machine is fitted on half of each set. Its
//! accuracies on the remaining members and the remaining non-members are averaged. 50 % means that the attacker
//! learns nothing.

use std::borrow::Cow;

use unlearn_metrics::{Direction, Figure, ModelScores, Need, Scores, Unit, Value};

use super::mia_efficacy::{fit, share_of_members};
use crate::attack::{Attack, Pool, Run};
use crate::features::Feature;
use crate::{Draws, Error, Result};

const SOURCE: &str = "Jia et al. 2023, arXiv 2304.04934, the authors' code; Song et al. 2019, arXiv 1905.10291";

/// The entry of the registry.
pub const ATTACK: Attack = Attack {
    name: "mia-privacy",
    summary: "accuracy of a support vector classifier that tells retained from test samples that it was not fitted on; 50 % is private",
    source: SOURCE,
    pool: Pool::Alone,
    figures: &[FIGURE],
    run: Run::ByFeature(|ModelScores { retain, test, .. }, feature, draws| {
        Ok(vec![Value::over_draws(mia_privacy(retain, test, feature, draws)?)?])
    }),
};

const FIGURE: Figure = Figure {
    name: Cow::Borrowed("mia_privacy"),
    label: Cow::Borrowed("MIA-privacy"),
    meaning: Cow::Borrowed("share of retain and test samples that an attack tells apart, %; 50 is private"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::Lower,
    needs: &[Need::Test, Need::Retain, Need::Attack],
    source: SOURCE,
    in_table: false,
    compute: |_| Ok(None),
};

/// The balanced accuracy, in percent, of a support-vector machine on `feature`, for every draw.
///
/// The machine is fitted on ⌊min(|members|, |non-members|) / 2⌋ samples of each set and evaluated on all others.
///
/// # Errors
/// If a set has fewer than two samples, sets have different numbers of classes, or the solver did not reach the
/// optimum.
pub fn mia_privacy(members: &Scores, non_members: &Scores, feature: &Feature, draws: &Draws) -> Result<Vec<f64>> {
    let sets = [members, non_members];
    for (set, scores) in ["members", "non-members"].into_iter().zip(sets) {
        if scores.len() < 2 {
            return Err(Error::Empty { set, needed: 2 });
        }
        if scores.classes() != members.classes() {
            return Err(Error::ClassCount { set, expected: members.classes(), found: scores.classes() });
        }
    }
    let half = members.len().min(non_members.len()) / 2;
    let points = sets.map(|scores| feature.extract(scores));
    let dimension = feature.values(members.classes());
    draws.of(feature).each(|choose| {
        let chosen = [choose(0, members.labels(), half), choose(1, non_members.labels(), half)];
        let svc = fit(&points, dimension, &chosen)?;
        let share = |set: usize| {
            let unseen = |row: usize| chosen[set].binary_search(&row).is_err();
            share_of_members(&svc, &points[set], dimension, unseen)
        };
        Ok(50.0 * (share(0)? + 1.0 - share(1)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemberSelection, features};

    fn privacy(members: &[f32], non_members: &[f32], members_by: MemberSelection) -> Result<f64> {
        let [members, non_members] = [members, non_members].map(|set| {
            let logits = set.iter().flat_map(|&v| [v, 0.0]).collect();
            Scores::new(logits, vec![0; set.len()], 2).unwrap()
        });
        let draws = Draws { members: members_by, count: 1, seed: 1, interrupt: None };
        mia_privacy(&members, &non_members, features::find("confidence")?, &draws).map(|draws| draws[0])
    }

    #[test]
    fn told_apart_and_not() {
        assert_eq!(privacy(&[5.0; 12], &[-5.0; 8], MemberSelection::Stratified), Ok(100.0));
        // The sets are indistinguishable, so all samples get the same decision.
        assert_eq!(privacy(&[1.0; 12], &[1.0; 8], MemberSelection::Stratified), Ok(50.0));
    }

    #[test]
    fn judged_only_on_samples_it_was_not_fitted_on() {
        // The machine is fitted on the first halves, where members are confident. In the second halves, non-members
        // are.
        let [high, low] = [5.0, -5.0];
        let result = privacy(&[high, high, low, low], &[low, low, high, high], MemberSelection::FirstRows);
        assert_eq!(result, Ok(0.0));
    }

    #[test]
    fn one_sample_cannot_be_halved() {
        let result = privacy(&[1.0; 3], &[1.0], MemberSelection::Stratified);
        assert_eq!(result, Err(Error::Empty { set: "non-members", needed: 2 }));
    }
}
