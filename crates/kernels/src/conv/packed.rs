//! Weights in the order in which the kernels read them.

use super::ConvShape;

/// Output channels that a kernel holds in registers at a time, at most.
pub(super) const BLOCK: usize = 6;

/// Convolution weights packed as `[block][kernel row][kernel column][channel read][BLOCK]`.
///
/// The channels written are divided into blocks of nearly equal size, so that no block wastes registers.
#[derive(Debug, Clone, Default)]
pub struct PackedWeights {
    values: Vec<f32>,
    /// First channel and number of channels of each block.
    pub(super) blocks: Vec<(usize, usize)>,
    /// Values of one block.
    pub(super) block_len: usize,
    /// Values of one tap of a block.
    pub(super) tap_len: usize,
}

impl PackedWeights {
    /// For the forward pass, from weights `[out, in, kernel, kernel]`.
    pub fn forward(shape: &ConvShape, weights: &[f32]) -> Self {
        let mut packed = Self::default();
        packed.pack_forward(shape, weights);
        packed
    }

    /// For the input gradient, from the same weights.
    pub fn transposed(shape: &ConvShape, weights: &[f32]) -> Self {
        let mut packed = Self::default();
        packed.pack_transposed(shape, weights);
        packed
    }

    /// Packs anew for the forward pass, reusing the memory.
    pub fn pack_forward(&mut self, shape: &ConvShape, weights: &[f32]) {
        let inputs = shape.in_channels;
        self.pack(shape, shape.out_channels, inputs, |written, read| weights_at(shape, weights, written, read));
    }

    /// Packs anew for the input gradient, reusing the memory.
    pub fn pack_transposed(&mut self, shape: &ConvShape, weights: &[f32]) {
        let outputs = shape.out_channels;
        self.pack(shape, shape.in_channels, outputs, |written, read| weights_at(shape, weights, read, written));
    }

    fn pack<'a>(
        &mut self,
        shape: &ConvShape,
        written: usize,
        read: usize,
        taps: impl Fn(usize, usize) -> &'a [f32],
    ) {
        let count = written.div_ceil(BLOCK);
        self.tap_len = read * BLOCK;
        self.block_len = shape.kernel * shape.kernel * self.tap_len;
        self.values.resize(count * self.block_len, 0.0);
        self.blocks.clear();
        let mut first = 0;
        for block in 0..count {
            let size = written / count + usize::from(block < written % count);
            self.blocks.push((first, size));
            let values = &mut self.values[block * self.block_len..][..self.block_len];
            for (channel, reader) in (0..size).flat_map(|c| (0..read).map(move |r| (c, r))) {
                for (tap, weight) in taps(first + channel, reader).iter().enumerate() {
                    values[tap * self.tap_len + reader * BLOCK + channel] = *weight;
                }
            }
            first += size;
        }
    }

    /// The packed values of one block.
    pub(super) fn block(&self, block: usize) -> &[f32] {
        &self.values[block * self.block_len..][..self.block_len]
    }
}

/// The taps between an output and an input channel.
fn weights_at<'a>(shape: &ConvShape, weights: &'a [f32], out: usize, input: usize) -> &'a [f32] {
    let taps = shape.kernel * shape.kernel;
    &weights[(out * shape.in_channels + input) * taps..][..taps]
}
