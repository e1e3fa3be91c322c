//! What happens to rows of the output while they are still in cache.

use std::ops::Range;

use crate::{
    LANES, Maps,
    norm::{Moments, shift_rows},
    shared::Shared,
};

/// What a forward pass does to its output besides computing it.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a> {
    /// Nothing.
    None,
    /// Mean and variance of each channel are taken, for a normalisation by the batch.
    Statistics,
    /// y = relu?(y + shift + residual?): what is left of a normalisation whose scale is folded into the weights.
    Shift {
        /// Per channel.
        shift: &'a [f32],
        /// Maps of the output's layout.
        residual: Option<&'a [f32]>,
        /// Whether negative values become zero.
        relu: bool,
    },
}

impl Epilogue<'_> {
    /// For the channels from `first` on, which begin `start` values into the maps.
    pub(super) fn after(self, first: usize, start: usize) -> Self {
        match self {
            Self::Shift { shift, residual, relu } => {
                Self::Shift { shift: &shift[first..], residual: residual.map(|residual| &residual[start..]), relu }
            }
            other => other,
        }
    }

    /// Finishes some rows of all channels of one bundle; gives the moments of each channel if they are wanted.
    ///
    /// # Safety
    /// The rows lie in `to`, and nobody else reads or writes them meanwhile.
    pub(super) unsafe fn finish(self, to: Shared<'_>, maps: &Maps, bundle: usize, rows: &Range<usize>) -> Vec<Moments> {
        let row_len = maps.width * LANES;
        let place = |channel| (maps.start(bundle, channel) + rows.start * row_len, rows.len() * row_len);
        match self {
            Self::None => vec![],
            Self::Statistics => {
                let of_channel = |channel| {
                    let (start, len) = place(channel);
                    // SAFETY: the caller's promise.
                    Moments::of(unsafe { to.slice(start, len) }, maps.samples(bundle))
                };
                (0..maps.channels).map(of_channel).collect()
            }
            Self::Shift { shift, residual, relu } => {
                for (channel, shift) in shift[..maps.channels].iter().enumerate() {
                    let (start, len) = place(channel);
                    // SAFETY: the caller's promise.
                    let values = unsafe { to.slice_mut(start, len) };
                    shift_rows(values, *shift, residual.map(|residual| &residual[start..start + len]), relu);
                    maps.zero_tail(bundle, values);
                }
                vec![]
            }
        }
    }
}
