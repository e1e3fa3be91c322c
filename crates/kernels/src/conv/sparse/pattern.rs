//! Which weights are kept.

use std::ops::Range;

use crate::ConvShape;

/// One kept weight. It takes sixteen bytes, because there may be millions.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeptWeight {
    /// Index in the weight tensor.
    pub(super) index: u32,
    out: u32,
    input: u32,
    kernel_row: u16,
    kernel_column: u16,
}

impl KeptWeight {
    /// The channels that the forward pass writes and reads through this weight.
    pub(super) fn forward(&self) -> (usize, usize) {
        (self.out as usize, self.input as usize)
    }

    /// The channels that the input gradient writes and reads through this weight.
    pub(super) fn transposed(&self) -> (usize, usize) {
        (self.input as usize, self.out as usize)
    }

    /// Row and column in the kernel.
    pub(super) fn position(&self) -> (usize, usize) {
        (usize::from(self.kernel_row), usize::from(self.kernel_column))
    }
}

/// The kept weights of one group of a convolution, in the two orders in which the passes write channels.
#[derive(Debug, Clone)]
pub(in super::super) struct Pattern {
    /// Kept weights in the order of the weight tensor.
    weights: Vec<KeptWeight>,
    /// Indices into `weights`, ordered by input channel.
    by_input: Vec<u32>,
}

impl Pattern {
    /// Makes the pattern from flags `[out, in, kernel, kernel]`. `shape` has one group.
    pub(in super::super) fn new(shape: &ConvShape, kept: &[bool]) -> Self {
        assert!(u32::try_from(kept.len()).is_ok() && shape.kernel <= 1 << 16, "{shape:?} has more than 2³² weights");
        let kernel = shape.kernel;
        let weight = |index: usize| KeptWeight {
            index: index as u32,
            out: (index / (kernel * kernel * shape.in_channels)) as u32,
            input: (index / (kernel * kernel) % shape.in_channels) as u32,
            kernel_row: (index / kernel % kernel) as u16,
            kernel_column: (index % kernel) as u16,
        };
        let weights: Vec<_> = (0..kept.len()).filter(|&index| kept[index]).map(weight).collect();
        let mut by_input: Vec<u32> = (0..weights.len() as u32).collect();
        by_input.sort_by_key(|&place| weights[place as usize].input);
        Self { weights, by_input }
    }

    /// Kept weights ordered by output channel, which is the order of the weight tensor.
    pub(super) fn by_output(&self) -> impl Iterator<Item = &KeptWeight> {
        self.weights.iter()
    }

    /// Kept weights ordered by input channel, then by output channel.
    pub(super) fn by_input(&self) -> impl Iterator<Item = &KeptWeight> {
        self.by_input.iter().map(|&place| &self.weights[place as usize])
    }

    /// Number of kept weights.
    pub(in super::super) fn len(&self) -> usize {
        self.weights.len()
    }

    /// Indices in the weight tensor of a range of the kept weights, ascending.
    pub(in super::super) fn indices(&self, kept: &Range<usize>) -> impl Iterator<Item = usize> {
        self.weights[kept.clone()].iter().map(|weight| weight.index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_weights_are_listed_by_either_channel() {
        let shape = ConvShape { in_channels: 2, out_channels: 2, kernel: 3, stride: 1, padding: 1, groups: 1 };
        let kept: Vec<bool> = (0..36).map(|index| [4, 11, 20].contains(&index)).collect();
        let pattern = Pattern::new(&shape, &kept);
        let by_output: Vec<_> = pattern.by_output().map(|w| (w.index, w.forward(), w.position())).collect();
        assert_eq!(by_output, [(4, (0, 0), (1, 1)), (11, (0, 1), (0, 2)), (20, (1, 0), (0, 2))]);
        let by_input: Vec<_> = pattern.by_input().map(|w| (w.index, w.transposed())).collect();
        assert_eq!(by_input, [(4, (0, 0)), (20, (0, 1)), (11, (1, 0))]);
    }
}
