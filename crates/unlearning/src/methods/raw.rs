//! `raw`: the original model, unchanged, as a row of the table for comparison.

use serde::{Deserialize, Serialize};

use crate::{Method, Outcome, Request, parameter::Parameter};

/// The original model.
pub(crate) struct Raw;

/// No keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {}

impl Method for Raw {
    const NAME: &'static str = "raw";
    const SUMMARY: &'static str = "the original model, unchanged";
    const SOURCE: &'static str = "baseline";
    const PARAMETERS: &'static [&'static [Parameter]] = &[];
    type Config = Config;

    fn defaults() -> Config {
        Config {}
    }

    fn check(_: &Config) -> Result<(), String> {
        Ok(())
    }

    fn run(_: &Config, _: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        Ok(Outcome::default())
    }
}
