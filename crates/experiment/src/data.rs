//! `[data]`: which images, how they are split, and what poisons them; and the opened data.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use unlearn::parts::Backdoor;
use unlearn_backdoor::{Labels, Overlay, Poison, Poisoned, TriggerChoice, TriggeredTest};
use unlearn_datasets::picture;
use unlearn_samples::{Dataset, Sampler, Sides, Split, SplitOptions, split::split};

use crate::{
    finite,
    pool::{Part, PoolSection},
};

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

/// Reads `convert`.
fn shape<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<[usize; 3]>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "`convert` must be `[channels, height, width]`, three whole numbers from 1")]
    enum Shape {
        Whole([std::num::NonZero<usize>; 3]),
    }
    let Shape::Whole(sides) = Shape::deserialize(deserializer)?;
    Ok(Some(sides.map(std::num::NonZero::get)))
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
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "shape")]
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
    /// `[data.pool]`: the part of one model of a pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolSection>,
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
        let run = seed;
        let seed = self.seed.unwrap_or(seed.saturating_add(1));
        let mut data = Self { seed: Some(seed), ..self.clone() };
        if let Some(pool) = &mut data.pool {
            pool.number.get_or_insert(run);
            pool.seed.get_or_insert(seed);
            pool.check().map_err(|reason| format!("[data.pool]: {reason}"))?;
        }
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
    pub(crate) fn number(&self, dataset: &Dataset) -> Result<u32, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Name(name) => {
                let number = dataset.classes.iter().position(|class| class == name);
                number.map(|number| number as u32).ok_or_else(|| {
                    let names = dataset.classes.iter().map(String::as_str);
                    let is_number = name.parse::<usize>().is_ok_and(|number| number < dataset.classes.len());
                    let suggestion = if is_number {
                        format!(" (a text in quotes is a name; write {name} without quotes for its number)")
                    } else {
                        unlearn_names::suggestion(name, names)
                    };
                    let valid = dataset.numbered_classes();
                    format!("class `{name}` does not exist in {}{suggestion}; valid classes: {valid}", dataset.name)
                })
            }
        }
    }
}

/// The trigger that a text names, as a suite's `trigger = …` does: `patch`, `image:FILE`, or a table with settings.
///
/// # Errors
/// A reason for users, if the text is no trigger.
pub fn parse_trigger(text: &str) -> Result<TriggerChoice, String> {
    if !text.trim_start().starts_with('{') {
        return TriggerChoice::parse(text).map_err(|error| error.to_string());
    }
    let table: toml::Table =
        toml::from_str(&format!("trigger = {text}")).map_err(|error| error.message().to_owned())?;
    if table.len() > 1 {
        return Err("it has more than one value; give one trigger".into());
    }
    finite::check(&table)?;
    table["trigger"].clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// Opens and decodes a trigger's picture.
///
/// # Errors
/// A reason for users that names the file, if it cannot be read or is no picture.
pub fn open_picture(path: &Path) -> Result<Overlay, String> {
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
    /// The split. For a model of a pool, its training part is what this model is trained with.
    pub(crate) split: Split,
    /// The other samples of a model of a pool, and those that it must forget.
    pub(crate) part: Option<Part>,
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

impl Poisoning {
    /// What a model is asked for.
    pub(crate) fn backdoor(&self) -> Backdoor<'_> {
        Backdoor { triggered: &self.triggered, poison: &self.positions }
    }
}

impl Data {
    /// The data that `section` describes, of the dataset without poison. The error is a reason for users.
    pub(crate) fn of(section: &DataSection, clean: Arc<Dataset>) -> Result<Self, String> {
        let mut split = section.split(&clean).map_err(|error| error.to_string())?;
        let part = section.pool.map(|pool| pool.part(&split.train));
        if let Some(part) = &part {
            split.train.retain(|sample| part.unseen.binary_search(sample).is_err());
        }
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
            None => Self { dataset: clean, split, part, poisoning: None },
            Some((dataset, poisoning)) => {
                // The name stays that under which the data can be opened again.
                // Poison moves no image, so each stays of its subclass.
                let (name, subclasses) = (clean.name.clone(), clean.subclasses.clone());
                let dataset = Dataset { name, subclasses, ..dataset };
                Self { dataset: Arc::new(dataset), split, part, poisoning: Some(Arc::new(poisoning)) }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use unlearn_run_store::{CLEAN, StageKey};

    use super::*;
    use crate::{Environment, Plan, Suite};

    const SUITE: &str = r#"
        prune = [{ method = "none" }, { method = "omp", sparsity = 0.9, rewind-epoch = 1 }]
        forget = [{ kind = "poisoned" }, { kind = "detected", detector = "spectral-signatures" }]
        unlearn = [{ method = "raw" }, { method = "ft", epochs = 1 }]
        [suite]
        name = "tiny"
        seeds = [1]
        [data]
        name = "fashion-mnist-mini"
        train-limit = 200
        [data.poison]
        trigger = { name = "patch", value = 255 }
        target = 0
        fraction = 0.1
        [model]
        arch = "resnet8s"
        [train]
        epochs = 2
    "#;

    fn plan(text: &str, path: &Path) -> crate::Result<Plan> {
        let environment = Environment { device: "cpu".parse().unwrap(), offline: true, ..Environment::default() };
        Plan::resolve(&Suite::parse(text, path, &[])?, &environment)
    }

    fn keys(plan: &Plan, kind: &str) -> HashSet<StageKey> {
        plan.stages.iter().filter(|stage| stage.spec.kind == kind).map(|stage| stage.key.clone()).collect()
    }

    #[test]
    fn a_suite_with_poison_has_a_stage_for_it_and_a_model_that_never_saw_it() {
        let plan = plan(SUITE, Path::new("suite.toml")).unwrap();
        let count = |kind| keys(&plan, kind).len();
        // Two models (poisoned and clean), each dense and pruned; two requests, served by two methods on two models.
        let kinds = ["poison", "train", "prune", "detect", "unlearn"].map(count);
        assert_eq!((kinds, count("evaluate")), ([1, 2, 2, 1, 8], 8 + 4));
        let clean: Vec<_> = plan.index.rows.iter().filter(|row| row.method == CLEAN).collect();
        assert_eq!(clean.len(), 4);
        for row in &clean {
            let stage = plan.stages.iter().find(|stage| stage.key == row.evaluate).unwrap();
            assert_eq!(stage.spec.inputs["model"], row.unlearn);
            let sets = plan.stages.iter().find(|other| other.key == stage.spec.inputs["sets"]).unwrap();
            assert_eq!(sets.spec.kind, "unlearn");
        }
        let fingerprints: HashSet<_> = plan
            .stages
            .iter()
            .filter(|stage| stage.spec.kind == "train")
            .map(|stage| stage.spec.data_fingerprint.clone())
            .collect();
        assert_eq!(fingerprints.len(), 2, "the poisoned set has a fingerprint of its own");
    }

    #[test]
    fn poison_changes_the_keys_of_what_it_touches_and_no_other() {
        let of = |text: &str| plan(text, Path::new("suite.toml")).unwrap();
        let with = of(SUITE);
        let section = SUITE.find("[data.poison]").unwrap();
        let model = SUITE.find("[model]").unwrap();
        let without = format!("{}{}", &SUITE[..section], &SUITE[model..])
            .replace("{ kind = \"poisoned\" }", "{ kind = \"class\", class = 0 }");
        let clean = of(&without);
        assert!(keys(&clean, "train").is_subset(&keys(&with, "train")), "the clean model is an ordinary one");
        assert!(keys(&clean, "prune").is_subset(&keys(&with, "prune")));
        for (from, to) in
            [("target = 0", "target = 1"), ("value = 255", "value = 254"), ("fraction = 0.1", "count = 18")]
        {
            let other = of(&SUITE.replace(from, to));
            assert!(keys(&with, "unlearn").is_disjoint(&keys(&other, "unlearn")), "{to}");
        }
    }

    #[test]
    fn what_cannot_be_poisoned_is_refused_before_anything_is_computed() {
        for (from, to, words) in [
            ("target = 0", "target = 10", "class 10"),
            ("fraction = 0.1", "fraction = 0.0", "fraction 0"),
            ("fraction = 0.1", "fraction = 1.5", "fraction 1.5"),
            ("fraction = 0.1", "fraction = 0.1\ncount = 3", "both"),
            ("value = 255", "value = 255, size = 40", "28"),
            ("value = 255", "valu = 255", "did you mean `value`"),
            ("\"patch\"", "\"pach\"", "did you mean `patch`"),
            ("{ name = \"patch\", value = 255 }", "\"image:no-such.png\"", "no-such.png"),
            ("[data.poison]", "[data.poisn]", "did you mean `poison`"),
            ("\"raw\"", "\"raw\", name = \"clean\"", "never saw the poison"),
        ] {
            let text = SUITE.replacen(from, to, 1);
            let error = plan(&text, Path::new("suite.toml")).map(|_| ()).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(words), "{to}: {error}");
        }
        let section = SUITE.find("[data.poison]").unwrap();
        let without = format!("{}{}", &SUITE[..section], &SUITE[SUITE.find("[model]").unwrap()..]);
        let error = plan(&without, Path::new("suite.toml")).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("add a section [data.poison]"), "{error}");
    }

    #[test]
    fn the_picture_decides_the_key_and_its_path_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: u8| {
            let picture =
                unlearn_samples::Picture { sides: Sides { channels: 1, height: 3, width: 3 }, pixels: vec![value; 9] };
            std::fs::write(folder.path().join(name), picture::encode(&picture).unwrap()).unwrap();
        };
        write("a.png", 200);
        write("b.png", 200);
        write("c.png", 100);
        let trained = |name: &str| {
            let text = SUITE.replace("{ name = \"patch\", value = 255 }", &format!("\"image:{name}\""));
            let plan = plan(&text, &folder.path().join("suite.toml")).unwrap();
            let stage = plan.stages.into_iter().find(|stage| stage.spec.kind == "poison").unwrap();
            (stage.key, stage.spec.places["picture"].clone())
        };
        let [(a, at), (b, _), (c, _)] = ["a.png", "b.png", "c.png"].map(trained);
        assert!(a == b && a != c);
        assert!(at.ends_with("a.png") && Path::new(&at).is_file(), "{at}");
    }
}
