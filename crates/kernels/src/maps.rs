//! The layout of activations, and the way in and out of it.

use rayon::prelude::*;

/// The batch is padded to a multiple of this many lanes: one AVX-512 register, two of AVX2.
pub const LANE_GROUP: usize = 16;

/// Shape of a set of activations: `[channels, height, width, lanes]`.
///
/// Channels are `plane` values apart: a few more than `height · width · lanes`, so that the same pixel of successive channels
/// falls into different cache sets. What lies in the gap is never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maps {
    /// Channels, or features where height and width are 1.
    pub channels: usize,
    /// Pixels down.
    pub height: usize,
    /// Pixels across.
    pub width: usize,
    /// Samples.
    pub batch: usize,
    /// Samples rounded up to a multiple of [`LANE_GROUP`].
    pub lanes: usize,
    /// Values from one channel to the next.
    pub plane: usize,
}

impl Maps {
    /// The layout for so many channels of so many pixels of so many samples.
    pub fn new(channels: usize, height: usize, width: usize, batch: usize) -> Self {
        let lanes = batch.next_multiple_of(LANE_GROUP);
        let plane = height * width * lanes + LANE_GROUP;
        Self { channels, height, width, batch, lanes, plane }
    }

    /// Values that a buffer must hold.
    pub fn len(&self) -> usize {
        self.channels * self.plane
    }

    /// Whether there is nothing to hold.
    pub fn is_empty(&self) -> bool {
        self.channels == 0
    }

    /// Values of one channel, without the gap.
    pub(crate) fn used(&self) -> usize {
        self.height * self.width * self.lanes
    }

    /// Values per channel that count: pixels times samples.
    pub fn samples_per_channel(&self) -> usize {
        self.height * self.width * self.batch
    }
}

/// Writes images `[batch, channels, height, width]` as maps, normalised per channel: (x − mean) / std.
pub fn images_to_maps(images: &[f32], mean: &[f32], std: &[f32], out: &mut [f32], maps: &Maps) {
    let pixels = maps.height * maps.width;
    let used = maps.used();
    out[..maps.len()].par_chunks_mut(maps.plane).enumerate().for_each(|(channel, plane)| {
        let (mean, scale) = (mean[channel], 1.0 / std[channel]);
        for (pixel, lanes) in plane[..used].chunks_exact_mut(maps.lanes).enumerate() {
            let (samples, tail) = lanes.split_at_mut(maps.batch);
            for (sample, value) in samples.iter_mut().enumerate() {
                *value = (images[(sample * maps.channels + channel) * pixels + pixel] - mean) * scale;
            }
            tail.fill(0.0);
        }
    });
}

/// Writes gradients with respect to normalised maps as gradients with respect to images `[batch, channels, height, width]`.
pub fn maps_to_images(gradient: &[f32], std: &[f32], out: &mut [f32], maps: &Maps) {
    let pixels = maps.height * maps.width;
    out.par_chunks_mut(pixels).enumerate().for_each(|(index, image)| {
        let (sample, channel) = (index / maps.channels, index % maps.channels);
        for (pixel, value) in image.iter_mut().enumerate() {
            *value = gradient[channel * maps.plane + pixel * maps.lanes + sample] / std[channel];
        }
    });
}

/// Feature maps (height and width 1) as rows `[batch, features]`.
pub fn maps_to_rows(features: &[f32], rows: &mut [f32], maps: &Maps) {
    for (sample, row) in rows.chunks_exact_mut(maps.channels).enumerate() {
        for (channel, value) in row.iter_mut().enumerate() {
            *value = features[channel * maps.plane + sample];
        }
    }
}

/// Rows `[batch, features]` as feature maps (height and width 1).
pub fn rows_to_maps(rows: &[f32], features: &mut [f32], maps: &Maps) {
    for (channel, plane) in features[..maps.len()].chunks_exact_mut(maps.plane).enumerate() {
        let (samples, tail) = plane.split_at_mut(maps.batch);
        for (sample, value) in samples.iter_mut().enumerate() {
            *value = rows[sample * maps.channels + channel];
        }
        tail.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_survive_the_way_in_and_out_and_the_tail_is_zero() {
        let maps = Maps::new(2, 2, 3, 5);
        let images: Vec<f32> = (0..5 * 2 * 6).map(|i| i as f32 * 0.1).collect();
        let mut inside = vec![f32::NAN; maps.len()];
        images_to_maps(&images, &[0.0, 0.0], &[1.0, 1.0], &mut inside, &maps);
        assert!(inside[..maps.used()].chunks(maps.lanes).all(|lanes| lanes[5..].iter().all(|v| *v == 0.0)));
        let mut outside = vec![0.0; images.len()];
        maps_to_images(&inside, &[1.0, 1.0], &mut outside, &maps);
        assert_eq!(outside, images);
    }
}
