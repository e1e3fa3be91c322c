//! What NumPy drew: `tests/golden/datasets/numpy_legacy.json`, written by the script beside it. Tests only.

use flate2::Crc;
use serde::Deserialize;

use crate::dataset::Dataset;
use crate::split::tests::labelled;

/// The whole file.
#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) raw: Vec<Raw>,
    pub(crate) permutations: Vec<Permutation>,
    pub(crate) protocol: Vec<Protocol>,
}

/// Words of the generator after `skipped` others.
#[derive(Deserialize)]
pub(crate) struct Raw {
    pub(crate) seed: u32,
    pub(crate) skipped: usize,
    pub(crate) words: Vec<u32>,
}

/// `choice(size, size, replace=False)`, and the word that follows.
#[derive(Deserialize)]
pub(crate) struct Permutation {
    pub(crate) seed: u32,
    pub(crate) size: u32,
    pub(crate) drawn: Summary,
    pub(crate) next_word: u32,
}

/// The data protocol on the labels of [`dataset`].
#[derive(Deserialize)]
pub(crate) struct Protocol {
    pub(crate) seed: u64,
    pub(crate) validation: Summary,
    pub(crate) train: Summary,
    pub(crate) class_3_of_100: Summary,
    pub(crate) random_450: Summary,
}

/// A list of positions: how many, the first, and a checksum of all.
#[derive(Deserialize)]
pub(crate) struct Summary {
    count: usize,
    first: Vec<u32>,
    crc32: u32,
}

impl Summary {
    /// Fails unless `positions` is the list summed up.
    pub(crate) fn check(&self, positions: &[u32], what: &str) {
        let mut crc = Crc::new();
        for position in positions {
            crc.update(&position.to_le_bytes());
        }
        assert_eq!(positions.len(), self.count, "{what}");
        assert_eq!(positions[..self.first.len()], self.first, "{what}");
        assert_eq!(crc.sum(), self.crc32, "{what}");
    }
}

pub(crate) fn read() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/datasets/numpy_legacy.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The made-up dataset of the script's `protocol`.
pub(crate) fn dataset() -> Dataset {
    labelled((0..5003).map(|i| (i * 7 + i / 13) % 10).collect())
}
