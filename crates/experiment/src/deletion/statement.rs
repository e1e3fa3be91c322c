//! What a model was trained on. Its checkpoint says so, or else the operator, by naming a suite.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use unlearn::parts::input_spec;
use unlearn_certificates::Basis;
use unlearn_datasets::registry;
use unlearn_models::{InputSpec, ModelFile, checkpoint::Training};
use unlearn_samples::Dataset;

use crate::{Environment, Error, Materials, Result, Suite, data::DataSection, setting::Setting};

/// What an operator states about a checkpoint that does not say what it was trained on.
#[derive(Debug, Clone)]
pub struct Stated {
    /// The suite that trained it.
    pub suite: PathBuf,
    /// The suite's seed for this model. Optional if the suite has only one.
    pub seed: Option<u64>,
}

/// An opened dataset and the materials that it was opened with.
pub(super) type Opened = (Arc<Dataset>, Materials);

/// What the model in `checkpoint` was trained on, who says so, and its opened data. `data` is the dataset's name, or
/// a folder that holds the dataset. The dataset that an operator states may be `opened` already.
pub(super) fn trained_on(
    model: &ModelFile,
    checkpoint: &Path,
    (data, opened): (&str, Option<Opened>),
    stated: Option<&Stated>,
    environment: &Environment,
) -> Result<(Setting, Basis, Materials)> {
    let place = checkpoint.display();
    let (mut training, stated_by) = match (&model.info.training, stated) {
        (Some(training), None) => (training.clone(), Basis::Checkpoint),
        (None, Some(stated)) => (stated.training(environment)?, Basis::Operator),
        (Some(_), Some(_)) => {
            return Err(Error::deletion(
                "--suite",
                format!("{place} itself says what it was trained on; leave this option out"),
            ));
        }
        (None, None) => {
            let reason =
                "the checkpoint does not say what it was trained on; name the suite that trained it with `--suite`";
            return Err(Error::deletion(place, reason));
        }
    };
    let refuse = |reason: String| Error::deletion(place.to_string(), reason);
    let section: DataSection =
        serde_json::from_value(training.data.clone()).map_err(|e| refuse(format!("its `training` is damaged: {e}")))?;
    let (_, materials) = match opened {
        Some(opened) => opened,
        None => open(data, &section.name, environment)?,
    };
    if stated_by == Basis::Operator {
        training.fingerprint.clone_from(&materials.data(&section).map_err(refuse)?.dataset.fingerprint);
    }
    let setting = Setting::of(&training, &materials).map_err(refuse)?;
    setting.fits(&model.info).map_err(refuse)?;
    Ok((setting, stated_by, materials))
}

/// The images of an opened dataset.
pub(super) fn images((dataset, _): &Opened) -> InputSpec {
    input_spec(dataset)
}

impl Stated {
    /// Opens the dataset of the suite; `data` names it, or the folder that it lies in.
    pub(super) fn open(&self, data: &str, environment: &Environment) -> Result<Opened> {
        let section = Suite::load(&self.suite, &[])?.data;
        let (_, materials) = open(data, &section.name, environment)?;
        let dataset = materials.images(&section).map_err(|reason| Error::deletion(self.suite.display(), reason))?;
        Ok((dataset, materials))
    }

    fn training(&self, environment: &Environment) -> Result<Training> {
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
        let initial = Materials::new(environment.clone()).open_initial(&suite)?;
        let data = suite.data.resolved(seed, suite.folder());
        let data = data.map_err(|reason| Error::deletion(self.suite.display(), reason))?;
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

/// Opens the dataset `wanted`. `data` is its name, or a folder that holds it.
pub(super) fn open(data: &str, wanted: &str, environment: &Environment) -> Result<Opened> {
    let refuse = |reason: &dyn std::fmt::Display| Error::deletion(format!("--data {data}"), reason);
    let mut environment = environment.clone();
    if Path::new(data).is_dir() {
        environment.data_dir = Some(data.into());
    } else {
        registry::check_name(data).map_err(|e| refuse(&e))?;
        if data != wanted {
            return Err(refuse(&format!("the model was trained on `{wanted}`; give that dataset")));
        }
    }
    let materials = Materials::new(environment);
    let dataset = materials.dataset(wanted).map_err(|e| refuse(&e))?;
    Ok((dataset, materials))
}

#[cfg(test)]
pub(super) mod tests {
    use unlearn::parts::{History, Trained};
    use unlearn_models::checkpoint::CheckpointInfo;

    use super::*;

    /// 20 images of each class of `fashion-mnist-mini`, two of which are held out.
    pub(in crate::deletion) fn setting() -> Setting {
        let data: DataSection =
            serde_json::from_value(serde_json::json!({ "name": "fashion-mnist-mini", "train-limit": 200, "seed": 2 }))
                .unwrap();
        let opened = Materials::default().data(&data).unwrap();
        Setting::new(opened, data, History::fresh(1))
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
        let Setting { trained: Trained { dataset, history, .. }, data, .. } = setting();
        let recipe = history.recipe;
        let training = Training {
            data: serde_json::to_value(data).unwrap(),
            fingerprint: dataset.fingerprint.clone(),
            recipe: serde_json::to_value(recipe).unwrap(),
            seed: 1,
            init: None,
            forgotten: vec![7],
        };
        let of = |model: &ModelFile| {
            let (place, environment) = (Path::new("model.safetensors"), Environment::default());
            trained_on(model, place, ("fashion-mnist-mini", None), None, &environment).map(|(setting, ..)| setting)
        };
        let setting = of(&model(Some(training.clone()))).unwrap();
        let Trained { split, history, .. } = setting.trained;
        assert_eq!((split, history.forgotten), (tests::setting().trained.split, vec![7]));
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
            assert_eq!(open(data, "fashion-mnist-mini", &environment).unwrap().0.name, "fashion-mnist-mini");
        }
        let refusal = |data: &str| open(data, "fashion-mnist-mini", &environment).map(|_| ()).unwrap_err().to_string();
        assert!(refusal("fashion-mnist").contains("the model was trained on `fashion-mnist-mini`"));
        assert!(refusal("fashion-mnist-mimi").contains("did you mean `fashion-mnist-mini`"));
    }
}
