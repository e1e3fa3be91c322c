//! A model: opened, trained, pruned, made to forget, judged, saved.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use unlearn_masks::Mask;
use unlearn_metrics::{ModelScores, Scores, Values};
use unlearn_mia_eval::{MemberSelection, Registry, Settings};
use unlearn_models::{
    ImportOptions, InputSpec, ModelFile, Source, Target,
    checkpoint::{CheckpointInfo, Training},
    contents, initialize,
};
use unlearn_network::{DeviceChoice, Graph, Network, State};
use unlearn_pruning::Shares;
use unlearn_random::derived_seed;
use unlearn_samples::{Division, ImageSet};
use unlearn_training::{
    CrossEntropy, EpochRow, Predictions, Recipe, Run, Session, Task, apply_mask, check_answers, mask_of, predict, train,
};

use crate::{Asked, Data, Error, Method, Result};

/// A trained or untrained image classifier in memory.
pub struct Model {
    network: Network,
    info: CheckpointInfo,
    device: DeviceChoice,
    recipe: Recipe,
    seed: u64,
    /// Fingerprint of the images that it was trained on, if that is known.
    fingerprint: Option<String>,
    /// The weights after some epochs of training, for rewinding.
    snapshots: BTreeMap<usize, State>,
    /// Where pretrained weights came from, if its training began with such.
    pretrained: Option<String>,
    /// Everything that it was made to forget, ascending.
    forgotten: Vec<u32>,
}

impl Model {
    /// An untrained model of an architecture (`unlearn models` lists them) for the images and classes of `data`, with
    /// fresh weights drawn from `seed`. Everything random that is done with the model follows from this seed.
    ///
    /// # Errors
    /// If the architecture is unknown or does not take such images.
    pub fn fresh(arch: &str, data: &Data, seed: u64) -> Result<Self> {
        let (dataset, images) = (data.dataset(), &data.dataset().train);
        let input = InputSpec {
            shape: [images.channels, images.height, images.width],
            classes: dataset.classes.len(),
            mean: dataset.normalization.mean.clone(),
            std: dataset.normalization.std.clone(),
        };
        let graph = unlearn_models::find(arch)?.graph(&input)?;
        let state = initialize(&graph, initial_seed(seed));
        let device = DeviceChoice::default();
        Ok(Self {
            network: Network::new(graph, state, device)?,
            info: CheckpointInfo::new(arch, input, &dataset.name),
            device,
            recipe: Recipe::default(),
            seed,
            fingerprint: None,
            snapshots: BTreeMap::new(),
            pretrained: None,
            forgotten: Vec::new(),
        })
    }

    /// Opens a model: a dense or sparse checkpoint of this project, or a `.pth` or safetensors file of PyTorch with
    /// torchvision's names.
    ///
    /// # Errors
    /// If the file cannot be read, holds no model, or is of no known architecture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_as(path, &ImportOptions::default())
    }

    /// The same for a file of another program that does not say everything: its architecture, image size,
    /// normalisation, or which dictionary to take.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_as(path: impl AsRef<Path>, options: &ImportOptions) -> Result<Self> {
        let path = path.as_ref();
        let ModelFile { graph, state, mask, info, .. } = ModelFile::read(&contents(path)?, options, path)?;
        let device = DeviceChoice::default();
        let mut network = Network::new(graph, state, device)?;
        if let Some(mask) = &mask {
            apply_mask(&mut network, mask)?;
        }
        let damaged = |error: serde_json::Error| {
            Error::Models(unlearn_models::Error::Checkpoint {
                path: path.into(),
                reason: format!("its `training` is damaged: {error}"),
            })
        };
        let mut model = Self {
            network,
            info,
            device,
            recipe: Recipe::default(),
            seed: 1,
            fingerprint: None,
            snapshots: BTreeMap::new(),
            pretrained: None,
            forgotten: Vec::new(),
        };
        if let Some(training) = &model.info.training {
            model.recipe = serde_json::from_value(training.recipe.clone()).map_err(damaged)?;
            model.seed = training.seed;
            model.fingerprint = Some(training.fingerprint.clone());
            model.pretrained = training.init.as_ref().map(|init| init.source.clone());
            model.forgotten.clone_from(&training.forgotten);
        }
        Ok(model)
    }

    /// Prunes the model by a mask's file.
    ///
    /// # Errors
    /// If the file cannot be read, or the mask is another model's.
    pub fn mask(&mut self, path: impl AsRef<Path>) -> Result<()> {
        Ok(apply_mask(&mut self.network, &Mask::load(path.as_ref())?)?)
    }

    /// Moves the model to another device.
    ///
    /// # Errors
    /// If this build lacks the device, or it does not open.
    pub fn on(mut self, device: DeviceChoice) -> Result<Self> {
        let mask = self.kept()?;
        self.network = Network::new(self.network.graph().clone(), self.network.state().clone(), device)?;
        if let Some(mask) = &mask {
            apply_mask(&mut self.network, mask)?;
        }
        self.device = device;
        Ok(self)
    }

    /// Trains on the training images. Returns a row for every epoch.
    ///
    /// # Errors
    /// If the data do not fit the model, a number of the recipe is out of range, or the loss is not finite.
    pub fn train(&mut self, data: &Data, recipe: &Recipe) -> Result<Vec<EpochRow>> {
        self.train_keeping(data, recipe, &[])
    }

    /// The same, and keeps the weights after some numbers of epochs, so that pruning can rewind to them.
    ///
    /// # Errors
    /// As [`Model::train`].
    pub fn train_keeping(&mut self, data: &Data, recipe: &Recipe, epochs: &[usize]) -> Result<Vec<EpochRow>> {
        self.fits(data)?;
        recipe.check()?;
        let dataset = data.dataset();
        let batches =
            recipe.batches(&dataset.train, data.training(), dataset.augmentation, derived_seed(self.seed, "train"))?;
        let validation = Some((&dataset.train, data.validation()));
        let run = Run { snapshots: epochs, validation, ..Run::new(recipe, &batches) };
        let mut objective = CrossEntropy { label_smoothing: recipe.label_smoothing };
        let outcome = train(&mut self.network, &mut objective, &run, Session::unattended())?;
        check_answers(&mut self.network, &dataset.train, data.training(), &recipe.strong_settings())?;
        self.snapshots = outcome.snapshots.into_iter().collect();
        self.recipe = recipe.clone();
        self.fingerprint = Some(dataset.fingerprint.clone());
        Ok(outcome.epochs)
    }

    /// Prunes the trained dense model and retrains it, as the method says. Returns what is left of every layer.
    ///
    /// # Errors
    /// If the method or a setting is unknown, the model is pruned already or has forgotten something, the method
    /// rewinds to weights that [`Model::train_keeping`] did not keep, or training fails.
    pub fn prune(&mut self, data: &Data, method: &Method) -> Result<Shares> {
        self.trained_on(data)?;
        if !self.forgotten.is_empty() || self.network.kept().iter().any(Option::is_some) {
            return Err(Error::Fit(
                "the model is pruned already or has forgotten something; prune a dense model".into(),
            ));
        }
        let pruning = unlearn_pruning::find(&method.name)?;
        let config = pruning.resolve(&method.settings)?;
        let plan = pruning.plan(&config, &self.recipe)?;
        if let Some(epoch) = plan.snapshots.iter().find(|epoch| !self.snapshots.contains_key(epoch)) {
            let name = &method.name;
            return Err(Error::Fit(format!(
                "`{name}` rewinds to the weights after epoch {epoch}, and they were not kept; train with `train_keeping`, or \
                 set `rewind-epoch`"
            )));
        }
        let graph = self.network.graph().clone();
        let snapshots = &self.snapshots;
        let mut request = unlearn_pruning::Request {
            initial: self.initial(&graph)?,
            network: &mut self.network,
            snapshot: &|epoch| snapshots.get(&epoch).cloned(),
            task: task(data, &self.recipe, self.device, derived_seed(self.seed, "prune")),
            train: data.training(),
        };
        let outcome = pruning.run(&config, &mut request)?;
        Ok(Shares::new(&graph, &outcome.mask))
    }

    /// Makes the model forget. Returns the seconds that the method took.
    ///
    /// # Errors
    /// If the method or a setting is unknown or does not suit the request, the model was asked to forget one of these
    /// images before, nothing would be left, or training fails or diverges. The model may have changed then.
    pub fn forget(&mut self, data: &Data, asked: &Asked, method: &Method) -> Result<f64> {
        self.trained_on(data)?;
        if let Some(again) = asked.positions().iter().find(|position| self.forgotten.binary_search(position).is_ok()) {
            return Err(Error::Request(format!("names image {again}, which the model was asked to forget before")));
        }
        let all = self.all(asked);
        let Division { retain, .. } = Division::new(data.dataset(), data.shared_split(), &all);
        if retain.is_empty() {
            return Err(Error::Request(
                "names every image of the training that is left; nothing would be retained".into(),
            ));
        }
        let unlearning = unlearn_unlearning::find(&method.name)?;
        let config = unlearning.resolve(&method.settings)?;
        let pretrained = self.pretrained.clone();
        let initial = move |graph: &Graph, seed| match &pretrained {
            None => Ok(initialize(graph, seed)),
            Some(source) => Err(unlearn_training::Error::Unsuitable(format!(
                "its training began with the weights of {source}, which this crate does not open; use the command `unlearn forget`"
            ))),
        };
        let task = task(data, &self.recipe, self.device, derived_seed(self.seed, "unlearn"));
        let known = self.fingerprint.is_some().then(|| initial_seed(self.seed));
        let mut request = unlearn_unlearning::Request::new(&mut self.network, task, asked.positions(), &retain)
            .initial(&initial)
            .initial_seed(known);
        let outcome = unlearning.run(&config, &mut request)?;
        self.forgotten = all;
        Ok(outcome.seconds)
    }

    /// Judges the model on a request, before or after it was made to forget: UA, RA, TA, MIA-efficacy and every other
    /// figure that scores give, by name. The attack is the paper's, with ten draws of its members.
    ///
    /// # Errors
    /// If the data do not fit the model, nothing is left to retain or to test, or a set is too small for the attack.
    pub fn evaluate(&mut self, data: &Data, asked: &Asked) -> Result<Values> {
        let settings = Settings {
            attacks: vec!["mia-efficacy".to_owned()],
            mia: vec!["confidence".to_owned()],
            draws: Settings::DRAWS,
            members: MemberSelection::Stratified,
            seed: derived_seed(self.seed, "attack"),
        };
        self.evaluate_with(data, asked, &settings)
    }

    /// The same with other attacks.
    ///
    /// # Errors
    /// As [`Model::evaluate`], and if an attack or a feature is unknown.
    pub fn evaluate_with(&mut self, data: &Data, asked: &Asked, settings: &Settings) -> Result<Values> {
        let scores = self.scores(data, asked)?;
        Ok(Registry::standard().measure(&scores, settings, None, None)?)
    }

    /// The model's scores on the sets of a request: forget, retain, test and validation.
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    pub fn scores(&mut self, data: &Data, asked: &Asked) -> Result<ModelScores> {
        self.fits(data)?;
        let dataset = data.dataset();
        let all = self.all(asked);
        let division = Division::new(dataset, data.shared_split(), &all);
        let test = division.test(dataset);
        if division.retain.is_empty() || test.is_empty() {
            return Err(Error::Request("leaves nothing to retain or no test image to judge the model on".into()));
        }
        let validation = data.validation();
        Ok(ModelScores {
            forget: self.predict(&dataset.train, &all)?,
            retain: self.predict(&dataset.train, &division.retain)?,
            test: self.predict(&dataset.test, &test)?,
            validation: if validation.is_empty() { None } else { Some(self.predict(&dataset.train, validation)?) },
            triggered: None,
            unseen: None,
        })
    }

    /// Logits of the images at these positions of a set, with their labels.
    ///
    /// # Errors
    /// If the images have another shape than the model's, there are none, or a logit is not finite.
    pub fn predict(&mut self, images: &ImageSet, positions: &[u32]) -> Result<Scores> {
        let shape = [images.channels, images.height, images.width];
        if shape != self.info.input {
            return Err(Error::Fit(format!("the model takes images {:?}, these have {shape:?}", self.info.input)));
        }
        let Predictions { logits, labels, classes } = predict(&mut self.network, images, positions)?;
        if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(Error::Answer { position: positions[at / classes], value: logits[at] });
        }
        Ok(Scores::new(logits, labels, classes)?.at(positions.to_vec())?)
    }

    /// Writes the model in one step: a sparse checkpoint if it is pruned, else a dense one. `data` are what it was
    /// trained on; the file says so, and what it has forgotten. An existing file is replaced.
    ///
    /// # Errors
    /// If the file cannot be written, or `data` are others.
    pub fn save(&self, data: &Data, path: impl AsRef<Path>) -> Result<()> {
        self.trained_on(data)?;
        let path = path.as_ref();
        let mask = self.kept()?;
        let recipe = serde_json::to_value(&self.recipe).map_err(|error| Error::Fit(error.to_string()))?;
        let before = self.info.training.clone();
        let training = Training {
            data: before.as_ref().map_or_else(|| data.statement(), |training| training.data.clone()),
            fingerprint: data.dataset().fingerprint.clone(),
            recipe,
            seed: self.seed,
            init: before.and_then(|training| training.init),
            forgotten: self.forgotten.clone(),
        };
        let file = ModelFile {
            source: Source::Dense,
            graph: self.network.graph().clone(),
            state: self.network.state().clone(),
            info: CheckpointInfo { training: Some(training), ..self.info.clone() },
            mask,
        };
        let target = if file.mask.is_some() { Target::Sparse } else { Target::Dense };
        let bytes = file.to_bytes(target)?;
        unlearn_files::write_atomic(path, &bytes).map_err(|source| Error::Write { path: PathBuf::from(path), source })
    }

    /// The mask of the kept weights. `None` if none is pruned.
    ///
    /// # Errors
    /// None in practice.
    pub fn kept(&self) -> Result<Option<Mask>> {
        Ok(mask_of(&self.network)?)
    }

    /// Everything that the model was made to forget: positions in the official training set, ascending.
    pub fn forgotten(&self) -> &[u32] {
        &self.forgotten
    }

    /// The values of its tensors.
    pub fn state(&self) -> &State {
        self.network.state()
    }

    /// The network, for what the other crates can do with it.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The description of the model that its file holds.
    pub fn info(&self) -> &CheckpointInfo {
        &self.info
    }

    /// All that must be forgotten: what was asked before and what is asked now.
    fn all(&self, asked: &Asked) -> Vec<u32> {
        let mut all = [&self.forgotten[..], asked.positions()].concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The values that training began with.
    fn initial(&self, graph: &Graph) -> Result<State> {
        match &self.pretrained {
            None => Ok(initialize(graph, initial_seed(self.seed))),
            Some(source) => Err(Error::Fit(format!(
                "the model's training began with the weights of {source}, which this crate does not open; use a suite"
            ))),
        }
    }

    fn fits(&self, data: &Data) -> Result<()> {
        let images = &data.dataset().train;
        let (shape, classes) = ([images.channels, images.height, images.width], data.dataset().classes.len());
        if (self.info.input, self.info.classes) == (shape, classes) {
            return Ok(());
        }
        Err(Error::Fit(format!(
            "the model is for images {:?} of {} classes, but {} has images {shape:?} of {classes}",
            self.info.input,
            self.info.classes,
            data.dataset().name
        )))
    }

    /// Checks that these are the images of the training, as far as that is known.
    fn trained_on(&self, data: &Data) -> Result<()> {
        self.fits(data)?;
        let found = &data.dataset().fingerprint;
        if let Some(wanted) = self.fingerprint.as_ref().filter(|wanted| *wanted != found) {
            return Err(Error::Fit(format!(
                "the model was trained on images with the fingerprint {wanted}, and {} has {found}; open the data of its training",
                data.dataset().name
            )));
        }
        if let Some(other) = self.forgotten.iter().find(|position| data.training().binary_search(position).is_err()) {
            return Err(Error::Fit(format!(
                "the model was trained with another split: it has forgotten image {other}, which is not among the training images; \
                 give the split of its training (`Data::of`)"
            )));
        }
        Ok(())
    }
}

/// The task of pruning or unlearning.
fn task<'a>(data: &'a Data, recipe: &'a Recipe, device: DeviceChoice, seed: u64) -> Task<'a> {
    Task {
        images: &data.dataset().train,
        validation: data.validation(),
        recipe,
        augmentation: data.dataset().augmentation,
        device,
        seed,
        session: Session::unattended(),
    }
}

/// The seed of the weights that training with this seed begins with.
fn initial_seed(seed: u64) -> u64 {
    derived_seed(seed, "initialization")
}
