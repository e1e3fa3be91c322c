//! `warp`: distorts the whole image smoothly and slightly.
//!
//! Nguyen, Tran: "WaNet – Imperceptible Warping-based Backdoor Attack", ICLR 2021, arXiv 2102.10369, section 3.2, and its code. The
//! offsets P of a k×k grid are uniform in −1..1, and are divided by their mean absolute value: ψ(P) = P / mean|P|. Bicubic interpolation
//! ↑ enlarges them to the size of the image. The image is then sampled bilinearly at
//!
//! ```text
//! clip(identity + s · ↑ψ(P) / side, −1, 1)
//! ```
//!
//! in coordinates of −1..1 (corners aligned). The offsets are `numpy.random.RandomState(seed).uniform(-1, 1, (2, k, k))`:
//! those along the width, then those along the height. Interpolations are PyTorch's `interpolate(mode="bicubic",
//! align_corners=True)` and `grid_sample(align_corners=True)`, in f64.
//!
//! Deviations: the paper divides by the side of square images. Here, each offset is divided by the length of the side along its own
//! direction. Values are rounded to whole numbers, half to even, because samples are bytes. The *noise mode*, a second set of images with
//! other warps and their true labels, is left out. It is not a property of the trigger, but a training method of an attacker who controls
//! the training. The defaults are the paper's k = 4, s = 0.5.

use std::array;

use rand::Rng as _;
use serde::{Deserialize, Serialize};
use unlearn_random::Mt19937;

use crate::overlay::Overlay;
use crate::parameter::Parameter;
use crate::settings::within;
use crate::trigger::{Stamp, Trigger};

/// The trigger.
pub struct Warp;

/// Its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Strength s of the distortion.
    pub strength: f64,
    /// Side k of the grid of offsets.
    pub grid: u32,
    /// Seed of the offsets.
    pub seed: u32,
}

impl Trigger for Warp {
    const NAME: &'static str = "warp";
    const SUMMARY: &'static str = "a smooth and small distortion of the whole image";
    const SOURCE: &'static str = "Nguyen, Tran 2021 (WaNet), arXiv 2102.10369, section 3.2";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter { key: "strength", meaning: "strength s of the distortion", range: "above 0 and at most 16" },
        Parameter { key: "grid", meaning: "side k of the grid of offsets", range: "2 to 64" },
        Parameter { key: "seed", meaning: "seed of the offsets", range: "0 to 4294967295" },
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { strength: 0.5, grid: 4, seed: 0 }
    }

    fn check(config: &Config) -> Result<(), String> {
        let Config { strength, grid, .. } = *config;
        within("strength", strength, strength > 0.0 && strength <= 16.0, "above 0 and at most 16")?;
        within("grid", grid.into(), (2..=64).contains(&grid), "2 to 64")
    }

    fn prepare(config: &Config, shape: [usize; 3], _: Option<&Overlay>) -> Result<Stamp, String> {
        let [_, height, width] = shape;
        if height == 1 && width == 1 {
            return Err("images of 1×1 pixels cannot be distorted".into());
        }
        let [along_width, along_height] = offsets(config, height, width);
        let place = |at: usize| {
            let [y, x] = [at / width, at % width];
            let sampled = |index: usize, side: usize, offset: f64| {
                let identity = if side == 1 { -1.0 } else { -1.0 + 2.0 * index as f64 / (side - 1) as f64 };
                let moved = (identity + config.strength * offset / side as f64).clamp(-1.0, 1.0);
                (moved + 1.0) * 0.5 * (side - 1) as f64
            };
            Place::new([sampled(y, height, along_height[at]), sampled(x, width, along_width[at])], [height, width])
        };
        let places: Vec<Place> = (0..height * width).map(place).collect();
        Ok(Stamp::new(shape, move |image| {
            for plane in image.chunks_exact_mut(height * width) {
                let source = plane.to_vec();
                for (pixel, place) in plane.iter_mut().zip(&places) {
                    *pixel = place.sample(&source);
                }
            }
        }))
    }
}

/// The four input pixels of an output pixel, and their weights.
struct Place {
    pixels: [usize; 4],
    weights: [f64; 4],
}

impl Place {
    fn new([y, x]: [f64; 2], [height, width]: [usize; 2]) -> Self {
        let [top, left] = [y.floor(), x.floor()];
        let [down, right] = [y - top, x - left];
        let [up, back] = [top + 1.0 - y, left + 1.0 - x];
        // A neighbour outside of the image has weight 0, so any pixel can replace it.
        let [rows, columns] =
            [[top as usize, (top as usize + 1).min(height - 1)], [left as usize, (left as usize + 1).min(width - 1)]];
        Self {
            pixels: array::from_fn(|i| rows[i / 2] * width + columns[i % 2]),
            weights: [back * up, right * up, back * down, right * down],
        }
    }

    fn sample(&self, plane: &[u8]) -> u8 {
        let parts = self.pixels.iter().zip(&self.weights).map(|(&at, weight)| f64::from(plane[at]) * weight);
        parts.sum::<f64>().round_ties_even().clamp(0.0, 255.0) as u8
    }
}

/// Offsets along the width and along the height, each `[height, width]`.
fn offsets(config: &Config, height: usize, width: usize) -> [Vec<f64>; 2] {
    let side = config.grid as usize;
    let mut rng = Mt19937::new(config.seed);
    // NumPy's `random_sample`: 53 bits from the upper bits of two words.
    let mut uniform = || {
        let word = rng.next_u64();
        let (high, low) = ((word >> 32) >> 5, (word & 0xFFFF_FFFF) >> 6);
        (high as f64 * 67_108_864.0 + low as f64) / 9_007_199_254_740_992.0
    };
    let drawn: Vec<f64> = (0..2 * side * side).map(|_| -1.0 + 2.0 * uniform()).collect();
    let mean = drawn.iter().map(|offset| offset.abs()).sum::<f64>() / drawn.len() as f64;
    let scaled: Vec<f64> = drawn.iter().map(|offset| offset / mean).collect();
    let (along_width, along_height) = scaled.split_at(side * side);
    [along_width, along_height].map(|grid| enlarged(grid, side, height, width))
}

/// A square grid, enlarged bicubically with aligned corners.
fn enlarged(grid: &[f64], side: usize, height: usize, width: usize) -> Vec<f64> {
    let rows: Vec<_> = (0..height).map(|y| taps(y, side, height)).collect();
    let columns: Vec<_> = (0..width).map(|x| taps(x, side, width)).collect();
    let mut values = Vec::with_capacity(height * width);
    for row in &rows {
        for column in &columns {
            let along = |y: usize| column.iter().map(|(x, weight)| grid[y * side + x] * weight).sum::<f64>();
            values.push(row.iter().map(|(y, weight)| along(*y) * weight).sum());
        }
    }
    values
}

/// The four inputs of an output and their weights, for cubic convolution with a = −0.75. An input outside of the grid equals the nearest
/// one inside.
fn taps(at: usize, from: usize, to: usize) -> [(usize, f64); 4] {
    const A: f64 = -0.75;
    let position = if to == 1 { 0.0 } else { at as f64 * (from - 1) as f64 / (to - 1) as f64 };
    let first = position.floor();
    let t = position - first;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
    array::from_fn(|tap| {
        let input = (first as i64 + tap as i64 - 1).clamp(0, from as i64 - 1);
        (input as usize, weights[tap])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_a_tap_sum_to_one_and_a_grid_point_is_itself() {
        for at in 0..10 {
            let sum: f64 = taps(at, 4, 10).iter().map(|(_, weight)| weight).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
        assert_eq!(enlarged(&[1.0, 2.0, 3.0, 4.0], 2, 2, 2), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn a_flat_image_stays_flat() {
        for shape in [[1, 1, 5], [2, 7, 3], [3, 28, 28]] {
            let stamp = Warp::prepare(&Warp::defaults(), shape, None).unwrap();
            let mut image = vec![77; shape.iter().product()];
            stamp.apply(&mut image);
            assert!(image.iter().all(|&pixel| pixel == 77), "{shape:?}");
        }
    }
}
