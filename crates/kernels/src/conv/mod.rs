//! Convolution: forward, input gradient and weight gradient, each by the algorithm that is fastest for its shape.

mod blocks;
mod direct;
mod epilogue;
mod formats;
mod per_sample;
mod product;
mod scratch;
mod shape;
mod source;
mod sparse;
#[cfg(test)]
mod tests;
mod thresholds;
mod winograd;

pub(crate) use self::{blocks::even_blocks, formats::Passes, scratch::Scratch};
pub use self::{
    epilogue::Epilogue,
    shape::ConvShape,
    source::{Normalised, Source},
    thresholds::Arithmetic,
};

use crate::{ChannelStatistics, Element, Maps, NormGradient, NormReduction, norm::merge_moments, shared::Shared};

/// How one pass of a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Multiplies every tap, as the definition says. Applies to every shape.
    Direct,
    /// Winograd's F(4×4, 3×3). Applies to 3×3 kernels with stride 1 and padding of at most 2.
    Winograd,
    /// Visits kept weights only, so that its time falls with their number. Applies to every shape.
    Sparse,
}

/// The algorithm of each pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithms {
    /// Algorithm of the forward pass.
    pub forward: Algorithm,
    /// Algorithm of the gradient with respect to the input.
    pub input_gradient: Algorithm,
    /// Algorithm of the gradient with respect to the weights.
    pub weight_gradient: Algorithm,
}

impl Algorithms {
    /// The same algorithm for every pass.
    pub fn all(algorithm: Algorithm) -> Self {
        Self { forward: algorithm, input_gradient: algorithm, weight_gradient: algorithm }
    }

    /// Whether any pass uses `algorithm`.
    fn any(self, algorithm: Algorithm) -> bool {
        [self.forward, self.input_gradient, self.weight_gradient].contains(&algorithm)
    }
}

/// A convolution with its algorithms.
#[derive(Debug, Clone)]
pub struct Convolution {
    shape: ConvShape,
    algorithms: Algorithms,
    /// The kept weights of each group. Empty unless an algorithm uses them.
    patterns: Vec<sparse::Pattern>,
}

fn check_algorithms(shape: &ConvShape, algorithms: Algorithms) {
    let apply = !algorithms.any(Algorithm::Winograd) || winograd::applies_to(shape);
    assert!(apply, "{shape:?} by {algorithms:?}");
}

impl Convolution {
    /// A convolution that computes each pass by the algorithm that measured fastest for its shape.
    pub fn new(shape: ConvShape, arithmetic: Arithmetic) -> Self {
        Self::with_algorithms(shape, arithmetic.algorithms(&shape, None))
    }

    /// The same with some weights pruned. A pass visits only the kept weights if they are few enough for that to pay
    /// off.
    ///
    /// # Panics
    /// If the length of `kept`, `[out, in / groups, kernel, kernel]`, is not the number of weights.
    pub fn pruned(shape: ConvShape, kept: &[bool], arithmetic: Arithmetic) -> Self {
        let density = kept.iter().filter(|kept| **kept).count() as f64 / kept.len().max(1) as f64;
        Self::with_kept(shape, arithmetic.algorithms(&shape, Some(density)), kept)
    }

    /// A convolution that computes every pass by the direct algorithm.
    pub fn direct(shape: ConvShape) -> Self {
        Self::with_algorithms(shape, Algorithms::all(Algorithm::Direct))
    }

    /// A convolution that uses `algorithms` and keeps every weight.
    ///
    /// # Panics
    /// If one of the algorithms does not apply to the shape.
    pub fn with_algorithms(shape: ConvShape, algorithms: Algorithms) -> Self {
        if algorithms.any(Algorithm::Sparse) {
            return Self::with_kept(shape, algorithms, &vec![true; shape.weights()]);
        }
        check_algorithms(&shape, algorithms);
        Self { shape, algorithms, patterns: vec![] }
    }

    /// A convolution that uses `algorithms` and keeps the weights where `kept`, `[out, in / groups, kernel, kernel]`,
    /// is true.
    ///
    /// A sparse pass takes the other weights for zero, whatever their values, and their gradient is exactly zero. A
    /// pass by another algorithm ignores `kept`.
    ///
    /// # Panics
    /// If the length of `kept` is not the number of weights, or an algorithm does not apply to the shape.
    pub fn with_kept(shape: ConvShape, algorithms: Algorithms, kept: &[bool]) -> Self {
        assert_eq!(kept.len(), shape.weights(), "values of the kept pattern, and weights of {shape:?}");
        check_algorithms(&shape, algorithms);
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

    /// y = convolution of x, followed by the epilogue. With [`Epilogue::Statistics`], returns the statistics of each
    /// channel of y.
    ///
    /// # Panics
    /// If a buffer is shorter than its layout requires, or if a layout does not match this convolution.
    pub fn forward<E: Element>(
        &self,
        weights: &[f32],
        x: &[E],
        input: &Maps,
        y: &mut [E],
        output: &Maps,
        epilogue: Epilogue<'_, E>,
    ) -> Option<Vec<ChannelStatistics>> {
        self.forward_from(weights, Source::Written(x), input, y, output, epilogue)
    }

    /// The same for maps that may be normalised as they are read.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn forward_from<E: Element>(
        &self,
        weights: &[f32],
        x: Source<'_, E>,
        input: &Maps,
        y: &mut [E],
        output: &Maps,
        epilogue: Epilogue<'_, E>,
    ) -> Option<Vec<ChannelStatistics>> {
        E::forward(self, weights, (x, input), (y, output), epilogue)
    }

    fn forward_in<E: Element>(
        &self,
        weights: &[f32],
        (x, input): (Source<'_, E>, &Maps),
        (y, output): (&mut [E], &Maps),
        epilogue: Epilogue<'_, E>,
    ) -> Option<Vec<ChannelStatistics>> {
        self.check(weights, (x.stored().len(), input), (y.len(), output));
        let written = (self.algorithms.forward != Algorithm::Sparse).then(|| x.written(input));
        let x = written.as_deref().map_or(x, Source::Written);
        let mut statistics = Vec::new();
        for group in self.groups(input, output) {
            let x = x.after(group.input_start / input.plane, group.input_start);
            let (y, weights) = (&mut y[group.output_start..], group.of(weights));
            let epilogue = epilogue.after(group.output_start / output.plane, group.output_start);
            let moments = match self.algorithms.forward {
                Algorithm::Direct => {
                    direct::forward(&group.shape, weights, x.stored(), &group.input, y, &group.output, epilogue)
                }
                Algorithm::Winograd => {
                    winograd::forward(&group.shape, weights, x.stored(), &group.input, y, &group.output, epilogue)
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

    /// dx = gradient with respect to the input. Overwrites `dx`, or adds to it if `accumulate` is set.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn input_gradient<E: Element>(
        &self,
        weights: &[f32],
        dy: &[E],
        output: &Maps,
        dx: &mut [E],
        input: &Maps,
        accumulate: bool,
    ) {
        E::input_gradient(self, weights, (dy, output), (dx, input), accumulate);
    }

    fn input_gradient_in<E: Element>(
        &self,
        weights: &[f32],
        (dy, output): (&[E], &Maps),
        (dx, input): (&mut [E], &Maps),
        accumulate: bool,
    ) {
        self.check(weights, (dx.len(), input), (dy.len(), output));
        for group in self.groups(input, output) {
            let (dy, dx, weights) = (&dy[group.output_start..], &mut dx[group.input_start..], group.of(weights));
            match self.algorithms.input_gradient {
                Algorithm::Direct => {
                    direct::input_gradient(&group.shape, weights, dy, &group.output, dx, &group.input, accumulate);
                }
                Algorithm::Winograd => {
                    winograd::input_gradient(&group.shape, weights, dy, &group.output, dx, &group.input, accumulate);
                }
                Algorithm::Sparse => {
                    let pattern = &self.patterns[group.index];
                    let (input, output) = (&group.input, &group.output);
                    sparse::input_gradient(&group.shape, pattern, weights, dy, output, dx, input, accumulate, None);
                }
            }
        }
    }

    /// The same for an input that is the result of a normalisation: also reduces `dx`, row by row while it is in cache.
    /// Returns the totals for [`NormReduction::finish`].
    ///
    /// # Panics
    /// As [`Convolution::forward`], and if [`Convolution::reduces`] is false.
    pub fn input_gradient_reduced<E: Element>(
        &self,
        weights: &[f32],
        dy: &[E],
        output: &Maps,
        dx: &mut [E],
        input: &Maps,
        reduction: NormReduction<'_, E>,
    ) -> Vec<(f64, f64)> {
        E::input_gradient_reduced(self, weights, (dy, output), (dx, input), reduction)
    }

    fn input_gradient_reduced_in<E: Element>(
        &self,
        weights: &[f32],
        (dy, output): (&[E], &Maps),
        (dx, input): (&mut [E], &Maps),
        reduction: NormReduction<'_, E>,
    ) -> Vec<(f64, f64)> {
        assert!(self.reduces(input), "{:?} of {input:?} does not reduce", self.shape);
        self.check(weights, (dx.len(), input), (dy.len(), output));
        let (shape, pattern) = (&self.shape, &self.patterns[0]);
        sparse::input_gradient(shape, pattern, weights, dy, output, dx, input, false, Some(reduction))
    }

    /// Whether [`Convolution::input_gradient_reduced`] applies. Its sums must be those of a pass over whole maps, bit
    /// for bit.
    pub fn reduces(&self, input: &Maps) -> bool {
        let sparse = self.algorithms.input_gradient == Algorithm::Sparse && self.shape.groups == 1;
        sparse && NormReduction::<f32>::rows_together(input).is_some()
    }

    /// dw = gradient with respect to the weights `[out, in / groups, kernel, kernel]`, written over `dw`.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn weight_gradient<E: Element>(&self, x: &[E], input: &Maps, dy: &[E], output: &Maps, dw: &mut [f32]) {
        self.weight_gradient_from(Source::Written(x), input, dy, output, dw);
    }

    /// The same for maps that may be normalised as they are read.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn weight_gradient_from<E: Element>(
        &self,
        x: Source<'_, E>,
        input: &Maps,
        dy: &[E],
        output: &Maps,
        dw: &mut [f32],
    ) {
        E::weight_gradient(self, (x, input), (dy, output), dw);
    }

    fn weight_gradient_in<E: Element>(
        &self,
        (x, input): (Source<'_, E>, &Maps),
        (dy, output): (&[E], &Maps),
        dw: &mut [f32],
    ) {
        self.check(dw, (x.stored().len(), input), (dy.len(), output));
        let written = (self.algorithms.weight_gradient != Algorithm::Sparse).then(|| x.written(input));
        let x = written.as_deref().map_or(x, Source::Written);
        for group in self.groups(input, output) {
            let x = x.after(group.input_start / input.plane, group.input_start);
            let (dy, dw) = (&dy[group.output_start..], &mut dw[group.weights.clone()]);
            match self.algorithms.weight_gradient {
                Algorithm::Direct => {
                    direct::weight_gradient(&group.shape, x.stored(), &group.input, dy, &group.output, dw);
                }
                Algorithm::Winograd => {
                    winograd::weight_gradient(&group.shape, x.stored(), &group.input, dy, &group.output, dw);
                }
                Algorithm::Sparse => {
                    let pattern = &self.patterns[group.index];
                    let dy = sparse::Gradient::Written(dy);
                    sparse::weight_gradient(&group.shape, pattern, (x, &group.input), (dy, &group.output), dw);
                }
            }
        }
    }

    /// The same for a convolution whose output is normalised: `dy` holds the gradient at the output of the
    /// normalisation, and the gradient at its input is written over it.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn weight_gradient_through<E: Element>(
        &self,
        x: Source<'_, E>,
        input: &Maps,
        norm: NormGradient<'_, E>,
        dy: &mut [E],
        output: &Maps,
        dw: &mut [f32],
    ) {
        E::weight_gradient_through(self, (x, input), norm, (dy, output), dw);
    }

    fn weight_gradient_through_in<E: Element>(
        &self,
        (x, input): (Source<'_, E>, &Maps),
        norm: NormGradient<'_, E>,
        (dy, output): (&mut [E], &Maps),
        dw: &mut [f32],
    ) {
        self.check(dw, (x.stored().len(), input), (dy.len(), output));
        if !self.finishes_gradients() {
            norm.finish_maps(dy, output);
            return self.weight_gradient_from(x, input, dy, output, dw);
        }
        let dy = sparse::Gradient::Through(norm, Shared::new(dy));
        sparse::weight_gradient(&self.shape, &self.patterns[0], (x, input), (dy, output), dw);
    }

    /// Whether the forward pass and the weight gradient normalise maps as they read them, without writing them first.
    pub fn normalises_what_it_reads(&self) -> bool {
        [self.algorithms.forward, self.algorithms.weight_gradient] == [Algorithm::Sparse; 2]
    }

    /// Whether [`Convolution::weight_gradient_through`] saves a pass over the gradient.
    pub fn finishes_gradients(&self) -> bool {
        self.algorithms.weight_gradient == Algorithm::Sparse && self.shape.groups == 1
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

    /// Each group of channels as its own convolution.
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
