//! Resizes pictures exactly as Pillow's `resize` with `BILINEAR` does.
//!
//! Each dimension is resized separately with a triangle filter as wide as the scale, so that shrinking averages all
//! pixels. Weights are integers of 22 bits, and pixels are rounded to bytes between the passes. Both are as in
//! Pillow, which torchvision's picture transforms use. The order of the two passes affects a rounding by at most 1 in
//! 255. It follows Pillow 13, as found by experiment: rows come first if they shrink by more than twice as much as
//! the columns. Pillow 12 and older always begin with the columns.

use std::ops::Range;

use crate::picture::{Picture, Sides};

/// Fractional bits of a weight.
const PRECISION: u32 = 22;

/// The part of the input that one output pixel averages, with its weights.
struct Window {
    inputs: Range<usize>,
    weights: Vec<i32>,
}

/// The windows of `to` pixels over `from`.
fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let window = |at: usize| {
        let center = (at as f64 + 0.5) * scale;
        let start = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let triangle = |input: usize| (1.0 - ((input as f64 - center + 0.5) / support).abs()).max(0.0);
        let weights: Vec<f64> = (start..end).map(triangle).collect();
        let sum: f64 = weights.iter().sum();
        let whole = |weight: f64| (0.5 + weight / sum * f64::from(1 << PRECISION)) as i32;
        Window { inputs: start..end, weights: weights.into_iter().map(whole).collect() }
    };
    (0..to).map(window).collect()
}

fn round(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (PRECISION - 1);

/// The picture with `height` rows and `width` columns, at least one of each.
///
/// # Panics
/// If `pixels` do not fill the picture's dimensions. The same holds for all functions of this module.
pub fn resize(picture: Picture, height: usize, width: usize) -> Picture {
    let Sides { height: rows, width: columns, .. } = picture.sides;
    let rows_first = height < rows && rows - height > 2 * columns.saturating_sub(width);
    if rows_first {
        resize_columns(resize_rows(picture, height), width)
    } else {
        resize_rows(resize_columns(picture, width), height)
    }
}

fn resize_columns(picture: Picture, width: usize) -> Picture {
    match picture.sides {
        Sides { width: same, .. } if same == width => picture,
        Sides { channels: 1, .. } => resize_columns_of::<1>(&picture, width),
        _ => resize_columns_of::<3>(&picture, width),
    }
}

fn resize_columns_of<const CHANNELS: usize>(picture: &Picture, width: usize) -> Picture {
    let windows = windows(picture.sides.width, width);
    let mut pixels = Vec::with_capacity(picture.sides.height * width * CHANNELS);
    for row in picture.pixels.as_chunks::<CHANNELS>().0.chunks_exact(picture.sides.width) {
        for Window { inputs, weights } in &windows {
            let mut sums = [HALF; CHANNELS];
            for (pixel, &weight) in row[inputs.clone()].iter().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(value) * weight;
                }
            }
            pixels.extend(sums.map(round));
        }
    }
    Picture { sides: Sides { width, ..picture.sides }, pixels }
}

fn resize_rows(picture: Picture, height: usize) -> Picture {
    if height == picture.sides.height {
        return picture;
    }
    let row_len = picture.sides.width * picture.sides.channels;
    let mut pixels = Vec::with_capacity(height * row_len);
    let mut sums = vec![0; row_len];
    for Window { inputs, weights } in windows(picture.sides.height, height) {
        sums.fill(HALF);
        let rows = picture.pixels[inputs.start * row_len..inputs.end * row_len].chunks_exact(row_len);
        for (row, weight) in rows.zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        pixels.extend(sums.iter().copied().map(round));
    }
    Picture { sides: Sides { height, ..picture.sides }, pixels }
}

/// The part of the picture that begins at `top` and `left`.
///
/// # Panics
/// If the part is not within the picture.
pub fn crop(picture: Picture, [top, left]: [usize; 2], [height, width]: [usize; 2]) -> Picture {
    let Sides { channels, height: rows, width: columns } = picture.sides;
    if (rows, columns) == (height, width) {
        return picture;
    }
    assert!(top + height <= rows && left + width <= columns, "a crop outside the picture");
    let rows = picture.pixels.chunks_exact(columns * channels).skip(top).take(height);
    let pixels = rows.flat_map(|row| &row[left * channels..(left + width) * channels]).copied().collect();
    Picture { sides: Sides { channels, height, width }, pixels }
}

/// The middle `height` × `width` of the picture, after resizing it to the smallest size that covers them.
pub fn middle(picture: Picture, height: usize, width: usize) -> Picture {
    let Sides { height: rows, width: columns, .. } = picture.sides;
    if (rows, columns) == (height, width) {
        return picture;
    }
    // As in torchvision's `Resize`: the relatively shorter side decides, and the other is rounded down.
    let [tall, wide] = if rows * width <= columns * height {
        [height, (height * columns / rows).max(width)]
    } else {
        [(width * rows / columns).max(height), width]
    };
    middle_crop(resize(picture, tall, wide), height, width)
}

/// The picture resized so that its shorter side has `side` pixels. The other is in proportion, rounded down.
pub fn shorter_side(picture: Picture, side: usize) -> Picture {
    let Sides { height, width, .. } = picture.sides;
    if height <= width {
        resize(picture, side, side * width / height)
    } else {
        resize(picture, side * height / width, side)
    }
}

/// The middle of the picture without resizing. Half pixels are rounded to even, as in Python.
///
/// # Panics
/// If the picture is smaller.
pub fn middle_crop(picture: Picture, height: usize, width: usize) -> Picture {
    let Sides { height: rows, width: columns, .. } = picture.sides;
    let half = |margin: usize| (margin as f64 / 2.0).round_ties_even() as usize;
    let corner = [half(rows - height), half(columns - width)];
    crop(picture, corner, [height, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(height: usize, width: usize, pixels: &[u8]) -> Picture {
        Picture { sides: Sides { channels: 1, height, width }, pixels: pixels.into() }
    }

    #[test]
    fn halving_averages_with_a_triangle() {
        // Weights 3 3 1 and 1 3 3 1, 1 3 3 of sevenths and eighths.
        let halved = resize(grey(1, 6, &[0, 0, 255, 255, 0, 0]), 1, 3);
        assert_eq!(halved.pixels, [36, 191, 36]);
        assert_eq!(resize(grey(6, 1, &[0, 0, 255, 255, 0, 0]), 3, 1).pixels, [36, 191, 36]);
    }

    #[test]
    fn what_is_flat_stays_flat() {
        for value in [0, 1, 127, 254, 255] {
            let flat = grey(7, 11, &[value; 77]);
            for (height, width) in [(1, 1), (3, 30), (20, 5), (7, 11)] {
                assert_eq!(resize(flat.clone(), height, width), grey(height, width, &vec![value; height * width]));
            }
        }
    }

    #[test]
    fn the_middle_is_the_middle() {
        let pixels: Vec<u8> = (0..15).collect();
        assert_eq!(middle_crop(grey(3, 5, &pixels), 1, 3), grey(1, 3, &[6, 7, 8]));
        // A margin of half a pixel is rounded to even: 0.5 to 0, 1.5 to 2.
        assert_eq!(middle_crop(grey(3, 5, &pixels), 2, 2), grey(2, 2, &[2, 3, 7, 8]));
        let tall = middle(grey(4, 2, &[0, 0, 9, 9, 9, 9, 0, 0]), 2, 2);
        assert_eq!(tall, grey(2, 2, &[9; 4]));
    }
}
