//! What the parameters of a step add to what a backward pass collects.

use unlearn_kernels::{
    Maps, NormInput, channel_sums, channel_sums_by_sample, linear_add_gradient_dots, linear_add_squared_gradients,
    linear_sample_gradients, linear_weight_gradient, norm_sample_gradients,
};

use super::plan::{ConvStep, NormStep};
use crate::{Collect, ParameterId};

/// Maps and their layout.
pub(super) type Laid<'a> = (&'a [f32], &'a Maps);

impl Collect<'_> {
    /// A convolution that read `x` and whose output has this gradient.
    pub(super) fn conv(&mut self, step: &ConvStep, (x, input): Laid<'_>, (dy, output): Laid<'_>) {
        let ConvStep { convolution, weight, bias } = step;
        match self {
            Self::Gradients { gradients, .. } => {
                convolution.weight_gradient(x, input, dy, output, &mut gradients.parameters[*weight]);
                if let Some(bias) = bias {
                    gradients.parameters[*bias] = channel_sums(dy, output);
                }
                return;
            }
            Self::Squares(squares) => convolution.add_squared_gradients(x, input, dy, output, &mut squares[*weight]),
            Self::Dots { direction, dots } => {
                convolution.add_gradient_dots(&direction[*weight], x, input, dy, output, dots);
            }
            Self::Rows { layout, rows } => {
                let start = layout.place(*weight).start;
                convolution.sample_gradients(x, input, dy, output, &mut rows[start..], layout.width());
            }
        }
        if let Some(bias) = bias {
            let mut gradients = vec![0.0; output.batch * output.channels];
            channel_sums_by_sample(dy, output, &mut gradients);
            self.add_samples(*bias, 0, &gradients);
        }
    }

    /// A normalisation with this gradient behind its ReLU, of which the sums over samples are known already.
    pub(super) fn norm(&mut self, step: &NormStep, reads: NormInput<'_>, (g, maps): Laid<'_>, sums: [Vec<f32>; 2]) {
        if let Self::Gradients { gradients, .. } = self {
            [gradients.parameters[step.weight], gradients.parameters[step.bias]] = sums;
            return;
        }
        let mut gradients = [(); 2].map(|()| vec![0.0; maps.batch * maps.channels]);
        let [dweight, dbias] = &mut gradients;
        norm_sample_gradients(reads, g, maps, dweight, dbias);
        self.add_samples(step.weight, 0, dweight);
        self.add_samples(step.bias, 0, dbias);
    }

    /// A fully connected layer that read `x` and whose output has this gradient.
    pub(super) fn linear(
        &mut self,
        (weight, bias): (ParameterId, ParameterId),
        (x, input): Laid<'_>,
        (dy, output): Laid<'_>,
    ) {
        match self {
            Self::Gradients { gradients, .. } => {
                let (dweight, dbias) = two(&mut gradients.parameters, weight, bias);
                linear_weight_gradient(x, input, dy, output, dweight, dbias);
            }
            Self::Squares(squares) => {
                let (weight, bias) = two(squares, weight, bias);
                linear_add_squared_gradients(x, input, dy, output, weight, bias);
            }
            Self::Dots { direction, dots } => {
                let direction = (&direction[weight][..], &direction[bias][..]);
                linear_add_gradient_dots(direction, x, input, dy, output, dots);
            }
            Self::Rows { .. } => {
                let weights = input.channels * output.channels;
                let stride = weights + output.channels;
                let mut rows = vec![0.0; output.batch * stride];
                linear_sample_gradients(x, input, dy, output, &mut rows, stride);
                for (sample, row) in rows.chunks_exact(stride).enumerate() {
                    self.add_samples(weight, sample, &row[..weights]);
                    self.add_samples(bias, sample, &row[weights..]);
                }
            }
        }
    }
}

fn two(tensors: &mut [Vec<f32>], a: usize, b: usize) -> (&mut [f32], &mut [f32]) {
    match tensors.get_disjoint_mut([a, b]) {
        Ok([a, b]) => (a, b),
        Err(_) => unreachable!("a layer's weight and bias are two tensors"),
    }
}
