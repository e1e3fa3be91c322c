//! Convolution: forward, input gradient and weight gradient, each by the algorithm that is fastest for its shape.

mod blocks;
mod direct;
mod epilogue;
mod product;
mod scratch;
mod shape;
#[cfg(test)]
mod tests;
mod winograd;

pub use self::{epilogue::Epilogue, shape::ConvShape};

use crate::{ChannelStatistics, Maps, norm::merge_moments};

/// How one pass of a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Every tap, as the definition says. Every shape.
    Direct,
    /// Winograd's F(4×4, 3×3). Kernels of 3×3 with stride 1 and at most 2 of padding.
    Winograd,
}

/// The algorithm of each pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithms {
    /// Of the forward pass.
    pub forward: Algorithm,
    /// Of the gradient with respect to the input.
    pub input_gradient: Algorithm,
    /// Of the gradient with respect to the weights.
    pub weight_gradient: Algorithm,
}

impl Algorithms {
    /// One algorithm for every pass.
    pub fn all(algorithm: Algorithm) -> Self {
        Self { forward: algorithm, input_gradient: algorithm, weight_gradient: algorithm }
    }
}

/// A convolution with its algorithms.
#[derive(Debug, Clone)]
pub struct Convolution {
    shape: ConvShape,
    algorithms: Algorithms,
}

/// Channels read and channels written from which on Winograd's transforms pay, in each pass: measured on two cores of a Zen 3
/// (see `docs/kernels.md`).
const WINOGRAD_CHANNELS: usize = 16;

impl Convolution {
    /// A convolution whose passes are computed by the algorithms that measured fastest for its shape.
    pub fn new(shape: ConvShape) -> Self {
        let ConvShape { in_channels, out_channels, .. } = shape.within_group();
        let pays = winograd::applies_to(&shape) && in_channels.min(out_channels) >= WINOGRAD_CHANNELS;
        let algorithm = if pays { Algorithm::Winograd } else { Algorithm::Direct };
        Self::with_algorithms(shape, Algorithms::all(algorithm))
    }

    /// A convolution whose passes are computed as the definition says.
    pub fn direct(shape: ConvShape) -> Self {
        Self::with_algorithms(shape, Algorithms::all(Algorithm::Direct))
    }

    /// A convolution that uses these algorithms.
    ///
    /// # Panics
    /// If one of them does not apply to the shape.
    pub fn with_algorithms(shape: ConvShape, algorithms: Algorithms) -> Self {
        let Algorithms { forward, input_gradient, weight_gradient } = algorithms;
        let uses_winograd = [forward, input_gradient, weight_gradient].contains(&Algorithm::Winograd);
        assert!(!uses_winograd || winograd::applies_to(&shape), "{shape:?} by {algorithms:?}");
        Self { shape, algorithms }
    }

    /// Its geometry.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Its algorithms.
    pub fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    /// y = convolution of x, and then the epilogue; with [`Epilogue::Statistics`], gives those of each channel of y.
    ///
    /// # Panics
    /// If a buffer is shorter than its layout says, or the layouts are not this convolution's.
    pub fn forward(
        &self,
        weights: &[f32],
        x: &[f32],
        input: &Maps,
        y: &mut [f32],
        output: &Maps,
        epilogue: Epilogue<'_>,
    ) -> Option<Vec<ChannelStatistics>> {
        self.check(weights, (x.len(), input), (y.len(), output));
        let mut statistics = Vec::new();
        for group in self.groups(input, output) {
            let (x, y, weights) = (&x[group.input_start..], &mut y[group.output_start..], group.of(weights));
            let epilogue = epilogue.from_channel(group.output_start / output.plane, group.output_start);
            let moments = match self.algorithms.forward {
                Algorithm::Direct => {
                    direct::forward(&group.shape, weights, x, &group.input, y, &group.output, epilogue)
                }
                Algorithm::Winograd => {
                    winograd::forward(&group.shape, weights, x, &group.input, y, &group.output, epilogue)
                }
            };
            statistics.extend(merge_moments(&moments, group.output.channels));
        }
        matches!(epilogue, Epilogue::Statistics).then_some(statistics)
    }

    /// dx = gradient with respect to the input, written over `dx`, or added to it where `accumulate`.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    #[expect(clippy::too_many_arguments, reason = "what a pass reads, writes and goes by")]
    pub fn input_gradient(
        &self,
        weights: &[f32],
        dy: &[f32],
        output: &Maps,
        dx: &mut [f32],
        input: &Maps,
        accumulate: bool,
    ) {
        self.check(weights, (dx.len(), input), (dy.len(), output));
        for group in self.groups(input, output) {
            let (dy, dx, weights) = (&dy[group.output_start..], &mut dx[group.input_start..], group.of(weights));
            match self.algorithms.input_gradient {
                Algorithm::Direct => {
                    direct::input_gradient(&group.shape, weights, dy, &group.output, dx, &group.input, accumulate)
                }
                Algorithm::Winograd => {
                    winograd::input_gradient(&group.shape, weights, dy, &group.output, dx, &group.input, accumulate)
                }
            }
        }
    }

    /// dw = gradient with respect to the weights `[out, in / groups, kernel, kernel]`, written over `dw`.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn weight_gradient(&self, x: &[f32], input: &Maps, dy: &[f32], output: &Maps, dw: &mut [f32]) {
        self.check(dw, (x.len(), input), (dy.len(), output));
        for group in self.groups(input, output) {
            let (x, dy, dw) = (&x[group.input_start..], &dy[group.output_start..], &mut dw[group.weights.clone()]);
            match self.algorithms.weight_gradient {
                Algorithm::Direct => direct::weight_gradient(&group.shape, x, &group.input, dy, &group.output, dw),
                Algorithm::Winograd => winograd::weight_gradient(&group.shape, x, &group.input, dy, &group.output, dw),
            }
        }
    }

    fn check(&self, weights: &[f32], (x, input): (usize, &Maps), (y, output): (usize, &Maps)) {
        let shape = &self.shape;
        assert_eq!(weights.len(), shape.weights(), "values of the weights, and what {shape:?} has");
        assert_eq!(input.channels, shape.in_channels, "channels of the input, and what {shape:?} reads");
        assert_eq!(*output, shape.output(input), "layout of the output, and what {shape:?} gives");
        assert!(x >= input.len() && y >= output.len(), "buffers of {x} and {y} values for {input:?} and {output:?}");
    }

    /// Each group of channels as a convolution of its own.
    fn groups(&self, input: &Maps, output: &Maps) -> impl Iterator<Item = Group> {
        let shape = self.shape.within_group();
        let (input, output) = (input.some(shape.in_channels), output.some(shape.out_channels));
        (0..self.shape.groups).map(move |group| Group {
            shape,
            input,
            output,
            input_start: group * shape.in_channels * input.plane,
            output_start: group * shape.out_channels * output.plane,
            weights: group * shape.weights()..(group + 1) * shape.weights(),
        })
    }
}

/// One group of channels.
struct Group {
    shape: ConvShape,
    input: Maps,
    output: Maps,
    input_start: usize,
    output_start: usize,
    weights: std::ops::Range<usize>,
}

impl Group {
    fn of<'a>(&self, weights: &'a [f32]) -> &'a [f32] {
        &weights[self.weights.clone()]
    }
}
