//! The normalisation of images in models.

use crate::error::Result;
use crate::image_set::ImageSet;

/// Maximum number of pictures that are decoded to measure a set.
pub const MEASURED: usize = 4096;

/// Per-channel statistics of images scaled to 0..1. Models apply `(x − mean) / std` themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// One mean per channel.
    pub mean: Vec<f32>,
    /// One standard deviation per channel.
    pub std: Vec<f32>,
}

impl Normalization {
    /// The statistics of a set's images, per channel over all pixels. NaN if there is no pixel. Of pictures that are
    /// not in memory, at most [`MEASURED`] evenly spaced ones are measured.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub fn of(set: &ImageSet) -> Result<Self> {
        let plane = set.height * set.width;
        let mut histograms = vec![[0_u64; 256]; set.channels];
        let step = if set.pixels().is_some() { 1 } else { set.len().div_ceil(MEASURED).max(1) };
        for i in (0..set.len()).step_by(step) {
            for (histogram, channel) in histograms.iter_mut().zip(set.image(i)?.chunks_exact(plane.max(1))) {
                for &pixel in channel {
                    histogram[usize::from(pixel)] += 1;
                }
            }
        }
        // Sums of whole numbers are exact, whatever the number of images.
        let moment = |histogram: &[u64; 256], power: u32| {
            let sum: u64 = (0..).zip(histogram).map(|(value, count): (u64, _)| value.pow(power) * count).sum();
            sum as f64 / histogram.iter().sum::<u64>() as f64
        };
        let mean = |histogram| moment(histogram, 1);
        let std = |histogram| (moment(histogram, 2) - mean(histogram).powi(2)).sqrt();
        Ok(Self {
            mean: histograms.iter().map(|histogram| (mean(histogram) / 255.0) as f32).collect(),
            std: histograms.iter().map(|histogram| (std(histogram) / 255.0) as f32).collect(),
        })
    }
}

impl Normalization {
    /// The same for use in a model: a deviation of 0 becomes 1, because a model divides by it. Also returns the
    /// numbers of those channels.
    pub fn without_zeros(mut self) -> (Self, Vec<usize>) {
        let constant: Vec<_> = (0..self.std.len()).filter(|&channel| self.std[channel] == 0.0).collect();
        for &channel in &constant {
            self.std[channel] = 1.0;
        }
        (self, constant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_measured() {
        let set = ImageSet::new([2, 1, 2], vec![0, 255, 51, 51, 255, 0, 51, 51], vec![2, 7]).unwrap();
        let measured = Normalization::of(&set).unwrap();
        assert_eq!(measured, Normalization { mean: vec![0.5, 0.2], std: vec![0.5, 0.0] });
        let usable = Normalization { mean: vec![0.5, 0.2], std: vec![0.5, 1.0] };
        assert_eq!(measured.without_zeros(), (usable.clone(), vec![1]));
        assert_eq!(usable.clone().without_zeros(), (usable, vec![]));
    }
}
