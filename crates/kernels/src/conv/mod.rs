//! Convolution: forward, input gradient and weight gradient, each by the algorithm that is fastest for its shape.

mod blocks;
mod direct;
mod epilogue;
mod per_sample;
mod shape;
mod sparse;
#[cfg(test)]
mod tests;

pub use self::{epilogue::Epilogue, shape::ConvShape};

use crate::{ChannelStatistics, Maps, norm::merge_moments};

/// How one pass of a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Every tap, as the definition says. Every shape.
    Direct,
    /// Kept weights only: fewer of them, less time. Every shape.
    Sparse,
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

    /// Whether any pass uses this one.
    fn any(self, algorithm: Algorithm) -> bool {
        [self.forward, self.input_gradient, self.weight_gradient].contains(&algorithm)
    }
}

/// A convolution with its algorithms.
#[derive(Debug, Clone)]
pub struct Convolution {
    shape: ConvShape,
    algorithms: Algorithms,
    /// The kept weights of each group, where an algorithm goes by them.
    patterns: Vec<sparse::Pattern>,
}

impl Convolution {
    /// A convolution that uses these algorithms and keeps every weight.
    pub fn with_algorithms(shape: ConvShape, algorithms: Algorithms) -> Self {
        if algorithms.any(Algorithm::Sparse) {
            return Self::with_kept(shape, algorithms, &vec![true; shape.weights()]);
        }
        Self { shape, algorithms, patterns: vec![] }
    }

    /// A convolution that uses these algorithms and keeps some weights: those where `kept`, `[out, in / groups, kernel,
    /// kernel]`, is true.
    ///
    /// A sparse pass takes the others for zero, whatever their values, and their gradient is exactly zero. A pass by another
    /// algorithm does not go by what is kept.
    ///
    /// # Panics
    /// If `kept` has not one value per weight.
    pub fn with_kept(shape: ConvShape, algorithms: Algorithms, kept: &[bool]) -> Self {
        assert_eq!(kept.len(), shape.weights(), "values of the kept pattern, and weights of {shape:?}");
        let group = shape.within_group();
        let of_group = |index: usize| &kept[index * group.weights()..(index + 1) * group.weights()];
        let patterns = (0..shape.groups).map(|index| sparse::Pattern::new(&group, of_group(index))).collect();
        Self { shape, algorithms, patterns }
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
                Algorithm::Sparse => {
                    let pattern = &self.patterns[group.index];
                    sparse::forward(&group.shape, pattern, weights, x, &group.input, y, &group.output, epilogue)
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
                    direct::input_gradient(&group.shape, weights, dy, &group.output, dx, &group.input, accumulate);
                }
                Algorithm::Sparse => {
                    let pattern = &self.patterns[group.index];
                    let (input, output) = (&group.input, &group.output);
                    sparse::input_gradient(&group.shape, pattern, weights, dy, output, dx, input, accumulate);
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
                Algorithm::Sparse => {
                    let pattern = &self.patterns[group.index];
                    sparse::weight_gradient(&group.shape, pattern, x, &group.input, dy, &group.output, dw);
                }
            }
        }
    }

    fn check(&self, weights: &[f32], x: (usize, &Maps), y: (usize, &Maps)) {
        assert_eq!(weights.len(), self.shape.weights(), "values of the weights, and what {:?} has", self.shape);
        self.check_maps(x, y);
    }

    fn check_maps(&self, (x, input): (usize, &Maps), (y, output): (usize, &Maps)) {
        let shape = &self.shape;
        assert_eq!(input.channels, shape.in_channels, "channels of the input, and what {shape:?} reads");
        assert_eq!(*output, shape.output(input), "layout of the output, and what {shape:?} gives");
        assert!(x >= input.len() && y >= output.len(), "buffers of {x} and {y} values for {input:?} and {output:?}");
    }

    /// Each group of channels as a convolution of its own.
    fn groups(&self, input: &Maps, output: &Maps) -> impl Iterator<Item = Group> {
        let shape = self.shape.within_group();
        let (input, output) = (input.some(shape.in_channels), output.some(shape.out_channels));
        (0..self.shape.groups).map(move |group| Group {
            index: group,
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
    index: usize,
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
