//! Labelled images: in memory, or decoded on demand.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::picture::Picture;
use crate::resize;
use crate::streamed::{Chosen, Pictures, Streamed};

/// Labelled images of one size, as bytes in memory, or as pictures that are decoded on demand. Clones share them.
/// Parts of a set are index sets, never copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    /// Channels per image: 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// One class number per image.
    pub labels: Arc<[u32]>,
    source: Source,
    /// The change of the set since it was opened.
    alteration: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// `[count, channels, height, width]`, 0 to 255.
    Memory(Arc<Vec<u8>>),
    Elsewhere(Arc<Streamed>),
}

/// Maximum bytes of converted images: 16 GiB.
const MOST: usize = 1 << 34;

impl ImageSet {
    /// A set of `labels.len()` images.
    ///
    /// # Errors
    /// If the pixels are not exactly that many images of `[channels, height, width]`.
    pub fn new(
        [channels, height, width]: [usize; 3],
        pixels: impl Into<Vec<u8>>,
        labels: impl Into<Arc<[u32]>>,
    ) -> Result<Self> {
        let (pixels, labels): (Vec<u8>, Arc<[u32]>) = (pixels.into(), labels.into());
        let sides = [channels, height, width];
        let expected = sides.iter().try_fold(labels.len(), |product, &side| product.checked_mul(side));
        if expected != Some(pixels.len()) {
            let (pixels, labels) = (pixels.len(), labels.len());
            return Err(Error::ImageSetShape { pixels, labels, channels, height, width });
        }
        Ok(Self { channels, height, width, labels, source: Source::Memory(Arc::new(pixels)), alteration: None })
    }

    /// A set of pictures that are decoded on demand, in colour, `side` × `side` pixels.
    ///
    /// # Errors
    /// If a picture is missing, or the number of labels differs.
    pub fn streamed(pictures: impl Pictures + 'static, labels: impl Into<Arc<[u32]>>, side: usize) -> Result<Self> {
        let labels = labels.into();
        if labels.len() != pictures.count() {
            return Err(Error::PictureLabels { pictures: pictures.count(), labels: labels.len() });
        }
        let source = Source::Elsewhere(Arc::new(Streamed::new(pictures, side)?));
        Ok(Self { channels: 3, height: side, width: side, labels, source, alteration: None })
    }

    /// The same set, marked as changed by `what`, such as a backdoor's trigger. Code that needs the set as it was
    /// distributed refuses a marked one. The mark is not part of the fingerprint.
    #[must_use]
    pub fn altered_by(self, what: impl Into<Arc<str>>) -> Self {
        Self { alteration: Some(what.into()), ..self }
    }

    /// The change of the set since it was opened, if any.
    pub fn alteration(&self) -> Option<&str> {
        self.alteration.as_deref()
    }

    /// Pixels of all images, `[count, channels, height, width]`, 0 to 255. `None` if they are not in memory.
    pub fn pixels(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Memory(pixels) => Some(pixels),
            Source::Elsewhere(_) => None,
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

    /// Image `i` as in evaluation, `[channels, height, width]`.
    ///
    /// # Errors
    /// If a picture that is not in memory cannot be read.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn image(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        let len = self.image_len();
        match &self.source {
            Source::Memory(pixels) => Ok((&pixels[i * len..(i + 1) * len]).into()),
            Source::Elsewhere(streamed) => {
                let mut planes = vec![0; len];
                streamed.middle(i)?.write_planes(&mut planes);
                Ok(planes.into())
            }
        }
    }

    /// The whole image `i`. A picture that is not in memory has its own size.
    ///
    /// # Errors
    /// As [`image`](Self::image).
    ///
    /// # Panics
    /// As [`image`](Self::image).
    pub fn picture(&self, i: usize) -> Result<Picture> {
        match &self.source {
            Source::Memory(_) => Ok(Picture::from_planes([self.channels, self.height, self.width], &self.image(i)?)),
            Source::Elsewhere(streamed) => streamed.picture(i),
        }
    }

    /// The first `per_class` positions of each class below `classes`, ascending. All positions of a class that has
    /// fewer.
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

    /// Number of images of each class below `classes`.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in self.labels.iter() {
            if let Some(count) = counts.get_mut(label as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// The images at these positions, in this order, with other labels. Pictures that are not in memory stay where they are.
    ///
    /// # Errors
    /// If the labels are not as many, or a picture is missing.
    ///
    /// # Panics
    /// If a position is not below [`len`](Self::len).
    pub fn chosen(&self, positions: &[u32], labels: impl Into<Arc<[u32]>>) -> Result<Self> {
        let shape = [self.channels, self.height, self.width];
        let set = match &self.source {
            Source::Memory(pixels) => {
                let image = |&position: &u32| &pixels[position as usize * self.image_len()..][..self.image_len()];
                Self::new(shape, positions.iter().flat_map(image).copied().collect::<Vec<u8>>(), labels)?
            }
            Source::Elsewhere(streamed) => {
                Self::streamed(Chosen::new(Arc::clone(streamed), positions), labels, self.height)?
            }
        };
        Ok(Self { alteration: self.alteration.clone(), ..set })
    }

    /// The same images as `[channels, height, width]`, as [`Dataset::converted`](crate::Dataset::converted) says.
    pub(crate) fn converted(&self, shape: [usize; 3]) -> Result<Self> {
        let [channels, height, width] = shape;
        if !matches!(channels, 1 | 3) || !matches!(self.channels, 1 | 3) || height == 0 || width == 0 {
            return Err(Error::Conversion { from: [self.channels, self.height, self.width], to: shape });
        }
        let set = match &self.source {
            Source::Memory(_) => {
                let bytes = shape.iter().try_fold(self.len().max(1), |product, &side| product.checked_mul(side));
                let Some(bytes) = bytes.filter(|bytes| *bytes <= MOST) else {
                    return Err(Error::ConvertedSize { count: self.len(), to: shape, limit: MOST });
                };
                let mut pixels = vec![0; if self.is_empty() { 0 } else { bytes }];
                for (i, planes) in pixels.chunks_exact_mut(shape.iter().product()).enumerate() {
                    resize::resize(self.picture(i)?.with_channels(channels), height, width).write_planes(planes);
                }
                Self::new(shape, pixels, Arc::clone(&self.labels))?
            }
            Source::Elsewhere(streamed) if channels == 3 && height == width => {
                let all: Vec<u32> = (0..self.len() as u32).collect();
                Self::streamed(Chosen::new(Arc::clone(streamed), &all), Arc::clone(&self.labels), height)?
            }
            Source::Elsewhere(_) => return Err(Error::StreamedConversion { to: shape }),
        };
        Ok(Self { alteration: self.alteration.clone(), ..set })
    }

    pub(crate) fn hash_into(&self, hasher: &mut blake3::Hasher) {
        for side in [self.len(), self.channels, self.height, self.width] {
            hasher.update(&(side as u64).to_le_bytes());
        }
        match &self.source {
            Source::Memory(pixels) => hasher.update(pixels),
            Source::Elsewhere(streamed) => hasher.update(streamed.digest.as_bytes()),
        };
        for label in self.labels.iter() {
            hasher.update(&label.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> ImageSet {
        ImageSet::new([1, 1, 2], vec![1, 2, 3, 4, 5, 6], vec![1, 0, 1]).unwrap()
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
    fn a_mark_says_what_changed_the_set() {
        assert_eq!(set().alteration(), None);
        let marked = set().altered_by("a test");
        assert_eq!((marked.alteration(), marked.pixels()), (Some("a test"), set().pixels()));
        assert_eq!(marked.clone().alteration(), Some("a test"));
    }

    #[test]
    fn first_of_each_class_keeps_file_order() {
        let labels = vec![2, 0, 0, 1, 2, 0, 2, 9];
        let set = ImageSet::new([1, 1, 1], vec![0; 8], labels).unwrap();
        assert_eq!(set.first_of_each_class(3, 2), [0, 1, 2, 3, 4]);
        assert_eq!(set.first_of_each_class(3, 0), [0; 0]);
    }

    #[test]
    fn classes_are_counted() {
        let set = ImageSet::new([2, 1, 2], vec![0, 255, 51, 51, 255, 0, 51, 51], vec![2, 7]).unwrap();
        assert_eq!(set.class_counts(3), [0, 0, 1]);
    }
}
