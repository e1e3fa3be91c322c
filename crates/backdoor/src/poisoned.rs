//! The results of poisoning: the poisoned data set, and the test set with the trigger.

use unlearn_samples::{Dataset, ForgetSpec, ImageSet, Split};

/// A poisoned data set.
#[derive(Debug, Clone)]
pub struct Poisoned {
    /// The data set: a training set with the poison, and the test set as it was.
    pub dataset: Dataset,
    /// The split that the poison was drawn from. The new labels would give another split, so this one is kept with the set.
    pub split: Split,
    /// Positions of the poison in the official training set, ascending.
    pub positions: Vec<u32>,
    /// The original classes of these images, in the order of the positions.
    pub true_classes: Vec<u32>,
    /// Those of the positions where the trigger changed no pixel, ascending. Such an image teaches no trigger. If its label is new, it is
    /// only mislabelled.
    pub unchanged: Vec<u32>,
}

impl Poisoned {
    /// The request that forgets exactly the poison.
    pub fn forget(&self) -> ForgetSpec {
        ForgetSpec::Positions { positions: self.positions.clone() }
    }

    /// A note for the user about images where the trigger changes nothing, if there are any.
    pub fn warning(&self) -> Option<String> {
        let (unchanged, images) = (self.unchanged.len(), self.positions.len());
        (unchanged > 0).then(|| {
            format!(
                "the trigger changes no pixel of {unchanged} of {images} poisoned images; these teach no trigger, and a \
                 new label makes them mislabelled images"
            )
        })
    }
}

/// The test set with the trigger in every image. It cannot become a training set, because every function that draws poison or a split
/// refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggeredTest {
    images: ImageSet,
    target: u32,
    unchanged: Vec<u32>,
}

impl TriggeredTest {
    pub(crate) fn new(images: ImageSet, target: u32, unchanged: Vec<u32>) -> Self {
        Self { images, target, unchanged }
    }

    /// The triggered images, in the order of the test set. Their labels are their true classes.
    pub fn images(&self) -> &ImageSet {
        &self.images
    }

    /// The class that the attacker wants.
    pub fn target(&self) -> u32 {
        self.target
    }

    /// The true class of each image.
    pub fn true_classes(&self) -> &[u32] {
        &self.images.labels
    }

    /// Ascending positions of the images that ASR counts: those whose true class is not the target. `asr-compat` counts every image.
    pub fn positions(&self) -> Vec<u32> {
        let other = |&(_, &class): &(u32, &u32)| class != self.target;
        (0..).zip(self.images.labels.iter()).filter(other).map(|(position, _)| position).collect()
    }

    /// Positions of images where the trigger changed no pixel, ascending. They measure the clean model, not the attack.
    pub fn unchanged(&self) -> &[u32] {
        &self.unchanged
    }

    /// A note for the user about images where the trigger changes nothing, if there are any.
    pub fn warning(&self) -> Option<String> {
        let (unchanged, images) = (self.unchanged.len(), self.images.len());
        (unchanged > 0).then(|| {
            format!(
                "the trigger changes no pixel of {unchanged} of {images} test images; on these, the attack success rate \
                 measures the model without a trigger"
            )
        })
    }
}
