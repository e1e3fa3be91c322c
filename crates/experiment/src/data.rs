//! `[data]`: which images, how they are split, and what poisons them; and the opened data.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use unlearn_backdoor::{Labels, Overlay, Poison, Poisoned, TriggerChoice, TriggeredTest};
use unlearn_datasets::picture;
use unlearn_samples::{Dataset, Sampler, Sides, Split, SplitOptions, split::split};

/// Maximum bytes of a trigger's picture.
const MOST: u64 = 1 << 26;

/// A class of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a class must be a number or a name")]
pub enum ClassChoice {
    /// Its number.
    Number(u32),
    /// Its name.
    Name(String),
}

/// `[data]`: which images, and how they are split.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataSection {
    /// Dataset name.
    pub name: String,
    /// The classes to use, by number or by name. They are numbered 0, 1, … in this order. All if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<ClassChoice>>,
    /// `[channels, height, width]` that images are converted to. They stay as they are if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<[usize; 3]>,
    /// Number of training images to use. The first images of each class are taken, equally many per class.
    pub train_limit: Option<usize>,
    /// Share of each class's training images held out for validation, in 0..1.
    #[serde(default = "tenth")]
    pub validation: f64,
    /// How the validation set, random forget sets and poison are drawn.
    #[serde(default = "legacy")]
    pub sampler: Sampler,
    /// Seed of the split and of random forget sets. Default: the run's seed + 1 (the paper uses 2, with training seed
    /// 1).
    pub seed: Option<u64>,
    /// `[data.poison]`: a backdoor in the training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poison: Option<PoisonSection>,
}

/// `[data.poison]`: a trigger is set into some images of the training split, before training sees them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PoisonSection {
    /// The trigger: its name (`"patch"`, `"image:FILE"`), or a table with its name and settings.
    pub trigger: TriggerChoice,
    /// The class that the model should assign to triggered images.
    pub target: u32,
    /// The images that are poisoned, and the change of their labels.
    #[serde(default)]
    pub labels: Labels,
    /// Number of poisoned images. Either this or `fraction` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Share of the training split, in (0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Seed of the draw. Default: the seed of the split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

fn tenth() -> f64 {
    0.1
}

fn legacy() -> Sampler {
    Sampler::NumpyLegacy
}

impl DataSection {
    /// The same section for a run's seed, as descriptions of stages hold it: seeds and all settings of the trigger are filled in. A
    /// path of a picture is relative to `folder`. The error is a reason for users.
    pub(crate) fn resolved(&self, seed: u64, folder: &Path) -> Result<Self, String> {
        let seed = self.seed.unwrap_or(seed.saturating_add(1));
        let mut data = Self { seed: Some(seed), ..self.clone() };
        if let Some(poison) = &mut data.poison {
            poison.seed = Some(poison.seed.unwrap_or(seed));
            if let Some(file) = &mut poison.trigger.file {
                *file = folder.join(&*file);
            }
            let resolved = data.with_picture(|poison, picture| poison.resolved(picture).map_err(|e| e.to_string()))?;
            if let (Some(poison), Some(resolved)) = (&mut data.poison, resolved) {
                poison.trigger = resolved.trigger;
            }
        }
        Ok(data)
    }

    /// Whether the dataset is used as it is, but for poison.
    pub(crate) fn takes_all(&self) -> bool {
        self.classes.is_none() && self.convert.is_none()
    }

    /// The dataset that this section describes, without poison, of the whole one: its classes, with its images converted. The error is
    /// a reason for users.
    pub(crate) fn derived(&self, whole: &Dataset) -> Result<Dataset, String> {
        let fail = |error: unlearn_samples::Error| error.to_string();
        let part = match &self.classes {
            None => None,
            Some(classes) => {
                let numbers = classes.iter().map(|class| class.number(whole)).collect::<Result<Vec<_>, _>>();
                Some(whole.of_classes(&numbers?).map_err(fail)?)
            }
        };
        match self.convert {
            None => Ok(part.unwrap_or_else(|| whole.clone())),
            Some(shape) => part.as_ref().unwrap_or(whole).converted(shape).map_err(fail),
        }
    }

    /// The name of the data in reports: `fashion-mnist`, or `fashion-mnist, 3 classes (0 1 2)`, or `fashion-mnist, as 3×32×32`.
    pub(crate) fn title(&self) -> String {
        let Self { name, classes, convert, .. } = self;
        let form =
            convert.map_or_else(String::new, |[channels, height, width]| format!(", as {channels}×{height}×{width}"));
        let Some(classes) = classes else { return format!("{name}{form}") };
        let list = classes.iter().map(|class| match class {
            ClassChoice::Number(number) => number.to_string(),
            ClassChoice::Name(name) => name.clone(),
        });
        format!("{name}, {} classes ({}){form}", classes.len(), list.collect::<Vec<_>>().join(" "))
    }

    /// The split that this section describes, of the dataset without poison. It must have a seed.
    pub(crate) fn split(&self, dataset: &Dataset) -> unlearn_samples::Result<Split> {
        let options = SplitOptions {
            validation_fraction: self.validation,
            train_limit: self.train_limit,
            sampler: self.sampler,
            seed: self.split_seed(),
        };
        split(dataset, &options)
    }

    fn split_seed(&self) -> u64 {
        self.seed.unwrap_or(SplitOptions::default().seed)
    }

    /// The same section without poison.
    pub(crate) fn clean(&self) -> Self {
        Self { poison: None, ..self.clone() }
    }

    /// The same section without the path of the trigger's picture, and the path. The digest alone decides what the picture is.
    pub(crate) fn without_place(&self) -> (Self, Option<PathBuf>) {
        let mut data = self.clone();
        let place = data.poison.as_mut().and_then(|poison| poison.trigger.file.take());
        (data, place)
    }

    /// The reverse of [`without_place`](Self::without_place).
    pub(crate) fn with_place(&self, place: Option<&String>) -> Self {
        let mut data = self.clone();
        if let (Some(poison), Some(place)) = (&mut data.poison, place) {
            poison.trigger.file = Some(place.into());
        }
        data
    }

    /// Calls `then` with the poison and its picture, if there is poison.
    fn with_picture<T>(
        &self,
        then: impl FnOnce(&Poison, Option<&Overlay>) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let Some(section) = &self.poison else { return Ok(None) };
        let PoisonSection { trigger, target, labels, count, fraction, seed } = section.clone();
        let fail = |reason: String| format!("[data.poison]: {reason}");
        let picture = trigger.file().map(open_picture).transpose().map_err(fail)?;
        let seed = seed.unwrap_or(self.split_seed());
        let poison = Poison { trigger, target, labels, count, fraction, sampler: self.sampler, seed };
        then(&poison, picture.as_ref()).map(Some).map_err(fail)
    }
}

impl ClassChoice {
    /// The class's number in a dataset. The error is a reason for users.
    fn number(&self, dataset: &Dataset) -> Result<u32, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Name(name) => {
                let number = dataset.classes.iter().position(|class| class == name);
                number.map(|number| number as u32).ok_or_else(|| {
                    let names = dataset.classes.iter().map(String::as_str);
                    let suggestion = unlearn_names::suggestion(name, names);
                    let valid = dataset.numbered_classes();
                    format!("class `{name}` does not exist in {}{suggestion}; valid classes: {valid}", dataset.name)
                })
            }
        }
    }
}

/// Opens and decodes a trigger's picture.
fn open_picture(path: &Path) -> Result<Overlay, String> {
    let fail = |reason: &dyn std::fmt::Display| format!("the trigger's picture {}: {reason}", path.display());
    let bytes = unlearn_files::read(path, MOST).map_err(|error| fail(&error))?;
    let picture = picture::decode_with_opacity(&bytes).map_err(|error| fail(&error))?;
    let Sides { channels, height, width } = picture.sides;
    Overlay::new([height, width], channels, &picture.pixels).map_err(|error| fail(&error))
}

/// Opened data: images, their split, and the poison in them.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    /// The images, with the poison if there is any.
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) split: Split,
    pub(crate) poisoning: Option<Arc<Poisoning>>,
}

/// The poison in a training set, and the test set that measures it.
#[derive(Debug)]
pub(crate) struct Poisoning {
    /// `patch, 10 % to class 0, dirty-label`.
    pub(crate) label: String,
    /// Positions of the poison in the official training set, ascending.
    pub(crate) positions: Vec<u32>,
    /// The true classes of these images.
    pub(crate) true_classes: Vec<u32>,
    /// Those of the positions where the trigger changed no pixel.
    pub(crate) unchanged: Vec<u32>,
    /// The test set with the trigger in every image.
    pub(crate) triggered: TriggeredTest,
    /// Remarks for the user.
    pub(crate) warnings: Vec<String>,
}

impl Data {
    /// The data that `section` describes, of the dataset without poison. The error is a reason for users.
    pub(crate) fn of(section: &DataSection, clean: Arc<Dataset>) -> Result<Self, String> {
        let split = section.split(&clean).map_err(|error| error.to_string())?;
        let poisoned = section.with_picture(|poison, picture| {
            let fail = |error: unlearn_backdoor::Error| error.to_string();
            // The test set comes first: it is smaller, and it is wrong in the same ways.
            let triggered = poison.triggered_test(&clean, picture).map_err(fail)?;
            let poisoned = poison.apply(&clean, &split, picture).map_err(fail)?;
            let warnings = poisoned.warning().into_iter().chain(triggered.warning()).collect();
            let Poisoned { dataset, positions, true_classes, unchanged, .. } = poisoned;
            let label = poison.label();
            Ok((dataset, Poisoning { label, positions, true_classes, unchanged, triggered, warnings }))
        })?;
        Ok(match poisoned {
            None => Self { dataset: clean, split, poisoning: None },
            Some((dataset, poisoning)) => {
                // The name stays that under which the data can be opened again.
                let dataset = Dataset { name: clean.name.clone(), ..dataset };
                Self { dataset: Arc::new(dataset), split, poisoning: Some(Arc::new(poisoning)) }
            }
        })
    }
}
