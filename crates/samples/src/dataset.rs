//! A dataset: images, labels, and the facts about them that a model needs.

use crate::image_set::ImageSet;
use crate::normalization::Normalization;
use crate::subclasses::Subclasses;
use crate::transforms::Augmentation;

/// A dataset.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its name in suites, reports and files.
    pub name: String,
    /// Class names; a label is a position in this list.
    pub classes: Vec<String>,
    /// The normalisation in models.
    pub normalization: Normalization,
    /// The default transforms in training. Evaluation and attacks always use unchanged images.
    pub augmentation: Augmentation,
    /// The official training set.
    pub train: ImageSet,
    /// The official test set.
    pub test: ImageSet,
    /// BLAKE3 over shape, pixels and labels of the training and the test set, in hexadecimal. For pictures that are
    /// not in memory, the names and lengths of their files are hashed instead of pixels.
    pub fingerprint: String,
    /// The subclass of every sample, if the dataset knows them.
    pub subclasses: Option<Subclasses>,
}

impl Dataset {
    /// A dataset of the given parts, with its fingerprint.
    pub fn new(
        name: impl Into<String>,
        classes: Vec<String>,
        normalization: Normalization,
        augmentation: Augmentation,
        train: ImageSet,
        test: ImageSet,
    ) -> Self {
        let mut hasher = blake3::Hasher::new();
        train.hash_into(&mut hasher);
        test.hash_into(&mut hasher);
        let fingerprint = hasher.finalize().to_hex().to_string();
        Self { name: name.into(), classes, normalization, augmentation, train, test, fingerprint, subclasses: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> ImageSet {
        ImageSet::new([1, 1, 2], vec![1, 2, 3, 4, 5, 6], vec![1, 0, 1]).unwrap()
    }

    fn fingerprint(train: ImageSet, test: ImageSet) -> String {
        let normalization = Normalization { mean: vec![0.5], std: vec![0.5] };
        Dataset::new("tiny", vec!["a".into(), "b".into()], normalization, Augmentation::NONE, train, test).fingerprint
    }

    #[test]
    fn the_fingerprint_sees_pixels_labels_shape_and_which_set_is_which() {
        let reference = fingerprint(set(), set());
        assert_eq!(reference.len(), 64);
        assert_eq!(reference, fingerprint(set(), set()));
        let pixel = ImageSet::new([1, 1, 2], vec![1, 2, 3, 4, 5, 7], vec![1, 0, 1]).unwrap();
        let label = ImageSet::new([1, 1, 2], vec![1, 2, 3, 4, 5, 6], vec![1, 0, 0]).unwrap();
        let shape = ImageSet::new([1, 2, 1], vec![1, 2, 3, 4, 5, 6], vec![1, 0, 1]).unwrap();
        for other in [pixel, label, shape] {
            assert_ne!(reference, fingerprint(other.clone(), set()));
            assert_ne!(fingerprint(set(), other.clone()), fingerprint(other, set()));
        }
    }
}
