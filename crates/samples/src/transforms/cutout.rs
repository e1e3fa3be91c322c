//! Cutout (`DeVries` & Taylor 2017, arXiv 1708.04552): removes squares from images, so that a model does not depend
//! on one part of them.
//!
//! The square's centre is drawn evenly from all pixels, and parts outside of the image are cut off. Cutout comes
//! after crop and flip. Deviation: the square is filled with the mean of each channel of the same image, and not with
//! the mean of the training set as in the paper. So a sample depends only on itself and the draw.

use unlearn_random::{interval, stream};

/// Removes a square of `side` pixels from training sample `index` of `epoch`, `[channels, height, width]`.
pub(crate) fn cut(
    [seed, epoch, index]: [u64; 3],
    side: usize,
    [channels, height, width]: [usize; 3],
    image: &mut [f32],
) {
    debug_assert_eq!(image.len(), channels * height * width, "image of another shape");
    let mut rng = stream("cutout", &[seed, epoch, index]);
    let mut range = |length: usize| {
        let centre = interval(&mut rng, length as u32 - 1) as usize;
        let end = centre + side - side / 2;
        centre.saturating_sub(side / 2)..end.min(length)
    };
    let (rows, columns) = (range(height), range(width));
    for plane in image.chunks_exact_mut(height * width) {
        let sum: f64 = plane.iter().map(|value| f64::from(*value)).sum();
        let mean = (sum / plane.len() as f64) as f32;
        for row in plane.chunks_exact_mut(width).take(rows.end).skip(rows.start) {
            row[columns.clone()].fill(mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [2, 7, 9];

    /// Values that are all different, and none of which is a mean.
    fn image() -> Vec<f32> {
        (0..126_u8).map(|i| f32::from(i) * f32::from(i) / 15_876.0).collect()
    }

    /// Rows and columns of channel `channel` that hold its mean after a cut.
    fn cut_pixels(index: u64, side: usize, channel: usize) -> Vec<(usize, usize)> {
        let (before, mut after) = (image(), image());
        cut([1, 2, index], side, SHAPE, &mut after);
        let plane = channel * 63..(channel + 1) * 63;
        let mean = before[plane.clone()].iter().sum::<f32>() / 63.0;
        let changed = plane.clone().filter(|&i| before[i].to_bits() != after[i].to_bits());
        let pixels: Vec<_> = changed.clone().map(|i| ((i - plane.start) / 9, (i - plane.start) % 9)).collect();
        changed.for_each(|i| assert!((after[i] - mean).abs() < 1e-5, "{} for a mean of {mean}", after[i]));
        pixels
    }

    #[test]
    fn every_pixel_is_the_centre_of_a_square_cut_off_at_the_borders() {
        for side in [1, 3, 4] {
            let mut centres = std::collections::HashSet::new();
            for index in 0..1000 {
                let pixels = cut_pixels(index, side, 0);
                assert_eq!(pixels, cut_pixels(index, side, 1), "channels of one image");
                let square = |row: usize, column: usize| {
                    let half = side / 2;
                    let inside = |at: usize, centre: usize| at + half >= centre && at < centre + side - half;
                    let all = (0..7).flat_map(|y| (0..9).map(move |x| (y, x)));
                    all.filter(|&(y, x)| inside(y, row) && inside(x, column)).collect::<Vec<_>>()
                };
                let mut every = (0..7).flat_map(|y| (0..9).map(move |x| (y, x)));
                centres.insert(every.find(|&(y, x)| square(y, x) == pixels).expect("a square around some pixel"));
            }
            assert_eq!(centres.len(), 63, "side {side}");
        }
    }

    #[test]
    fn seed_epoch_and_sample_decide() {
        let cut_by = |key| {
            let mut image = image();
            cut(key, 3, SHAPE, &mut image);
            image
        };
        assert_eq!(cut_by([1, 2, 3]), cut_by([1, 2, 3]));
        for other in [[0, 2, 3], [1, 0, 3], [1, 2, 0]] {
            assert_ne!(cut_by([1, 2, 3]), cut_by(other));
        }
    }
}
