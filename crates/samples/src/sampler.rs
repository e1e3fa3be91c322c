//! The generators that draw validation and forget sets.

use rand::Rng;
use serde::{Deserialize, Serialize};
use unlearn_random::{Mt19937, stream};

use crate::error::{Error, Result};

/// The generator behind validation and forget sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// NumPy's `RandomState` as in the paper's published code: the same images, index for index.
    #[default]
    NumpyLegacy,
    /// Independent streams of PCG64, one for each purpose. Any `u64` is a seed.
    Seeded,
}

impl Sampler {
    /// The generator of the validation set: `RandomState(seed)`.
    pub(crate) fn validation(self, seed: u64) -> Result<Box<dyn Rng>> {
        Ok(match self {
            Self::NumpyLegacy => Box::new(Mt19937::new(legacy(seed)?)),
            Self::Seeded => Box::new(stream("validation", &[seed])),
        })
    }

    /// The generator of the forget set: `RandomState(seed − 1)`.
    pub(crate) fn forget(self, seed: u64) -> Result<Box<dyn Rng>> {
        Ok(match self {
            Self::NumpyLegacy => {
                let seed = legacy(seed)?.checked_sub(1).ok_or(Error::LegacyForgetSeedZero)?;
                Box::new(Mt19937::new(seed))
            }
            Self::Seeded => Box::new(stream("forget", &[seed])),
        })
    }
}

fn legacy(seed: u64) -> Result<u32> {
    u32::try_from(seed).map_err(|_| Error::SeedTooLarge { seed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_draws_the_forget_set_with_the_seed_before() {
        let word = |rng: Result<Box<dyn Rng>>| rng.unwrap().next_u32();
        assert_eq!(word(Sampler::NumpyLegacy.forget(2)), word(Sampler::NumpyLegacy.validation(1)));
        assert_ne!(word(Sampler::Seeded.forget(2)), word(Sampler::Seeded.validation(1)));
        assert_ne!(word(Sampler::Seeded.forget(2)), word(Sampler::Seeded.validation(2)));
    }

    #[test]
    fn seeds_the_legacy_generator_cannot_take_are_refused() {
        let message = |rng: Result<Box<dyn Rng>>| rng.err().unwrap().to_string();
        assert!(message(Sampler::NumpyLegacy.forget(0)).contains("use a seed of at least 1"));
        assert!(message(Sampler::NumpyLegacy.validation(1 << 32)).contains("seed 4294967296 is too large"));
        assert!(Sampler::NumpyLegacy.validation(0).is_ok());
        assert!(Sampler::Seeded.forget(0).is_ok());
        assert!(Sampler::Seeded.forget(u64::MAX).is_ok());
    }

    #[test]
    fn names_are_kebab_case() {
        assert_eq!(serde_json::to_string(&Sampler::NumpyLegacy).unwrap(), r#""numpy-legacy""#);
        assert_eq!(serde_json::from_str::<Sampler>(r#""seeded""#).unwrap(), Sampler::Seeded);
    }
}
