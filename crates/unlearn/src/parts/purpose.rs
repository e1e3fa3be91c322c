//! What the parts of a model's randomness are for.

use unlearn_random::derived_seed;

/// What a part of a model's randomness is for. Each purpose has a seed of its own, which follows from the model's seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The weights that training begins with.
    Initialization,
    /// Training: the order of the images, and their augmentation.
    Training,
    /// Pruning, with its retraining.
    Pruning,
    /// Unlearning.
    Unlearning,
    /// The members that an attack draws.
    Attack,
}

impl Purpose {
    /// The seed for this purpose of a model with this seed.
    pub fn seed(self, seed: u64) -> u64 {
        // Names are part of every result's bits.
        let name = match self {
            Self::Initialization => "initialization",
            Self::Training => "train",
            Self::Pruning => "prune",
            Self::Unlearning => "unlearn",
            Self::Attack => "attack",
        };
        derived_seed(seed, name)
    }
}
