//! Figures of attacks and of detectors, in percent.
//!
//! | figure | share of | that |
//! |---|---|---|
//! | [`asr`] | triggered test images whose true class is not the target | are classified as the target |
//! | [`asr_compat`] | all triggered test images | are classified as the target |
//! | [`sa`] | clean test images | are classified correctly |
//! | [`recall`] | the poison | a detector found |
//! | [`false_alarms`] | examined samples that are not poison | a detector suspected |
//!
//! `asr_compat` is the figure of arXiv 2304.04934's code. It also counts images of the target class, which a clean model classifies as
//! the target as well. For ten balanced classes, this gives about 10 % without any attack.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

/// Attack success rate, %.
///
/// # Errors
/// If the lists have different lengths, or every image is of the target class.
pub fn asr(predictions: &[u32], true_classes: &[u32], target: u32) -> Result<f64> {
    let pairs = pairs(predictions, true_classes)?;
    let others = pairs.filter(|(_, truth)| *truth != target);
    share(others.map(|(predicted, _)| predicted == target))
        .ok_or(Error::Empty { what: "test image of another class than the target" })
}

/// Attack success rate over all images, including those of the target class, %.
///
/// # Errors
/// If the lists have different lengths or are empty.
pub fn asr_compat(predictions: &[u32], true_classes: &[u32], target: u32) -> Result<f64> {
    let pairs = pairs(predictions, true_classes)?;
    share(pairs.map(|(predicted, _)| predicted == target)).ok_or(Error::Empty { what: "triggered test image" })
}

/// Accuracy on clean test images, %.
///
/// # Errors
/// If the lists have different lengths or are empty.
pub fn sa(predictions: &[u32], true_classes: &[u32]) -> Result<f64> {
    let pairs = pairs(predictions, true_classes)?;
    share(pairs.map(|(predicted, truth)| predicted == truth)).ok_or(Error::Empty { what: "clean test image" })
}

/// [`asr`] of the images of each class, %. The target and classes without an image have none.
///
/// # Errors
/// If the lists have different lengths, or a class is not below `classes`.
pub fn asr_per_class(
    predictions: &[u32],
    true_classes: &[u32],
    target: u32,
    classes: usize,
) -> Result<Vec<Option<f64>>> {
    below(target, classes)?;
    let mut per_class = per_class(predictions, true_classes, classes, |predicted, _| predicted == target)?;
    per_class[target as usize] = None;
    Ok(per_class)
}

/// [`sa`] of the images of each class, %. Classes without an image have none.
///
/// # Errors
/// If the lists have different lengths, or a class is not below `classes`.
pub fn sa_per_class(predictions: &[u32], true_classes: &[u32], classes: usize) -> Result<Vec<Option<f64>>> {
    per_class(predictions, true_classes, classes, |predicted, truth| predicted == truth)
}

/// Share of the poison that a detector found, %. Both are lists of positions.
///
/// # Errors
/// If there is no poison, or a position occurs twice.
pub fn recall(suspicious: &[u32], poison: &[u32]) -> Result<f64> {
    let suspicious = distinct(suspicious, "the suspicious samples")?;
    let poison = distinct(poison, "the poison")?;
    share(poison.iter().map(|position| suspicious.contains(position))).ok_or(Error::Empty { what: "poison" })
}

/// Share of the examined samples without poison that a detector suspected, %. All are lists of positions.
///
/// # Errors
/// If every examined sample is poison, a position occurs twice, or a suspicious or poisoned sample was not examined.
pub fn false_alarms(suspicious: &[u32], poison: &[u32], examined: &[u32]) -> Result<f64> {
    let examined = distinct(examined, "the examined samples")?;
    let suspicious = distinct(suspicious, "the suspicious samples")?;
    let poison = distinct(poison, "the poison")?;
    for (what, list) in [("the suspicious samples", &suspicious), ("the poison", &poison)] {
        if let Some(&position) = list.difference(&examined).next() {
            return Err(Error::NotExamined { position, what });
        }
    }
    share(examined.difference(&poison).map(|position| suspicious.contains(position)))
        .ok_or(Error::Empty { what: "examined sample without poison" })
}

/// Share of true values, %; none if there is no value.
fn share(hits: impl Iterator<Item = bool>) -> Option<f64> {
    let [mut count, mut total] = [0_usize; 2];
    for hit in hits {
        count += usize::from(hit);
        total += 1;
    }
    (total > 0).then(|| 100.0 * count as f64 / total as f64)
}

fn pairs<'a>(predictions: &'a [u32], truths: &'a [u32]) -> Result<impl Iterator<Item = (u32, u32)> + 'a> {
    if predictions.len() != truths.len() {
        return Err(Error::Lengths { what: "true classes", found: truths.len(), expected: predictions.len() });
    }
    Ok(predictions.iter().copied().zip(truths.iter().copied()))
}

fn below(class: u32, classes: usize) -> Result<()> {
    if (class as usize) < classes { Ok(()) } else { Err(Error::Class { class, classes }) }
}

fn per_class(
    predictions: &[u32],
    truths: &[u32],
    classes: usize,
    hit: impl Fn(u32, u32) -> bool,
) -> Result<Vec<Option<f64>>> {
    let mut counts = vec![[0_usize; 2]; classes];
    for (predicted, truth) in pairs(predictions, truths)? {
        below(predicted, classes)?;
        below(truth, classes)?;
        let [hits, total] = &mut counts[truth as usize];
        *hits += usize::from(hit(predicted, truth));
        *total += 1;
    }
    Ok(counts.into_iter().map(|[hits, total]| (total > 0).then(|| 100.0 * hits as f64 / total as f64)).collect())
}

fn distinct(positions: &[u32], what: &'static str) -> Result<BTreeSet<u32>> {
    let mut set = BTreeSet::new();
    match positions.iter().find(|position| !set.insert(**position)) {
        Some(&position) => Err(Error::Repeated { position, what }),
        None => Ok(set),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREDICTED: [u32; 6] = [0, 0, 1, 0, 2, 0];
    const TRUTHS: [u32; 6] = [0, 1, 1, 2, 2, 2];

    #[test]
    fn asr_leaves_out_images_of_the_target_and_compat_counts_them() {
        assert_eq!(asr(&PREDICTED, &TRUTHS, 0).unwrap(), 60.0);
        assert_eq!(asr_compat(&PREDICTED, &TRUTHS, 0).unwrap(), 400.0 / 6.0);
        assert_eq!(asr(&[2], &[1], 0).unwrap(), 0.0);
        assert_eq!(sa(&PREDICTED, &TRUTHS).unwrap(), 50.0);
    }

    #[test]
    fn a_model_that_answers_correctly_has_no_asr_but_a_compat_floor() {
        let truths: Vec<u32> = (0..100).map(|i| i % 10).collect();
        assert_eq!(asr(&truths, &truths, 3).unwrap(), 0.0);
        assert_eq!(asr_compat(&truths, &truths, 3).unwrap(), 10.0);
    }

    #[test]
    fn classes_stand_by_themselves() {
        let per_class = asr_per_class(&PREDICTED, &TRUTHS, 0, 4).unwrap();
        assert_eq!(per_class, [None, Some(50.0), Some(200.0 / 3.0), None]);
        let per_class = sa_per_class(&PREDICTED, &TRUTHS, 4).unwrap();
        assert_eq!(per_class, [Some(100.0), Some(50.0), Some(100.0 / 3.0), None]);
    }

    #[test]
    fn a_detector_is_judged_by_what_it_found_and_by_what_it_wrongly_suspected() {
        assert_eq!(recall(&[9, 4, 1], &[4, 5]).unwrap(), 50.0);
        assert_eq!(false_alarms(&[9, 4, 1], &[4, 5], &[0, 1, 2, 3, 4, 5, 9]).unwrap(), 40.0);
        assert_eq!(recall(&[], &[4]).unwrap(), 0.0);
    }

    #[test]
    fn shares_of_nothing_and_lists_that_do_not_fit_are_refused() {
        let message = |result: Result<f64>| result.unwrap_err().to_string();
        assert!(message(asr(&[0, 1], &[0, 0], 0)).contains("no test image of another class than the target"));
        assert!(message(sa(&[], &[])).contains("no clean test image"));
        assert!(message(sa(&[1], &[1, 2])).contains("2 true classes for 1 samples"));
        assert!(message(recall(&[1], &[])).contains("no poison"));
        assert!(message(recall(&[1, 1], &[1])).contains("position 1 occurs twice in the suspicious samples"));
        assert!(message(false_alarms(&[1], &[2], &[2])).contains("position 1 is in the suspicious samples"));
        assert!(message(false_alarms(&[], &[2], &[2])).contains("no examined sample without poison"));
        let outside = |result: Result<Vec<Option<f64>>>| result.unwrap_err().to_string();
        assert!(outside(asr_per_class(&[1], &[1], 3, 3)).contains("class 3 is outside the 3 classes"));
        assert!(outside(sa_per_class(&[7], &[1], 3)).contains("class 7 is outside"));
    }
}
