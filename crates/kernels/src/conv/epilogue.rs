//! Work on rows of the output while they are still in cache.

use std::ops::Range;

use crate::{
    LANES, Maps,
    norm::{Moments, shift_rows},
    shared::Shared,
};

/// What a forward pass does with its output after computing it.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a> {
    /// Nothing.
    None,
    /// Computes mean and variance of each channel, for a normalisation by batch statistics.
    Statistics,
    /// y = relu?(y + shift + residual?): the rest of a normalisation whose scale is folded into the weights.
    Shift {
        /// Shift per channel.
        shift: &'a [f32],
        /// Residual maps, in the output's layout.
        residual: Option<&'a [f32]>,
        /// Whether negative values become zero.
        relu: bool,
    },
}

impl Epilogue<'_> {
    /// The same epilogue for the channels starting at `first`. Their maps begin at value `start`.
    pub(super) fn after(self, first: usize, start: usize) -> Self {
        match self {
            Self::Shift { shift, residual, relu } => {
                Self::Shift { shift: &shift[first..], residual: residual.map(|residual| &residual[start..]), relu }
            }
            other => other,
        }
    }

    /// Finishes some rows of all channels of one bundle. Returns the moments of each channel if the epilogue asks for
    /// them.
    ///
    /// # Safety
    /// The rows lie in `to`, and no other thread reads or writes them during the call.
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
