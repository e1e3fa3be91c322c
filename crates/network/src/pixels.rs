//! The images of a pass: as floats, or as bytes that the executor's device decodes.

use std::borrow::Cow;

/// Images `[count, channels, height, width]` of a pass.
#[derive(Debug, Clone, Copy)]
pub enum Pixels<'a> {
    /// Values in 0..1.
    Floats(&'a [f32]),
    /// Bytes, which become value / 255 at the place that each sample's [`Placement`] says. An executor whose memory is
    /// not the host's gets a quarter of the data.
    Bytes {
        /// The bytes before they are placed.
        bytes: &'a [u8],
        /// One placement for each sample, or none at all if no image moves.
        placements: &'a [Placement],
    },
}

/// The crop and the mirror of one sample: the window that its image shows, then the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placement {
    /// Rows by which the window moves down. Negative is up. Outside of the image is black.
    pub down: i32,
    /// Columns by which the window moves right. Negative is left.
    pub right: i32,
    /// Whether the window's content is mirrored left to right.
    pub flip: bool,
}

impl<'a> Pixels<'a> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Bytes { bytes, .. } => bytes.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values in 0..1, made by the host if they are bytes. This is the reference for devices.
    ///
    /// # Panics
    /// If there are placements, but not one for each sample.
    pub fn floats(&self, [channels, height, width]: [usize; 3]) -> Cow<'a, [f32]> {
        match *self {
            Self::Floats(values) => values.into(),
            Self::Bytes { bytes, placements } => {
                let size = channels * height * width;
                let still = Placement::default();
                assert!(placements.is_empty() || placements.len() * size == bytes.len(), "a placement for each sample");
                let placed = bytes.chunks_exact(size).enumerate().flat_map(|(sample, image)| {
                    let placement = *placements.get(sample).unwrap_or(&still);
                    (0..size).map(move |at| {
                        let (plane, y, x) = (at / (height * width), at / width % height, at % width);
                        let x = if placement.flip { width - 1 - x } else { x };
                        let within = |place: usize, shift: i32, side: usize| {
                            usize::try_from(place as i64 + i64::from(shift)).ok().filter(|place| *place < side)
                        };
                        match (within(y, placement.down, height), within(x, placement.right, width)) {
                            (Some(y), Some(x)) => f32::from(image[(plane * height + y) * width + x]) / 255.0,
                            _ => 0.0,
                        }
                    })
                });
                placed.collect::<Vec<_>>().into()
            }
        }
    }
}

impl<'a> From<&'a [f32]> for Pixels<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::Floats(values)
    }
}
