//! Pooling. Global average pooling maps `[channels, height, width]` to `[channels, 1, 1]` for every sample.
//! Max-pooling takes maxima over windows.

use crate::{Element, LANES, Maps, simd, threads};

/// y = mean of x over height and width.
pub fn global_avg_pool<E: Element>(x: &[E], input: &Maps, y: &mut [E], output: &Maps) {
    let scale = 1.0 / (input.height * input.width) as f32;
    threads::each_chunk(&mut y[..output.len()], output.plane, &|plane, y| {
        let mut sums = [0.0; LANES];
        for lanes in x[plane * input.plane..][..input.used()].as_chunks::<LANES>().0 {
            sums.iter_mut().zip(lanes).for_each(|(sum, x)| *sum += x.to_f32());
        }
        y.iter_mut().zip(sums).for_each(|(y, sum)| *y = E::from_f32(sum * scale));
    });
}

/// dx = dy / (height · width) at every pixel.
pub fn global_avg_pool_backward<E: Element>(dy: &[E], output: &Maps, dx: &mut [E], input: &Maps) {
    let scale = 1.0 / (input.height * input.width) as f32;
    threads::each_chunk(&mut dx[..input.len()], input.plane, &|plane, dx| {
        let dy = &dy[plane * output.plane..][..output.plane];
        for lanes in dx[..input.used()].as_chunks_mut::<LANES>().0 {
            lanes.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = E::from_f32(dy.to_f32() * scale));
        }
    });
}

/// Geometry of square pooling windows. The `padding` positions on every side hold no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Side of the window.
    pub side: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Positions beyond every edge, at most half of `side`.
    pub padding: usize,
}

impl Window {
    /// Layout of the output for input layout `input`.
    pub fn output(&self, input: &Maps) -> Maps {
        let side = |length: usize| (length + 2 * self.padding - self.side) / self.stride + 1;
        Maps::new(input.channels, side(input.height), side(input.width), input.batch)
    }

    /// Input pixels in the window of an output pixel, row by row.
    fn pixels(self, input: &Maps, output: &Maps, pixel: usize) -> impl Iterator<Item = usize> + use<> {
        let width = input.width;
        let side = |out: usize, length: usize| {
            let start = out * self.stride;
            start.saturating_sub(self.padding)..(start + self.side).saturating_sub(self.padding).min(length)
        };
        let rows = side(pixel / output.width, input.height);
        let columns = side(pixel % output.width, input.width);
        rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
    }
}

/// y = the largest x of each window. A NaN in the window gives NaN.
pub fn max_pool<E: Element>(window: Window, x: &[E], input: &Maps, y: &mut [E], output: &Maps) {
    threads::each_chunk(&mut y[..output.len()], output.plane, &|plane, y| {
        let (x, _) = x[plane * input.plane..][..input.used()].as_chunks::<LANES>();
        let (y, _) = y[..output.used()].as_chunks_mut::<LANES>();
        simd::dispatch(|| {
            for (pixel, y) in y.iter_mut().enumerate() {
                y.fill(E::from_f32(f32::NEG_INFINITY));
                for source in window.pixels(input, output, pixel) {
                    for (y, x) in y.iter_mut().zip(&x[source]) {
                        *y = if replaces(x.to_f32(), y.to_f32()) { *x } else { *y };
                    }
                }
            }
        });
    });
}

/// Whether `value` replaces the maximum so far. The first of equal values stays, and a NaN stays.
#[inline(always)]
fn replaces(value: f32, maximum: f32) -> bool {
    value > maximum || (value.is_nan() && !maximum.is_nan())
}

/// dx: each dy is added at the first largest value of its window, as in PyTorch. Written over `dx`.
pub fn max_pool_backward<E: Element>(window: Window, x: &[E], input: &Maps, dy: &[E], output: &Maps, dx: &mut [E]) {
    threads::each_chunk(&mut dx[..input.len()], input.plane, &|plane, dx| {
        let (x, _) = x[plane * input.plane..][..input.used()].as_chunks::<LANES>();
        let (dx, _) = dx[..input.used()].as_chunks_mut::<LANES>();
        let (dy, _) = dy[plane * output.plane..][..output.used()].as_chunks::<LANES>();
        simd::dispatch(|| {
            dx.as_flattened_mut().fill(E::default());
            for (pixel, dy) in dy.iter().enumerate() {
                let (mut largest, mut place) = ([f32::NEG_INFINITY; LANES], [0; LANES]);
                for source in window.pixels(input, output, pixel) {
                    for (lane, x) in x[source].iter().enumerate() {
                        if replaces(x.to_f32(), largest[lane]) {
                            (largest[lane], place[lane]) = (x.to_f32(), source);
                        }
                    }
                }
                for (lane, (dy, place)) in dy.iter().zip(place).enumerate() {
                    let dx = &mut dx[place][lane];
                    *dx = E::from_f32(dx.to_f32() + dy.to_f32());
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_maps, at, batches, noisy_maps, places, same_bits_on_any_threads};

    proptest! {
        #[test]
        fn both_directions_agree_with_the_definition(
            channels in 1usize..6, height in 1usize..6, width in 1usize..6, batch in batches(),
        ) {
            let (input, output) = (Maps::new(channels, height, width, batch), Maps::new(channels, 1, 1, batch));
            let pixels = height * width;
            let (x, dy) = (noisy_maps(&input, 3), noisy_maps(&output, 5));
            let mut y = vec![f32::NAN; output.len()];
            global_avg_pool(&x, &input, &mut y, &output);
            assert_maps("mean", &output, &y, |c, _, n| {
                (0..pixels).map(|p| f64::from(x[at(&input, c, p, n)])).sum::<f64>() / pixels as f64
            });
            let mut dx = vec![f32::NAN; input.len()];
            global_avg_pool_backward(&dy, &output, &mut dx, &input);
            assert_maps("gradient", &input, &dx, |c, _, n| f64::from(dy[at(&output, c, 0, n)]) / pixels as f64);
        }
    }

    proptest! {
        #[test]
        fn the_largest_of_a_window_and_its_gradient(
            channels in 1usize..4, height in 2usize..9, width in 2usize..9, side in 2usize..4, stride in 1usize..4,
            padded: bool, batch in batches(),
        ) {
            let window = Window { side, stride, padding: if padded { side / 2 } else { 0 } };
            prop_assume!(height.min(width) >= side);
            let input = Maps::new(channels, height, width, batch);
            let output = window.output(&input);
            // Coarse values make ties occur.
            let x: Vec<f32> = noisy_maps(&input, 3).iter().map(|v| (v * 3.0).round()).collect();
            let dy = noisy_maps(&output, 5);
            // The pixel that PyTorch's rule selects: the first of the largest, row by row.
            let picked = |c: usize, p: usize, n: usize| {
                let start = |out: usize| (out * stride) as isize - window.padding as isize;
                let (top, left) = (start(p / output.width), start(p % output.width));
                let mut best: Option<(f32, usize)> = None;
                for row in top.max(0)..(top + side as isize).min(height as isize) {
                    for column in left.max(0)..(left + side as isize).min(width as isize) {
                        let pixel = row as usize * width + column as usize;
                        let value = x[at(&input, c, pixel, n)];
                        if best.is_none_or(|(largest, _)| value > largest) {
                            best = Some((value, pixel));
                        }
                    }
                }
                best.expect("no window is empty")
            };
            let mut y = vec![f32::NAN; output.len()];
            max_pool(window, &x, &input, &mut y, &output);
            assert_maps("maximum", &output, &y, |c, p, n| f64::from(picked(c, p, n).0));
            let mut expected = vec![0.0; input.len()];
            for (c, p, n) in places(&output) {
                expected[at(&input, c, picked(c, p, n).1, n)] += f64::from(dy[at(&output, c, p, n)]);
            }
            let mut dx = vec![f32::NAN; input.len()];
            max_pool_backward(window, &x, &input, &dy, &output, &mut dx);
            assert_maps("gradient", &input, &dx, |c, p, n| expected[at(&input, c, p, n)]);
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let (input, output) = (Maps::new(7, 9, 9, 37), Maps::new(7, 1, 1, 37));
        let x = noisy_maps(&input, 3);
        same_bits_on_any_threads(|| {
            let mut y = vec![0.0; output.len()];
            global_avg_pool(&x, &input, &mut y, &output);
            y
        });
    }
}
