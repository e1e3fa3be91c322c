//! What a convolution reads: maps, or maps that are normalised as they are read.

use std::borrow::Cow;

use pulp::{Simd, WithSimd as _};

use crate::{Element, LANES, Maps, element::convert_registers, norm::Apply, simd};

/// The maps that a convolution reads.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a, E = f32> {
    /// These maps.
    Written(&'a [E]),
    /// relu?(scale · x + shift): the result of a normalisation that nobody has written.
    Normalised(Normalised<'a, E>),
}

/// The result of a normalisation, in terms of what it normalises.
#[derive(Debug, Clone, Copy)]
pub struct Normalised<'a, E = f32> {
    /// The maps to normalise, in the layout of the result.
    pub x: &'a [E],
    /// Factor per channel.
    pub scale: &'a [f32],
    /// Shift per channel.
    pub shift: &'a [f32],
    /// Whether negative values become zero.
    pub relu: bool,
}

impl<'a, E: Element> Source<'a, E> {
    /// The values in memory.
    pub(super) fn stored(self) -> &'a [E] {
        match self {
            Self::Written(x) | Self::Normalised(Normalised { x, .. }) => x,
        }
    }

    /// The same for the channels starting at `first`. Their maps begin at value `start`.
    pub(super) fn after(self, first: usize, start: usize) -> Self {
        match self {
            Self::Written(x) => Self::Written(&x[start..]),
            Self::Normalised(Normalised { x, scale, shift, relu }) => {
                Self::Normalised(Normalised { x: &x[start..], scale: &scale[first..], shift: &shift[first..], relu })
            }
        }
    }

    /// All values, for algorithms that read maps in several places.
    pub(super) fn written(self, maps: &Maps) -> Cow<'a, [E]> {
        match self {
            Self::Written(x) => Cow::Borrowed(x),
            Self::Normalised(normalised) => Cow::Owned(normalised.written(maps)),
        }
    }

    /// How the values of a channel of a bundle follow from those in memory.
    pub(super) fn channel(self, maps: &Maps, bundle: usize, channel: usize) -> Reading {
        match self {
            Self::Written(_) => Reading { linear: None, samples: LANES },
            Self::Normalised(Normalised { scale, shift, relu, .. }) => {
                Reading { linear: Some((scale[channel], shift[channel], relu)), samples: maps.samples(bundle) }
            }
        }
    }
}

impl<E: Element> Normalised<'_, E> {
    fn written(&self, maps: &Maps) -> Vec<E> {
        let mut z = vec![E::default(); maps.len()];
        for (index, z) in z.chunks_mut(maps.plane).enumerate() {
            let (bundle, channel) = maps.bundle_and_channel(index);
            let start = maps.start(bundle, channel);
            let reading = Source::Normalised(*self).channel(maps, bundle, channel);
            simd::dispatch(Copying { reading, from: &self.x[start..start + maps.used()], to: &mut z[..maps.used()] });
        }
        z
    }
}

/// How the values of a channel are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Scale, shift, and whether a `ReLU` follows.
    linear: Option<(f32, f32, bool)>,
    /// Samples in the bundle, beyond which a normalised value is zero.
    samples: usize,
}

impl Reading {
    /// Writes some pixels, given what memory holds of them.
    #[inline(always)]
    pub(super) fn copy<S: Simd, X: Element, Z: Element>(self, simd: S, from: &[X], to: &mut [Z]) {
        let Some((scale, shift, relu)) = self.linear else { return convert_registers(simd, from, to) };
        Apply { x: from, z: to, residual: None, scale, shift, relu }.with_simd(simd);
        if self.samples < LANES {
            to.as_chunks_mut::<LANES>().0.iter_mut().for_each(|lanes| lanes[self.samples..].fill(Z::default()));
        }
    }
}

/// Copies pixels on the instruction set in use.
struct Copying<'a, E> {
    reading: Reading,
    from: &'a [E],
    to: &'a mut [E],
}

impl<E: Element> pulp::WithSimd for Copying<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.reading.copy(simd, self.from, self.to);
    }
}
