//! `sig`: a sinusoid along the width, added to every row.
//!
//! Barni, Kallas, Tondi: "A new Backdoor Attack in CNNs by training set corruption without label poisoning",
//! arXiv 1902.11237, section 3.2. Column j = 1, …, m of images m pixels wide gets
//!
//! ```text
//! v(j) = Δ · sin(2π · j · f / m)
//! ```
//!
//! The paper poisons images of the target class and keeps their labels (`clean-label`).
//!
//! Deviations: sums are rounded to whole numbers, half to even, and clipped to 0..255, because samples are bytes. Columns count from 1 as
//! in the paper; some published code counts from 0. Δ is the same in training and in the test. The paper also tests with a greater Δ, for
//! which a second `Poison` with other settings can be used. The defaults are the paper's for traffic signs: Δ = 20, f = 6.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::overlay::Overlay;
use crate::parameter::Parameter;
use crate::settings::within;
use crate::trigger::{Stamp, Trigger};

/// The trigger.
pub struct Sig;

/// Its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Amplitude Δ, in steps of 1/255.
    pub amplitude: f64,
    /// Periods f over the width.
    pub frequency: f64,
}

impl Trigger for Sig {
    const NAME: &'static str = "sig";
    const SUMMARY: &'static str = "a sinusoid along the width, added to every row";
    const SOURCE: &'static str = "Barni et al. 2019, arXiv 1902.11237, section 3.2";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter { key: "amplitude", meaning: "amplitude, in steps of 1/255", range: "above 0 and at most 255" },
        Parameter { key: "frequency", meaning: "periods over the width", range: "above 0, below half the width" },
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { amplitude: 20.0, frequency: 6.0 }
    }

    fn check(config: &Config) -> Result<(), String> {
        let Config { amplitude, frequency } = *config;
        within("amplitude", amplitude, amplitude > 0.0 && amplitude <= 255.0, "above 0 and at most 255")?;
        within("frequency", frequency, frequency > 0.0 && frequency.is_finite(), "above 0")
    }

    fn prepare(config: &Config, shape: [usize; 3], _: Option<&Overlay>) -> Result<Stamp, String> {
        let [_, _, width] = shape;
        let Config { amplitude, frequency } = *config;
        // From half the width upwards, the columns no longer show the sinusoid. At exactly half, it is 0 in each column.
        if 2.0 * frequency >= width as f64 {
            return Err(format!(
                "{frequency} periods need images more than {} pixels wide, but they are {width} pixels wide; make \
                 `frequency` smaller",
                2.0 * frequency
            ));
        }
        let column = |j: usize| amplitude * (2.0 * PI * j as f64 * frequency / width as f64).sin();
        let wave: Vec<f64> = (1..=width).map(column).collect();
        Ok(Stamp::new(shape, move |image| {
            for row in image.chunks_exact_mut(width) {
                for (pixel, added) in row.iter_mut().zip(&wave) {
                    *pixel = (f64::from(*pixel) + added).round_ties_even().clamp(0.0, 255.0) as u8;
                }
            }
        }))
    }
}
