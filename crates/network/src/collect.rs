//! What a backward pass collects from the parameters it passes.

use crate::{Error, Gradients, Mode, ParameterId, Result, RowLayout};

/// What a backward pass collects. One walk back through the graph serves all of these.
///
/// The last three are made of gradients of single samples: row `n` of ∂loss/∂logits is the derivative of sample `n`'s own
/// loss, and no sample may have changed what the network made of another.
#[derive(Debug)]
pub enum Collect<'a> {
    /// Gradients of the whole loss, written over.
    Gradients {
        /// Where they go.
        gradients: &'a mut Gradients,
        /// Whether the gradient of the images is wanted as well.
        input: bool,
    },
    /// Per parameter, in its shape, Σ over samples of the squares of their gradients, added.
    Squares(&'a mut [Vec<f32>]),
    /// Per sample, the dot product of its gradient with a direction, added.
    Dots {
        /// Per parameter, in its shape; zero at pruned weights.
        direction: &'a [Vec<f32>],
        /// `[count]`.
        dots: &'a mut [f32],
    },
    /// The gradients of single samples.
    Rows {
        /// What a row holds.
        layout: &'a RowLayout,
        /// `[count, layout.width()]`; zero at first.
        rows: &'a mut [f32],
    },
}

impl Collect<'_> {
    /// Whether gradients of single samples are asked for.
    pub fn by_sample(&self) -> bool {
        !matches!(self, Self::Gradients { .. })
    }

    /// Whether the gradient of the images is asked for.
    pub fn into_input(&self) -> bool {
        matches!(self, Self::Gradients { input: true, .. })
    }

    /// Holds what is asked for against the mode of the forward pass.
    ///
    /// # Errors
    /// Gradients of single samples after a pass under batch statistics.
    pub fn check(&self, mode: Mode) -> Result<()> {
        if self.by_sample() && mode != Mode::Frozen { Err(Error::NotFrozen) } else { Ok(()) }
    }

    /// Adds the gradients of some samples, from sample `first` on, with respect to all of one parameter: `[samples, len]`.
    ///
    /// Gradients of a whole loss are not made of these, and none are added.
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
