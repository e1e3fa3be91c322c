//! The numbers that NumPy's legacy generator drew: `golden/datasets/numpy_legacy.json`, written by the script beside
//! it.

use flate2::Crc;
use serde::Deserialize;

use crate::golden;

/// The contents of the file.
#[derive(Deserialize)]
pub struct NumpyLegacy {
    /// Raw words of the generator.
    pub raw: Vec<Raw>,
    /// Permutations.
    pub permutations: Vec<Permutation>,
    /// Splits and forget sets.
    pub protocol: Vec<Protocol>,
}

/// Words of the generator after `skipped` others.
#[derive(Deserialize)]
pub struct Raw {
    /// The generator's seed.
    pub seed: u32,
    /// Number of words drawn before.
    pub skipped: usize,
    /// The words.
    pub words: Vec<u32>,
}

/// `choice(size, size, replace=False)`, and the following word.
#[derive(Deserialize)]
pub struct Permutation {
    /// The generator's seed.
    pub seed: u32,
    /// Number of elements that are permuted.
    pub size: u32,
    /// The permutation.
    pub drawn: Summary,
    /// The word drawn after it.
    pub next_word: u32,
}

/// The data protocol of arXiv 2304.04934's code on 5003 labels, `(i · 7 + i / 13) mod 10`.
#[derive(Deserialize)]
pub struct Protocol {
    /// The protocol's seed.
    pub seed: u64,
    /// Held-out positions.
    pub validation: Summary,
    /// Training positions.
    pub train: Summary,
    /// 100 images of class 3.
    pub class_3_of_100: Summary,
    /// 450 images of any class.
    pub random_450: Summary,
}

/// A list of positions: its length, its first elements, and a checksum of all.
#[derive(Deserialize)]
pub struct Summary {
    count: usize,
    first: Vec<u32>,
    crc32: u32,
}

impl Summary {
    /// Compares `positions` with the summarised list.
    ///
    /// # Panics
    /// If the lists differ.
    pub fn check(&self, positions: &[u32], what: &str) {
        let mut crc = Crc::new();
        for position in positions {
            crc.update(&position.to_le_bytes());
        }
        assert_eq!(positions.len(), self.count, "{what}");
        assert_eq!(positions[..self.first.len()], self.first, "{what}");
        assert_eq!(crc.sum(), self.crc32, "{what}");
    }
}

/// Reads the file.
///
/// # Panics
/// If it is not as the script writes it.
pub fn read() -> NumpyLegacy {
    serde_json::from_str(&golden::text("datasets/numpy_legacy.json"))
        .unwrap_or_else(|error| panic!("numpy_legacy.json: {error}"))
}
