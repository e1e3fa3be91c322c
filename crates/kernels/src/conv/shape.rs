//! Geometry of a convolution.

use crate::Maps;

/// Geometry of a convolution with a square kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels read.
    pub in_channels: usize,
    /// Channels written.
    pub out_channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zeros added on every side.
    pub padding: usize,
    /// Number of groups of channels that are convolved separately. Both channel counts are multiples of it.
    pub groups: usize,
}

impl ConvShape {
    /// Layout of the output for input layout `input`.
    pub fn output(&self, input: &Maps) -> Maps {
        let side = |length: usize| (length + 2 * self.padding - self.kernel) / self.stride + 1;
        Maps::new(self.out_channels, side(input.height), side(input.width), input.batch)
    }

    /// Number of values in the weight tensor `[out, in / groups, kernel, kernel]`.
    pub fn weights(&self) -> usize {
        self.out_channels * self.in_channels / self.groups * self.kernel * self.kernel
    }

    /// The convolution within one group.
    pub(super) fn within_group(&self) -> Self {
        let Self { in_channels, out_channels, groups, .. } = *self;
        Self { in_channels: in_channels / groups, out_channels: out_channels / groups, groups: 1, ..*self }
    }
}
