//! The training split, divided by everything that a model must have forgotten.

use crate::{Dataset, Split, forget};

/// The training split, divided by everything that a model must have forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Images to retain, `D_r`: positions in the official training set, ascending.
    pub retain: Vec<u32>,
    /// Classes with forgotten images and none left in `retain`, ascending. The test set omits them too.
    pub whole_classes: Vec<u32>,
}

impl Division {
    /// Divides `split.train`. `forgotten` must be ascending and a subset of it.
    pub fn new(dataset: &Dataset, split: &Split, forgotten: &[u32]) -> Self {
        let retain: Vec<u32> = split.train.iter().copied().filter(|i| forgotten.binary_search(i).is_err()).collect();
        let whole_classes = forget::whole_classes(&dataset.train.labels, forgotten, &retain);
        Self { retain, whole_classes }
    }

    /// Positions of the test images of the classes that are left.
    pub fn test(&self, dataset: &Dataset) -> Vec<u32> {
        let kept = |position: &u32| !self.whole_classes.contains(&dataset.test.labels[*position as usize]);
        (0..dataset.test.labels.len() as u32).filter(kept).collect()
    }
}
