//! MIA-efficacy: the share of the forget set that an attacker takes for never seen.
//!
//! Jia et al. 2023 (arXiv 2304.04934): a membership-inference attack on the unlearned model is fitted on samples of
//! `D_r` as members against `D_t` as non-members, and applied to `D_f`. The efficacy is TN / `|D_f|`, the share
//! called non-member.
//!
//! Deviations: the paper's code takes the first `|D_t|` rows of `D_r` as members. Here, members are drawn by seed and
//! stratified by class ([`MemberSelection`](crate::MemberSelection) offers both). If `D_r` is the smaller set, `D_t`
//! is reduced in the same way, so that the attack always sees as many members as non-members. The draw is repeated,
//! because the efficacy varies by tens of points with it. A single draw of the first rows gives the paper's number.

use std::borrow::Cow;

use unlearn_metrics::{Direction, Figure, ModelScores, Need, Unit, Value};

use crate::attack::{Attack, Pool, Run};
use crate::features::Feature;
use crate::svc::Svc;
use crate::{Draws, Error, Result};

const SOURCE: &str = "Jia et al. 2023, arXiv 2304.04934";

/// The entry of the registry.
pub const ATTACK: Attack = Attack {
    name: "mia-efficacy",
    summary: "share of the forget set that a support vector classifier takes for unseen; the closer to Retrain's, the better",
    source: SOURCE,
    pool: Pool::Alone,
    figures: &[FIGURE],
    run: Run::ByFeature(|scores, feature, draws| Ok(vec![Value::over_draws(mia_efficacy(scores, feature, draws)?)?])),
};

const FIGURE: Figure = Figure {
    name: Cow::Borrowed("mia_efficacy"),
    label: Cow::Borrowed("MIA-efficacy"),
    meaning: Cow::Borrowed("share of the forget set that an attack takes for unseen, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Forget, Need::Retain, Need::Test, Need::Attack],
    source: SOURCE,
    in_table: false,
    compute: |_| Ok(None),
};

/// The share of the forget set, in percent, that a support-vector machine on `feature` calls non-member, for every
/// draw.
///
/// The machine is fitted on min(`|D_r|`, `|D_t|`) samples of each: members from the retain set, non-members from the
/// test set.
///
/// # Errors
/// If a set is empty, sets have different numbers of classes, or the solver did not reach the optimum.
pub fn mia_efficacy(scores: &ModelScores, feature: &Feature, draws: &Draws) -> Result<Vec<f64>> {
    let ModelScores { retain: members, test: non_members, forget, .. } = scores;
    for (set, scores) in [("members", members), ("non-members", non_members), ("forget", forget)] {
        if scores.is_empty() {
            return Err(Error::Empty { set, needed: 1 });
        }
        if scores.classes() != members.classes() {
            return Err(Error::ClassCount { set, expected: members.classes(), found: scores.classes() });
        }
    }
    let count = members.len().min(non_members.len());
    let points = [members, non_members].map(|scores| feature.extract(scores));
    let forgotten = feature.extract(forget);
    let dimension = feature.values(members.classes());
    draws.of(feature).each(|choose| {
        let chosen = [choose(0, members.labels(), count), choose(1, non_members.labels(), count)];
        let svc = fit(&points, dimension, &chosen)?;
        share_of_members(&svc, &forgotten, dimension, |_| true).map(|share| 100.0 * (1.0 - share))
    })
}

/// Fits the chosen rows of the members' points against those of the non-members.
pub(crate) fn fit(points: &[Vec<f64>; 2], dimension: usize, chosen: &[Vec<usize>; 2]) -> Result<Svc> {
    let row = |set: usize, row: usize| &points[set][row * dimension..(row + 1) * dimension];
    let train: Vec<f64> = (0..2).flat_map(|s| chosen[s].iter().flat_map(move |&r| row(s, r))).copied().collect();
    let labels: Vec<bool> = (0..2).flat_map(|s| chosen[s].iter().map(move |_| s == 0)).collect();
    Svc::fit(&train, dimension, &labels)
}

/// The share, 0..1, of the rows admitted by `counted` that the machine calls members.
pub(crate) fn share_of_members(
    svc: &Svc,
    points: &[f64],
    dimension: usize,
    counted: impl Fn(usize) -> bool,
) -> Result<f64> {
    let rows = points.chunks_exact(dimension).enumerate().filter(|(row, _)| counted(*row));
    let counted: Vec<f64> = rows.flat_map(|(_, point)| point).copied().collect();
    let called = svc.members(&counted)?;
    Ok(called.iter().filter(|called| **called).count() as f64 / called.len() as f64)
}

#[cfg(test)]
mod tests {
    use unlearn_metrics::Scores;

    use super::*;
    use crate::{MemberSelection, features};

    const ONE: Draws<'static> = Draws { members: MemberSelection::Stratified, count: 1, seed: 1, interrupt: None };

    /// Two-class scores of label 0 with high or low confidence.
    fn scores(confident: &[bool]) -> Scores {
        let logits = confident.iter().flat_map(|&c| if c { [6.0, 0.0] } else { [0.0, 1.0] }).collect();
        Scores::new(logits, vec![0; confident.len()], 2).unwrap()
    }

    fn efficacies(members: &[bool], non_members: &[bool], forget: &[bool], draws: &Draws) -> Result<Vec<f64>> {
        let [retain, test, forget] = [members, non_members, forget].map(scores);
        let scores = ModelScores { forget, retain, test, validation: None, triggered: None, unseen: None };
        mia_efficacy(&scores, features::find("confidence")?, draws)
    }

    fn efficacy(members: &[bool], non_members: &[bool], forget: &[bool]) -> Result<f64> {
        efficacies(members, non_members, forget, &ONE).map(|draws| draws[0])
    }

    #[test]
    fn the_share_of_the_forget_set_that_looks_unseen() {
        // The retain set is three times as large as the test set, so it is reduced to the test set's size.
        assert_eq!(efficacy(&[true; 30], &[false; 10], &[true, false, false, false]), Ok(75.0));
        // The test set is larger than the retain set, so it is reduced too. Otherwise the majority would decide.
        let mixed: Vec<bool> = (0..90).map(|i| i % 3 == 0).collect();
        assert_eq!(efficacy(&[true; 10], &mixed, &[true; 5]), Ok(0.0));
    }

    #[test]
    fn draws_differ_and_the_first_of_them_is_the_only_one_of_a_single_draw() {
        // One member in five is confident, so the decision depends on the draw.
        let retain: Vec<bool> = (0..90).map(|i| i % 5 == 0).collect();
        let test: Vec<bool> = (0..8).map(|i| i % 4 == 0).collect();
        let forget = [true, true, false, false, false];
        let ten = efficacies(&retain, &test, &forget, &Draws { count: 10, ..ONE }).unwrap();
        assert_eq!(ten.len(), 10);
        assert!(ten.iter().any(|draw| *draw != ten[0]), "{ten:?}");
        assert_eq!(efficacy(&retain, &test, &forget), Ok(ten[0]));
        let first_rows = Draws { members: MemberSelection::FirstRows, count: 2, seed: 1, interrupt: None };
        let same = efficacies(&retain, &test, &forget, &first_rows).unwrap();
        assert_eq!(same[0], same[1]);
        assert_eq!(same, efficacies(&retain, &test, &forget, &Draws { seed: 2, ..first_rows }).unwrap());
    }

    #[test]
    fn an_empty_set_is_named() {
        for (sets, name) in [([0, 1, 1], "members"), ([1, 0, 1], "non-members"), ([1, 1, 0], "forget")] {
            let sets = sets.map(|n| vec![true; n]);
            assert_eq!(efficacy(&sets[0], &sets[1], &sets[2]), Err(Error::Empty { set: name, needed: 1 }));
        }
    }

    #[test]
    fn sets_must_come_from_one_model() {
        let two = Scores::new(vec![1.0, 2.0], vec![0], 2).unwrap();
        let three = Scores::new(vec![1.0, 2.0, 3.0], vec![0], 3).unwrap();
        let feature = features::find("confidence").unwrap();
        let scores = ModelScores {
            forget: three,
            retain: two.clone(),
            test: two,
            validation: None,
            triggered: None,
            unseen: None,
        };
        let result = mia_efficacy(&scores, feature, &ONE);
        assert_eq!(result, Err(Error::ClassCount { set: "forget", expected: 2, found: 3 }));
    }
}
