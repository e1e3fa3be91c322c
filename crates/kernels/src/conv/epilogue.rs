//! Work on rows of the output while they are still in cache.

use std::ops::Range;

use pulp::Simd;

use crate::{
    Element, LANES, Maps,
    norm::{Moments, shift_rows, shifted},
    shared::Shared,
    simd,
};

/// What a forward pass does with its output after computing it.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a, E = f32> {
    /// Nothing.
    None,
    /// Computes mean and variance of each channel, for a normalisation by batch statistics.
    Statistics,
    /// y = relu?(y + shift + residual?): the rest of a normalisation whose scale is folded into the weights.
    Shift {
        /// Shift per channel.
        shift: &'a [f32],
        /// Residual maps, in the output's layout.
        residual: Option<&'a [E]>,
        /// Whether negative values become zero.
        relu: bool,
    },
}

/// The fields of [`Epilogue::Shift`].
#[derive(Clone, Copy)]
pub(super) struct Shift<'a, E> {
    by_channel: &'a [f32],
    residual: Option<&'a [E]>,
    relu: bool,
}

impl<E: Element> Shift<'_, E> {
    /// Prefetches the residual of a pixel. It need not exist.
    #[inline(always)]
    pub(super) fn prefetch(&self, place: usize) {
        if let Some(residual) = self.residual {
            simd::prefetch(residual.as_ptr().wrapping_add(place));
        }
    }

    /// relu?(value + shift + residual?) for registers of some pixels of a channel. The first pixel is at offset `place`
    /// of the output, and the others `spacing` values apart.
    #[inline(always)]
    pub(super) fn apply<S: Simd, const P: usize, const V: usize>(
        &self,
        simd: S,
        values: &mut [[S::f32s; V]; P],
        (channel, place, spacing): (usize, usize, usize),
    ) {
        let shift = simd.splat_f32s(self.by_channel[channel]);
        let floor = simd.splat_f32s(if self.relu { 0.0 } else { f32::NEG_INFINITY });
        for (p, values) in values.iter_mut().enumerate() {
            let residual = self.residual.map(|residual| &residual[place + p * spacing..][..LANES]);
            for (v, value) in values.iter_mut().enumerate() {
                let residual = residual.map(|residual| E::load(simd, &residual[v * S::F32_LANES..]));
                *value = shifted(simd, *value, shift, residual, floor);
            }
        }
    }
}

impl<'a, E: Element> Epilogue<'a, E> {
    /// The same epilogue for the channels starting at `first`. Their maps begin at value `start`.
    pub(super) fn after(self, first: usize, start: usize) -> Self {
        match self {
            Self::Shift { shift, residual, relu } => {
                Self::Shift { shift: &shift[first..], residual: residual.map(|residual| &residual[start..]), relu }
            }
            other => other,
        }
    }

    /// The sums to which a kernel adds a shift itself, before it writes them.
    pub(super) fn shift(self) -> Option<Shift<'a, E>> {
        match self {
            Self::Shift { shift, residual, relu } => Some(Shift { by_channel: shift, residual, relu }),
            Self::None | Self::Statistics => None,
        }
    }

    /// Finishes some rows of all channels of one bundle. Returns the moments of each channel if the epilogue asks for
    /// them.
    ///
    /// # Safety
    /// The rows lie in `to`, and no other thread reads or writes them during the call.
    pub(super) unsafe fn finish(
        self,
        to: Shared<'_, E>,
        maps: &Maps,
        bundle: usize,
        rows: &Range<usize>,
    ) -> Vec<Moments> {
        match self {
            Self::None => vec![],
            Self::Statistics => {
                let of_channel = |(start, len)| {
                    // SAFETY: the caller's promise.
                    Moments::of(unsafe { to.slice(start, len) }, maps.samples(bundle))
                };
                places(maps, bundle, rows).map(of_channel).collect()
            }
            Self::Shift { shift, residual, relu } => {
                for ((start, len), shift) in places(maps, bundle, rows).zip(&shift[..maps.channels]) {
                    // SAFETY: the caller's promise.
                    let values = unsafe { to.slice_mut(start, len) };
                    shift_rows(values, *shift, residual.map(|residual| &residual[start..start + len]), relu);
                    maps.zero_tail(bundle, values);
                }
                vec![]
            }
        }
    }

    /// The same for rows of which each value was [shifted](Shift) before it was written.
    ///
    /// # Safety
    /// As [`Epilogue::finish`].
    pub(super) unsafe fn finish_shifted(
        self,
        to: Shared<'_, E>,
        maps: &Maps,
        bundle: usize,
        rows: &Range<usize>,
    ) -> Vec<Moments> {
        if self.shift().is_none() {
            // SAFETY: the caller's promise.
            return unsafe { self.finish(to, maps, bundle, rows) };
        }
        for (start, len) in places(maps, bundle, rows) {
            // SAFETY: the caller's promise.
            maps.zero_tail(bundle, unsafe { to.slice_mut(start, len) });
        }
        vec![]
    }
}

/// Where some rows of each channel of a bundle begin, and their number of values.
fn places(maps: &Maps, bundle: usize, rows: &Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let (row, len) = (maps.width * LANES, rows.len() * maps.width * LANES);
    let first = rows.start * row;
    (0..maps.channels).map(move |channel| (maps.start(bundle, channel) + first, len))
}
