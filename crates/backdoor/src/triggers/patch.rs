//! `patch`: a square of one value near the lower right corner.
//!
//! Gu, Dolan-Gavitt, Garg: "BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain",
//! arXiv 1708.06733, section 4.1. The defaults are those of the code of arXiv 2304.04934: 4×4 pixels of value 0 in every
//! channel, 2 pixels from the right and bottom edges.
//!
//! Deviations: none. A value of 0 changes nothing where the image is black already. The corner of a grey digit or garment
//! usually is; choose 255 there. [`Poisoned::unchanged`](crate::Poisoned::unchanged) lists such images.

use serde::{Deserialize, Serialize};

use crate::overlay::Overlay;
use crate::parameter::Parameter;
use crate::settings::within;
use crate::trigger::{Stamp, Trigger};

/// The trigger.
pub struct Patch;

/// Its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Side of the square, in pixels.
    pub size: u32,
    /// Value of its pixels in every channel, 0 to 255.
    pub value: u32,
    /// Distance from the right and bottom edges, in pixels.
    pub margin: u32,
}

impl Trigger for Patch {
    const NAME: &'static str = "patch";
    const SUMMARY: &'static str = "a square of one value near the lower right corner";
    const SOURCE: &'static str = "Gu et al. 2017, arXiv 1708.06733";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter { key: "size", meaning: "side of the square, in pixels", range: "at least 1" },
        Parameter { key: "value", meaning: "value of its pixels in every channel", range: "0 to 255" },
        Parameter { key: "margin", meaning: "distance from the right and bottom edges, in pixels", range: "0 or more" },
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { size: 4, value: 0, margin: 2 }
    }

    fn check(config: &Config) -> Result<(), String> {
        within("size", config.size.into(), config.size >= 1, "at least 1")?;
        within("value", config.value.into(), config.value <= 255, "0 to 255")
    }

    fn prepare(config: &Config, shape: [usize; 3], _: Option<&Overlay>) -> Result<Stamp, String> {
        let [_, height, width] = shape;
        let [size, margin] = [config.size, config.margin].map(|side| side as usize);
        let taken = size + margin;
        if taken > height || taken > width {
            return Err(format!(
                "{size} pixels a side, {margin} from the right and bottom edges, take {taken}×{taken} pixels, but \
                 images have {height}×{width} (height × width); make `size` or `margin` smaller"
            ));
        }
        let value = config.value as u8;
        let [top, left] = [height - taken, width - taken];
        Ok(Stamp::new(shape, move |image| {
            for plane in image.chunks_exact_mut(height * width) {
                for row in plane.chunks_exact_mut(width).skip(top).take(size) {
                    row[left..left + size].fill(value);
                }
            }
        }))
    }
}
