//! Convolution: forward, input gradient and weight gradient, all direct and register-blocked.

mod blocks;
mod gather;
mod packed;
mod panel;
mod taps;
mod weight_gradient;

pub use gather::{forward, input_gradient};
pub use packed::PackedWeights;
pub use weight_gradient::weight_gradient;

use crate::Maps;

/// Geometry of a convolution with a square kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels read.
    pub in_channels: usize,
    /// Channels written.
    pub out_channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zeros on every side.
    pub padding: usize,
}

impl ConvShape {
    /// Layout of the output for an input of this layout.
    pub fn output(&self, input: &Maps) -> Maps {
        let side = |length: usize| (length + 2 * self.padding - self.kernel) / self.stride + 1;
        Maps::new(self.out_channels, side(input.height), side(input.width), input.batch)
    }

    /// Values of the weight tensor `[out, in, kernel, kernel]`.
    pub fn weights(&self) -> usize {
        self.out_channels * self.in_channels * self.kernel * self.kernel
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_close, batches, noise, noisy_maps, on_both_paths, same_bits_on_any_threads};

    struct Case {
        shape: ConvShape,
        input: Maps,
        output: Maps,
        x: Vec<f32>,
        dy: Vec<f32>,
        weights: Vec<f32>,
    }

    /// Input position of a tap for an output position; `None` in the padding.
    fn input_position(shape: &ConvShape, output: usize, tap: usize, length: usize) -> Option<usize> {
        (output * shape.stride + tap).checked_sub(shape.padding).filter(|position| *position < length)
    }

    impl Case {
        fn new(shape: ConvShape, height: usize, width: usize, batch: usize) -> Self {
            let input = Maps::new(shape.in_channels, height, width, batch);
            let output = shape.output(&input);
            let (x, dy) = (noisy_maps(&input, 7), noisy_maps(&output, 11));
            Self { shape, input, output, x, dy, weights: noise(shape.weights(), 13) }
        }

        /// Calls `visit(weight index, input index, output index)` for every product of the convolution.
        fn products(&self, mut visit: impl FnMut(usize, usize, usize)) {
            let ConvShape { in_channels, out_channels, kernel, .. } = self.shape;
            let (input, output) = (&self.input, &self.output);
            for (co, ci) in (0..out_channels).flat_map(|co| (0..in_channels).map(move |ci| (co, ci))) {
                for (oh, ow) in (0..output.height).flat_map(|oh| (0..output.width).map(move |ow| (oh, ow))) {
                    for (kh, kw) in (0..kernel).flat_map(|kh| (0..kernel).map(move |kw| (kh, kw))) {
                        let h = input_position(&self.shape, oh, kh, input.height);
                        let w = input_position(&self.shape, ow, kw, input.width);
                        let (Some(h), Some(w)) = (h, w) else { continue };
                        for n in 0..input.batch {
                            visit(
                                ((co * in_channels + ci) * kernel + kh) * kernel + kw,
                                ci * input.plane + (h * input.width + w) * input.lanes + n,
                                co * output.plane + (oh * output.width + ow) * output.lanes + n,
                            );
                        }
                    }
                }
            }
        }

        fn check(&self) {
            let mut y = vec![0f64; self.output.len()];
            let mut dx = vec![0f64; self.input.len()];
            let mut dw = vec![0f64; self.weights.len()];
            self.products(|w, i, o| {
                y[o] += f64::from(self.weights[w]) * f64::from(self.x[i]);
                dx[i] += f64::from(self.weights[w]) * f64::from(self.dy[o]);
                dw[w] += f64::from(self.x[i]) * f64::from(self.dy[o]);
            });
            let results = self.run();
            agree("forward", &results.0, &y, &self.output);
            agree("input gradient", &results.1, &dx, &self.input);
            let twice: Vec<f64> = dx.iter().map(|v| v + 1.0).collect();
            let mut accumulated = vec![1.0; self.input.len()];
            let packed = PackedWeights::transposed(&self.shape, &self.weights);
            input_gradient(&self.shape, &self.dy, &self.output, &packed, &mut accumulated, &self.input, true);
            let agreeing = self.input.used() - self.input.lanes + self.input.batch;
            assert!((f64::from(accumulated[agreeing - 1]) - twice[agreeing - 1]).abs() < 1e-3);
            assert_close("weight gradient", &results.2, &dw);
        }

        fn run(&self) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
            let mut y = vec![f32::NAN; self.output.len()];
            let mut dx = vec![f32::NAN; self.input.len()];
            let mut dw = vec![f32::NAN; self.weights.len()];
            let packed = PackedWeights::forward(&self.shape, &self.weights);
            forward(&self.shape, &self.x, &self.input, &packed, &mut y, &self.output);
            let packed = PackedWeights::transposed(&self.shape, &self.weights);
            input_gradient(&self.shape, &self.dy, &self.output, &packed, &mut dx, &self.input, false);
            weight_gradient(&self.shape, &self.x, &self.input, &self.dy, &self.output, &mut dw);
            (y, dx, dw)
        }
    }

    fn agree(what: &str, found: &[f32], expected: &[f64], maps: &Maps) {
        let scale = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        for (found, expected) in found.chunks(maps.plane).zip(expected.chunks(maps.plane)) {
            for (found, expected) in found[..maps.used()].iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-5 * scale, "{what}: {found}, expected {expected}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_pass_agrees_with_the_definition(
            in_channels in 1usize..8, out_channels in 1usize..15, kernel in prop::sample::select(vec![1usize, 3, 5, 7]),
            stride in 1usize..3, extra in 0usize..5, padded in any::<bool>(), batch in batches(),
        ) {
            let padding = if padded { kernel / 2 } else { 0 };
            let shape = ConvShape { in_channels, out_channels, kernel, stride, padding };
            let case = Case::new(shape, kernel + extra, kernel + extra / 2 + 1, batch);
            on_both_paths(|| case.check());
        }
    }

    /// With kernel 1 and stride 2 every second row of the input meets no output: its task once read past its panel.
    #[test]
    fn rows_that_meet_no_tap_have_no_gradient() {
        let shape = ConvShape { in_channels: 2, out_channels: 3, kernel: 1, stride: 2, padding: 0 };
        Case::new(shape, 5, 4, 200).check();
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let shape = ConvShape { in_channels: 21, out_channels: 13, kernel: 3, stride: 1, padding: 1 };
        let case = Case::new(shape, 9, 7, 70);
        same_bits_on_any_threads(|| {
            let (y, dx, dw) = case.run();
            let planes = y.chunks(case.output.plane).map(|plane| &plane[..case.output.used()]);
            let planes = planes.chain(dx.chunks(case.input.plane).map(|plane| &plane[..case.input.used()]));
            planes.chain([&dw[..]]).flatten().copied().collect()
        });
    }
}
