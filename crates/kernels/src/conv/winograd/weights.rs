//! Kernels at their 36 places, in the order in which the matrix products read them, and the way back for their gradient.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    super::blocks::even_blocks,
    PLACES,
    transform::{kernel_gradient_line, kernel_line},
};
use crate::ConvShape;

/// Channels written that a matrix product holds in registers at a time, at most.
pub(super) const BLOCK: usize = 6;

/// Transformed kernels, per block of channels written: `[place][channel read][channel written]`.
pub(super) struct TransformedWeights {
    values: Vec<f32>,
    /// Channels written by each block.
    pub(super) blocks: Vec<Range<usize>>,
    read: usize,
}

impl TransformedWeights {
    /// For the forward pass, from weights `[out, in, 3, 3]`.
    pub(super) fn forward(shape: &ConvShape, weights: &[f32]) -> Self {
        Self::transform(shape.out_channels, shape.in_channels, |written, read| kernel(shape, weights, written, read))
    }

    /// For the input gradient, a convolution with the kernels turned by half a turn.
    pub(super) fn transposed(shape: &ConvShape, weights: &[f32]) -> Self {
        Self::transform(shape.in_channels, shape.out_channels, |written, read| {
            let mut turned = kernel(shape, weights, read, written);
            turned.as_flattened_mut().reverse();
            turned
        })
    }

    fn transform(written: usize, read: usize, kernel: impl Fn(usize, usize) -> [[f32; 3]; 3] + Sync) -> Self {
        let blocks = even_blocks(written, BLOCK);
        let mut values = vec![0.0; written * read * PLACES];
        let mut rest = &mut values[..];
        let mut parts = Vec::with_capacity(blocks.len());
        for block in &blocks {
            let (part, others) = rest.split_at_mut(block.len() * read * PLACES);
            parts.push((block, part));
            rest = others;
        }
        parts.into_par_iter().for_each(|(block, values)| {
            for (index, channel) in block.clone().enumerate() {
                for reader in 0..read {
                    for (place, value) in transformed(kernel(channel, reader)).as_flattened().iter().enumerate() {
                        values[(place * read + reader) * block.len() + index] = *value;
                    }
                }
            }
        });
        Self { values, blocks, read }
    }

    /// The transformed kernels of a block at a place, `[channel read][channel written]`.
    #[inline(always)]
    pub(super) fn at(&self, block: &Range<usize>, place: usize) -> &[f32] {
        let len = self.read * block.len();
        &self.values[block.start * self.read * PLACES + place * len..][..len]
    }
}

fn kernel(shape: &ConvShape, weights: &[f32], out: usize, input: usize) -> [[f32; 3]; 3] {
    let start = (out * shape.in_channels + input) * 9;
    let mut kernel = [[0.0; 3]; 3];
    kernel.as_flattened_mut().copy_from_slice(&weights[start..start + 9]);
    kernel
}

/// G g Gᵀ.
fn transformed(g: [[f32; 3]; 3]) -> [[f32; 6]; 6] {
    let mut columns = [[0.0; 3]; 6];
    for column in 0..3 {
        let line = kernel_line([g[0][column], g[1][column], g[2][column]]);
        (0..6).for_each(|row| columns[row][column] = line[row]);
    }
    columns.map(kernel_line)
}

/// Gᵀ u G: the gradient of a kernel from that of its places.
pub(super) fn kernel_gradient(u: [[f32; 6]; 6]) -> [[f32; 3]; 3] {
    let rows = u.map(kernel_gradient_line);
    let mut gradient = [[0.0; 3]; 3];
    for column in 0..3 {
        let mut line = [0.0; 6];
        (0..6).for_each(|row| line[row] = rows[row][column]);
        let line = kernel_gradient_line(line);
        (0..3).for_each(|row| gradient[row][column] = line[row]);
    }
    gradient
}
