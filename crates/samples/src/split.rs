//! Splits the training set into images to train on and images held out to choose checkpoints.
//!
//! A share of each class of the official training set becomes the validation set, and the rest is trained on. With
//! [`Sampler::NumpyLegacy`] this is the protocol of arXiv 2304.04934's published code: one `RandomState(seed)`,
//! classes in order, `choice(class positions, ⌊share · n⌋, replace=False)`.

use serde::{Deserialize, Serialize};
use unlearn_random::choice;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::sampler::Sampler;

/// How to split the official training set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SplitOptions {
    /// The generator.
    pub sampler: Sampler,
    /// Seed of the draw.
    pub seed: u64,
    /// Share of each class held out, in `[0, 1)`, rounded down to whole images.
    pub validation_fraction: f64,
    /// If given, only the first `limit / classes` images of each class (rounded down) are kept before the split.
    pub train_limit: Option<usize>,
}

impl Default for SplitOptions {
    /// The paper's options: a tenth of each class, legacy generator, seed 2, no limit.
    fn default() -> Self {
        Self { sampler: Sampler::default(), seed: 2, validation_fraction: 0.1, train_limit: None }
    }
}

/// Positions in the official training set. Both lists are ascending, and they are disjoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Images to train on.
    pub train: Vec<u32>,
    /// Images held out.
    pub validation: Vec<u32>,
}

/// Draws the split of `dataset`.
///
/// # Errors
/// If the validation share is outside `[0, 1)`, the train limit is less than one image per class or more than a class
/// has, the seed does not fit the sampler, or the training set was altered. Other labels would give another split.
pub fn split(dataset: &Dataset, options: &SplitOptions) -> Result<Split> {
    if let Some(by) = dataset.train.alteration() {
        return Err(Error::SplitOfAltered { dataset: dataset.name.clone(), by: by.to_owned() });
    }
    let fraction = options.validation_fraction;
    if !(0.0..1.0).contains(&fraction) {
        return Err(Error::ValidationFraction { fraction });
    }
    let kept = match options.train_limit {
        Some(limit) => limited(dataset, limit)?,
        None => (0..dataset.train.len() as u32).collect(),
    };

    let labels = &dataset.train.labels;
    let mut rng = options.sampler.validation(options.seed)?;
    let mut held_out = vec![false; labels.len()];
    for class in 0..dataset.classes.len() as u32 {
        let members: Vec<u32> = kept.iter().copied().filter(|&i| labels[i as usize] == class).collect();
        let count = (fraction * members.len() as f64) as usize;
        for position in choice(&mut *rng, &members, count) {
            held_out[position as usize] = true;
        }
    }
    let (validation, train) = kept.into_iter().partition(|&i| held_out[i as usize]);
    Ok(Split { train, validation })
}

/// The first `limit / classes` training images of each class, ascending.
fn limited(dataset: &Dataset, limit: usize) -> Result<Vec<u32>> {
    let classes = dataset.classes.len();
    let per_class = limit / classes.max(1);
    let mut available = vec![0; classes];
    for &label in dataset.train.labels.iter() {
        available[label as usize] += 1;
    }
    let short = available.iter().position(|&available| available < per_class.max(1));
    if let Some(class) = short.or((per_class == 0).then_some(0)) {
        let (name, available) = (dataset.classes[class].clone(), available[class]);
        return Err(Error::TrainLimit { limit, per_class, classes, class, name, available });
    }
    Ok(dataset.train.first_of_each_class(classes, per_class))
}

#[cfg(test)]
pub(crate) mod tests {
    use unlearn_tests::numpy_legacy;

    use super::*;
    use crate::{Augmentation, ImageSet, Normalization};

    /// A dataset of one-pixel images with the given training labels and ten classes called `a` to `j`.
    pub(crate) fn labelled(labels: Vec<u32>) -> Dataset {
        let train = ImageSet::new([1, 1, 1], vec![0; labels.len()], labels).unwrap();
        let test = ImageSet::new([1, 1, 1], vec![0], vec![0]).unwrap();
        let classes = ('a'..='j').map(String::from).collect();
        let normalization = Normalization { mean: vec![0.5], std: vec![0.5] };
        Dataset::new("letters", classes, normalization, Augmentation::NONE, train, test)
    }

    /// The synthetic dataset of [`numpy_legacy`]'s protocol.
    pub(crate) fn protocol_dataset() -> Dataset {
        labelled((0..5003).map(|i| (i * 7 + i / 13) % 10).collect())
    }

    #[test]
    fn the_legacy_split_is_numpys() {
        for protocol in numpy_legacy::read().protocol {
            let options = SplitOptions { seed: protocol.seed, ..SplitOptions::default() };
            let split = split(&protocol_dataset(), &options).unwrap();
            protocol.validation.check(&split.validation, "validation");
            protocol.train.check(&split.train, "train");
        }
    }

    #[test]
    fn a_seeded_split_takes_a_tenth_of_each_class_and_depends_on_the_seed() {
        let dataset = labelled((0..1000).map(|i| i % 10).collect());
        let options = |seed| SplitOptions { sampler: Sampler::Seeded, seed, ..SplitOptions::default() };
        let one = split(&dataset, &options(0)).unwrap();
        for class in 0..10 {
            let members = one.validation.iter().filter(|&&i| dataset.train.labels[i as usize] == class);
            assert_eq!(members.count(), 10);
        }
        let mut all = [one.train.clone(), one.validation.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        assert!(one.train.is_sorted() && one.validation.is_sorted());
        assert_eq!(one, split(&dataset, &options(0)).unwrap());
        assert_ne!(one, split(&dataset, &options(1)).unwrap());
    }

    #[test]
    fn no_validation_keeps_everything() {
        let dataset = labelled((0..50).map(|i| i % 10).collect());
        let split = split(&dataset, &SplitOptions { validation_fraction: 0.0, ..SplitOptions::default() }).unwrap();
        assert_eq!(split.train.len(), 50);
        assert!(split.validation.is_empty());
    }

    #[test]
    fn a_train_limit_keeps_the_first_of_each_class_then_splits() {
        let dataset = labelled((0..500).map(|i| i % 10).collect());
        let options = SplitOptions { train_limit: Some(209), ..SplitOptions::default() };
        let split = split(&dataset, &options).unwrap();
        assert_eq!((split.train.len(), split.validation.len()), (180, 20));
        assert!(split.train.iter().chain(&split.validation).all(|&i| i < 200));
    }

    #[test]
    fn an_altered_training_set_is_refused() {
        let mut dataset = labelled((0..50).map(|i| i % 10).collect());
        dataset.train = dataset.train.altered_by("a trigger");
        let error = split(&dataset, &SplitOptions::default()).unwrap_err().to_string();
        assert!(error.contains("the training set of letters was changed by a trigger"), "{error}");
    }

    #[test]
    fn impossible_options_are_refused() {
        let dataset = labelled((0..50).map(|i| i % 10).collect());
        let refuses = |options: SplitOptions, message: &str| {
            let error = split(&dataset, &options).unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        };
        let default = SplitOptions::default;
        refuses(SplitOptions { validation_fraction: 1.0, ..default() }, "validation fraction 1 is outside 0..1");
        refuses(SplitOptions { validation_fraction: f64::NAN, ..default() }, "NaN");
        refuses(SplitOptions { train_limit: Some(9), ..default() }, "`train-limit` 9 asks for 0 images of each of 10");
        refuses(SplitOptions { train_limit: Some(60), ..default() }, "but class 0 (a) has 5");
        refuses(SplitOptions { seed: 1 << 40, ..default() }, "is too large");
    }
}
