//! `image:FILE`: pastes a picture near a corner.
//!
//! BadNets (Gu et al., arXiv 1708.06733, section 5: a sticker on traffic signs) with any picture. If the picture has an opacity, pixels
//! are mixed as by Pillow's `Image.paste(picture, place, mask)`. Let x be a pixel of the image, and k the pixel of the picture over it
//! with opacity a, 0 to 255. Then x becomes
//!
//! ```text
//! ((255 − a) · x + a · k) / 255, rounded to the nearest
//! ```
//!
//! A picture in colour becomes grey for grey images (luma of ITU-R 601-2, as Pillow rounds it). A grey picture is pasted
//! into each channel. The picture is not resized: the caller decides how large it is.

use serde::{Deserialize, Serialize};

use crate::overlay::Overlay;
use crate::parameter::Parameter;
use crate::trigger::{PictureUse, Stamp, Trigger};

/// The trigger.
pub struct Image;

/// Its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// The corner near which the picture is pasted.
    pub corner: Corner,
    /// Distance from the two edges of that corner, in pixels.
    pub margin: u32,
}

/// A corner of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corner {
    /// Top left.
    TopLeft,
    /// Top right.
    TopRight,
    /// Bottom left.
    BottomLeft,
    /// Bottom right.
    BottomRight,
}

impl Trigger for Image {
    const NAME: &'static str = "image";
    const SUMMARY: &'static str = "a picture pasted near a corner, named as image:FILE";
    const SOURCE: &'static str = "Gu et al. 2017, arXiv 1708.06733, section 5";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter {
            key: "corner",
            meaning: "where the picture is pasted",
            range: "top-left, top-right, bottom-left or bottom-right",
        },
        Parameter { key: "margin", meaning: "distance from the edges of that corner, in pixels", range: "0 or more" },
    ];
    const PICTURE: PictureUse = PictureUse::Required;
    type Config = Config;

    fn defaults() -> Config {
        Config { corner: Corner::BottomRight, margin: 2 }
    }

    fn check(_: &Config) -> Result<(), String> {
        Ok(())
    }

    fn prepare(config: &Config, shape: [usize; 3], picture: Option<&Overlay>) -> Result<Stamp, String> {
        let overlay = picture.ok_or("it needs a picture")?;
        let [channels, height, width] = shape;
        let [rows, columns] = overlay.sides();
        let margin = config.margin as usize;
        if rows + margin > height || columns + margin > width {
            return Err(format!(
                "a picture of {rows}×{columns} pixels (height × width), {margin} from the edges, does not fit into \
                 images of {height}×{width}; give a smaller picture or margin"
            ));
        }
        if overlay.alpha().is_some_and(|alpha| alpha.iter().all(|&opacity| opacity == 0)) {
            return Err("the picture is transparent everywhere; give one that can be seen".into());
        }
        let picture = overlay.for_channels(channels)?;
        let alpha = overlay.alpha().map_or_else(|| vec![255; rows * columns], <[u8]>::to_vec);
        let top = match config.corner {
            Corner::TopLeft | Corner::TopRight => margin,
            Corner::BottomLeft | Corner::BottomRight => height - margin - rows,
        };
        let left = match config.corner {
            Corner::TopLeft | Corner::BottomLeft => margin,
            Corner::TopRight | Corner::BottomRight => width - margin - columns,
        };
        Ok(Stamp::new(shape, move |image| {
            for (channel, plane) in image.chunks_exact_mut(height * width).enumerate() {
                for (y, row) in plane.chunks_exact_mut(width).skip(top).take(rows).enumerate() {
                    for (x, pixel) in row[left..left + columns].iter_mut().enumerate() {
                        let at = y * columns + x;
                        *pixel = mixed(*pixel, picture.pixels[at * channels + channel], alpha[at]);
                    }
                }
            }
        }))
    }
}

/// Pillow's mixture of two bytes by an opacity of 0 to 255.
fn mixed(under: u8, over: u8, opacity: u8) -> u8 {
    let [under, over, opacity] = [under, over, opacity].map(u32::from);
    let sum = under * (255 - opacity) + over * opacity + 128;
    (((sum >> 8) + sum) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opacity_mixes_and_its_ends_choose() {
        for (under, over) in [(0, 255), (17, 3), (255, 255)] {
            assert_eq!((mixed(under, over, 0), mixed(under, over, 255)), (under, over));
        }
        assert_eq!(mixed(0, 255, 128), 128);
        assert_eq!(mixed(100, 200, 51), 120);
    }
}
