//! Attacks by one threshold per class on one number per sample.
//!
//! Song & Mittal 2021 (arXiv 2003.10595): on confidence, entropy or modified entropy, each class gets the threshold that
//! separates its members from its non-members best, by balanced accuracy. The thresholds are fitted on half of the retain set
//! (members) and half of the test set (non-members), and judged on the other halves; the paper fits them on a shadow model.
//!
//! - `threshold_accuracy`: balanced accuracy on the halves that they were not fitted on, a mean over draws.
//! - `threshold_efficacy`: the share of the forget set that they call non-member, a mean over draws.
//! - `threshold_auc`: the probability that a sample of the forget set looks more like a member than a test sample does.
//!   Nothing is fitted for it. Test samples are those of the forget set's classes, or all, if there are none (a whole
//!   class was forgotten). The interval is DeLong's.
//!
//! Deviations: among thresholds of equal accuracy, the strictest is used. A class in which no threshold is better than
//! chance, or which lacks members or non-members, gets the one of all classes together. If there is none either, samples
//! are guessed at: they count as half right, and an efficacy is undefined. An AUC of equal values is undefined too.

use std::borrow::Cow;
use std::collections::BTreeSet;

use unlearn_metrics::{Auc, Cut, Direction, Error as MetricsError, Figure, ModelScores, Need, Scores, Unit, Value};

use crate::attack::{Attack, Pool, Run};
use crate::features::Feature;
use crate::{Draws, Error, Result};

const SOURCE: &str = "Song & Mittal 2021, arXiv 2003.10595";

/// The entry of the registry.
pub const ATTACK: Attack = Attack {
    name: "threshold",
    summary: "calls a sample a member by one threshold per class; scalar features only",
    source: SOURCE,
    pool: Pool::Alone,
    figures: &[ACCURACY, EFFICACY, AUC],
    run: Run::ByScalar(run),
};

const ACCURACY: Figure = Figure {
    name: Cow::Borrowed("threshold_accuracy"),
    label: Cow::Borrowed("Threshold accuracy"),
    meaning: Cow::Borrowed(
        "share of retain and test samples that one threshold per class tells apart, %; 50 is private",
    ),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::Lower,
    needs: &[Need::Test, Need::Retain, Need::Attack],
    source: SOURCE,
    in_table: false,
    compute: |_| Ok(None),
};

const EFFICACY: Figure = Figure {
    name: Cow::Borrowed("threshold_efficacy"),
    label: Cow::Borrowed("Threshold efficacy"),
    meaning: Cow::Borrowed("share of the forget set that one threshold per class takes for unseen, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Forget, Need::Retain, Need::Test, Need::Attack],
    source: SOURCE,
    in_table: false,
    compute: |_| Ok(None),
};

const AUC: Figure = Figure {
    name: Cow::Borrowed("threshold_auc"),
    label: Cow::Borrowed("Threshold AUC"),
    meaning: Cow::Borrowed("probability that a forgotten sample looks more like a member than a test sample, 0 to 1"),
    unit: Unit::None,
    range: [0.0, 1.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Forget, Need::Test, Need::Attack],
    source: SOURCE,
    in_table: false,
    compute: |_| Ok(None),
};

const NO_THRESHOLD: &str = "in a draw, no threshold tells retained from test samples better than chance";
const NO_ORDER: &str = "all forgotten and test samples have the same value";

fn run(scores: &ModelScores, feature: &'static Feature, draws: &Draws) -> Result<Vec<Value>> {
    let ModelScores { forget, retain, test, .. } = scores;
    for (set, scores, needed) in [("members", retain, 2), ("non-members", test, 2), ("forget", forget, 1)] {
        if scores.len() < needed {
            return Err(Error::Empty { set, needed });
        }
        if scores.classes() != retain.classes() {
            return Err(Error::ClassCount { set, expected: retain.classes(), found: scores.classes() });
        }
    }
    let values = |scores: &Scores| feature.membership(scores).unwrap_or_default();
    let sets = [retain, test];
    let [members, non_members, forgotten] = [values(retain), values(test), values(forget)];
    let points = [&members, &non_members];
    let half = retain.len().min(test.len()) / 2;
    let drawn = draws.of(feature).each(|choose| {
        let chosen = [0, 1].map(|set| choose(set, sets[set].labels(), half));
        let fitted = [0, 1].map(|set| {
            let row = |row: &usize| (points[set][*row], sets[set].labels()[*row]);
            chosen[set].iter().map(row).collect::<Vec<_>>()
        });
        let thresholds = Thresholds::fit(&fitted, retain.classes())?;
        let called_members = |set: usize| {
            let unseen = |row: &usize| chosen[set].binary_search(row).is_err();
            thresholds.share((0..sets[set].len()).filter(unseen).map(|row| (points[set][row], sets[set].labels()[row])))
        };
        let accuracy = 50.0 * (called_members(0) + 1.0 - called_members(1));
        let efficacy = thresholds
            .decides()
            .then(|| 100.0 * (1.0 - thresholds.share(forgotten.iter().copied().zip(forget.labels().iter().copied()))));
        Ok::<_, Error>((accuracy, efficacy))
    })?;
    let (accuracies, efficacies): (Vec<f64>, Vec<Option<f64>>) = drawn.into_iter().unzip();
    let efficacies: Option<Vec<f64>> = efficacies.into_iter().collect();
    let efficacy = efficacies.map_or_else(|| Ok(Value::undefined(NO_THRESHOLD)), Value::over_draws)?;
    let auc = Auc::delong(&forgotten, &akin(forget, test, &non_members))?;
    let area = if auc.from.missing().is_some() { Value::undefined(NO_ORDER) } else { Value::area(auc) };
    Ok(vec![Value::over_draws(accuracies)?, efficacy, area])
}

/// The values of test samples of the forget set's classes, or of all if there are none.
fn akin(forget: &Scores, test: &Scores, values: &[f64]) -> Vec<f64> {
    let classes: BTreeSet<u32> = forget.labels().iter().copied().collect();
    let rows = values.iter().zip(test.labels());
    let akin: Vec<f64> = rows.filter(|(_, label)| classes.contains(label)).map(|(value, _)| *value).collect();
    if akin.is_empty() { values.to_vec() } else { akin }
}

/// Thresholds at or above which samples are called members.
struct Thresholds {
    by_class: Vec<Option<f64>>,
    /// The threshold of classes without one.
    overall: Option<f64>,
}

impl Thresholds {
    /// Fits thresholds to values and labels of members and of non-members.
    fn fit([members, non_members]: &[Vec<(f64, u32)>; 2], classes: usize) -> Result<Self> {
        let groups = |set: &[(f64, u32)]| {
            let mut groups = vec![Vec::new(); classes];
            for (value, label) in set {
                groups[*label as usize].push(*value);
            }
            groups
        };
        let by_class = groups(members).into_iter().zip(groups(non_members)).map(|(m, n)| better_than_chance(&m, &n));
        let by_class = by_class.collect::<Result<_>>()?;
        let values = |set: &[(f64, u32)]| set.iter().map(|(value, _)| *value).collect::<Vec<_>>();
        Ok(Self { by_class, overall: better_than_chance(&values(members), &values(non_members))? })
    }

    /// Whether every class has a threshold.
    fn decides(&self) -> bool {
        self.overall.is_some() || self.by_class.iter().all(Option::is_some)
    }

    /// The share of samples, 0..1, that are called members. A sample without a threshold counts half.
    fn share(&self, samples: impl Iterator<Item = (f64, u32)>) -> f64 {
        let (mut called, mut all) = (0.0, 0_usize);
        for (value, label) in samples {
            all += 1;
            called += match self.by_class[label as usize].or(self.overall) {
                Some(threshold) => f64::from(u8::from(value >= threshold)),
                None => 0.5,
            };
        }
        called / all as f64
    }
}

/// The threshold of greatest balanced accuracy, if it is better than chance.
fn better_than_chance(members: &[f64], non_members: &[f64]) -> Result<Option<f64>> {
    if members.is_empty() || non_members.is_empty() {
        return Ok(None);
    }
    match Cut::best(members, non_members) {
        Ok(cut) => Ok((cut.balanced_accuracy > 0.5).then_some(cut.threshold)),
        Err(MetricsError::AllEqual { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemberSelection, features};

    /// Two-class scores: the label and the margin of each sample.
    fn scores(samples: &[(u32, f32)]) -> Scores {
        let logits = samples.iter().flat_map(|(label, m)| if *label == 0 { [*m, 0.0] } else { [0.0, *m] }).collect();
        Scores::new(logits, samples.iter().map(|(label, _)| *label).collect(), 2).unwrap()
    }

    fn figures(retain: &[(u32, f32)], test: &[(u32, f32)], forget: &[(u32, f32)]) -> Result<Vec<Value>> {
        let [retain, test, forget] = [retain, test, forget].map(scores);
        let draws = Draws { members: MemberSelection::FirstRows, count: 1, seed: 1, interrupt: None };
        let scores = ModelScores { forget, retain, test, validation: None, triggered: None, unseen: None };
        run(&scores, features::find("confidence")?, &draws)
    }

    #[test]
    fn every_class_has_a_threshold_of_its_own() {
        // Members of class 0 have margins of 5 and non-members of 3; in class 1, members have 1 and non-members −1. No
        // threshold of both classes is right more than three times out of four.
        let retain = [(0, 5.0), (1, 1.0), (0, 5.0), (1, 1.0)];
        let test = [(0, 3.0), (1, -1.0), (0, 3.0), (1, -1.0)];
        let found = figures(&retain, &test, &[(0, 4.0), (0, 6.0), (1, 2.0), (1, 0.0)]).unwrap();
        assert_eq!([found[0].value, found[1].value], [100.0, 50.0]);
        // Forgotten 4, 6, 2, 0 against 3, −1, 3, −1: 12 of 16 pairs.
        assert_eq!(found[2].value, 0.75);
        let [low, high] = found[2].interval.unwrap();
        assert!(low < 0.75 && 0.75 < high && found[2].draws.is_empty());
    }

    #[test]
    fn a_class_that_is_not_in_the_test_set_is_called_by_all_classes_together() {
        let retain = [(0, 5.0), (0, 5.0), (0, 5.0), (0, 5.0)];
        let test = [(0, 1.0), (0, 1.0), (0, 1.0), (0, 1.0)];
        let found = figures(&retain, &test, &[(1, 6.0), (1, 0.0), (1, 0.5), (1, 0.2)]).unwrap();
        assert_eq!([found[0].value, found[1].value, found[2].value], [100.0, 75.0, 0.25]);
    }

    #[test]
    fn equal_scores_are_guessed_at_and_what_they_leave_open_is_undefined() {
        let equal = [(0, 2.0); 4];
        let found = figures(&equal, &equal, &[(0, 2.0); 3]).unwrap();
        assert_eq!(found[0].value, 50.0);
        assert_eq!(found[1..], [Value::undefined(NO_THRESHOLD), Value::undefined(NO_ORDER)]);
    }

    #[test]
    fn judged_on_what_they_were_not_fitted_on() {
        // Members are above non-members in the first halves, and below them in the second.
        let found = figures(&[(0, 5.0), (0, -5.0)], &[(0, -5.0), (0, 5.0)], &[(0, 1.0)]).unwrap();
        assert_eq!(found[0].value, 0.0);
    }

    #[test]
    fn sets_that_are_too_small_are_named() {
        let two = [(0, 1.0), (0, 2.0)];
        let check = |found: Result<Vec<Value>>, set, needed| assert_eq!(found, Err(Error::Empty { set, needed }));
        check(figures(&two[..1], &two, &two), "members", 2);
        check(figures(&two, &two[..1], &two), "non-members", 2);
        check(figures(&two, &two, &[]), "forget", 1);
    }
}
