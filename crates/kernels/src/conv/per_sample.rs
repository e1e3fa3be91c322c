//! Per-sample gradients. Lanes are samples, so the weight gradient before its lanes are summed is one gradient per
//! sample.

use std::{borrow::Cow, ops::Range};

use super::{Algorithm, Convolution, Epilogue, Group, direct, scratch::Scratch, sparse};
use crate::{Element, LANES, Maps, convert, shared::Shared, simd, threads};

impl Convolution {
    /// Indices of the kept weights in the weight tensor, ascending.
    pub fn kept(&self) -> impl Iterator<Item = usize> {
        let group = self.shape.within_group().weights();
        (0..self.shape.groups).flat_map(move |index| {
            let kept = self.kept_in(index);
            (0..kept.len()).map(move |place| index * group + kept.index(place))
        })
    }

    /// squares += Σ over samples of the squared gradient of the sample with respect to each weight
    /// `[out, in / groups, kernel, kernel]`. If `dy` holds the gradient of each sample's own loss, this is the
    /// diagonal of the empirical Fisher information. Pruned weights get no addition.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn add_squared_gradients<E: Element>(
        &self,
        x: &[E],
        input: &Maps,
        dy: &[E],
        output: &Maps,
        squares: &mut [f32],
    ) {
        E::add_squared_gradients(self, (x, input), (dy, output), squares);
    }

    pub(super) fn add_squared_gradients_in<E: Element>(
        &self,
        (x, input): (&[E], &Maps),
        (dy, output): (&[E], &Maps),
        squares: &mut [f32],
    ) {
        self.check(squares, (x.len(), input), (dy.len(), output));
        for group in self.groups(input, output) {
            let (kept, squares) = (self.kept_in(group.index), &mut squares[group.weights.clone()]);
            let of_bundles = self.gradients_by_sample(&group, &kept, x, dy, |_, places, gradients| {
                (places, gradients.iter().map(sum_of_squares).collect::<Vec<f32>>())
            });
            for (places, of_bundle) in of_bundles {
                match &kept {
                    KeptWeights::All(_) => {
                        squares[places].iter_mut().zip(of_bundle).for_each(|(sum, square)| *sum += square);
                    }
                    KeptWeights::These(indices) => {
                        indices[places].iter().zip(of_bundle).for_each(|(&index, square)| squares[index] += square);
                    }
                }
            }
        }
    }

    /// dots += the dot product of each sample's gradient with a direction `[out, in / groups, kernel, kernel]`, over
    /// the kept weights. `dots` is `[batch]`.
    ///
    /// Σ over w of direction · ∂loss/∂w is the convolution of x with the direction, times dy. So one forward pass
    /// suffices.
    ///
    /// # Panics
    /// As [`Convolution::forward`], and if the length of `dots` is not the number of samples.
    pub fn add_gradient_dots<E: Element>(
        &self,
        direction: &[f32],
        x: &[E],
        input: &Maps,
        dy: &[E],
        output: &Maps,
        dots: &mut [f32],
    ) {
        assert_eq!(dots.len(), output.batch, "dot products, and samples of {output:?}");
        let (mut full, mut along) = (Scratch::default(), Scratch::default());
        let full = full.resize(input.len());
        convert(x, full);
        self.forward(&self.only_kept(direction), full, input, along.resize(output.len()), output, Epilogue::None);
        let along = along.values();
        threads::each_chunk(dots, LANES, &|bundle, dots| {
            let plane = |channel| output.start(bundle, channel)..output.start(bundle, channel) + output.used();
            let mut sums = [0.0; LANES];
            for channel in 0..output.channels {
                let of_plane = lane_products(&along[plane(channel)], &dy[plane(channel)]);
                sums.iter_mut().zip(of_plane).for_each(|(sum, product)| *sum += f64::from(product));
            }
            dots.iter_mut().zip(sums).for_each(|(dot, sum)| *dot += sum as f32);
        });
    }

    /// Each sample's gradient with respect to the kept weights, in the order of [`Convolution::kept`]. The gradient
    /// of sample `n` is written from `rows[n · stride]` on.
    ///
    /// # Panics
    /// As [`Convolution::weight_gradient`], and if `rows` is too short for the last sample's gradient or gradients
    /// would overlap.
    pub fn sample_gradients<E: Element>(
        &self,
        x: &[E],
        input: &Maps,
        dy: &[E],
        output: &Maps,
        rows: &mut [f32],
        stride: usize,
    ) {
        E::sample_gradients(self, (x, input), (dy, output), (rows, stride));
    }

    pub(super) fn sample_gradients_in<E: Element>(
        &self,
        (x, input): (&[E], &Maps),
        (dy, output): (&[E], &Maps),
        (rows, stride): (&mut [f32], usize),
    ) {
        self.check_maps((x.len(), input), (dy.len(), output));
        let kept: Vec<_> = (0..self.shape.groups).map(|index| self.kept_in(index)).collect();
        let width: usize = kept.iter().map(KeptWeights::len).sum();
        let needed = output.batch.saturating_sub(1) * stride + width;
        assert!(width <= stride && rows.len() >= needed, "{} values for rows of {width}, {stride} apart", rows.len());
        let rows = Shared::new(rows);
        let mut first = 0;
        for (group, kept) in self.groups(input, output).zip(&kept) {
            self.gradients_by_sample(&group, kept, x, dy, |bundle, places, gradients| {
                for sample in 0..output.samples(bundle) {
                    let start = (bundle * LANES + sample) * stride + first + places.start;
                    // SAFETY: the assertion above ensures that the row of a sample lies in the buffer and apart from
                    // the others. No two calls share both a bundle and a kept weight.
                    let row = unsafe { rows.slice_mut(start, places.len()) };
                    row.iter_mut().zip(gradients).for_each(|(value, lanes)| *value = lanes[sample]);
                }
            });
            first += kept.len();
        }
    }

    /// Per-sample gradients with respect to the kept weights of a group. The algorithm is that of the weight
    /// gradient, but direct in place of Winograd's, which mixes products before it sums. Calls
    /// `take(bundle, places, gradients)` for each bundle and each block of kept weights, with the range of kept
    /// weights and the samples' gradients for each of them. Returns the results of `take`, in order.
    fn gradients_by_sample<T: Send, E: Element>(
        &self,
        group: &Group,
        kept: &KeptWeights,
        x: &[E],
        dy: &[E],
        take: impl Fn(usize, Range<usize>, &[[f32; LANES]]) -> T + Sync,
    ) -> Vec<T> {
        let (x, dy) = ((&x[group.input_start..], &group.input), (&dy[group.output_start..], &group.output));
        if self.algorithms.weight_gradient == Algorithm::Sparse {
            return sparse::gradients_by_sample(&group.shape, &self.patterns[group.index], x, dy, take);
        }
        direct::gradients_by_sample(&group.shape, x, dy, |bundle, weights, gradients| {
            let KeptWeights::These(kept) = kept else { return take(bundle, weights, gradients) };
            let place = |weight: usize| kept.partition_point(|&kept| kept < weight);
            let places = place(weights.start)..place(weights.end);
            let of_kept: Vec<_> = kept[places.clone()].iter().map(|&kept| gradients[kept - weights.start]).collect();
            take(bundle, places, &of_kept)
        })
    }

    /// The kept weights of a group.
    fn kept_in(&self, group: usize) -> KeptWeights {
        match self.patterns.get(group) {
            Some(pattern) => KeptWeights::These(pattern.indices(&(0..pattern.len())).collect()),
            None => KeptWeights::All(self.shape.within_group().weights()),
        }
    }

    /// The values of the kept weights, and zero for the others.
    fn only_kept<'a>(&self, values: &'a [f32]) -> Cow<'a, [f32]> {
        if self.patterns.is_empty() {
            return Cow::Borrowed(values);
        }
        let mut kept = vec![0.0; values.len()];
        self.kept().for_each(|index| kept[index] = values[index]);
        Cow::Owned(kept)
    }
}

/// Which weights of a group are kept.
enum KeptWeights {
    /// All weights; holds their number.
    All(usize),
    /// The weights at these indices of the group's weights, ascending.
    These(Vec<usize>),
}

impl KeptWeights {
    /// Number of kept weights.
    fn len(&self) -> usize {
        match self {
            Self::All(weights) => *weights,
            Self::These(indices) => indices.len(),
        }
    }

    /// Index in the group's weights of kept weight number `place`.
    fn index(&self, place: usize) -> usize {
        match self {
            Self::All(_) => place,
            Self::These(indices) => indices[place],
        }
    }
}

/// Sum of the squared gradients of one weight. The tail of dy is zero, and so is its gradient.
fn sum_of_squares(gradients: &[f32; LANES]) -> f32 {
    simd::sum_of_lanes(gradients.map(|gradient| gradient * gradient))
}

/// Sum of the products of two planes, for each lane.
fn lane_products<E: Element>(a: &[f32], b: &[E]) -> [f32; LANES] {
    simd::dispatch(|| {
        let mut sums = [0.0; LANES];
        for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane].to_f32();
            }
        }
        sums
    })
}
