//! Datasets that are derived from others: some of their classes, or their images in another form.

use std::collections::HashSet;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::image_set::ImageSet;
use crate::normalization::Normalization;
use crate::subclasses::Subclasses;

impl Dataset {
    /// The dataset of these classes only. They are numbered 0, 1, … in the given order, in both sets. Images keep their order, and
    /// positions count within the derived sets. The fingerprint is its own; name, normalisation and augmentation are the whole
    /// dataset's.
    ///
    /// # Errors
    /// Fewer than two classes, a class that the dataset does not have, or one that is listed twice.
    pub fn of_classes(&self, classes: &[u32]) -> Result<Self> {
        let dataset = || self.name.clone();
        if classes.len() < 2 {
            return Err(Error::TooFewClasses { count: classes.len(), dataset: dataset() });
        }
        let mut seen = HashSet::new();
        if let Some(&class) = classes.iter().find(|class| !seen.insert(**class)) {
            return Err(Error::ClassTwice { class, dataset: dataset() });
        }
        let name = |&class: &u32| {
            let name = self.classes.get(class as usize);
            name.cloned().ok_or_else(|| Error::ClassOutOfRange {
                class,
                dataset: dataset(),
                valid: self.numbered_classes(),
            })
        };
        let names = classes.iter().map(name).collect::<Result<Vec<_>>>()?;
        let number = |label: &u32| classes.iter().position(|class| class == label).map(|number| number as u32);
        let part = |set: &ImageSet| {
            let labels = set.labels.iter().map(number);
            let (positions, labels): (Vec<u32>, Vec<u32>) =
                (0..).zip(labels).filter_map(|(position, label)| Some((position, label?))).unzip();
            set.chosen(&positions, labels)
        };
        let (train, test) = (part(&self.train)?, part(&self.test)?);
        let numbers = |numbers: &[u32], set: &ImageSet| -> Vec<u32> {
            let kept = numbers.iter().zip(set.labels.iter()).filter(|(_, label)| number(label).is_some());
            kept.map(|(number, _)| *number).collect()
        };
        let subclasses = self.subclasses.as_ref().map(|all| Subclasses {
            names: all.names.clone(),
            train: numbers(&all.train, &self.train),
            test: numbers(&all.test, &self.test),
        });
        let part = Self::new(&self.name, names, self.normalization.clone(), self.augmentation, train, test);
        Ok(Self { subclasses, ..part })
    }

    /// The dataset with every image as `[channels, height, width]`. Grey becomes three equal channels, and colours become the luma of
    /// ITU-R 601-2, rounded as in Pillow. Then images are resized as Pillow does with `BILINEAR`, without regard to their
    /// proportions. The normalisation is measured anew. Pictures that are not in memory are in colour and square, before and after.
    ///
    /// # Errors
    /// A side of 0, another number of channels than 1 or 3, or a picture that cannot be read.
    pub fn converted(&self, shape: [usize; 3]) -> Result<Self> {
        let (train, test) = (self.train.converted(shape)?, self.test.converted(shape)?);
        let normalization =
            if train.is_empty() { self.normalization.clone() } else { Normalization::of(&train)?.without_zeros().0 };
        let converted = Self::new(&self.name, self.classes.clone(), normalization, self.augmentation, train, test);
        Ok(Self { subclasses: self.subclasses.clone(), ..converted })
    }

    /// All classes with their numbers, for messages: "0 (T-shirt/top), 1 (Trouser), …".
    pub fn numbered_classes(&self) -> String {
        let numbered = self.classes.iter().enumerate().map(|(number, name)| format!("{number} ({name})"));
        numbered.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        Augmentation, Pictures,
        picture::{Picture, Sides},
        streamed::PictureError,
    };

    /// Images of one pixel that is 10 times the image's position.
    fn set(labels: &[u32]) -> ImageSet {
        let pixels: Vec<u8> = (0..labels.len()).map(|i| i as u8 * 10).collect();
        ImageSet::new([1, 1, 1], pixels, labels).unwrap()
    }

    fn dataset(train: ImageSet, test: ImageSet) -> Dataset {
        let normalization = Normalization { mean: vec![0.5], std: vec![0.5] };
        Dataset::new(
            "letters",
            ["a", "b", "c"].map(String::from).into(),
            normalization,
            Augmentation::NONE,
            train,
            test,
        )
    }

    #[test]
    fn classes_are_taken_in_the_given_order_and_numbered_anew() {
        let whole = dataset(set(&[2, 0, 1, 2, 0]), set(&[1, 2]));
        let part = whole.of_classes(&[2, 0]).unwrap();
        assert_eq!((&part.classes[..], &part.train.labels[..]), (&["c".to_owned(), "a".into()][..], &[0, 1, 0, 1][..]));
        assert_eq!(part.train.pixels().unwrap(), [0, 10, 30, 40]);
        assert_eq!((part.test.pixels().unwrap(), &part.test.labels[..]), (&[10][..], &[0][..]));
        let other = whole.of_classes(&[0, 2]).unwrap();
        assert!(part.fingerprint != other.fingerprint && part.fingerprint != whole.fingerprint);
        assert_eq!(whole.of_classes(&[0, 1, 2]).unwrap().fingerprint, whole.fingerprint, "the same data are the same");
        for (classes, words) in [
            (&[1][..], "1 class of letters"),
            (&[], "0 classes of letters"),
            (&[0, 1, 0], "class 0 of letters twice"),
            (&[0, 3], "class 3 does not exist in letters; valid classes: 0 (a), 1 (b), 2 (c)"),
        ] {
            let error = whole.of_classes(classes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_change_of_the_whole_is_a_change_of_the_part() {
        let whole = dataset(set(&[0, 1]).altered_by("a test"), set(&[0]));
        assert_eq!(whole.of_classes(&[0, 1]).unwrap().train.alteration(), Some("a test"));
        assert_eq!(whole.converted([1, 2, 2]).unwrap().train.alteration(), Some("a test"));
    }

    /// Flat grey pictures of 4 × 6 pixels.
    #[derive(Debug)]
    struct Flat;

    impl Pictures for Flat {
        fn count(&self) -> usize {
            4
        }

        fn identity(&self, i: usize) -> std::result::Result<(String, u64), PictureError> {
            Ok((format!("{i}.png"), 7))
        }

        fn picture(&self, i: usize) -> std::result::Result<Picture, PictureError> {
            Ok(Picture { sides: Sides { channels: 1, height: 4, width: 6 }, pixels: vec![i as u8 * 10; 24] })
        }
    }

    #[test]
    fn pictures_stay_where_they_are() {
        let streamed = ImageSet::streamed(Flat, vec![0, 1, 2, 1], 2).unwrap();
        let part = dataset(streamed, set(&[0, 1])).of_classes(&[1, 0]).unwrap().train;
        assert_eq!((part.pixels(), part.len(), &part.labels[..]), (None, 3, &[1, 0, 0][..]));
        assert_eq!(*part.image(2).unwrap(), [30; 12]);
        let smaller = part.converted([3, 1, 1]).unwrap();
        assert_eq!((smaller.pixels(), smaller.image_len(), &*smaller.image(1).unwrap()), (None, 3, &[10; 3][..]));
        let error = part.converted([1, 2, 2]).unwrap_err().to_string();
        assert!(error.contains("in colour and square"), "{error}");
    }

    #[test]
    fn converted_images_are_pillows() {
        let golden: Value = serde_json::from_str(&unlearn_tests::golden::text("transfer/transfer.json")).unwrap();
        let bytes = |value: &Value| serde_json::from_value::<Vec<u8>>(value.clone()).unwrap();
        let cases = golden["converted"].as_array().unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let [from, to]: [[usize; 3]; 2] =
                ["from", "to"].map(|key| serde_json::from_value(case[key].clone()).unwrap());
            let images = ImageSet::new(from, bytes(&case["images"]), vec![0, 1]).unwrap();
            let found = images.converted(to).unwrap();
            assert_eq!([found.channels, found.height, found.width], to);
            assert_eq!(found.pixels().unwrap(), bytes(&case["converted"]), "{from:?} to {to:?}");
        }
    }

    #[test]
    fn a_shape_that_no_picture_has_is_refused_and_the_normalisation_is_measured() {
        let whole = dataset(set(&[0, 1, 2]), set(&[0]));
        for shape in [[2, 1, 1], [1, 0, 1], [1, 1, 0]] {
            let error = whole.converted(shape).unwrap_err().to_string();
            assert!(error.contains("1 or 3 channels"), "{error}");
        }
        for side in [1 << 20, usize::MAX] {
            let error = whole.converted([1, side, side]).unwrap_err().to_string();
            assert!(error.contains("give fewer pixels"), "{error}");
        }
        let colour = whole.converted([3, 2, 2]).unwrap();
        assert_eq!(colour.normalization.mean, vec![10.0_f32 / 255.0; 3]);
        assert_ne!(colour.fingerprint, whole.fingerprint);
    }
}
