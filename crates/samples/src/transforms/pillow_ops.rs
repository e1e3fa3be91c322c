//! Pillow's `ImageEnhance`, `ImageOps` and nearest-neighbour `Image.transform`, pixel for pixel. Recipes of random
//! augmentation consist of these operations.
//!
//! Pictures are planes, `[channels, height, width]`, of one channel (grey) or three (red, green, blue).
//! `tests/rand_augment.rs` checks that the results equal Pillow's.

use crate::picture;

/// Channels, height and width.
pub(crate) type Shape = [usize; 3];

/// An operation with its strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Operation {
    /// No change.
    Identity,
    /// Each row moves left by this many pixels more than the previous one.
    ShearX(f64),
    /// Each column moves up by this many pixels more than the previous one.
    ShearY(f64),
    /// The picture moves right by whole pixels. Negative is left.
    TranslateX(isize),
    /// The picture moves down by whole pixels. Negative is up.
    TranslateY(isize),
    /// Degrees counter-clockwise around the middle.
    Rotate(f64),
    /// From black (0) to the picture (1) and beyond.
    Brightness(f64),
    /// From grey (0) to the picture (1) and beyond.
    Color(f64),
    /// From the mean grey (0) to the picture (1) and beyond.
    Contrast(f64),
    /// From a smoothed picture (0) to the picture (1) and beyond.
    Sharpness(f64),
    /// Each channel keeps this many bits.
    Posterize(u32),
    /// Values from the threshold on are inverted.
    Solarize(f64),
    /// Each channel is stretched to 0..255.
    AutoContrast,
    /// Each channel's histogram is flattened.
    Equalize,
}

impl Operation {
    /// Applies the operation to `image`, in place.
    ///
    /// # Panics
    /// If the slice is not `channels · height · width` long.
    pub(crate) fn apply(self, image: &mut [u8], shape: Shape) {
        let [channels, height, width] = shape;
        assert_eq!(image.len(), channels * height * width, "image of another shape");
        match self {
            Self::Identity => {}
            Self::ShearX(level) => transform(image, shape, [1.0, level, 0.0, 0.0, 1.0, 0.0]),
            Self::ShearY(level) => transform(image, shape, [1.0, 0.0, 0.0, level, 1.0, 0.0]),
            Self::TranslateX(pixels) => transform(image, shape, [1.0, 0.0, -pixels as f64, 0.0, 1.0, 0.0]),
            Self::TranslateY(pixels) => transform(image, shape, [1.0, 0.0, 0.0, 0.0, 1.0, -pixels as f64]),
            Self::Rotate(degrees) => transform(image, shape, rotation(degrees, shape)),
            Self::Brightness(factor) => {
                let black = vec![0; image.len()];
                blend(&black, image, factor);
            }
            Self::Color(factor) => {
                let grey = luma(image, shape).repeat(channels);
                blend(&grey, image, factor);
            }
            Self::Contrast(factor) => {
                let luma = luma(image, shape);
                let sum: u64 = luma.iter().map(|&value| u64::from(value)).sum();
                let mean = (sum as f64 / luma.len() as f64 + 0.5) as u8;
                blend(&vec![mean; image.len()], image, factor);
            }
            Self::Sharpness(factor) => {
                let smooth = smooth(image, shape);
                blend(&smooth, image, factor);
            }
            Self::Posterize(bits) => {
                let mask = if bits == 0 { 0 } else { u8::MAX << (8 - bits.min(8)) };
                for value in image {
                    *value &= mask;
                }
            }
            Self::Solarize(threshold) => {
                let bright = image.iter_mut().filter(|value| f64::from(**value) >= threshold);
                bright.for_each(|value| *value = 255 - *value);
            }
            Self::AutoContrast => image.chunks_exact_mut(height * width).for_each(stretch),
            Self::Equalize => image.chunks_exact_mut(height * width).for_each(equalize),
        }
    }
}

/// The inverse rotation around the middle: it maps a pixel of the rotated picture to its source.
fn rotation(degrees: f64, [_, height, width]: Shape) -> [f64; 6] {
    let (sin, cos) = (-degrees.to_radians()).sin_cos();
    // Rounded to fifteen digits, so that quarter turns are exact.
    let [sin, cos] = [sin, cos].map(|value| (value * 1e15).round_ties_even() / 1e15);
    let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
    [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y]
}

/// Pixel (x, y) becomes that at (a·x + b·y + c, d·x + e·y + f), computed at pixel centres in 16.16 fixed point.
/// Outside is black.
fn transform(image: &mut [u8], [_, height, width]: Shape, matrix: [f64; 6]) {
    let fixed = |value: f64| (value * 65536.0 + 0.5).floor() as i64;
    let [a, b, c, d, e, f] = matrix;
    let (across, down) = ([fixed(a), fixed(d)], [fixed(b), fixed(e)]);
    let first = [fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5)];
    for plane in image.chunks_exact_mut(height * width) {
        let source = plane.to_vec();
        let mut row_start = first;
        for row in plane.chunks_exact_mut(width) {
            let mut at = row_start;
            for pixel in row {
                let [x, y] = at.map(|coordinate| usize::try_from(coordinate >> 16).unwrap_or(usize::MAX));
                *pixel = if x < width && y < height { source[y * width + x] } else { 0 };
                at = [at[0] + across[0], at[1] + across[1]];
            }
            row_start = [row_start[0] + down[0], row_start[1] + down[1]];
        }
    }
}

/// Blends from `other` (factor 0) to `image` (factor 1) and beyond, clipped to bytes, without fractions.
fn blend(other: &[u8], image: &mut [u8], factor: f64) {
    let factor = factor as f32;
    for (value, &other) in image.iter_mut().zip(other) {
        let (from, to) = (f32::from(other), f32::from(*value));
        *value = (from + factor * (to - from)) as u8;
    }
}

/// The luma of each pixel.
fn luma(image: &[u8], [channels, height, width]: Shape) -> Vec<u8> {
    if channels != 3 {
        return image[..height * width].to_vec();
    }
    let (red, rest) = image.split_at(height * width);
    let (green, blue) = rest.split_at(height * width);
    red.iter().zip(green).zip(blue).map(|((&r, &g), &b)| picture::luma([r, g, b])).collect()
}

/// Weights 1 around 5 over each 3 × 3 pixels. Pixels at the border stay unchanged.
fn smooth(image: &[u8], [_, height, width]: Shape) -> Vec<u8> {
    let mut out = image.to_vec();
    for (plane, out) in image.chunks_exact(height * width).zip(out.chunks_exact_mut(height * width)) {
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let around = (y - 1..=y + 1).flat_map(|y| &plane[y * width + x - 1..=y * width + x + 1]);
                let sum = around.map(|&value| u32::from(value)).sum::<u32>() + 4 * u32::from(plane[y * width + x]);
                out[y * width + x] = ((2 * sum + 13) / 26) as u8;
            }
        }
    }
    out
}

fn stretch(plane: &mut [u8]) {
    let (low, high) = plane.iter().fold((u8::MAX, 0), |(low, high), &value| (low.min(value), high.max(value)));
    if high <= low {
        return;
    }
    let scale = 255.0 / f64::from(high - low);
    let offset = -f64::from(low) * scale;
    for value in plane {
        *value = (f64::from(*value) * scale + offset) as u8;
    }
}

fn equalize(plane: &mut [u8]) {
    let mut histogram = [0_usize; 256];
    for value in &*plane {
        histogram[usize::from(*value)] += 1;
    }
    let brightest = histogram.iter().rev().find(|count| **count > 0).copied().unwrap_or(0);
    let step = (plane.len() - brightest) / 255;
    if step == 0 {
        return;
    }
    let mut sum = step / 2;
    let table = histogram.map(|count| {
        let level = (sum / step).min(255) as u8;
        sum += count;
        level
    });
    for value in plane {
        *value = table[usize::from(*value)];
    }
}
