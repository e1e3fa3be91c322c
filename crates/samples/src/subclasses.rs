//! Subclasses: parts of the classes that a model is trained on. CIFAR-100's 100 fine classes are subclasses of its 20 coarse ones.
//!
//! A data set may know the subclass of each of its samples. It is no label: no model is trained on it, and the fingerprint of a data set
//! does not depend on it.

use crate::dataset::Dataset;
use crate::error::{Error, Result};

/// The subclass of every sample of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subclasses {
    /// Their names. A subclass is numbered by its position in this list.
    pub names: Vec<String>,
    /// The number of each training sample's subclass, in the order of the samples.
    pub train: Vec<u32>,
    /// The same for test samples.
    pub test: Vec<u32>,
}

impl Dataset {
    /// The same data set with the subclass of every sample.
    ///
    /// # Errors
    /// If the numbers are not one for each sample, or one is no subclass, or a subclass has samples of several classes.
    pub fn with_subclasses(self, subclasses: Subclasses) -> Result<Self> {
        let mut class_of: Vec<Option<u32>> = vec![None; subclasses.names.len()];
        let damaged = |problem: String| Error::Subclasses { dataset: self.name.clone(), problem };
        for (what, numbers, set) in
            [("training", &subclasses.train, &self.train), ("test", &subclasses.test, &self.test)]
        {
            if numbers.len() != set.len() {
                let (found, images) = (numbers.len(), set.len());
                return Err(damaged(format!("there are {found} for {images} {what} images; each image has one")));
            }
            for (at, (number, class)) in numbers.iter().zip(set.labels.iter()).enumerate() {
                let Some(known) = class_of.get_mut(*number as usize) else {
                    let most = subclasses.names.len();
                    return Err(damaged(format!("{what} image {at} has number {number}, but there are {most}")));
                };
                if *known.get_or_insert(*class) != *class {
                    let name = &subclasses.names[*number as usize];
                    return Err(damaged(format!("`{name}` has images of several classes, as {what} image {at} shows")));
                }
            }
        }
        Ok(Self { subclasses: Some(subclasses), ..self })
    }

    /// The class that each subclass belongs to, by the subclass's number. `None` for one without samples. Empty for a data set without
    /// subclasses.
    pub fn classes_of_subclasses(&self) -> Vec<Option<u32>> {
        let Some(Subclasses { names, train, test }) = &self.subclasses else { return Vec::new() };
        let mut classes = vec![None; names.len()];
        for (number, class) in
            train.iter().zip(self.train.labels.iter()).chain(test.iter().zip(self.test.labels.iter()))
        {
            classes[*number as usize] = Some(*class);
        }
        classes
    }
}

#[cfg(test)]
mod tests {
    use crate::image_set::ImageSet;
    use crate::normalization::Normalization;
    use crate::transforms::Augmentation;

    use super::*;

    fn dataset() -> Dataset {
        let set = |labels: &[u32]| ImageSet::new([1, 1, 1], vec![7; labels.len()], labels).unwrap();
        let normalization = Normalization { mean: vec![0.5], std: vec![0.5] };
        let classes = ["pet", "car"].map(String::from).into();
        Dataset::new("tiny", classes, normalization, Augmentation::NONE, set(&[0, 0, 1, 1]), set(&[1, 0]))
    }

    fn subclasses(train: &[u32], test: &[u32]) -> Subclasses {
        Subclasses {
            names: ["cat", "dog", "bus", "van"].map(String::from).into(),
            train: train.into(),
            test: test.into(),
        }
    }

    #[test]
    fn each_sample_has_one_and_each_subclass_is_of_one_class() {
        let whole = dataset().with_subclasses(subclasses(&[1, 0, 2, 2], &[2, 1])).unwrap();
        assert_eq!(whole.classes_of_subclasses(), [Some(0), Some(0), Some(1), None]);
        assert_eq!(whole.fingerprint, dataset().fingerprint, "no model sees subclasses");
        for (train, test, words) in [
            (&[1, 0, 2][..], &[2, 1][..], "there are 3 for 4 training images"),
            (&[1, 0, 2, 2], &[2, 4], "test image 1 has number 4, but there are 4"),
            (&[1, 0, 1, 2], &[2, 1], "`dog` has images of several classes, as training image 2 shows"),
            (&[1, 0, 2, 2], &[1, 0], "`dog` has images of several classes, as test image 0 shows"),
        ] {
            let error = dataset().with_subclasses(subclasses(train, test)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_derived_data_set_keeps_the_subclasses_of_its_samples() {
        let whole = dataset().with_subclasses(subclasses(&[1, 0, 2, 3], &[2, 1])).unwrap();
        let other = whole.of_classes(&[1, 0]).unwrap();
        assert_eq!(other.subclasses, whole.subclasses);
        let grey = whole.converted([3, 1, 1]).unwrap();
        assert_eq!(grey.subclasses, whole.subclasses);
        let set = |labels: &[u32]| ImageSet::new([1, 1, 1], vec![7; labels.len()], labels).unwrap();
        let three =
            Dataset { classes: ["pet", "car", "x"].map(String::from).into(), train: set(&[0, 2, 1, 1]), ..dataset() };
        let three = three.with_subclasses(subclasses(&[1, 0, 2, 3], &[2, 1])).unwrap();
        let part = three.of_classes(&[1, 0]).unwrap();
        assert_eq!(part.subclasses.unwrap().train, [1, 2, 3]);
        assert_eq!(dataset().of_classes(&[1, 0]).unwrap().subclasses, None);
    }
}
