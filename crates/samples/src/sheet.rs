//! A sheet of images: rows of images side by side, on white.

use crate::{Picture, Sides};

/// White pixels between the images of a sheet.
const GAP: usize = 2;

/// Draws rows of images on white. An image is `[channels, height, width]`, 0 to 255, of `shape`. Images of three channels are drawn in
/// colour; of other images, the first channel is drawn. Shorter rows end in white.
///
/// # Panics
/// If an image has another size than `shape`.
#[must_use]
pub fn sheet(shape: [usize; 3], rows: &[Vec<Vec<u8>>]) -> Picture {
    let [channels, height, width] = shape;
    let colours = if channels == 3 { 3 } else { 1 };
    let across = rows.iter().map(Vec::len).max().unwrap_or(0) * (width + GAP);
    let down = (rows.len() * (height + GAP)).saturating_sub(GAP);
    let mut pixels = vec![255; colours * across * down];
    for (line, row) in rows.iter().enumerate() {
        for (column, image) in row.iter().enumerate() {
            assert_eq!(image.len(), channels * height * width, "an image of another shape");
            for y in 0..height {
                let start = ((line * (height + GAP) + y) * across + column * (width + GAP)) * colours;
                for x in 0..width {
                    for colour in 0..colours {
                        pixels[start + x * colours + colour] = image[(colour * height + y) * width + x];
                    }
                }
            }
        }
    }
    Picture { sides: Sides { channels: colours, height: down, width: across }, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stand_in_rows_and_colours_are_interleaved() {
        // Planes red, green, blue of one row with two pixels.
        let image = |base: u8| vec![base, base + 1, base + 2, base + 3, base + 4, base + 5];
        let Picture { sides, pixels } = sheet([3, 1, 2], &[vec![image(0), image(10)], vec![image(20)]]);
        assert_eq!(sides, Sides { channels: 3, height: 4, width: 8 });
        let line = |y: usize| &pixels[y * 24..(y + 1) * 24];
        let white = [255; 6];
        assert_eq!(line(0), [&[0, 2, 4, 1, 3, 5][..], &white, &[10, 12, 14, 11, 13, 15], &white].concat());
        assert_eq!((line(1), line(2)), (&[255; 24][..], &[255; 24][..]));
        assert_eq!(line(3), [&[20, 22, 24, 21, 23, 25][..], &white, &white, &white].concat());
    }

    #[test]
    fn images_of_other_channels_are_grey() {
        let Picture { sides, pixels } = sheet([2, 1, 1], &[vec![vec![7, 9]]]);
        assert_eq!((sides.channels, pixels), (1, vec![7, 255, 255]));
    }
}
