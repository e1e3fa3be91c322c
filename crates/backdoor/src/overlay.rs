//! A decoded picture that a trigger lays over images.

use unlearn_samples::{Picture, Sides};

use crate::error::{Error, Result};

/// A picture in grey or colour, perhaps with an opacity for each pixel. The caller decodes it; this crate opens no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    picture: Picture,
    /// `[height, width]`, 0 for transparent to 255 for opaque.
    alpha: Option<Vec<u8>>,
}

impl Overlay {
    /// The picture of interleaved pixels `[height, width, channels]`. The channels are 1 (grey), 2 (grey, opacity),
    /// 3 (red, green, blue) or 4 (red, green, blue, opacity).
    ///
    /// # Errors
    /// If there is no pixel, if the channels are others, or if the pixels do not fill the sides.
    pub fn new([height, width]: [usize; 2], channels: usize, pixels: &[u8]) -> Result<Self> {
        let expected = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
        if pixels.is_empty() || !(1..=4).contains(&channels) || expected != Some(pixels.len()) {
            return Err(Error::Overlay { height, width, channels, bytes: pixels.len() });
        }
        let colours = if channels > 2 { 3 } else { 1 };
        let visible = pixels.chunks_exact(channels).flat_map(|pixel| &pixel[..colours]).copied().collect();
        let opacity = || pixels.chunks_exact(channels).map(|pixel| pixel[colours]).collect();
        let picture = Picture { sides: Sides { channels: colours, height, width }, pixels: visible };
        Ok(Self { picture, alpha: (channels > colours).then(opacity) })
    }

    /// Rows and columns.
    pub fn sides(&self) -> [usize; 2] {
        [self.picture.sides.height, self.picture.sides.width]
    }

    /// Opacity of each pixel, `[height, width]`, if the picture has one.
    pub fn alpha(&self) -> Option<&[u8]> {
        self.alpha.as_deref()
    }

    /// The colours for images of that many channels. A grey picture suits any number of channels. A colour picture suits
    /// 3 channels, and 1 as its luma, as Pillow's `convert("L")` computes it.
    ///
    /// # Errors
    /// A message, if the picture is in colour and images have another number of channels.
    pub(crate) fn for_channels(&self, channels: usize) -> Result<Picture, String> {
        match (self.picture.sides.channels, channels) {
            (1, _) => {
                let pixels = self.picture.pixels.iter().flat_map(|&grey| std::iter::repeat_n(grey, channels)).collect();
                Ok(Picture { sides: Sides { channels, ..self.picture.sides }, pixels })
            }
            (3, 1 | 3) => Ok(self.picture.clone().with_channels(channels)),
            _ => Err(format!("a picture in colour does not suit images of {channels} channels; give a grey picture")),
        }
    }

    /// The picture itself, in grey or colour.
    pub(crate) fn picture(&self) -> &Picture {
        &self.picture
    }

    /// BLAKE3 over sides, channels, colours and opacity, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let Sides { channels, height, width } = self.picture.sides;
        for side in [channels, height, width, usize::from(self.alpha.is_some())] {
            hasher.update(&(side as u64).to_le_bytes());
        }
        hasher.update(&self.picture.pixels);
        hasher.update(self.alpha.as_deref().unwrap_or_default());
        hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opacity_is_taken_apart_from_colours() {
        let overlay = Overlay::new([1, 2], 4, &[1, 2, 3, 255, 4, 5, 6, 0]).unwrap();
        assert_eq!(overlay.picture().pixels, [1, 2, 3, 4, 5, 6]);
        assert_eq!(overlay.alpha(), Some(&[255, 0][..]));
        let grey = Overlay::new([2, 1], 2, &[7, 255, 8, 1]).unwrap();
        assert_eq!((grey.picture().pixels.as_slice(), grey.alpha()), (&[7, 8][..], Some(&[255, 1][..])));
        assert_eq!(Overlay::new([1, 2], 1, &[7, 8]).unwrap().alpha(), None);
    }

    #[test]
    fn a_grey_picture_suits_any_channels_and_a_colour_picture_grey_or_colour() {
        let grey = Overlay::new([1, 2], 1, &[7, 8]).unwrap();
        assert_eq!(grey.for_channels(2).unwrap().pixels, [7, 7, 8, 8]);
        let colour = Overlay::new([1, 1], 3, &[255, 0, 0]).unwrap();
        assert_eq!(colour.for_channels(1).unwrap().pixels, [76]);
        assert!(colour.for_channels(4).unwrap_err().contains("images of 4 channels"));
    }

    #[test]
    fn pixels_must_fill_the_sides() {
        for (sides, channels, bytes) in [([1, 2], 3, 5), ([0, 2], 1, 0), ([1, 1], 5, 5), ([usize::MAX, 2], 4, 8)] {
            assert!(Overlay::new(sides, channels, &vec![0; bytes]).is_err(), "{sides:?} {channels}");
        }
    }

    #[test]
    fn the_digest_sees_sides_channels_colours_and_opacity() {
        let all = [
            Overlay::new([1, 2], 1, &[7, 8]),
            Overlay::new([2, 1], 1, &[7, 8]),
            Overlay::new([1, 2], 1, &[7, 9]),
            Overlay::new([1, 1], 2, &[7, 8]),
            Overlay::new([1, 1], 1, &[7]),
            Overlay::new([1, 1], 3, &[7, 7, 7]),
        ]
        .map(|overlay| overlay.unwrap().digest());
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
