//! Weights in the order in which the kernels read them.

use std::ops::Range;

use super::{
    super::{blocks::even_blocks, product::tile_channels},
    taps::transposed_columns,
};
use crate::ConvShape;

/// Convolution weights, packed for each block of written channels as
/// `[kernel row][kernel column][channel read][channel written]`.
///
/// The written channels are divided into blocks of nearly equal size, so that no block wastes registers.
pub(super) struct PackedWeights {
    values: Vec<f32>,
    /// Written channels of each block.
    pub(super) blocks: Vec<Range<usize>>,
    /// Number of values per written channel.
    channel_len: usize,
}

impl PackedWeights {
    /// Packs weights `[out, in, kernel, kernel]` for the forward pass.
    pub(super) fn forward(shape: &ConvShape, weights: &[f32]) -> Self {
        let columns: Vec<usize> = (0..shape.kernel).collect();
        Self::pack(shape.out_channels, shape.in_channels, &columns, |written, read| {
            weights_at(shape, weights, written, read)
        })
    }

    /// Packs the same weights for the input gradient.
    pub(super) fn transposed(shape: &ConvShape, weights: &[f32]) -> Self {
        Self::pack(shape.in_channels, shape.out_channels, &transposed_columns(shape), |written, read| {
            weights_at(shape, weights, read, written)
        })
    }

    fn pack<'a>(written: usize, read: usize, columns: &[usize], taps: impl Fn(usize, usize) -> &'a [f32]) -> Self {
        let channel_len = columns.len() * columns.len() * read;
        let mut values = vec![0.0; written * channel_len];
        let blocks = even_blocks(written, tile_channels());
        for block in &blocks {
            let values = &mut values[block.start * channel_len..block.end * channel_len];
            for (index, channel) in block.clone().enumerate() {
                for reader in 0..read {
                    let taps = taps(channel, reader);
                    for (row, taps) in taps.chunks_exact(columns.len()).enumerate() {
                        for (place, &column) in columns.iter().enumerate() {
                            let tap = row * columns.len() + place;
                            values[(tap * read + reader) * block.len() + index] = taps[column];
                        }
                    }
                }
            }
        }
        Self { values, blocks, channel_len }
    }

    /// The packed values of one block.
    pub(super) fn block(&self, block: &Range<usize>) -> &[f32] {
        &self.values[block.start * self.channel_len..block.end * self.channel_len]
    }
}

/// The taps between an output and an input channel.
fn weights_at<'a>(shape: &ConvShape, weights: &'a [f32], out: usize, input: usize) -> &'a [f32] {
    let taps = shape.kernel * shape.kernel;
    &weights[(out * shape.in_channels + input) * taps..][..taps]
}
