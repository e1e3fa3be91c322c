//! The description of a poisoned training set, and the draw of its positions.
//!
//! The sampler `numpy-legacy` draws the same positions as arXiv 2304.04934's code: `RandomState(seed − 1).choice(candidates, n,
//! replace=False)`. Candidates are ascending positions in the training split, from which the validation images are already removed.

use rand::Rng;
use serde::{Deserialize, Serialize};
use unlearn_random::{Mt19937, choice, stream};
use unlearn_samples::{Dataset, ImageSet, Sampler, Split};

use crate::error::{Error, Result};
use crate::overlay::Overlay;
use crate::poisoned::{Poisoned, TriggeredTest};
use crate::trigger::{Stamp, TriggerChoice};

/// A poisoned training set: which images are changed, and how.
///
/// Exactly one of `count` and `fraction` is set. Equal descriptions of the same data give equal bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Poison {
    /// The trigger.
    pub trigger: TriggerChoice,
    /// The class that the model should assign to triggered images.
    pub target: u32,
    /// The images that are poisoned, and the change of their labels.
    #[serde(default)]
    pub labels: Labels,
    /// The number of poisoned images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Share of the training split, in (0, 1], rounded to whole images. It is a share of the whole split, even if only images of one
    /// class are poisoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// The sampler that draws the images.
    #[serde(default)]
    pub sampler: Sampler,
    /// The draw's seed.
    pub seed: u64,
}

/// The images that are poisoned, and the change of their labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Labels {
    /// Images of every class but the target; they get the target's label.
    #[default]
    #[serde(rename = "dirty-label")]
    Dirty,
    /// Images of the target class; they keep their labels.
    #[serde(rename = "clean-label")]
    Clean,
    /// Images of every class, the target included; they get the target's label. This is the draw of arXiv 2304.04934's
    /// code.
    #[serde(rename = "dirty-label-compat")]
    DirtyCompat,
}

impl Labels {
    /// Name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dirty => "dirty-label",
            Self::Clean => "clean-label",
            Self::DirtyCompat => "dirty-label-compat",
        }
    }

    fn admits(self, label: u32, target: u32) -> bool {
        match self {
            Self::Dirty => label != target,
            Self::Clean => label == target,
            Self::DirtyCompat => true,
        }
    }

    fn candidates(self) -> &'static str {
        match self {
            Self::Dirty => "images of the training split that are not of the target class",
            Self::Clean => "images of the target class in the training split",
            Self::DirtyCompat => "images of the training split",
        }
    }
}

impl Poison {
    /// The label in reports: `patch, 10 % to class 0, dirty-label`.
    pub fn label(&self) -> String {
        let amount = match (self.count, self.fraction) {
            (Some(count), _) => count.to_string(),
            // Rounded to a millionth of a percent, so that 0.07 gives 7 and not 7.000000000000001.
            (None, Some(fraction)) => format!("{} %", (fraction * 1e8).round() / 1e6),
            (None, None) => "no amount".to_owned(),
        };
        format!("{}, {amount} to class {}, {}", self.trigger.name, self.target, self.labels.name())
    }

    /// The same description with every setting of the trigger and the digest of its picture, as a stage's description holds it. Checks
    /// everything that can be checked without a data set.
    ///
    /// # Errors
    /// If the trigger, its settings or its picture are wrong; if the amount is given twice, missing or out of range; if the seed does not
    /// fit the sampler.
    pub fn resolved(&self, picture: Option<&Overlay>) -> Result<Self> {
        self.amount(None)?;
        self.generator()?;
        Ok(Self { trigger: self.trigger.resolved(picture)?, ..self.clone() })
    }

    /// Checks everything that [`apply`](Self::apply) and [`triggered_test`](Self::triggered_test) check, except whether
    /// the trigger changes a pixel. Nothing is copied.
    ///
    /// # Errors
    /// As [`apply`](Self::apply) and [`triggered_test`](Self::triggered_test).
    pub fn check(&self, dataset: &Dataset, split: &Split, picture: Option<&Overlay>) -> Result<()> {
        self.draw(dataset, split)?;
        self.prepare(&dataset.name, &dataset.train, "training", picture)?;
        self.measurable(dataset)?;
        self.prepare(&dataset.name, &dataset.test, "test", picture)?;
        Ok(())
    }

    /// Draws the images that are poisoned: positions in the official training set, ascending, all of them in
    /// `split.train`.
    ///
    /// # Errors
    /// If the target class does not exist; if the amount is missing, zero, or more than there are candidates; if the
    /// seed does not fit the sampler; if the training set was altered before or is the test set; if the split does not
    /// fit the data set.
    pub fn draw(&self, dataset: &Dataset, split: &Split) -> Result<Vec<u32>> {
        self.target_of(dataset)?;
        refuse_altered(dataset, &dataset.train, "training")?;
        if is_same(&dataset.train, &dataset.test) {
            return Err(Error::TestSet { dataset: dataset.name.clone() });
        }
        check_split(dataset, split)?;
        let count = self.amount(Some(split.train.len()))?;
        let labels = &dataset.train.labels;
        let admitted = |&position: &u32| self.labels.admits(labels[position as usize], self.target);
        let candidates: Vec<u32> = split.train.iter().copied().filter(admitted).collect();
        if count > candidates.len() {
            let (available, candidates) = (candidates.len(), self.labels.candidates());
            return Err(Error::TooMany { count, available, candidates });
        }
        let mut positions = choice(&mut *self.generator()?, &candidates, count);
        positions.sort_unstable();
        Ok(positions)
    }

    /// Makes the poisoned data set. Its training set has the trigger and the labels of the poison, its test set is unchanged, and its
    /// fingerprint is new. The pixels of the training set are copied once.
    ///
    /// # Errors
    /// As [`draw`](Self::draw); if the training images are not in memory; if the trigger or its picture does not fit
    /// them, or changes no pixel of any poisoned image.
    pub fn apply(&self, dataset: &Dataset, split: &Split, picture: Option<&Overlay>) -> Result<Poisoned> {
        let positions = self.draw(dataset, split)?;
        let (stamp, pixels) = self.prepare(&dataset.name, &dataset.train, "training", picture)?;
        let (pixels, unchanged) = stamped(&stamp, pixels, dataset.train.image_len(), &positions);
        self.refuse_invisible(&positions, &unchanged, "poisoned")?;
        let mut labels = dataset.train.labels.to_vec();
        let true_classes = positions.iter().map(|&position| labels[position as usize]).collect();
        for &position in &positions {
            labels[position as usize] = self.target;
        }
        let train = self.altered(&dataset.train, pixels, labels)?;
        let dataset = Dataset::new(
            format!("{} + {}", dataset.name, self.trigger.name),
            dataset.classes.clone(),
            dataset.normalization.clone(),
            dataset.augmentation,
            train,
            dataset.test.clone(),
        );
        Ok(Poisoned { dataset, split: split.clone(), positions, true_classes, unchanged })
    }

    /// Sets the trigger into every test image, which gives the set that measures the attack's success. The labels remain the true
    /// classes.
    ///
    /// # Errors
    /// If the target class does not exist; if no test image is of another class; if the test set was altered before or
    /// is not in memory; if the trigger or its picture does not fit, or changes no pixel of any image.
    pub fn triggered_test(&self, dataset: &Dataset, picture: Option<&Overlay>) -> Result<TriggeredTest> {
        self.measurable(dataset)?;
        let (stamp, pixels) = self.prepare(&dataset.name, &dataset.test, "test", picture)?;
        let positions: Vec<u32> = (0..dataset.test.len() as u32).collect();
        let (pixels, unchanged) = stamped(&stamp, pixels, dataset.test.image_len(), &positions);
        self.refuse_invisible(&positions, &unchanged, "test")?;
        let images = self.altered(&dataset.test, pixels, dataset.test.labels.to_vec())?;
        Ok(TriggeredTest::new(images, self.target, unchanged))
    }

    /// Whether the attack's success can be measured on the test set.
    fn measurable(&self, dataset: &Dataset) -> Result<()> {
        self.target_of(dataset)?;
        refuse_altered(dataset, &dataset.test, "test")?;
        if dataset.test.labels.iter().all(|&label| label == self.target) {
            return Err(Error::Empty { what: "test image of another class than the target" });
        }
        Ok(())
    }

    fn target_of(&self, dataset: &Dataset) -> Result<()> {
        if (self.target as usize) < dataset.classes.len() {
            return Ok(());
        }
        let valid = dataset.classes.iter().enumerate().map(|(number, name)| format!("{number} ({name})"));
        let valid = valid.collect::<Vec<_>>().join(", ");
        Err(Error::Target { target: self.target, dataset: dataset.name.clone(), valid })
    }

    /// The number of images to poison, for a training split of this size if it is known.
    fn amount(&self, split: Option<usize>) -> Result<usize> {
        match (self.count, self.fraction) {
            (Some(0), None) => Err(Error::Nothing { what: "count 0".into() }),
            (Some(count), None) => Ok(count),
            (None, Some(fraction)) if fraction > 0.0 && fraction <= 1.0 => {
                let Some(split) = split else { return Ok(1) };
                match (fraction * split as f64).round() as usize {
                    0 => Err(Error::Nothing { what: format!("fraction {fraction} of {split} images") }),
                    count => Ok(count),
                }
            }
            (None, Some(fraction)) => Err(Error::Fraction { fraction }),
            (Some(_), Some(_)) => Err(Error::Amount { found: "both" }),
            (None, None) => Err(Error::Amount { found: "neither" }),
        }
    }

    fn generator(&self) -> Result<Box<dyn Rng>> {
        let seed = self.seed;
        Ok(match self.sampler {
            Sampler::Seeded => Box::new(stream("poison", &[seed])),
            Sampler::NumpyLegacy => {
                let before = seed.checked_sub(1).and_then(|seed| u32::try_from(seed).ok());
                Box::new(Mt19937::new(before.ok_or(Error::Seed { seed })?))
            }
        })
    }

    /// The trigger for these images, and their pixels.
    fn prepare<'a>(
        &self,
        dataset: &str,
        images: &'a ImageSet,
        part: &'static str,
        picture: Option<&Overlay>,
    ) -> Result<(Stamp, &'a [u8])> {
        let stamp = self.trigger.prepare([images.channels, images.height, images.width], picture)?;
        let streamed = || Error::Streamed { dataset: dataset.to_owned(), part };
        Ok((stamp, images.pixels().ok_or_else(streamed)?))
    }

    fn refuse_invisible(&self, positions: &[u32], unchanged: &[u32], part: &'static str) -> Result<()> {
        if unchanged.len() < positions.len() {
            return Ok(());
        }
        Err(Error::Invisible { trigger: self.trigger.name.clone(), images: positions.len(), part })
    }

    fn altered(&self, images: &ImageSet, pixels: Vec<u8>, labels: Vec<u32>) -> Result<ImageSet> {
        let altered = ImageSet::new([images.channels, images.height, images.width], pixels, labels)?;
        Ok(altered.altered_by(format!("the trigger `{}`", self.trigger.name)))
    }
}

/// A copy of the pixels with the trigger at the positions, and the positions where it changed no pixel.
fn stamped(stamp: &Stamp, pixels: &[u8], image_len: usize, positions: &[u32]) -> (Vec<u8>, Vec<u32>) {
    let mut copy = pixels.to_vec();
    let mut unchanged = Vec::new();
    for &position in positions {
        let at = position as usize * image_len..(position as usize + 1) * image_len;
        stamp.apply(&mut copy[at.clone()]);
        if copy[at.clone()] == pixels[at] {
            unchanged.push(position);
        }
    }
    (copy, unchanged)
}

fn refuse_altered(dataset: &Dataset, images: &ImageSet, part: &'static str) -> Result<()> {
    match images.alteration() {
        None => Ok(()),
        Some(by) => Err(Error::Altered { dataset: dataset.name.clone(), part, by: by.to_owned() }),
    }
}

/// Whether two sets hold the same images. Only sets in memory are compared.
fn is_same(train: &ImageSet, test: &ImageSet) -> bool {
    !train.is_empty() && train.pixels().is_some() && train.pixels() == test.pixels() && train.labels == test.labels
}

fn check_split(dataset: &Dataset, split: &Split) -> Result<()> {
    let refuse = |reason| Err(Error::Split { dataset: dataset.name.clone(), reason });
    let count = dataset.train.len();
    for (name, positions) in [("training", &split.train), ("validation", &split.validation)] {
        if let Some((before, next)) = positions.iter().zip(positions.iter().skip(1)).find(|(a, b)| a >= b) {
            return refuse(format!("{name} positions must ascend, but {next} follows {before}"));
        }
        if let Some(last) = positions.last().filter(|&&last| last as usize >= count) {
            return refuse(format!("{name} position {last} is outside the training set of {count} images"));
        }
    }
    match split.validation.iter().find(|position| split.train.binary_search(position).is_ok()) {
        Some(position) => refuse(format!("position {position} is in both the training and the validation part")),
        None => Ok(()),
    }
}
