//! The windows of a padded map as strided views. Convolution and pooling share this code. It uses plain tensor
//! operations, which every device supports.

use candle_core::{Result, Tensor};

/// Geometry of square windows on a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Windows {
    /// Number of windows that fit a side of length `side`.
    pub(super) fn count(&self, side: usize) -> usize {
        (side + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// For each position in the window, in row-major order, the values at this position:
    /// `[batch, channels, height, width]`, with one value per window. Padding holds `fill`.
    pub(super) fn taps(&self, x: &Tensor, fill: f32) -> Result<Vec<Tensor>> {
        let &Self { kernel, stride, .. } = self;
        let (batch, channels, height, width) = x.dims4()?;
        // Candle has no views with a step. But if a side is a multiple of the stride, it splits into blocks and
        // positions within a block, and windows step through the blocks.
        let blocks = |side: usize| (side + 2 * self.padding).div_ceil(stride);
        let missing = |side: usize| blocks(side) * stride - side - self.padding;
        let x = pad(x, 2, self.padding, missing(height), fill)?;
        let x = pad(&x, 3, self.padding, missing(width), fill)?;
        let x = x.reshape((batch, channels, blocks(height), stride, blocks(width), stride))?;
        let (rows, columns) = (self.count(height), self.count(width));
        let mut taps = Vec::with_capacity(kernel * kernel);
        for row in 0..kernel {
            let x = x.narrow(2, row / stride, rows)?.narrow(3, row % stride, 1)?;
            for column in 0..kernel {
                let tap = x.narrow(4, column / stride, columns)?.narrow(5, column % stride, 1)?;
                taps.push(tap.squeeze(5)?.squeeze(3)?);
            }
        }
        Ok(taps)
    }
}

/// Adds `before` and `after` entries with the value `value` along a dimension.
fn pad(x: &Tensor, dim: usize, before: usize, after: usize, value: f32) -> Result<Tensor> {
    let border = |length: usize| {
        let mut dims = x.dims().to_vec();
        dims[dim] = length;
        Tensor::full(value, dims, x.device())
    };
    let mut parts = vec![x.clone()];
    if before > 0 {
        parts.insert(0, border(before)?);
    }
    if after > 0 {
        parts.push(border(after)?);
    }
    Tensor::cat(&parts, dim)
}
