//! The layout of activations, and conversions to and from it.

use crate::{Element, threads};

/// Number of samples side by side in one bundle: one AVX-512 register, or two of AVX2.
pub const LANES: usize = 16;

/// Shape of a set of activations: `[bundles, channels, height, width, LANES]`.
///
/// Sixteen samples make a bundle. The samples of a bundle are innermost, so that a row of pixels is one contiguous
/// run for every batch size. Channels are `plane` values apart. This is one vector more than
/// `height · width · LANES`, so that the same pixel of successive channels falls into different cache sets. Nothing
/// reads the gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maps {
    /// Channels, or features where height and width are 1.
    pub channels: usize,
    /// Number of pixel rows.
    pub height: usize,
    /// Number of pixel columns.
    pub width: usize,
    /// Samples.
    pub batch: usize,
    /// Distance from one channel to the next, in values.
    pub plane: usize,
    /// Distance from one bundle to the next, in values.
    pub bundle: usize,
}

impl Maps {
    /// The layout of `batch` samples with `channels` channels of `height` × `width` pixels.
    pub fn new(channels: usize, height: usize, width: usize, batch: usize) -> Self {
        let plane = height * width * LANES + LANES;
        Self { channels, height, width, batch, plane, bundle: channels * plane }
    }

    /// Number of bundles. The last one may be partly filled.
    pub fn bundles(&self) -> usize {
        self.batch.div_ceil(LANES)
    }

    /// Number of values that a buffer must hold.
    pub fn len(&self) -> usize {
        match self.bundles() {
            0 => 0,
            bundles => (bundles - 1) * self.bundle + self.channels * self.plane,
        }
    }

    /// Whether the layout has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The layout of the first `channels` channels of a bundle.
    pub(crate) fn some(&self, channels: usize) -> Self {
        Self { channels, ..*self }
    }

    /// Number of values in one channel of one bundle, without the gap.
    pub(crate) fn used(&self) -> usize {
        self.height * self.width * LANES
    }

    /// Number of samples in a bundle.
    pub(crate) fn samples(&self, bundle: usize) -> usize {
        (self.batch - bundle * LANES).min(LANES)
    }

    /// Offset of a channel of a bundle.
    pub(crate) fn start(&self, bundle: usize, channel: usize) -> usize {
        bundle * self.bundle + channel * self.plane
    }

    /// Bundle and channel of plane number `plane`, counted through the whole buffer.
    pub(crate) fn bundle_and_channel(&self, plane: usize) -> (usize, usize) {
        (plane / self.channels, plane % self.channels)
    }

    /// Writes zeros into the lanes past the batch. `plane` is given without its gap.
    pub(crate) fn zero_tail<E: Element>(&self, bundle: usize, plane: &mut [E]) {
        let samples = self.samples(bundle);
        if samples < LANES {
            plane.as_chunks_mut::<LANES>().0.iter_mut().for_each(|lanes| lanes[samples..].fill(E::default()));
        }
    }

    /// Number of values per channel, without the tail: pixels times samples.
    pub fn samples_per_channel(&self) -> usize {
        self.height * self.width * self.batch
    }
}

/// Writes images `[batch, channels, height, width]` as maps and normalises each channel: (x − mean) / std.
pub fn images_to_maps<E: Element>(images: &[f32], mean: &[f32], std: &[f32], out: &mut [E], maps: &Maps) {
    let pixels = maps.height * maps.width;
    threads::each_chunk(&mut out[..maps.len()], maps.plane, &|index, plane| {
        let (bundle, channel) = maps.bundle_and_channel(index);
        let (mean, scale) = (mean[channel], 1.0 / std[channel]);
        let samples = maps.samples(bundle);
        let first = (bundle * LANES * maps.channels + channel) * pixels;
        for (pixel, lanes) in plane.as_chunks_mut::<LANES>().0[..pixels].iter_mut().enumerate() {
            for (sample, value) in lanes[..samples].iter_mut().enumerate() {
                *value = E::from_f32((images[first + sample * maps.channels * pixels + pixel] - mean) * scale);
            }
            lanes[samples..].fill(E::default());
        }
    });
}

/// Converts gradients with respect to normalised maps to gradients with respect to images
/// `[batch, channels, height, width]`.
pub fn maps_to_images<E: Element>(gradient: &[E], std: &[f32], out: &mut [f32], maps: &Maps) {
    let pixels = maps.height * maps.width;
    threads::each_chunk(out, pixels, &|index, image| {
        let (sample, channel) = (index / maps.channels, index % maps.channels);
        let plane = &gradient[maps.start(sample / LANES, channel)..];
        for (pixel, value) in image.iter_mut().enumerate() {
            *value = plane[pixel * LANES + sample % LANES].to_f32() / std[channel];
        }
    });
}

/// Writes feature maps (height and width 1) as rows `[batch, features]`.
pub fn maps_to_rows<E: Element>(features: &[E], rows: &mut [f32], maps: &Maps) {
    for (sample, row) in rows.chunks_exact_mut(maps.channels).enumerate() {
        for (channel, value) in row.iter_mut().enumerate() {
            *value = features[maps.start(sample / LANES, channel) + sample % LANES].to_f32();
        }
    }
}

/// Writes rows `[batch, features]` as feature maps (height and width 1).
pub fn rows_to_maps<E: Element>(rows: &[f32], features: &mut [E], maps: &Maps) {
    for (index, plane) in features[..maps.len()].chunks_exact_mut(maps.plane).enumerate() {
        let (bundle, channel) = maps.bundle_and_channel(index);
        let (samples, tail) = plane.split_at_mut(maps.samples(bundle));
        for (sample, value) in samples.iter_mut().enumerate() {
            *value = E::from_f32(rows[(bundle * LANES + sample) * maps.channels + channel]);
        }
        tail.fill(E::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_survive_the_way_in_and_out_and_the_tail_is_zero() {
        let maps = Maps::new(2, 2, 3, 21);
        let images: Vec<f32> = (0..21 * 2 * 6).map(|i| i as f32 * 0.1).collect();
        let mut inside = vec![f32::NAN; maps.len()];
        images_to_maps(&images, &[0.0, 0.0], &[1.0, 1.0], &mut inside, &maps);
        let last = &inside[maps.start(1, 0)..][..maps.used()];
        assert!(last.chunks(LANES).all(|lanes| lanes[5..].iter().all(|v| *v == 0.0)));
        let mut outside = vec![0.0; images.len()];
        maps_to_images(&inside, &[1.0, 1.0], &mut outside, &maps);
        assert_eq!(outside, images);
    }
}
