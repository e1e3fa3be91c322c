//! Random crops with zero padding, random horizontal flips and random parts.
//!
//! A sample's transform depends only on the seed, the epoch and its position in the training set. So neither the
//! number of threads nor a resume can change it.

use serde::{Deserialize, Serialize};
use unlearn_random::{interval, stream};

/// The transforms of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Augmentation {
    /// Zero pixels added on each side before a crop of the original size. 0 means no crop.
    pub crop_padding: usize,
    /// Whether each image is mirrored left to right with probability 1/2.
    pub flip: bool,
    /// Whether a random part of each picture, of any size, is resized to the image's size. This comes before the
    /// crop.
    #[serde(default)]
    pub resized_crop: bool,
}

impl Augmentation {
    /// Unchanged images.
    pub const NONE: Self = Self { crop_padding: 0, flip: false, resized_crop: false };

    /// The transform of training sample `index` in `epoch`.
    pub fn transform(&self, seed: u64, epoch: u64, index: u32) -> Transform {
        if *self == Self::NONE {
            return Transform::IDENTITY;
        }
        let mut rng = stream("augmentation", &[seed, epoch, index.into()]);
        let padding = self.crop_padding as isize;
        let mut shift = || interval(&mut rng, 2 * self.crop_padding as u32) as isize - padding;
        let (down, right) = (shift(), shift());
        Transform { down, right, flip: interval(&mut rng, 1) == 1 && self.flip }
    }
}

/// One sample's crop and flip: a shift of the window in pixels, then an optional mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transform {
    /// Rows by which the window moves down. Negative is up.
    pub down: isize,
    /// Columns by which the window moves right. Negative is left.
    pub right: isize,
    /// Whether the window's content is mirrored left to right.
    pub flip: bool,
}

impl Transform {
    /// Changes nothing.
    pub const IDENTITY: Self = Self { down: 0, right: 0, flip: false };

    /// Writes the transformed `image` (`[channels, height, width]`, 0 to 255) to `out` (same shape, scaled to 0..1).
    ///
    /// # Panics
    /// If either slice is not `channels · height · width` long.
    pub fn apply(self, image: &[u8], [channels, height, width]: [usize; 3], out: &mut [f32]) {
        assert_eq!(image.len(), channels * height * width, "image of another shape");
        assert_eq!(out.len(), image.len(), "output of another shape");
        if self == Self::IDENTITY {
            scale(image, out);
            return;
        }
        // Output columns `columns` show source columns from `columns.start + right` on. The others show padding.
        let shown = |shift: isize, side: usize| {
            let start = (-shift).clamp(0, side as isize) as usize;
            let end = (side as isize - shift).clamp(start as isize, side as isize) as usize;
            start..end
        };
        let (rows, columns) = (shown(self.down, height), shown(self.right, width));
        for (plane, out) in image.chunks_exact(height * width).zip(out.chunks_exact_mut(height * width)) {
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                out.fill(0.0);
                if rows.contains(&y) && !columns.is_empty() {
                    let source = y.strict_add_signed(self.down) * width + columns.start.strict_add_signed(self.right);
                    scale(&plane[source..source + columns.len()], &mut out[columns.clone()]);
                }
                if self.flip {
                    out.reverse();
                }
            }
        }
    }
}

/// Bytes to 0..1 by a division, as in PyTorch's `ToTensor`, and not by a multiplication with a rounded 1/255.
fn scale(bytes: &[u8], out: &mut [f32]) {
    for (out, &byte) in out.iter_mut().zip(bytes) {
        *out = f32::from(byte) / 255.0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// The definition, pixel by pixel: pad with zeros, crop, mirror.
    fn naive(transform: Transform, image: &[u8], [channels, height, width]: [usize; 3]) -> Vec<f32> {
        let mut out = Vec::new();
        for channel in 0..channels {
            for y in 0..height {
                for x in 0..width {
                    let x = if transform.flip { width - 1 - x } else { x };
                    let (y, x) = (y as isize + transform.down, x as isize + transform.right);
                    let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
                    let position = channel as isize * (height * width) as isize + y * width as isize + x;
                    out.push(if inside { f32::from(image[position as usize]) / 255.0 } else { 0.0 });
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn crop_and_flip_are_the_naive_ones(
            channels in 1_usize..4, height in 1_usize..7, width in 1_usize..7,
            down in -8_isize..9, right in -8_isize..9, flip: bool, salt: u8,
        ) {
            let shape = [channels, height, width];
            let image: Vec<u8> = (0..channels * height * width).map(|i| (i as u8).wrapping_mul(37) ^ salt).collect();
            let transform = Transform { down, right, flip };
            let mut out = vec![f32::NAN; image.len()];
            transform.apply(&image, shape, &mut out);
            prop_assert_eq!(out, naive(transform, &image, shape));
        }
    }

    #[test]
    fn every_shift_and_both_flips_are_drawn_evenly() {
        let augmentation = Augmentation { crop_padding: 2, flip: true, ..Augmentation::NONE };
        let mut seen: HashMap<(isize, isize, bool), u32> = HashMap::new();
        for index in 0..50_000 {
            let Transform { down, right, flip } = augmentation.transform(1, 3, index);
            *seen.entry((down, right, flip)).or_default() += 1;
        }
        assert_eq!(seen.len(), 5 * 5 * 2);
        assert!(seen.values().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert!(seen.keys().all(|&(down, right, _)| down.abs() <= 2 && right.abs() <= 2));
    }

    #[test]
    fn a_transform_depends_on_seed_epoch_and_sample_alone() {
        let augmentation = Augmentation { crop_padding: 4, flip: true, ..Augmentation::NONE };
        let draws = |seed, epoch| (0..64).map(|i| augmentation.transform(seed, epoch, i)).collect::<Vec<_>>();
        assert_eq!(draws(1, 2), draws(1, 2));
        assert_ne!(draws(1, 2), draws(2, 2));
        assert_ne!(draws(1, 2), draws(1, 3));
    }

    #[test]
    fn what_is_switched_off_never_happens() {
        let unflipped = Augmentation { crop_padding: 1, flip: false, ..Augmentation::NONE };
        let uncropped = Augmentation { crop_padding: 0, flip: true, ..Augmentation::NONE };
        for index in 0..200 {
            assert!(!unflipped.transform(1, 1, index).flip);
            let transform = uncropped.transform(1, 1, index);
            assert_eq!((transform.down, transform.right), (0, 0));
            assert_eq!(Augmentation::NONE.transform(1, 1, index), Transform::IDENTITY);
        }
    }
}
