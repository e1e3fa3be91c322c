//! A model: opened, trained, pruned, made to forget, judged, saved.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use unlearn_masks::Mask;
use unlearn_metrics::{ModelScores, Scores, Values};
use unlearn_mia_eval::{MemberSelection, Registry, Settings};
use unlearn_models::{ImportOptions, ModelFile, Source, Target, checkpoint::CheckpointInfo, contents, initialize};
use unlearn_network::{DeviceChoice, Graph, Network, State};
use unlearn_pruning::Shares;
use unlearn_samples::{Division, ImageSet};
use unlearn_training::{EpochRow, Recipe, Session, apply_mask, check_answers, mask_of};

use crate::{
    Asked, Data, Error, Method, Result,
    parts::{self, History, Purpose, Sets, Trained, check_fingerprint},
};

/// A trained or untrained image classifier in memory.
pub struct Model {
    network: Network,
    info: CheckpointInfo,
    device: DeviceChoice,
    history: History,
    /// Fingerprint of the images that it was trained on, if that is known.
    fingerprint: Option<String>,
    /// The weights after some epochs of training, for rewinding.
    snapshots: BTreeMap<usize, State>,
}

impl Model {
    /// An untrained model of an architecture (`unlearn models` lists them) for the images and classes of `data`, with
    /// fresh weights drawn from `seed`. Everything random that is done with the model follows from this seed.
    ///
    /// # Errors
    /// If the architecture is unknown or does not take such images.
    pub fn fresh(arch: &str, data: &Data, seed: u64) -> Result<Self> {
        let (input, history) = (parts::input_spec(data.dataset()), History::fresh(seed));
        let graph = unlearn_models::find(arch)?.graph(&input)?;
        let state = initialize(&graph, history.initial_seed());
        let device = DeviceChoice::default();
        Ok(Self {
            network: Network::new(graph, state, device)?,
            info: CheckpointInfo::new(arch, input, &data.dataset().name),
            device,
            history,
            fingerprint: None,
            snapshots: BTreeMap::new(),
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
        let file = ModelFile::read(&contents(path)?, options, path)?;
        Self::of(file, DeviceChoice::default()).map_err(|error| match error {
            Error::Damaged(_) => {
                Error::Models(unlearn_models::Error::Checkpoint { path: path.into(), reason: error.to_string() })
            }
            error => error,
        })
    }

    /// A model of an opened file, on a device. It is pruned by the file's mask if there is one.
    ///
    /// # Errors
    /// If the device does not open, the mask is another model's, or what the file says of the training is damaged.
    pub fn of(file: ModelFile, device: DeviceChoice) -> Result<Self> {
        let training = file.info.training.as_ref();
        let history = training.map_or_else(|| Ok(History::fresh(1)), History::of)?;
        let fingerprint = training.map(|training| training.fingerprint.clone());
        let network = parts::network(&file, device)?;
        Ok(Self { network, info: file.info, device, history, fingerprint, snapshots: BTreeMap::new() })
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
        let trained =
            Trained { history: History { recipe: recipe.clone(), ..self.history.clone() }, ..self.trained(data) };
        let (network, session) = (&mut self.network, Session::unattended());
        let outcome = trained.train(network, data.training(), epochs, session)?;
        check_answers(network, &trained.dataset.train, data.training(), &recipe.strong_settings())?;
        self.snapshots = outcome.snapshots.into_iter().collect();
        self.history = trained.history;
        self.fingerprint = Some(trained.dataset.fingerprint.clone());
        Ok(outcome.epochs)
    }

    /// Prunes the trained dense model and retrains it, as the method says. Returns what is left of every layer.
    ///
    /// # Errors
    /// If the method or a setting is unknown, the model is pruned already or has forgotten something, the method
    /// rewinds to weights that [`Model::train_keeping`] did not keep, or training fails.
    pub fn prune(&mut self, data: &Data, method: &Method) -> Result<Shares> {
        self.trained_on(data)?;
        if !self.history.is_dense(&self.network) {
            return Err(Error::Fit(
                "the model is pruned already or has forgotten something; prune a dense model".into(),
            ));
        }
        let pruning = unlearn_pruning::find(&method.name)?;
        let config = pruning.resolve(&method.settings)?;
        let plan = pruning.plan(&config, &self.history.recipe)?;
        if let Some(epoch) = plan.snapshots.iter().find(|epoch| !self.snapshots.contains_key(epoch)) {
            let name = &method.name;
            return Err(Error::Fit(format!(
                "`{name}` rewinds to the weights after epoch {epoch}, and they were not kept; train with `train_keeping`, or \
                 set `rewind-epoch`"
            )));
        }
        let graph = self.network.graph().clone();
        let trained = self.trained(data);
        let snapshots = &self.snapshots;
        let mut request = unlearn_pruning::Request {
            initial: self.initial(&graph)?,
            network: &mut self.network,
            snapshot: &|epoch| snapshots.get(&epoch).cloned(),
            task: trained.task(Purpose::Pruning, self.device, Session::unattended()),
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
        let forgotten = &self.history.forgotten;
        if let Some(again) = asked.positions().iter().find(|position| forgotten.binary_search(position).is_ok()) {
            return Err(Error::Request(format!("names image {again}, which the model was asked to forget before")));
        }
        let all = self.history.forgotten_with(asked.positions());
        let Division { retain, .. } = Division::new(data.dataset(), data.shared_split(), &all);
        if retain.is_empty() {
            return Err(Error::Request(
                "names every image of the training that is left; nothing would be retained".into(),
            ));
        }
        let unlearning = unlearn_unlearning::find(&method.name)?;
        let config = unlearning.resolve(&method.settings)?;
        let trained = self.trained(data);
        let initial = |graph: &Graph, seed| match &trained.history.init {
            None => Ok(initialize(graph, seed)),
            Some(origin) => Err(unlearn_training::Error::Unsuitable(format!(
                "its training began with the weights of {}, which this crate does not open; use the command `unlearn forget`",
                origin.source
            ))),
        };
        let task = trained.task(Purpose::Unlearning, self.device, Session::unattended());
        let known = self.fingerprint.is_some().then(|| trained.history.initial_seed());
        let mut request = unlearn_unlearning::Request::new(&mut self.network, task, asked.positions(), &retain)
            .initial(&initial)
            .initial_seed(known);
        let outcome = unlearning.run(&config, &mut request)?;
        self.history.forgotten = all;
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
            seed: Purpose::Attack.seed(self.history.seed),
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
        let all = self.history.forgotten_with(asked.positions());
        let division = Division::new(dataset, data.shared_split(), &all);
        let test = division.test(dataset);
        if division.retain.is_empty() || test.is_empty() {
            return Err(Error::Request("leaves nothing to retain or no test image to judge the model on".into()));
        }
        let (forget, retain, test, validation) = (&all, &division.retain, &test, data.validation());
        self.scores_on(&Sets { dataset, forget, retain, test, validation, unseen: &[], backdoor: None })
    }

    /// The model's scores on sets of one's own.
    ///
    /// # Errors
    /// If the images are others than the model takes, a set but the validation set is empty, or a logit is not finite.
    pub fn scores_on(&mut self, sets: &Sets<'_>) -> Result<ModelScores> {
        sets.scores(&mut self.network, None)
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
        parts::scores(&mut self.network, images, positions)
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
        let statement = self.info.training.as_ref().map_or_else(|| data.statement(), |training| training.data.clone());
        let training = self.trained(data).training(statement).map_err(|error| Error::Fit(error.to_string()))?;
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
        &self.history.forgotten
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

    /// What the model was trained on, if that are these data.
    fn trained(&self, data: &Data) -> Trained {
        Trained { dataset: data.shared(), split: data.shared_split().clone(), history: self.history.clone() }
    }

    /// The values that training began with.
    fn initial(&self, graph: &Graph) -> Result<State> {
        match &self.history.init {
            None => Ok(initialize(graph, self.history.initial_seed())),
            Some(origin) => Err(Error::Fit(format!(
                "the model's training began with the weights of {}, which this crate does not open; use a suite",
                origin.source
            ))),
        }
    }

    fn fits(&self, data: &Data) -> Result<()> {
        parts::fits(&self.info, data.dataset())
    }

    /// Checks that these are the images of the training, as far as that is known.
    fn trained_on(&self, data: &Data) -> Result<()> {
        self.fits(data)?;
        if let Some(wanted) = &self.fingerprint {
            let name = &data.dataset().name;
            let refuse =
                |error| Error::Fit(format!("the model does not fit {name}: {error}; open the data of its training"));
            check_fingerprint(data.dataset(), wanted).map_err(refuse)?;
        }
        match self.trained(data).never_trained_on() {
            None => Ok(()),
            Some(other) => Err(Error::Fit(format!(
                "the model was trained with another split: it has forgotten image {other}, which is not among the training images; \
                 give the split of its training (`Data::of`)"
            ))),
        }
    }
}
