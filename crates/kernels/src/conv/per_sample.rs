//! Gradients of single samples. Lanes are samples: the weight gradient before its lanes are added is one gradient per sample.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{Convolution, Epilogue, sparse};
use crate::{LANES, Maps, shared::Shared, simd};

impl Convolution {
    /// Places in the weight tensor, ascending, of the weights that are kept.
    pub fn kept(&self) -> impl Iterator<Item = usize> {
        let group = self.shape.within_group().weights();
        (0..self.shape.groups).flat_map(move |index| {
            let pattern = self.pattern(index);
            let indices: Vec<_> = pattern.indices(&(0..pattern.len())).map(|place| index * group + place).collect();
            indices
        })
    }

    /// squares += Σ over samples of the square of the sample's gradient with respect to each weight `[out, in / groups, kernel,
    /// kernel]`: with `dy` the gradients of each sample's own loss, the diagonal of the empirical Fisher information. Nothing
    /// is added where no weight is kept.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn add_squared_gradients(&self, x: &[f32], input: &Maps, dy: &[f32], output: &Maps, squares: &mut [f32]) {
        self.check(squares, (x.len(), input), (dy.len(), output));
        for group in self.groups(input, output) {
            let (x, dy) = (&x[group.input_start..], &dy[group.output_start..]);
            let (pattern, squares) = (self.pattern(group.index), &mut squares[group.weights.clone()]);
            let of_bundles = sparse::gradients_by_sample(
                &group.shape,
                &pattern,
                (x, &group.input),
                (dy, &group.output),
                |_, kept, gradients| {
                    // The tail of dy is zero, and so is its gradient.
                    let square = |lanes: &[f32; LANES]| lanes.iter().map(|value| value * value).sum();
                    (kept, gradients.iter().map(square).collect::<Vec<f32>>())
                },
            );
            for (kept, of_bundle) in &of_bundles {
                pattern.indices(kept).zip(of_bundle).for_each(|(index, square)| squares[index] += square);
            }
        }
    }

    /// dots += for each sample `[batch]`, the dot product of its gradient with a direction `[out, in / groups, kernel, kernel]`
    /// over the weights that are kept.
    ///
    /// Σ over w of direction · ∂loss/∂w is the convolution of x with the direction, times dy: one forward pass.
    ///
    /// # Panics
    /// As [`Convolution::forward`], and if `dots` has not one value per sample.
    pub fn add_gradient_dots(
        &self,
        direction: &[f32],
        x: &[f32],
        input: &Maps,
        dy: &[f32],
        output: &Maps,
        dots: &mut [f32],
    ) {
        assert_eq!(dots.len(), output.batch, "dot products, and samples of {output:?}");
        let mut along = vec![0.0; output.len()];
        self.forward(&self.only_kept(direction), x, input, &mut along, output, Epilogue::None);
        dots.par_chunks_mut(LANES).enumerate().for_each(|(bundle, dots)| {
            let plane = |channel| output.start(bundle, channel)..output.start(bundle, channel) + output.used();
            let mut sums = [0.0; LANES];
            for channel in 0..output.channels {
                let of_plane = lane_products(&along[plane(channel)], &dy[plane(channel)]);
                sums.iter_mut().zip(of_plane).for_each(|(sum, product)| *sum += f64::from(product));
            }
            dots.iter_mut().zip(sums).for_each(|(dot, sum)| *dot += sum as f32);
        });
    }

    /// Each sample's gradient with respect to the kept weights, in the order of [`Convolution::kept`]: that of sample `n` is
    /// written from `rows[n · stride]` on.
    ///
    /// # Panics
    /// As [`Convolution::weight_gradient`], and if `rows` ends before the last sample's gradient or these overlap.
    pub fn sample_gradients(
        &self,
        x: &[f32],
        input: &Maps,
        dy: &[f32],
        output: &Maps,
        rows: &mut [f32],
        stride: usize,
    ) {
        self.check_maps((x.len(), input), (dy.len(), output));
        let patterns: Vec<_> = (0..self.shape.groups).map(|index| self.pattern(index)).collect();
        let width: usize = patterns.iter().map(|pattern| pattern.len()).sum();
        let needed = output.batch.saturating_sub(1) * stride + width;
        assert!(width <= stride && rows.len() >= needed, "{} values for rows of {width}, {stride} apart", rows.len());
        let rows = Shared::new(rows);
        let mut first = 0;
        for (group, pattern) in self.groups(input, output).zip(&patterns) {
            let (x, dy) = ((&x[group.input_start..], &group.input), (&dy[group.output_start..], &group.output));
            sparse::gradients_by_sample(&group.shape, pattern, x, dy, |bundle, kept, gradients| {
                for sample in 0..output.samples(bundle) {
                    let start = (bundle * LANES + sample) * stride + first + kept.start;
                    // SAFETY: as asserted, the row of a sample lies in the buffer and apart from others; no two calls share
                    // both a bundle and a kept weight.
                    let row = unsafe { rows.slice_mut(start, kept.len()) };
                    row.iter_mut().zip(gradients).for_each(|(value, lanes)| *value = lanes[sample]);
                }
            });
            first += pattern.len();
        }
    }

    /// The kept weights of a group.
    fn pattern(&self, group: usize) -> Cow<'_, sparse::Pattern> {
        let all = || {
            let shape = self.shape.within_group();
            Cow::Owned(sparse::Pattern::new(&shape, &vec![true; shape.weights()]))
        };
        self.patterns.get(group).map_or_else(all, Cow::Borrowed)
    }

    /// Values of the weights that are kept, zero for the others.
    fn only_kept<'a>(&self, values: &'a [f32]) -> Cow<'a, [f32]> {
        if self.patterns.is_empty() {
            return Cow::Borrowed(values);
        }
        let mut kept = vec![0.0; values.len()];
        self.kept().for_each(|index| kept[index] = values[index]);
        Cow::Owned(kept)
    }
}

/// Sum of the products of two planes, lane by lane.
fn lane_products(a: &[f32], b: &[f32]) -> [f32; LANES] {
    simd::dispatch(|| {
        let mut sums = [0.0; LANES];
        for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        sums
    })
}
