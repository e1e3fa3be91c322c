//! Which weights are kept.

use crate::ConvShape;

/// One kept weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeptWeight {
    /// Place in the weight tensor.
    pub(super) index: usize,
    pub(super) out: usize,
    pub(super) input: usize,
    pub(super) kernel_row: usize,
    pub(super) kernel_column: usize,
}

/// The kept weights of one group of a convolution, in the orders in which the passes write channels.
#[derive(Debug, Clone)]
pub(in super::super) struct Pattern {
    /// By output channel: the order of the weight tensor.
    pub(super) by_output: Vec<KeptWeight>,
    /// By input channel.
    pub(super) by_input: Vec<KeptWeight>,
}

impl Pattern {
    /// From `[out, in, kernel, kernel]` whether each is kept; `shape` has one group.
    pub(in super::super) fn new(shape: &ConvShape, kept: &[bool]) -> Self {
        let kernel = shape.kernel;
        let weight = |index: usize| KeptWeight {
            index,
            out: index / (kernel * kernel * shape.in_channels),
            input: index / (kernel * kernel) % shape.in_channels,
            kernel_row: index / kernel % kernel,
            kernel_column: index % kernel,
        };
        let by_output: Vec<_> = (0..kept.len()).filter(|&index| kept[index]).map(weight).collect();
        let mut by_input = by_output.clone();
        by_input.sort_by_key(|weight| weight.input);
        Self { by_output, by_input }
    }

    /// Weights kept.
    pub(in super::super) fn len(&self) -> usize {
        self.by_output.len()
    }

    /// Places in the weight tensor, ascending.
    pub(in super::super) fn indices(&self) -> impl Iterator<Item = usize> {
        self.by_output.iter().map(|weight| weight.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_weights_are_listed_by_either_channel() {
        let shape = ConvShape { in_channels: 2, out_channels: 2, kernel: 3, stride: 1, padding: 1, groups: 1 };
        let mut kept = [false; 36];
        [4, 11, 20].into_iter().for_each(|index| kept[index] = true);
        let pattern = Pattern::new(&shape, &kept);
        let of = |weights: &[KeptWeight]| -> Vec<_> { weights.iter().map(|w| (w.index, w.out, w.input)).collect() };
        assert_eq!(of(&pattern.by_output), [(4, 0, 0), (11, 0, 1), (20, 1, 0)]);
        assert_eq!(of(&pattern.by_input), [(4, 0, 0), (20, 1, 0), (11, 0, 1)]);
        assert_eq!((pattern.by_output[1].kernel_row, pattern.by_output[1].kernel_column), (0, 2));
    }
}
