//! What a model was trained on: as its checkpoint says, or where it says nothing, as the operator says by a suite.

use std::path::{Path, PathBuf};

use unlearn_certificates::{Basis, Samples};
use unlearn_datasets::{registry, registry::OpenOptions};
use unlearn_models::{
    ModelFile, Origin,
    checkpoint::{CheckpointInfo, Training},
};
use unlearn_samples::{Dataset, Split};
use unlearn_training::Recipe;

use crate::{Environment, Error, Result, Suite, initial::Initial, suite::DataSection};

/// What a model was trained on, with the data opened.
pub(super) struct Setting {
    pub(super) dataset: Dataset,
    /// `[data]` with its seed filled in.
    pub(super) data: DataSection,
    pub(super) split: Split,
    pub(super) recipe: Recipe,
    pub(super) seed: u64,
    /// The pretrained weights that its training began with.
    pub(super) init: Option<Origin>,
    /// What it was asked to forget before; ascending.
    pub(super) forgotten: Vec<u32>,
    pub(super) stated_by: Basis,
}

/// What an operator says of a checkpoint that does not say what it was trained on.
#[derive(Debug, Clone)]
pub struct Stated {
    /// The suite that trained it.
    pub suite: PathBuf,
    /// Which of the suite's seeds; need not be said where there is one.
    pub seed: Option<u64>,
}

impl Setting {
    /// Of the model in `checkpoint`; `data` names the dataset, or the folder it lies in.
    pub(super) fn of(
        model: &ModelFile,
        checkpoint: &Path,
        data: &str,
        stated: Option<&Stated>,
        environment: &Environment,
    ) -> Result<Self> {
        let place = checkpoint.display();
        let (training, stated_by) = match (&model.info.training, stated) {
            (Some(training), None) => (training.clone(), Basis::Checkpoint),
            (None, Some(stated)) => (stated.training()?, Basis::Operator),
            (Some(_), Some(_)) => {
                return Err(Error::deletion(
                    "--suite",
                    format!("{place} says itself what it was trained on; leave it out"),
                ));
            }
            (None, None) => {
                let reason =
                    "the checkpoint does not say what it was trained on; name the suite that trained it with `--suite`";
                return Err(Error::deletion(place, reason));
            }
        };
        let unreadable =
            |e: serde_json::Error| Error::deletion(place.to_string(), format!("its `training` is damaged: {e}"));
        let Training { data: section, fingerprint, recipe, seed, init, forgotten } = training;
        let section: DataSection = serde_json::from_value(section).map_err(unreadable)?;
        let recipe: Recipe = serde_json::from_value(recipe).map_err(unreadable)?;
        let dataset = open(data, &section.name, environment)?;
        if stated_by == Basis::Checkpoint && dataset.fingerprint != fingerprint {
            return Err(Error::deletion(
                place,
                format!(
                    "it was trained on other images or labels than `--data {data}` has: their fingerprint is {fingerprint}, \
                     these have {}",
                    dataset.fingerprint
                ),
            ));
        }
        fits(&model.info, &dataset).map_err(|reason| Error::deletion(place.to_string(), reason))?;
        let split = section.split(&dataset).map_err(|e| Error::deletion(place.to_string(), e))?;
        Ok(Self { dataset, data: section, split, recipe, seed, init, forgotten, stated_by })
    }
}

impl Stated {
    fn training(&self) -> Result<Training> {
        let suite = Suite::load(&self.suite, &[])?;
        let refuse = |reason: String| Error::deletion("--seed", reason);
        let seed = match (self.seed, suite.suite.seeds.as_slice()) {
            (None, [seed]) => *seed,
            (None, seeds) => {
                return Err(refuse(format!(
                    "{} runs the seeds {seeds:?}; say which is this model's",
                    self.suite.display()
                )));
            }
            (Some(seed), seeds) if seeds.contains(&seed) => seed,
            (Some(seed), seeds) => {
                return Err(refuse(format!("{} runs the seeds {seeds:?}, not {seed}", self.suite.display())));
            }
        };
        let folder = self.suite.parent().unwrap_or(Path::new(""));
        let initial = Initial::open(suite.model.init.as_deref(), folder)?;
        let data = DataSection { seed: Some(suite.data.seed.unwrap_or(seed + 1)), ..suite.data.clone() };
        let json = |e: serde_json::Error| Error::deletion(self.suite.display(), e);
        Ok(Training {
            data: serde_json::to_value(data).map_err(json)?,
            fingerprint: String::new(),
            recipe: serde_json::to_value(&suite.train).map_err(json)?,
            seed,
            init: initial.origin().cloned(),
            forgotten: Vec::new(),
        })
    }
}

/// Opens the dataset `wanted`; `data` names it, or a folder that it lies in.
pub(super) fn open(data: &str, wanted: &str, environment: &Environment) -> Result<Dataset> {
    let refuse = |reason: &dyn std::fmt::Display| Error::deletion(format!("--data {data}"), reason);
    let mut options = OpenOptions { data_dir: environment.data_dir.clone(), fetch: true };
    if Path::new(data).is_dir() {
        options.data_dir = Some(data.into());
    } else {
        registry::check_name(data).map_err(|e| refuse(&e))?;
        if data != wanted {
            return Err(refuse(&format!("the model was trained on `{wanted}`; its own data are needed")));
        }
    }
    registry::open(wanted, &options).map_err(|e| refuse(&e))
}

fn fits(info: &CheckpointInfo, dataset: &Dataset) -> Result<(), String> {
    let images = &dataset.train;
    let shape = [images.channels, images.height, images.width];
    if (info.input, info.classes) == (shape, dataset.classes.len()) {
        return Ok(());
    }
    let CheckpointInfo { input, classes, .. } = info;
    Err(format!(
        "the model is for images {input:?} of {classes} classes, and {} has images {shape:?} of {}",
        dataset.name,
        dataset.classes.len()
    ))
}

/// The training split, divided by all that a model must have forgotten.
#[derive(Debug)]
pub(super) struct Division {
    /// D_r.
    pub(super) retain: Vec<u32>,
    /// Classes of which nothing is left in D_r.
    pub(super) whole_classes: Vec<u32>,
    pub(super) samples: Samples,
}

impl Division {
    /// `forget` must ascend and lie in the split.
    pub(super) fn new(dataset: &Dataset, split: &Split, forget: &[u32]) -> Self {
        let retain: Vec<u32> = split.train.iter().copied().filter(|i| forget.binary_search(i).is_err()).collect();
        let class = |position: &u32| dataset.train.labels[*position as usize];
        let count = |positions: &[u32]| {
            let mut counts = vec![0; dataset.classes.len()];
            for position in positions {
                counts[class(position) as usize] += 1;
            }
            counts
        };
        let (forgotten, retained) = (count(forget), count(&retain));
        let classes = 0..dataset.classes.len();
        let whole_classes: Vec<u32> =
            classes.filter(|class| forgotten[*class] > 0 && retained[*class] == 0).map(|class| class as u32).collect();
        let samples = Samples {
            forget: forget.len(),
            retain: retain.len(),
            validation: split.validation.len(),
            test: dataset.test.labels.iter().filter(|label| !whole_classes.contains(label)).count(),
        };
        Self { retain, whole_classes, samples }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// 20 images of each class of `fashion-mnist-mini`, two of them held out.
    pub(in crate::deletion) fn setting() -> Setting {
        let dataset = registry::open("fashion-mnist-mini", &OpenOptions::default()).unwrap();
        let data: DataSection =
            serde_json::from_value(serde_json::json!({ "name": "fashion-mnist-mini", "train-limit": 200, "seed": 2 }))
                .unwrap();
        let split = data.split(&dataset).unwrap();
        let recipe = Recipe::default();
        Setting { dataset, data, split, recipe, seed: 1, init: None, forgotten: vec![], stated_by: Basis::Checkpoint }
    }

    #[test]
    fn a_class_of_which_nothing_is_left_leaves_the_test_set() {
        let Setting { dataset, split, .. } = setting();
        let class = |position: &u32| dataset.train.labels[*position as usize];
        let all: Vec<u32> = split.train.iter().copied().filter(|position| class(position) == 3).collect();
        let division = Division::new(&dataset, &split, &all);
        assert_eq!(division.whole_classes, [3]);
        let Samples { forget, retain, validation, test } = division.samples;
        assert_eq!((forget, retain, validation, test), (18, 162, 20, dataset.test.len() / 10 * 9));
        let division = Division::new(&dataset, &split, &all[1..]);
        assert_eq!(division.whole_classes, [0; 0]);
        assert_eq!(division.samples.test, dataset.test.len());
    }

    /// A fresh model for `fashion-mnist-mini` that says what it was trained on.
    fn model(training: Option<Training>) -> ModelFile {
        let info = CheckpointInfo {
            format: unlearn_models::checkpoint::FORMAT,
            arch: "resnet8s".into(),
            classes: 10,
            input: [1, 28, 28],
            mean: vec![0.286],
            std: vec![0.353],
            dataset: "fashion-mnist-mini".into(),
            config: "abc".into(),
            widths: unlearn_network::Widths::new(),
            training,
        };
        let graph = info.graph().unwrap();
        let state = unlearn_models::initialize(&graph, 1);
        ModelFile { source: unlearn_models::Source::Dense, graph, state, mask: None, info }
    }

    #[test]
    fn data_that_the_model_was_not_trained_on_are_refused() {
        let Setting { dataset, data, recipe, .. } = setting();
        let training = Training {
            data: serde_json::to_value(data).unwrap(),
            fingerprint: dataset.fingerprint,
            recipe: serde_json::to_value(recipe).unwrap(),
            seed: 1,
            init: None,
            forgotten: vec![7],
        };
        let of = |model: &ModelFile| {
            let (place, environment) = (Path::new("model.safetensors"), Environment::default());
            Setting::of(model, place, "fashion-mnist-mini", None, &environment)
        };
        let setting = of(&model(Some(training.clone()))).unwrap();
        assert_eq!((setting.split, setting.forgotten), (tests::setting().split, vec![7]));
        let refusal = |model: &ModelFile| of(model).err().unwrap().to_string();
        let other = Training { fingerprint: "0".repeat(64), ..training.clone() };
        let message = refusal(&model(Some(other)));
        assert!(message.contains("model.safetensors: it was trained on other images or labels"), "{message}");
        assert!(refusal(&model(None)).contains("does not say what it was trained on"));
        let mut wide = model(Some(training.clone()));
        wide.info.input = [3, 32, 32];
        let message = refusal(&wide);
        assert!(message.contains("images [3, 32, 32]") && message.contains("images [1, 28, 28]"), "{message}");
        let damaged = Training { data: serde_json::json!({ "names": "x" }), ..training };
        assert!(refusal(&model(Some(damaged))).contains("its `training` is damaged"));
    }

    #[test]
    fn data_are_named_or_lie_in_a_folder_and_are_the_models_own() {
        let environment = Environment::default();
        let folder = tempfile::tempdir().unwrap();
        for data in ["fashion-mnist-mini", folder.path().to_str().unwrap()] {
            assert_eq!(open(data, "fashion-mnist-mini", &environment).unwrap().name, "fashion-mnist-mini");
        }
        let refusal = |data: &str| open(data, "fashion-mnist-mini", &environment).unwrap_err().to_string();
        assert!(refusal("fashion-mnist").contains("the model was trained on `fashion-mnist-mini`"));
        assert!(refusal("fashion-mnist-mimi").contains("did you mean `fashion-mnist-mini`"));
    }
}
