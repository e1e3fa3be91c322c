//! The path of a dataset outside of the registry, and the conversion of its pictures to images.
//!
//! Facts that the registry states for its datasets are measured or assumed here. Models normalise with the statistics
//! of the training images. Training crops with a padding of an eighth of the height, and flips pictures in colour.
//! Grey ones are not flipped, because they may be digits.

use std::path::PathBuf;

use unlearn_samples::{Augmentation, Dataset, ImageSet, Normalization};

use crate::error::{Result, damaged};
use crate::formats::packed::{Fit, PackedSet};

/// A path, and how its pictures are converted.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The dataset's name, as typed.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Common height and width of all pictures.
    pub(crate) size: Option<usize>,
    /// Whether they are decoded on demand. Then there is a size.
    pub(crate) stream: bool,
    /// Whether CIFAR-100's coarse labels are meant, with the fine ones as subclasses.
    pub(crate) coarse: bool,
}

impl Place {
    /// Refuses a size for a form whose images have their own.
    pub(crate) fn refuse_size(&self) -> Result<()> {
        if self.size.is_some() {
            return Err(damaged(
                &self.path,
                "arrays of images have their own size; leave out the `?` and the text after it",
            ));
        }
        Ok(())
    }

    /// The dataset of these pictures. Labels are positions in `classes`.
    pub(crate) fn dataset(&self, classes: Vec<String>, train: PackedSet, test: PackedSet) -> Result<Dataset> {
        if let (true, Some(side)) = (self.stream, self.size) {
            let (train, test) = (train.stream(side)?, test.stream(side)?);
            return self.dataset_of_images(classes, train, test);
        }
        let empty = || damaged(&self.path, "it holds no training picture");
        let shape = train.shape(self.size)?.ok_or_else(empty)?;
        let fit = if self.size.is_some() { Fit::Middle } else { Fit::Exact };
        self.dataset_of_images(classes, train.unpack(shape, fit)?, test.unpack(shape, fit)?)
    }

    /// The dataset of these images.
    pub(crate) fn dataset_of_images(&self, classes: Vec<String>, train: ImageSet, test: ImageSet) -> Result<Dataset> {
        if train.is_empty() {
            return Err(damaged(&self.path, "it holds no training picture"));
        }
        let absent: Vec<_> = train
            .class_counts(classes.len())
            .iter()
            .zip(&classes)
            .filter(|(count, _)| **count == 0)
            .map(|(_, class)| class.as_str())
            .collect();
        if !absent.is_empty() {
            let first = absent[..absent.len().min(5)].join(", ");
            let more = if absent.len() > 5 { ", …" } else { "" };
            tracing::warn!(
                "{}: {} of {} classes have no training picture: {first}{more}",
                self.name,
                absent.len(),
                classes.len()
            );
        }
        let (normalization, constant) = Normalization::of(&train)?.without_zeros();
        for channel in constant {
            let value = normalization.mean[channel] * 255.0;
            tracing::warn!(
                "{}: channel {channel} of {} has the value {value:.0} in every pixel of every training picture; its deviation is 0, \
                 and 1 is used instead",
                self.name,
                train.channels
            );
        }
        let crop_padding = if self.stream { 0 } else { train.height.min(train.width) / 8 };
        let augmentation = Augmentation { crop_padding, flip: train.channels == 3, resized_crop: self.stream };
        Ok(Dataset::new(&self.name, classes, normalization, augmentation, train, test))
    }
}
