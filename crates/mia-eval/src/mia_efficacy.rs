//! MIA-efficacy: how much of the forget set an attacker takes for never seen.
//!
//! Jia et al. 2023 (arXiv 2304.04934): a membership-inference attack is fitted on the unlearned model, samples of
//! `D_r` as members against `D_t` as non-members, and applied to `D_f`. The efficacy is TN / `|D_f|`, the share called
//! non-member.
//!
//! Deviation: the paper's code takes the first `|D_t|` rows of `D_r` as members, here a class-stratified draw by
//! seed ([`MemberSelection`] offers both), and where `D_r` is the smaller set `D_t` is cut down likewise, so that the
//! attack always sees as many members as non-members.

use crate::features::Feature;
use crate::svc::Svc;
use crate::{Error, MemberSelection, Result, Scores};

/// The share of `forget`, in percent, that a support-vector machine on `feature` calls non-member.
///
/// It is fitted on min(|members|, |non-members|) samples of each: `members` come from the retain set, `non_members` from the
/// test set.
///
/// # Errors
/// An empty set, sets with different numbers of classes, and an optimum that was not reached.
pub fn mia_efficacy(
    members: &Scores,
    non_members: &Scores,
    forget: &Scores,
    feature: &Feature,
    selection: MemberSelection,
    seed: u64,
) -> Result<f64> {
    for (set, scores) in [("members", members), ("non-members", non_members), ("forget", forget)] {
        if scores.is_empty() {
            return Err(Error::Empty { set, needed: 1 });
        }
        if scores.classes() != members.classes() {
            return Err(Error::ClassCount { set, expected: members.classes(), found: scores.classes() });
        }
    }
    let count = members.len().min(non_members.len());
    let chosen =
        [selection.choose(members.labels(), count, seed, 0), selection.choose(non_members.labels(), count, seed, 1)];
    let points = [members, non_members].map(|scores| feature.extract(scores));
    let dimension = feature.values(members.classes());
    let svc = fit(&points, dimension, &chosen)?;
    share_of_members(&svc, &feature.extract(forget), dimension, |_| true).map(|share| 100.0 * (1.0 - share))
}

/// Fits the chosen rows of the members' points against those of the non-members'.
pub(crate) fn fit(points: &[Vec<f64>; 2], dimension: usize, chosen: &[Vec<usize>; 2]) -> Result<Svc> {
    let row = |set: usize, row: usize| &points[set][row * dimension..(row + 1) * dimension];
    let train: Vec<f64> = (0..2).flat_map(|s| chosen[s].iter().flat_map(move |&r| row(s, r))).copied().collect();
    let labels: Vec<bool> = (0..2).flat_map(|s| chosen[s].iter().map(move |_| s == 0)).collect();
    Svc::fit(&train, dimension, &labels)
}

/// Which share, 0..1, of the rows that `counted` admits is called member.
pub(crate) fn share_of_members(
    svc: &Svc,
    points: &[f64],
    dimension: usize,
    counted: impl Fn(usize) -> bool,
) -> Result<f64> {
    let mut called = [0_usize; 2];
    for (_, point) in points.chunks_exact(dimension).enumerate().filter(|(row, _)| counted(*row)) {
        called[usize::from(svc.is_member(point)?)] += 1;
    }
    Ok(called[1] as f64 / (called[0] + called[1]) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features;

    /// Two-class scores of label 0 whose confidence is high or low.
    fn scores(confident: &[bool]) -> (Vec<f32>, Vec<u32>) {
        let logits = confident.iter().flat_map(|&c| if c { [6.0, 0.0] } else { [0.0, 1.0] }).collect();
        (logits, vec![0; confident.len()])
    }

    fn efficacy(members: &[bool], non_members: &[bool], forget: &[bool]) -> Result<f64> {
        let sets = [members, non_members, forget].map(scores);
        let [members, non_members, forget] = sets.each_ref().map(|(x, y)| Scores::new(x, y, 2).unwrap());
        let feature = features::find("confidence")?;
        mia_efficacy(&members, &non_members, &forget, feature, MemberSelection::Stratified, 1)
    }

    #[test]
    fn the_share_of_the_forget_set_that_looks_unseen() {
        // A retain set three times the test set is cut down to its size.
        assert_eq!(efficacy(&[true; 30], &[false; 10], &[true, false, false, false]), Ok(75.0));
        // A test set larger than the retain set is cut down, too, so that the majority does not win by number.
        let mixed: Vec<bool> = (0..90).map(|i| i % 3 == 0).collect();
        assert_eq!(efficacy(&[true; 10], &mixed, &[true; 5]), Ok(0.0));
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
        let two = Scores::new(&[1.0, 2.0], &[0], 2).unwrap();
        let three = Scores::new(&[1.0, 2.0, 3.0], &[0], 3).unwrap();
        let feature = features::find("confidence").unwrap();
        let result = mia_efficacy(&two, &two, &three, feature, MemberSelection::Stratified, 1);
        assert_eq!(result, Err(Error::ClassCount { set: "forget", expected: 2, found: 3 }));
    }
}
