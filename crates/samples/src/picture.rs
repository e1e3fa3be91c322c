//! One picture: grey bytes, or red, green and blue bytes, of any size.

/// The dimensions of a picture that is not decoded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its dimensions.
    pub sides: Sides,
    /// `[height, width, channels]`, 0 to 255.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// The same picture with that many channels, 1 or 3. Grey becomes three equal channels. Colours become the luma
    /// of ITU-R 601-2, rounded as in Pillow.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        let sides = Sides { channels, ..self.sides };
        let pixels = match (self.sides.channels, channels) {
            (1, 3) => self.pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
            (3, 1) => self.pixels.as_chunks().0.iter().copied().map(luma).collect(),
            _ => return self,
        };
        Self { sides, pixels }
    }

    /// The picture of planes `[channels, height, width]`.
    ///
    /// # Panics
    /// If the planes are shorter than the shape.
    pub fn from_planes([channels, height, width]: [usize; 3], planes: &[u8]) -> Self {
        let plane = height * width;
        let pixel = |at: usize| (0..channels).map(move |channel| planes[channel * plane + at]);
        let pixels = (0..plane).flat_map(pixel).collect();
        Self { sides: Sides { channels, height, width }, pixels }
    }

    /// Writes the pixels to `out` as `[channels, height, width]`.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn write_planes(&self, out: &mut [u8]) {
        let Sides { channels, height, width } = self.sides;
        assert_eq!(out.len(), self.pixels.len(), "output of another shape");
        for (channel, plane) in out.chunks_exact_mut(height * width).enumerate() {
            for (out, pixel) in plane.iter_mut().zip(self.pixels.chunks_exact(channels)) {
                *out = pixel[channel];
            }
        }
    }
}

/// The luma of red, green and blue by ITU-R 601-2, rounded as in Pillow.
pub(crate) fn luma(pixel: [u8; 3]) -> u8 {
    let [red, green, blue] = pixel.map(u32::from);
    ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOUR: Sides = Sides { channels: 3, height: 2, width: 2 };

    #[test]
    fn pixels_become_planes_and_back() {
        let picture = Picture { sides: COLOUR, pixels: (0..12).map(|i| i * 20).collect() };
        let mut planes = [0; 12];
        picture.write_planes(&mut planes);
        assert_eq!(planes, [0, 60, 120, 180, 20, 80, 140, 200, 40, 100, 160, 220]);
        assert_eq!(Picture::from_planes([3, 2, 2], &planes), picture);
    }

    #[test]
    fn grey_and_colours_become_each_other() {
        let grey = Picture { sides: Sides { channels: 1, ..COLOUR }, pixels: vec![0, 1, 254, 255] };
        let colour = grey.clone().with_channels(3);
        assert_eq!((colour.sides, &colour.pixels[3..9]), (COLOUR, &[1, 1, 1, 254, 254, 254][..]));
        assert_eq!(colour.with_channels(1), grey);
        let pixels = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30];
        // The result of Pillow's `convert("L")`.
        assert_eq!(Picture { sides: COLOUR, pixels }.with_channels(1).pixels, [76, 150, 29, 18]);
    }
}
