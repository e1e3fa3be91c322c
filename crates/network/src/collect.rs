//! The result that a backward pass collects for the parameters.

use crate::{Error, Gradients, Mode, ParameterId, Result, RowLayout};

/// The result that a backward pass collects. One implementation of the backward pass serves all variants.
///
/// The last three variants are made of per-sample gradients. For these, row `n` of ∂loss/∂logits is the derivative of
/// sample `n`'s own loss, and no sample may have influenced the logits of another.
#[derive(Debug)]
pub enum Collect<'a> {
    /// Gradients of the whole loss. They overwrite earlier ones.
    Gradients {
        /// Destination of the gradients.
        gradients: &'a mut Gradients,
        /// Whether to compute the gradient of the images as well.
        input: bool,
    },
    /// Adds, for each parameter and in its shape, Σ over samples of their squared gradients.
    Squares(&'a mut [Vec<f32>]),
    /// Adds, for each sample, the dot product of its gradient with a direction.
    Dots {
        /// The direction: one tensor per parameter, in its shape, zero at pruned weights.
        direction: &'a [Vec<f32>],
        /// `[count]`.
        dots: &'a mut [f32],
    },
    /// Per-sample gradients.
    Rows {
        /// Layout of a row.
        layout: &'a RowLayout,
        /// `[count, layout.width()]`; must be zero initially.
        rows: &'a mut [f32],
    },
}

impl Collect<'_> {
    /// Whether this variant needs per-sample gradients.
    pub fn by_sample(&self) -> bool {
        !matches!(self, Self::Gradients { .. })
    }

    /// Whether this variant needs the gradient of the images.
    pub fn into_input(&self) -> bool {
        matches!(self, Self::Gradients { input: true, .. })
    }

    /// Checks this variant against the mode of the forward pass.
    ///
    /// # Errors
    /// If it needs per-sample gradients and the forward pass used batch statistics.
    pub fn check(&self, mode: Mode) -> Result<()> {
        if self.by_sample() && mode != Mode::Frozen { Err(Error::NotFrozen) } else { Ok(()) }
    }

    /// Adds the gradients of some samples, from sample `first` on, with respect to one whole parameter:
    /// `[samples, len]`.
    ///
    /// [`Collect::Gradients`] is not made of per-sample gradients, so nothing is added to it.
    pub(crate) fn add_samples(&mut self, parameter: ParameterId, first: usize, gradients: &[f32]) {
        match self {
            Self::Gradients { .. } => {}
            Self::Squares(squares) => {
                let squares = &mut squares[parameter];
                for gradient in gradients.chunks_exact(squares.len()) {
                    squares.iter_mut().zip(gradient).for_each(|(square, value)| *square += value * value);
                }
            }
            Self::Dots { direction, dots } => {
                let direction = &direction[parameter];
                for (dot, gradient) in dots[first..].iter_mut().zip(gradients.chunks_exact(direction.len())) {
                    *dot += direction.iter().zip(gradient).map(|(a, b)| a * b).sum::<f32>();
                }
            }
            Self::Rows { layout, rows } => {
                let rows = rows.chunks_exact_mut(layout.width().max(1)).skip(first);
                for (row, gradient) in rows.zip(gradients.chunks_exact(layout.len_of(parameter))) {
                    layout.write(parameter, gradient, row);
                }
            }
        }
    }
}
