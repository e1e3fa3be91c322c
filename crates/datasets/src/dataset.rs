//! A dataset, opened: images, labels, and what a model must know about them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::augment::Augmentation;
use crate::error::{Error, Result};
use crate::packed::PackedSet;
use crate::picture::Picture;
use crate::streamed::Streamed;

/// Labelled images of one size, as bytes in memory, or as pictures that are decoded whenever they are asked for. Cloning
/// shares them; parts of a set are index sets, never copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    /// Channels an image: 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// One class number an image.
    pub labels: Arc<[u32]>,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// `[count, channels, height, width]`, 0 to 255.
    Memory(Arc<[u8]>),
    Packed(Arc<Streamed>),
}

impl ImageSet {
    /// A set of `labels.len()` images.
    ///
    /// # Errors
    /// When the pixels are not exactly that many images of `[channels, height, width]`.
    pub fn new(
        [channels, height, width]: [usize; 3],
        pixels: impl Into<Arc<[u8]>>,
        labels: impl Into<Arc<[u32]>>,
    ) -> Result<Self> {
        let (pixels, labels) = (pixels.into(), labels.into());
        let sides = [channels, height, width];
        let expected = sides.iter().try_fold(labels.len(), |product, &side| product.checked_mul(side));
        if expected != Some(pixels.len()) {
            let (pixels, labels) = (pixels.len(), labels.len());
            return Err(Error::ImageSetShape { pixels, labels, channels, height, width });
        }
        Ok(Self { channels, height, width, labels, source: Source::Memory(pixels) })
    }

    /// A set of pictures that stay where they are until they are asked for, in colour, `side` × `side` pixels.
    ///
    /// # Errors
    /// When a picture is not there.
    pub(crate) fn streamed(set: PackedSet, side: usize) -> Result<Self> {
        let labels = set.labels.into();
        let source = Source::Packed(Arc::new(Streamed::new(set.pictures, side)?));
        Ok(Self { channels: 3, height: side, width: side, labels, source })
    }

    /// Pixels of all images, `[count, channels, height, width]`, 0 to 255; none if they are not in memory.
    pub fn pixels(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Memory(pixels) => Some(pixels),
            Source::Packed(_) => None,
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of one image: `channels · height · width`.
    pub fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Image `i` as evaluation sees it, `[channels, height, width]`.
    ///
    /// # Errors
    /// When a picture that is not in memory cannot be read.
    ///
    /// # Panics
    /// When `i` is not below [`len`](Self::len).
    pub fn image(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        let len = self.image_len();
        match &self.source {
            Source::Memory(pixels) => Ok((&pixels[i * len..(i + 1) * len]).into()),
            Source::Packed(streamed) => {
                let mut planes = vec![0; len];
                streamed.middle(i)?.write_planes(&mut planes);
                Ok(planes.into())
            }
        }
    }

    /// Image `i` with all that there is of it: a picture that is not in memory has its own size.
    ///
    /// # Errors
    /// As [`image`](Self::image).
    pub(crate) fn picture(&self, i: usize) -> Result<Picture> {
        match &self.source {
            Source::Memory(_) => Ok(Picture::from_planes([self.channels, self.height, self.width], &self.image(i)?)),
            Source::Packed(streamed) => streamed.picture(i),
        }
    }

    /// The first `per_class` positions of each class below `classes`, or all of a class that has fewer; ascending.
    pub fn first_of_each_class(&self, classes: usize, per_class: usize) -> Vec<u32> {
        let mut taken = vec![0; classes];
        let wanted = |&(_, &label): &(u32, &u32)| {
            taken.get_mut(label as usize).is_some_and(|count| {
                *count += 1;
                *count <= per_class
            })
        };
        (0..).zip(self.labels.iter()).filter(wanted).map(|(position, _)| position).collect()
    }

    /// How many images there are of each class below `classes`.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in self.labels.iter() {
            if let Some(count) = counts.get_mut(label as usize) {
                *count += 1;
            }
        }
        counts
    }

    fn hash_into(&self, hasher: &mut blake3::Hasher) {
        for side in [self.len(), self.channels, self.height, self.width] {
            hasher.update(&(side as u64).to_le_bytes());
        }
        match &self.source {
            Source::Memory(pixels) => hasher.update(pixels),
            Source::Packed(streamed) => hasher.update(streamed.digest.as_bytes()),
        };
        for label in self.labels.iter() {
            hasher.update(&label.to_le_bytes());
        }
    }
}

/// Most pictures that are decoded to measure a set.
pub const SAMPLE: usize = 4096;

/// Per-channel statistics of images scaled to 0..1. Models apply `(x − mean) / std` themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// One mean a channel.
    pub mean: Vec<f32>,
    /// One standard deviation a channel.
    pub std: Vec<f32>,
}

impl Normalization {
    /// The statistics of a set's images, over all pixels of a channel at once; not a number if there is no pixel. Of pictures
    /// that are not in memory, at most [`SAMPLE`] are measured, evenly spread.
    ///
    /// # Errors
    /// When a picture cannot be read.
    pub fn of(set: &ImageSet) -> Result<Self> {
        let plane = set.height * set.width;
        let mut histograms = vec![[0_u64; 256]; set.channels];
        let step = if set.pixels().is_some() { 1 } else { set.len().div_ceil(SAMPLE).max(1) };
        for i in (0..set.len()).step_by(step) {
            for (histogram, channel) in histograms.iter_mut().zip(set.image(i)?.chunks_exact(plane.max(1))) {
                for &pixel in channel {
                    histogram[usize::from(pixel)] += 1;
                }
            }
        }
        // Sums of whole numbers are exact, whatever the number of images.
        let moment = |histogram: &[u64; 256], power: u32| {
            let sum: u64 = (0..).zip(histogram).map(|(value, count): (u64, _)| value.pow(power) * count).sum();
            sum as f64 / histogram.iter().sum::<u64>() as f64
        };
        let mean = |histogram| moment(histogram, 1);
        let std = |histogram| (moment(histogram, 2) - mean(histogram).powi(2)).sqrt();
        Ok(Self {
            mean: histograms.iter().map(|histogram| (mean(histogram) / 255.0) as f32).collect(),
            std: histograms.iter().map(|histogram| (std(histogram) / 255.0) as f32).collect(),
        })
    }
}

/// A dataset, opened.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its name in the [registry](crate::registry).
    pub name: String,
    /// Class names; a label is a position in this list.
    pub classes: Vec<String>,
    /// What models normalise images with.
    pub normalization: Normalization,
    /// What training does to images unless told otherwise. Evaluation and attacks always see plain images.
    pub augmentation: Augmentation,
    /// The official training set.
    pub train: ImageSet,
    /// The official test set.
    pub test: ImageSet,
    /// BLAKE3 over shape, pixels and labels of the training and the test set, in hexadecimal; of pictures that are not in
    /// memory, their files' names and lengths stand for their pixels.
    pub fingerprint: String,
}

impl Dataset {
    /// A dataset of the given parts, fingerprinted.
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
        Self { name: name.into(), classes, normalization, augmentation, train, test, fingerprint }
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
    fn images_are_rows_of_pixels() {
        assert_eq!(*set().image(1).unwrap(), [3, 4]);
        assert_eq!(set().len(), 3);
    }

    #[test]
    fn pixels_must_fill_the_images() {
        let error = ImageSet::new([1, 2, 2], vec![0; 7], vec![0, 0]).unwrap_err().to_string();
        assert_eq!(error, "7 pixels do not make 2 images of [channels 1, height 2, width 2]");
        assert!(ImageSet::new([usize::MAX, 2, 2], vec![0; 7], vec![0, 0]).is_err());
    }

    #[test]
    fn first_of_each_class_keeps_file_order() {
        let labels = vec![2, 0, 0, 1, 2, 0, 2, 9];
        let set = ImageSet::new([1, 1, 1], vec![0; 8], labels).unwrap();
        assert_eq!(set.first_of_each_class(3, 2), [0, 1, 2, 3, 4]);
        assert_eq!(set.first_of_each_class(3, 0), [0; 0]);
    }

    #[test]
    fn classes_are_counted_and_channels_measured() {
        let set = ImageSet::new([2, 1, 2], vec![0, 255, 51, 51, 255, 0, 51, 51], vec![2, 7]).unwrap();
        assert_eq!(set.class_counts(3), [0, 0, 1]);
        assert_eq!(Normalization::of(&set).unwrap(), Normalization { mean: vec![0.5, 0.2], std: vec![0.5, 0.0] });
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
