//! Random parts of pictures, as in the training of ImageNet models.
//!
//! Szegedy and others, "Going Deeper with Convolutions", arXiv 1409.4842: a part of 8 % to 100 % of the area, with a
//! ratio from 3:4 to 4:3, resized to the image's size. The procedure is that of torchvision's `RandomResizedCrop`,
//! with other random numbers. Up to ten times it draws a share of the area (uniform) and a ratio of the sides
//! (uniform on a logarithmic scale). If no draw fits, the largest part in the middle with an allowed ratio is taken.

use rand::Rng;
use unlearn_random::interval;

use crate::picture::Sides;

const AREA: [f64; 2] = [0.08, 1.0];
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
const ATTEMPTS: usize = 10;

/// A part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its first row and column.
    pub(crate) corner: [usize; 2],
    /// Its height and width.
    pub(crate) sides: [usize; 2],
}

/// Draws a part of a picture with these dimensions.
pub(crate) fn draw(rng: &mut impl Rng, sides: Sides) -> Part {
    let Sides { height, width, .. } = sides;
    let area = (height * width) as f64;
    for _ in 0..ATTEMPTS {
        let share = between(rng, AREA);
        let ratio = between(rng, RATIO.map(f64::ln)).exp();
        let part = [area * share / ratio, area * share * ratio].map(|square| square.sqrt().round_ties_even() as usize);
        if (1..=height).contains(&part[0]) && (1..=width).contains(&part[1]) {
            let mut start = |side, part| interval(rng, (side - part) as u32) as usize;
            return Part { corner: [start(height, part[0]), start(width, part[1])], sides: part };
        }
    }
    let ratio = width as f64 / height as f64;
    let part = if ratio < RATIO[0] {
        [(width as f64 / RATIO[0]).round_ties_even() as usize, width]
    } else if ratio > RATIO[1] {
        [height, (height as f64 * RATIO[1]).round_ties_even() as usize]
    } else {
        [height, width]
    };
    let part = [part[0].clamp(1, height), part[1].clamp(1, width)];
    Part { corner: [(height - part[0]) / 2, (width - part[1]) / 2], sides: part }
}

/// Uniform between two numbers, with 53 bits.
fn between(rng: &mut impl Rng, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use unlearn_random::stream;

    use super::*;

    #[test]
    fn parts_are_within_the_picture_and_as_large_and_wide_as_they_may_be() {
        let mut areas = Vec::new();
        for number in 0..4000 {
            let sides = Sides { channels: 3, height: 300, width: 400 };
            let Part { corner, sides: [height, width] } = draw(&mut stream("test", &[number]), sides);
            assert!(corner[0] + height <= 300 && corner[1] + width <= 400);
            assert!((0.73..1.36).contains(&(width as f64 / height as f64)), "{height}×{width}");
            areas.push((height * width) as f64 / 120_000.0);
        }
        let (smallest, largest) =
            (areas.iter().copied().fold(1.0, f64::min), areas.iter().copied().fold(0.0, f64::max));
        assert!((0.078..0.09).contains(&smallest) && (0.93..=1.0).contains(&largest), "{smallest} to {largest}");
        // Large parts with ratios that do not fit are drawn again. A Python version of torchvision's loop gives 0.433
        // on average over 200,000 draws. A mean of 4000 may differ from it by 0.012.
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        assert!((mean - 0.433).abs() < 0.012, "{mean}");
    }

    #[test]
    fn a_picture_too_narrow_for_any_part_shows_its_middle() {
        let sides = Sides { channels: 3, height: 1, width: 1000 };
        assert_eq!(draw(&mut stream("test", &[1]), sides), Part { corner: [0, 499], sides: [1, 1] });
    }
}
