//! `RandAugment` (Cubuk and others, "Practical automated data augmentation with a reduced search space", arXiv
//! 1909.13719): applies a few operations to each picture, drawn evenly from fourteen, all at one strength.
//!
//! Operations, their ranges and their thirty-one strengths are those of torchvision's `RandAugment`, with
//! interpolation to the nearest pixel and black outside. It comes after crop and flip, and before a cutout.

use serde::{Deserialize, Serialize};
use unlearn_random::{interval, stream};

use super::pillow_ops::{Operation, Shape};

/// Number of strengths, counted from 0.
const STRENGTHS: usize = 31;
/// Maximum number of operations. The source tries up to 3. Without a limit, one image could take hours.
const MOST: usize = 64;

/// Number and strength of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RandAugment {
    /// Number of operations on each picture.
    #[serde(default = "two")]
    pub operations: usize,
    /// Strength of all of them, from 0 to 30.
    #[serde(default = "nine")]
    pub magnitude: usize,
}

fn two() -> usize {
    2
}

fn nine() -> usize {
    9
}

/// An operation's kind. Signed ones get a random sign.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

/// All kinds, for the draw.
pub(crate) const KINDS: [Kind; 14] = [
    Kind::Identity,
    Kind::ShearX,
    Kind::ShearY,
    Kind::TranslateX,
    Kind::TranslateY,
    Kind::Rotate,
    Kind::Brightness,
    Kind::Color,
    Kind::Contrast,
    Kind::Sharpness,
    Kind::Posterize,
    Kind::Solarize,
    Kind::AutoContrast,
    Kind::Equalize,
];

impl Kind {
    /// The operation at a strength of 0 to 30, for pictures of a shape. `negative` is the drawn sign.
    pub(crate) fn operation(self, magnitude: usize, negative: bool, [_, height, width]: Shape) -> Operation {
        let share = magnitude as f64 / (STRENGTHS - 1) as f64;
        let signed = |limit: f64| if negative { -limit * share } else { limit * share };
        // The same share of the side as in the source, whose pictures had 331 pixels per side.
        let pixels = |side: usize| signed(150.0 / 331.0 * side as f64) as isize;
        match self {
            Self::Identity => Operation::Identity,
            Self::ShearX => Operation::ShearX(signed(0.3)),
            Self::ShearY => Operation::ShearY(signed(0.3)),
            Self::TranslateX => Operation::TranslateX(pixels(width)),
            Self::TranslateY => Operation::TranslateY(pixels(height)),
            Self::Rotate => Operation::Rotate(signed(30.0)),
            Self::Brightness => Operation::Brightness(1.0 + signed(0.9)),
            Self::Color => Operation::Color(1.0 + signed(0.9)),
            Self::Contrast => Operation::Contrast(1.0 + signed(0.9)),
            Self::Sharpness => Operation::Sharpness(1.0 + signed(0.9)),
            Self::Posterize => Operation::Posterize(8 - (4.0 * share).round_ties_even() as u32),
            Self::Solarize => Operation::Solarize(255.0 - 255.0 * share),
            Self::AutoContrast => Operation::AutoContrast,
            Self::Equalize => Operation::Equalize,
        }
    }
}

impl RandAugment {
    /// Whether there are 1 to 64 operations, and the strength is valid.
    pub fn is_sound(self) -> bool {
        (1..=MOST).contains(&self.operations) && self.magnitude < STRENGTHS
    }

    /// Applies the drawn operations to training sample `index` of `epoch`. `image` is `[channels, height, width]`,
    /// bytes scaled to 0..1.
    pub(crate) fn apply(self, [seed, epoch, index]: [u64; 3], shape: Shape, image: &mut [f32]) {
        let mut rng = stream("rand-augment", &[seed, epoch, index]);
        let mut bytes: Vec<u8> = image.iter().map(|value| (value * 255.0).round() as u8).collect();
        for _ in 0..self.operations {
            let kind = KINDS[interval(&mut rng, KINDS.len() as u32 - 1) as usize];
            let negative = interval(&mut rng, 1) == 1;
            kind.operation(self.magnitude, negative, shape).apply(&mut bytes, shape);
        }
        image.iter_mut().zip(bytes).for_each(|(value, byte)| *value = f32::from(byte) / 255.0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const SHAPE: Shape = [3, 12, 10];

    /// Every operation except the identity changes this image, and hardly two give the same result.
    fn image() -> Vec<f32> {
        (0..360_u32).map(|i| (20 + i.wrapping_mul(2_654_435_761) % 211) as f32 / 255.0).collect()
    }

    fn augmented(operations: usize, index: u64) -> Vec<f32> {
        let mut image = image();
        RandAugment { operations, magnitude: 9 }.apply([1, 2, index], SHAPE, &mut image);
        image
    }

    #[test]
    fn every_operation_is_drawn_as_often_and_with_either_sign() {
        let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
        let bytes = |image: Vec<f32>| image.iter().map(|value| (value * 255.0).round() as u8).collect::<Vec<_>>();
        for index in 0..14_000 {
            *seen.entry(bytes(augmented(1, index))).or_default() += 1;
        }
        let mut expected: HashMap<Vec<u8>, u32> = HashMap::new();
        for kind in KINDS {
            for negative in [false, true] {
                let mut image = bytes(image());
                kind.operation(9, negative, SHAPE).apply(&mut image, SHAPE);
                *expected.entry(image).or_default() += 500;
            }
        }
        assert_eq!(seen.len(), expected.len());
        for (image, count) in expected {
            let off = f64::from(seen[&image]) - f64::from(count);
            assert!(off.abs() < 5.0 * f64::from(count).sqrt(), "{} times, {count} expected", seen[&image]);
        }
    }

    #[test]
    fn operations_follow_one_another() {
        let pairs: std::collections::HashSet<_> = (0..3000)
            .map(|index| augmented(2, index).iter().map(|value| value.to_bits()).collect::<Vec<_>>())
            .collect();
        assert!(pairs.len() > 200, "{} of some 24² pairs", pairs.len());
    }

    #[test]
    fn a_recipe_that_says_no_more_has_two_operations_at_nine() {
        let said: RandAugment = serde_json::from_str("{}").unwrap();
        assert_eq!(said, RandAugment { operations: 2, magnitude: 9 });
        assert!(serde_json::from_str::<RandAugment>(r#"{"magnitudes": 9}"#).is_err());
    }
}
