//! MIA-privacy: how well an attacker tells what the unlearned model was trained on from what it never saw.
//!
//! From the code of Jia et al. 2023 (arXiv 2304.04934): a support-vector machine is fitted on half of each set, and its
//! accuracies on the remaining members and the remaining non-members are averaged. 50 % means the model gives nothing away.

use crate::features::Feature;
use crate::mia_efficacy::{fit, share_of_members};
use crate::{Error, MemberSelection, Result, Scores};

/// The balanced accuracy, in percent, of a support-vector machine on `feature`.
///
/// It is fitted on ⌊min(|members|, |non-members|) / 2⌋ samples of each set and judged on all the others.
///
/// # Errors
/// A set of fewer than two samples, sets with different numbers of classes, and an optimum that was not reached.
pub fn mia_privacy(
    members: &Scores,
    non_members: &Scores,
    feature: &Feature,
    selection: MemberSelection,
    seed: u64,
) -> Result<f64> {
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
    let chosen =
        [selection.choose(members.labels(), half, seed, 0), selection.choose(non_members.labels(), half, seed, 1)];
    let points = sets.map(|scores| feature.extract(scores));
    let dimension = feature.values(members.classes());
    let svc = fit(&points, dimension, &chosen)?;
    let share = |set: usize| {
        let unseen = |row: usize| chosen[set].binary_search(&row).is_err();
        share_of_members(&svc, &points[set], dimension, unseen)
    };
    Ok(50.0 * (share(0)? + 1.0 - share(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features;

    fn privacy(members: &[f32], non_members: &[f32], selection: MemberSelection) -> Result<f64> {
        let logits = [members, non_members].map(|set| set.iter().flat_map(|&v| [v, 0.0]).collect::<Vec<_>>());
        let labels = [members, non_members].map(|set| vec![0_u32; set.len()]);
        let scores = |i: usize| Scores::new(&logits[i], &labels[i], 2).unwrap();
        mia_privacy(&scores(0), &scores(1), features::find("confidence")?, selection, 1)
    }

    #[test]
    fn told_apart_and_not() {
        assert_eq!(privacy(&[5.0; 12], &[-5.0; 8], MemberSelection::Stratified), Ok(100.0));
        // Indistinguishable: everything is called the same.
        assert_eq!(privacy(&[1.0; 12], &[1.0; 8], MemberSelection::Stratified), Ok(50.0));
    }

    #[test]
    fn judged_only_on_samples_it_was_not_fitted_on() {
        // Fitted on the first halves, where members are confident; the second halves are the other way round.
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
