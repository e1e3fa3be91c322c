//! What a model says of samples: predictions on any dataset, and scores on the sets of a request, for any model that a user names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use unlearn_hub::PREFIX;
use unlearn_metrics::{ModelScores, Scores, Triggered};
use unlearn_models::ImportOptions;
use unlearn_network::Network;
use unlearn_random::derived_seed;
use unlearn_run_store::{Stage, StoredScores};
use unlearn_samples::{Dataset, ImageSet, Split, positions};
use unlearn_training::{Predictions, predict};

use crate::{
    Environment, Error, Materials, ModelOrigin, OpenedModel, Result, address,
    data::Poisoning,
    initial::fetched,
    recognised::Folder,
    setting::{Division, Setting},
    stages::{RunTime, input_spec, network},
    subclass::Subclass,
};

/// A part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetPart {
    /// The official training set.
    Train,
    /// The official test set.
    Test,
}

/// A model as a user names it.
#[derive(Debug, Clone)]
pub struct NamedModel {
    /// A file, a finished stage by its folder or address, the folder of a deletion, or `hub:OWNER/NAME`.
    pub model: PathBuf,
    /// A mask that prunes the model first.
    pub mask: Option<PathBuf>,
    /// What a file of another program does not say.
    pub import: ImportOptions,
}

/// The samples that a model is judged on as forgotten.
#[derive(Debug, Clone)]
pub enum AskedToForget {
    /// A file with positions in the official training set.
    List(PathBuf),
    /// A class of the training set, by number or name.
    Class(String),
    /// Subclasses.
    Subclass(Subclass),
}

/// A model on an opened dataset.
pub struct Predictor {
    /// The dataset.
    pub dataset: Arc<Dataset>,
    /// How the model's file is named, for messages.
    pub named: String,
    network: Network,
    opened: OpenedModel,
    materials: Materials,
}

/// The sets of a request, on which a model and its Retrain are scored.
pub struct JudgedSets {
    forget: Vec<u32>,
    retain: Vec<u32>,
    test: Vec<u32>,
    validation: Vec<u32>,
    /// The backdoor in what the model was trained on.
    poisoning: Option<Arc<Poisoning>>,
}

impl Predictor {
    /// Opens a model and a dataset. `dataset` is a name or a form with a path, as in a suite; without it, the model says what it was
    /// trained on.
    ///
    /// # Errors
    /// If either cannot be opened, or the model takes other images or has fewer classes than the dataset.
    pub fn open(named: &NamedModel, dataset: Option<&str>, environment: &Environment) -> Result<Self> {
        let materials = Materials::new(environment.clone());
        let path = match named.model.to_str() {
            Some(text) if text.starts_with(PREFIX) => fetched(text, environment.offline)?,
            _ => named.model.clone(),
        };
        let dataset_of = |name: &str| {
            let opened = materials.dataset(name);
            opened.map_err(|error| Error::deletion(format!("--dataset {name}"), error))
        };
        let given = dataset.map(&dataset_of).transpose()?;
        let import = ImportOptions { images: given.as_deref().map(input_spec), ..named.import.clone() };
        let opened = OpenedModel::open(&path, named.mask.as_deref(), &import)?;
        let place = named.model.display().to_string();
        let refuse = |reason: String| Error::deletion(&place, reason);
        let dataset = match (given, &opened.model.info.training) {
            (Some(dataset), _) => dataset,
            // With its chosen classes, and converted as its images were.
            (None, Some(training)) => Setting::of(training, &materials).map_err(refuse)?.dataset,
            (None, None) => {
                return Err(refuse(
                    "the model does not say what it was trained on; name the images with `--dataset`".into(),
                ));
            }
        };
        let info = &opened.model.info;
        let images = &dataset.train;
        let shape = [images.channels, images.height, images.width];
        if info.input != shape {
            return Err(refuse(format!(
                "the model is for images {:?}, but {} has images {shape:?}; give a dataset of its size, or `--side` for a file of another \
                 program",
                info.input, dataset.name
            )));
        }
        if info.classes != dataset.classes.len() {
            return Err(refuse(format!(
                "the model has {} classes, but {} has {}; give the dataset that it was trained on",
                info.classes,
                dataset.name,
                dataset.classes.len()
            )));
        }
        let network = network(&opened.model, environment.device).map_err(refuse)?;
        Ok(Self { dataset, named: place, network, opened, materials })
    }

    /// All positions of a part of the dataset.
    pub fn all(&self, part: DatasetPart) -> Vec<u32> {
        (0..self.images(part).labels.len() as u32).collect()
    }

    fn images(&self, part: DatasetPart) -> &ImageSet {
        match part {
            DatasetPart::Train => &self.dataset.train,
            DatasetPart::Test => &self.dataset.test,
        }
    }

    /// The positions that a file lists, in its order, checked against a part of the dataset.
    ///
    /// # Errors
    /// If the file cannot be read, is not a list of positions, is empty, or lists a position twice or one that does not exist.
    pub fn listed(&self, path: &Path, part: DatasetPart) -> Result<Vec<u32>> {
        let listed = positions::read(path).map_err(|error| Error::deletion("the list of samples", error))?;
        if listed.is_empty() {
            return Err(Error::deletion(path.display(), "names no sample; write one position a line"));
        }
        let count = self.images(part).labels.len();
        let position = |listed: &positions::Listed| {
            let found = u32::try_from(listed.position).ok().filter(|position| (*position as usize) < count);
            found.ok_or_else(|| {
                let what = if part == DatasetPart::Train { "training" } else { "test" };
                let (position, name, last) = (listed.position, &self.dataset.name, count.saturating_sub(1));
                let reason =
                    format!("there is no image {position}: the {what} set of {name} has {count} (0 to {last})");
                Error::deletion(listed.place.in_file(path), reason)
            })
        };
        listed.iter().map(position).collect()
    }

    /// The model's logits on samples of a part of the dataset, with labels and positions.
    ///
    /// # Errors
    /// If there are no samples, or the model gives a number that is not finite.
    pub fn scores(&mut self, part: DatasetPart, samples: &[u32]) -> Result<Scores> {
        let dataset = Arc::clone(&self.dataset);
        self.scores_on(if part == DatasetPart::Train { &dataset.train } else { &dataset.test }, samples)
    }

    fn scores_on(&mut self, images: &ImageSet, samples: &[u32]) -> Result<Scores> {
        let refuse = |reason: String| Error::Content { path: self.named.clone().into(), reason };
        let predicted = predict(&mut self.network, images, samples);
        let Predictions { logits, labels, classes } = predicted.map_err(|error| refuse(error.to_string()))?;
        let scores = Scores::new(logits, labels, classes).and_then(|scores| scores.at(samples.to_vec()));
        scores.map_err(|error| refuse(error.to_string()))
    }

    /// The sets of a request. Without one, the model says what it was asked to forget.
    ///
    /// What the model was trained with is what its file says, or the whole training set. A class of which nothing is left is left out
    /// of the test set too.
    ///
    /// # Errors
    /// If there is no request, it names what is not in the training, or nothing is left.
    pub fn sets(&self, asked: Option<&AskedToForget>) -> Result<JudgedSets> {
        let refuse = |reason: String| Error::deletion(&self.named, reason);
        let setting = self.opened.model.info.training.as_ref().map(|training| Setting::of(training, &self.materials));
        // The training of a model counts if its images are those of the dataset.
        let setting = match setting.transpose() {
            Ok(setting) => setting.filter(|setting| setting.dataset.fingerprint == self.dataset.fingerprint),
            Err(_) if asked.is_some() => None,
            Err(reason) => return Err(refuse(reason)),
        };
        let (split, before) = match &setting {
            Some(setting) => (setting.split.clone(), setting.forgotten.clone()),
            None => (Split { train: self.all(DatasetPart::Train), validation: Vec::new() }, Vec::new()),
        };
        let trained = |position: &u32| split.train.binary_search(position).is_ok();
        let mut forget = match asked {
            None if before.is_empty() => {
                return Err(refuse(
                    "the model was not asked to forget anything; say what it should have forgotten with `--request FILE`, `--class NAME` or `--subclass NAME`"
                        .into(),
                ));
            }
            None => before.clone(),
            Some(AskedToForget::List(path)) => {
                let listed = self.listed(path, DatasetPart::Train)?;
                if let Some(position) = listed.iter().find(|position| !trained(position)) {
                    let reason = format!("the model was never trained on image {position}; take it out");
                    return Err(Error::deletion(path.display(), reason));
                }
                listed
            }
            Some(AskedToForget::Class(name)) => {
                let class = class_of(&self.dataset, name).map_err(|reason| Error::deletion("--class", reason))?;
                let of_class = |position: &u32| self.dataset.train.labels[*position as usize] == class;
                split.train.iter().copied().filter(of_class).collect()
            }
            Some(AskedToForget::Subclass(subclass)) => {
                let members = subclass.members(&self.dataset, &split, &split.train);
                members.map_err(|reason| Error::deletion("--subclass", reason))?.positions
            }
        };
        forget.sort_unstable();
        if forget.is_empty() {
            return Err(refuse("the request names no image of the training".into()));
        }
        let mut all = [forget.clone(), before].concat();
        all.sort_unstable();
        all.dedup();
        let Division { retain, whole_classes } = Division::new(&self.dataset, &split, &all);
        if retain.is_empty() {
            return Err(refuse("nothing is left to retain: the request names every image of the training".into()));
        }
        let kept = |position: &u32| !whole_classes.contains(&self.dataset.test.labels[*position as usize]);
        let test: Vec<u32> = self.all(DatasetPart::Test).into_iter().filter(kept).collect();
        if test.is_empty() {
            return Err(refuse("no test image is left: the request names every class of the test set".into()));
        }
        let poisoning = setting.and_then(|setting| setting.poisoning);
        Ok(JudgedSets { forget, retain, test, validation: split.validation, poisoning })
    }

    /// The model's scores on the sets of a request.
    ///
    /// # Errors
    /// As [`Predictor::scores`].
    pub fn score(&mut self, sets: &JudgedSets) -> Result<ModelScores> {
        Ok(ModelScores {
            forget: self.scores(DatasetPart::Train, &sets.forget)?,
            retain: self.scores(DatasetPart::Train, &sets.retain)?,
            test: self.scores(DatasetPart::Test, &sets.test)?,
            validation: if sets.validation.is_empty() {
                None
            } else {
                Some(self.scores(DatasetPart::Train, &sets.validation)?)
            },
            triggered: match &sets.poisoning {
                None => None,
                Some(poisoning) => Some(Triggered {
                    scores: self.scores_on(poisoning.triggered.images(), &sets.test)?,
                    target: poisoning.triggered.target(),
                    poison: poisoning.positions.clone(),
                }),
            },
            unseen: None,
        })
    }

    /// Wall seconds of the method that made the model forget, if its stage recorded them.
    ///
    /// # Errors
    /// If the record is damaged.
    pub fn rte_seconds(&self) -> Result<Option<f64>> {
        match &self.opened.origin {
            ModelOrigin::Stage(stage) => Ok(RunTime::of(stage)?.map(|time| time.rte_seconds)),
            _ => Ok(None),
        }
    }

    /// The seed from which an evaluation of this model in a suite draws an attack's members, if the model says how it was trained.
    pub fn attack_seed(&self) -> Option<u64> {
        self.opened.model.info.training.as_ref().map(|training| derived_seed(training.seed, "attack"))
    }

    /// Refuses, as a Retrain, a model that says that it was trained on a sample to forget.
    ///
    /// # Errors
    /// If it was.
    pub fn check_retrain(&self, sets: &JudgedSets) -> Result<()> {
        let Some(training) = &self.opened.model.info.training else { return Ok(()) };
        let Ok(setting) = Setting::of(training, &self.materials) else { return Ok(()) };
        if setting.dataset.fingerprint != self.dataset.fingerprint {
            return Ok(());
        }
        let saw =
            |id: &&u32| setting.split.train.binary_search(id).is_ok() && setting.forgotten.binary_search(id).is_err();
        match sets.forget.iter().find(saw) {
            None => Ok(()),
            Some(id) => {
                let reason = format!("it was trained on image {id}, which is to be forgotten; a Retrain never saw it");
                Err(Error::deletion(format!("--retrain {}", self.named), reason))
            }
        }
    }
}

/// The class of a dataset with this number or name. The error is a reason for users.
///
/// # Errors
/// If there is none. The error lists the valid ones.
pub fn class_of(dataset: &Dataset, class: &str) -> std::result::Result<u32, String> {
    let by_name = || dataset.classes.iter().position(|name| name == class);
    let by_number = class.parse().ok().filter(|number| *number < dataset.classes.len());
    let found = by_number.or_else(by_name);
    found.map(|class| class as u32).ok_or_else(|| {
        let known = dataset.classes.iter().enumerate().take(20).map(|(number, name)| format!("{number} ({name})"));
        let known = known.collect::<Vec<_>>().join(", ");
        let more = if dataset.classes.len() > 20 { ", …" } else { "" };
        format!("{} has no class `{class}`; its classes: {known}{more}", dataset.name)
    })
}

/// The scores that an `evaluate` stage stored, its attacks and their settings, if `path` names such a stage by its folder or address.
///
/// # Errors
/// If the stage is damaged.
pub fn stored_scores(path: &Path) -> Result<Option<(ModelScores, Option<unlearn_mia_eval::Settings>)>> {
    let path = address::resolve(path)?;
    if !path.is_dir() || Folder::of(&path) != Folder::Stage {
        return Ok(None);
    }
    let stage = Stage::open(&path)?;
    if stage.manifest().kind != "evaluate" {
        return Ok(None);
    }
    let settings = stage.manifest().config.get("attacks").cloned();
    let settings = settings.and_then(|settings| serde_json::from_value(settings).ok());
    Ok(Some((StoredScores::of(&stage)?.scores, settings)))
}
