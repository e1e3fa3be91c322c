//! The images of a batch: values, or bytes with the crop and mirror of each sample.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use crate::transforms::Transform;

/// Images `[n, channels, height, width]`, read as a slice of values in 0..1.
///
/// A plan that was asked for bytes ([`BatchPlan::in_bytes`](crate::BatchPlan::in_bytes)) leaves the values to whoever
/// reads them first, so that a device may take the bytes and nobody makes values. The values are the same either way.
#[derive(Debug, Clone, Default)]
pub struct Images {
    values: OnceLock<Vec<f32>>,
    bytes: Option<ByteImages>,
}

/// Images as bytes, before crop and mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteImages {
    /// `[n, channels, height, width]`.
    pub bytes: Vec<u8>,
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Crop and mirror of each sample.
    pub transforms: Vec<Transform>,
}

impl Images {
    /// The images as bytes, if a plan made them so and no value was changed since.
    pub fn bytes(&self) -> Option<&ByteImages> {
        self.bytes.as_ref()
    }

    fn values(&self) -> &Vec<f32> {
        self.values.get_or_init(|| self.bytes.as_ref().map_or_else(Vec::new, ByteImages::values))
    }
}

impl ByteImages {
    fn values(&self) -> Vec<f32> {
        let size = self.shape.iter().product::<usize>().max(1);
        let mut values = vec![0.0; self.bytes.len()];
        let samples = self.bytes.chunks_exact(size).zip(values.chunks_exact_mut(size)).zip(&self.transforms);
        samples.for_each(|((image, out), transform)| transform.apply(image, self.shape, out));
        values
    }
}

impl Deref for Images {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.values()
    }
}

impl DerefMut for Images {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.values();
        // The bytes would not be what the values become.
        self.bytes = None;
        self.values.get_mut().map_or(&mut [], Vec::as_mut_slice)
    }
}

impl From<Vec<f32>> for Images {
    fn from(values: Vec<f32>) -> Self {
        Self { values: values.into(), bytes: None }
    }
}

impl FromIterator<f32> for Images {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Self {
        values.into_iter().collect::<Vec<_>>().into()
    }
}

impl From<ByteImages> for Images {
    fn from(bytes: ByteImages) -> Self {
        Self { values: OnceLock::new(), bytes: Some(bytes) }
    }
}

/// By values, in whichever form they are.
impl PartialEq for Images {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<Vec<f32>> for Images {
    fn eq(&self, other: &Vec<f32>) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_values_ends_the_bytes() {
        let transforms = vec![Transform { down: 0, right: 0, flip: true }, Transform::IDENTITY];
        let bytes = ByteImages { bytes: vec![0, 255, 51, 102], shape: [1, 1, 2], transforms };
        let mut images = Images::from(bytes.clone());
        assert_eq!(images, vec![1.0, 0.0, 0.2, 0.4]);
        assert_eq!(images.bytes(), Some(&bytes));
        images[3] = 0.5;
        assert_eq!((images.bytes(), &images[..]), (None, &[1.0, 0.0, 0.2, 0.5][..]));
        assert!(Images::default().is_empty());
    }
}
