//! `blend`: mixes a picture into the whole image.
//!
//! Chen, Liu, Li, Lu, Song: "Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning", arXiv 1712.05526,
//! section 3.2.1. For an image x and a pattern k, the blended image is
//!
//! ```text
//! (1 − α) · x + α · k
//! ```
//!
//! The pattern is a given picture, or else noise: `numpy.random.RandomState(seed).bytes(channels · height · width)`, read as `[channels,
//! height, width]`. A picture is resized to the images' height and width, as by Pillow's `BILINEAR`.
//!
//! Deviations: values are rounded to whole numbers, half to even, because samples are bytes. α is the same in training and in the test.
//! The paper also tests with a greater α, for which a second `Poison` with other settings can be used. The default of α is the paper's
//! 0.2.

use rand::Rng as _;
use serde::{Deserialize, Serialize};
use unlearn_random::Mt19937;
use unlearn_samples::resize;

use crate::overlay::Overlay;
use crate::parameter::Parameter;
use crate::settings::within;
use crate::trigger::{PictureUse, Stamp, Trigger};

/// The trigger.
pub struct Blend;

/// Its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Share of the pattern, in (0, 1].
    pub alpha: f64,
    /// Seed of the noise.
    pub seed: u32,
}

impl Trigger for Blend {
    const NAME: &'static str = "blend";
    const SUMMARY: &'static str = "a noise image, or a picture, mixed into the whole image";
    const SOURCE: &'static str = "Chen et al. 2017, arXiv 1712.05526, section 3.2.1";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter { key: "alpha", meaning: "share of the pattern in the mixture", range: "above 0 and at most 1" },
        Parameter { key: "seed", meaning: "seed of the noise; unused with a picture", range: "0 to 4294967295" },
    ];
    const PICTURE: PictureUse = PictureUse::Optional;
    type Config = Config;

    fn defaults() -> Config {
        Config { alpha: 0.2, seed: 0 }
    }

    fn check(config: &Config) -> Result<(), String> {
        within("alpha", config.alpha, config.alpha > 0.0 && config.alpha <= 1.0, "above 0 and at most 1")
    }

    fn prepare(config: &Config, shape: [usize; 3], picture: Option<&Overlay>) -> Result<Stamp, String> {
        let [channels, height, width] = shape;
        let mut pattern = vec![0; channels * height * width];
        match picture {
            None => Mt19937::new(config.seed).fill_bytes(&mut pattern),
            Some(overlay) if overlay.alpha().is_some() => {
                return Err("it takes a picture without transparency; remove the picture's alpha channel".into());
            }
            Some(overlay) => {
                // The picture is resized before its channels change, because `resize` knows only grey and colour.
                let resized = resize::resize(overlay.picture().clone(), height, width);
                let resized = Overlay::new([height, width], resized.sides.channels, &resized.pixels)
                    .map_err(|error| error.to_string())?;
                resized.for_channels(channels)?.write_planes(&mut pattern);
            }
        }
        let alpha = config.alpha;
        Ok(Stamp::new(shape, move |image| {
            for (pixel, &over) in image.iter_mut().zip(&pattern) {
                *pixel = ((1.0 - alpha) * f64::from(*pixel) + alpha * f64::from(over)).round_ties_even() as u8;
            }
        }))
    }
}
