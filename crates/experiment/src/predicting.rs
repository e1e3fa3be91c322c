//! What a model says of samples: predictions on any dataset, and scores on the sets of a request, for any model that a user names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use unlearn::{
    Model,
    parts::{History, Purpose, Sets, input_spec},
};
use unlearn_datasets::registry;
use unlearn_hub::PREFIX;
use unlearn_metrics::{ModelScores, Scores};
use unlearn_models::{ImportOptions, Source, checkpoint::Training};
use unlearn_network::DeviceChoice;
use unlearn_run_store::{Stage, StoredScores};
use unlearn_samples::{Dataset, Division, ImageSet, Split, positions};

use crate::{
    Environment, Error, Materials, ModelOrigin, OpenedModel, Result, address,
    data::{ClassChoice, DataSection, Poisoning},
    initial::fetched,
    recognised::Folder,
    retrain::{self, Beside},
    setting::Setting,
    stages::{Evaluate, Kind, RunTime, Unlearn},
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

/// Whether a model may be opened on other data than those that it says it was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherData {
    /// No: what it was trained with decides what it is judged on.
    Refused,
    /// Yes, with a warning.
    Warned,
}

/// A model on an opened dataset.
pub struct Predictor {
    /// The dataset.
    pub dataset: Arc<Dataset>,
    /// How the model's file is named, for messages.
    pub named: String,
    /// What the user should know of the dataset.
    pub warning: Option<String>,
    model: Model,
    /// The place where the model was found.
    origin: ModelOrigin,
    /// The seed from which an evaluation in a suite draws an attack's members, if the model says how it was trained.
    attack_seed: Option<u64>,
    /// What the model says it was trained on, if that is this dataset.
    setting: Option<Setting>,
    materials: Materials,
    /// The name of the dataset that takes the place of the one in what models say.
    located: Option<String>,
}

/// The sets of a request, on which a model and its Retrain are scored.
pub struct JudgedSets {
    forget: Vec<u32>,
    /// Everything that the model was ever asked to forget, ascending.
    forgotten: Vec<u32>,
    division: Division,
    test: Vec<u32>,
    validation: Vec<u32>,
    /// The backdoor in what the model was trained on.
    poisoning: Option<Arc<Poisoning>>,
}

impl Predictor {
    /// Opens a model and a dataset. `dataset` is a name or a form with a path, as in a suite, or a folder that holds the dataset that the
    /// model names. Without it, the model says what it was trained on. With it, classes, conversion, poison and split are still those that
    /// the model names.
    ///
    /// # Errors
    /// If either cannot be opened, the model takes other images or has fewer classes than the dataset, or it was trained on other data
    /// and `other` refuses that.
    pub fn open(
        named: &NamedModel,
        dataset: Option<&str>,
        other: OtherData,
        environment: &Environment,
    ) -> Result<Self> {
        let folder = dataset.filter(|name| registry::check_name(name).is_err() && Path::new(name).is_dir());
        let mut environment = environment.clone();
        if let Some(folder) = folder {
            environment.data_dir = Some(folder.into());
        }
        let (device, offline) = (environment.device, environment.offline);
        let materials = Materials::new(environment);
        let dataset_of = |name: &str| {
            let opened = materials.dataset(name);
            opened.map_err(|error| Error::deletion(format!("--dataset {name}"), error))
        };
        let located = dataset.filter(|_| folder.is_none()).map(str::to_owned);
        let given = located.as_deref().map(&dataset_of).transpose()?;
        let import = ImportOptions { images: given.as_deref().map(input_spec), ..named.import.clone() };
        let opened = OpenedModel::open(&found(&named.model, offline)?, named.mask.as_deref(), &import)?;
        let place = named.model.display().to_string();
        let refuse = |reason: String| Error::deletion(&place, reason);
        let info = &opened.model.info;
        if let Some(option) = named.import.contradicted_by(info)
            && !matches!(opened.model.source, Source::Foreign(_))
        {
            return Err(refuse(format!(
                "`--{option}` contradicts the file, which says of itself: {}, images {:?}, mean {:?}, std {:?}; leave the option out, it is \
                 for files of other programs",
                info.arch, info.input, info.mean, info.std
            )));
        }
        let chosen = match (given, &info.training, folder) {
            (_, Some(training), _) => {
                let other = if dataset.is_some() { other } else { OtherData::Refused };
                Chosen::of(training, located.as_deref(), info.input, other, &materials).map_err(refuse)?
            }
            (Some(dataset), None, _) => Chosen { dataset, setting: None, warning: None },
            // It opens nothing that a folder alone names, and says what can be given.
            (None, None, Some(folder)) => Chosen { dataset: dataset_of(folder)?, setting: None, warning: None },
            (None, None, None) => {
                return Err(refuse(
                    "the model does not say what it was trained on; name the images with `--dataset`".into(),
                ));
            }
        };
        let Chosen { dataset, setting, warning } = chosen;
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
        let found = Found { dataset, named: place, warning, setting, materials, located };
        found.predictor(opened, device)
    }

    /// Opens a Retrain of this model, on its dataset. `sets` are those on which both are judged.
    ///
    /// # Errors
    /// If it cannot be opened, or is known not to be a Retrain.
    pub fn retrain(&self, named: &NamedModel, sets: &JudgedSets) -> Result<Self> {
        let environment = self.materials.environment();
        let import = ImportOptions { images: Some(input_spec(&self.dataset)), ..named.import.clone() };
        let beside = Beside {
            info: self.model.info(),
            state: self.model.state(),
            what: "the judged model",
            fingerprint: &self.dataset.fingerprint,
            forgotten: &sets.forgotten,
        };
        let path = found(&named.model, environment.offline)?;
        let setting_of = |training: &Training| at(training, self.located.as_deref(), &self.materials).map(|it| it.1);
        let opened = retrain::open((&named.model, &path), &import, &beside, setting_of)?;
        let place = named.model.display().to_string();
        let (dataset, located) = (Arc::clone(&self.dataset), self.located.clone());
        let materials = Materials::new(environment.clone());
        let found = Found { dataset, named: place, warning: None, setting: None, materials, located };
        found.predictor(opened, environment.device)
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
        let images = if part == DatasetPart::Train { &dataset.train } else { &dataset.test };
        self.model.predict(images, samples).map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &unlearn::Error) -> Error {
        Error::Content { path: self.named.clone().into(), reason: error.to_string() }
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
        let setting = self.setting.as_ref();
        let (split, before) = match setting {
            Some(setting) => (setting.split.clone(), setting.history.clone()),
            None => (Split { train: self.all(DatasetPart::Train), validation: Vec::new() }, History::fresh(1)),
        };
        let trained = |position: &u32| split.train.binary_search(position).is_ok();
        let mut forget = match asked {
            None if before.forgotten.is_empty() => {
                return Err(refuse(
                    "the model was not asked to forget anything; say what it should have forgotten with `--request FILE`, `--class NAME` or `--subclass NAME`"
                        .into(),
                ));
            }
            None => before.forgotten.clone(),
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
        let all = before.forgotten_with(&forget);
        let division = Division::new(&self.dataset, &split, &all);
        if division.retain.is_empty() {
            return Err(refuse("nothing is left to retain: the request names every image of the training".into()));
        }
        let test = division.test(&self.dataset);
        if test.is_empty() {
            return Err(refuse("no test image is left: the request names every class of the test set".into()));
        }
        let poisoning = setting.and_then(|setting| setting.poisoning.clone());
        Ok(JudgedSets { forget, forgotten: all, division, test, validation: split.validation, poisoning })
    }

    /// The model's scores on the sets of a request.
    ///
    /// # Errors
    /// As [`Predictor::scores`].
    pub fn score(&mut self, sets: &JudgedSets) -> Result<ModelScores> {
        let JudgedSets { forget, division, test, validation, poisoning, .. } = sets;
        let backdoor = poisoning.as_deref().map(Poisoning::backdoor);
        let (dataset, retain) = (&*self.dataset, &division.retain);
        let sets = Sets { dataset, forget, retain, test, validation, unseen: &[], backdoor };
        self.model.scores_on(&sets).map_err(|error| self.unusable(&error))
    }

    /// Wall seconds of the method that made the model forget, if its stage recorded them.
    ///
    /// # Errors
    /// If the record is damaged.
    pub fn rte_seconds(&self) -> Result<Option<f64>> {
        match &self.origin {
            ModelOrigin::Stage(stage) => Ok(RunTime::of(stage)?.map(|time| time.rte_seconds)),
            _ => Ok(None),
        }
    }

    /// The seed from which an evaluation of this model in a suite draws an attack's members, if the model says how it was trained.
    pub fn attack_seed(&self) -> Option<u64> {
        self.attack_seed
    }
}

/// A model's dataset, and what is known of both.
struct Found {
    dataset: Arc<Dataset>,
    named: String,
    warning: Option<String>,
    setting: Option<Setting>,
    materials: Materials,
    located: Option<String>,
}

impl Found {
    fn predictor(self, opened: OpenedModel, device: DeviceChoice) -> Result<Predictor> {
        let Self { dataset, named, warning, setting, materials, located } = self;
        let OpenedModel { mut model, origin, .. } = opened;
        let attack_seed = model.info.training.as_ref().map(|training| Purpose::Attack.seed(training.seed));
        if setting.is_none() {
            // The model is asked about other data, or beside another. What it says of its training may be damaged.
            model.info.training = None;
        }
        let model = Model::of(model, device).map_err(|error| Error::deletion(&named, error))?;
        Ok(Predictor { dataset, named, warning, model, origin, attack_seed, setting, materials, located })
    }
}

/// Where a model lies that is named by a path, an address or a repository of the Hub.
fn found(model: &Path, offline: bool) -> Result<PathBuf> {
    match model.to_str() {
        Some(text) if text.starts_with(PREFIX) => fetched(text, offline),
        _ => Ok(model.to_owned()),
    }
}

/// What a model was trained on, with `located` in the place of the dataset's name. The error is a reason for users.
fn at(
    training: &Training,
    located: Option<&str>,
    materials: &Materials,
) -> std::result::Result<(DataSection, Setting), String> {
    let unreadable = |error: serde_json::Error| format!("its `training` is damaged: {error}");
    let mut data: DataSection = serde_json::from_value(training.data.clone()).map_err(unreadable)?;
    if let Some(name) = located {
        name.clone_into(&mut data.name);
    }
    let value = serde_json::to_value(&data).map_err(unreadable)?;
    Ok((data, Setting::of(&Training { data: value, ..training.clone() }, materials)?))
}

/// The dataset on which a model is opened that says what it was trained on.
struct Chosen {
    dataset: Arc<Dataset>,
    setting: Option<Setting>,
    warning: Option<String>,
}

impl Chosen {
    /// `input` is the shape of the model's images. The error is a reason for users.
    fn of(
        training: &Training,
        located: Option<&str>,
        input: [usize; 3],
        other: OtherData,
        materials: &Materials,
    ) -> std::result::Result<Self, String> {
        let reason = match at(training, located, materials) {
            Ok((_, setting)) => {
                return Ok(Self { dataset: Arc::clone(&setting.dataset), setting: Some(setting), warning: None });
            }
            Err(reason) => reason,
        };
        let unreadable = |error: serde_json::Error| format!("its `training` is damaged: {error}");
        let data: DataSection = serde_json::from_value(training.data.clone()).map_err(unreadable)?;
        if other == OtherData::Refused {
            let fix = match located {
                None => String::new(),
                Some(_) => format!(
                    "; a model is judged on what it was trained with: name `{}` or the folder that holds it, or leave `--dataset` out",
                    data.name
                ),
            };
            return Err(format!("{reason}{fix}"));
        }
        let named = located.unwrap_or(&data.name);
        let whole = materials.dataset(named).map_err(|error| error.to_string())?;
        let trained = materials.dataset(&data.name).ok();
        let shape = [whole.train.channels, whole.train.height, whole.train.width];
        let convert = data.convert.filter(|_| shape != input);
        let (classes, order) = order_of(&data, trained.as_deref(), &whole)?;
        let section = DataSection { name: named.to_owned(), classes, convert, poison: None, pool: None, ..data };
        let dataset = materials.images(&section)?;
        let warning = Some(format!("these are not the data that the model was trained on ({reason}); {order}"));
        Ok(Self { dataset, setting: None, warning })
    }
}

/// The classes of another dataset that stand for a model's, and a sentence that says so. `data` and `trained` are what the model was
/// trained on. The error is a reason for users.
fn order_of(
    data: &DataSection,
    trained: Option<&Dataset>,
    whole: &Dataset,
) -> std::result::Result<(Option<Vec<ClassChoice>>, String), String> {
    let by_number = "its outputs are compared with the classes by number";
    let Some(trained) = trained else {
        return Ok((None, format!("what classes it was trained on is unknown here, so {by_number}")));
    };
    if trained.classes == whole.classes {
        return Ok((data.classes.clone(), "the classes are those of its training, in the same order".into()));
    }
    let wanted = match &data.classes {
        None => trained.classes.clone(),
        Some(classes) => {
            let name = |class: &ClassChoice| {
                let number = class.number(trained)?;
                trained.classes.get(number as usize).cloned().ok_or_else(|| format!("there is no class {number}"))
            };
            classes.iter().map(name).collect::<std::result::Result<_, String>>()?
        }
    };
    let numbers = wanted.iter().map(|name| whole.classes.iter().position(|class| class == name));
    match numbers.collect::<Option<Vec<_>>>() {
        Some(numbers) if numbers.len() == whole.classes.len() => {
            let classes = numbers.into_iter().map(|number| ClassChoice::Number(number as u32)).collect();
            Ok((Some(classes), "the classes are taken by their names, in the order of its training".into()))
        }
        _ => Ok((None, format!("the classes have other names, so {by_number}"))),
    }
}

/// The class of a dataset with this number or name. The error is a reason for users.
///
/// # Errors
/// If there is none. The error lists the valid ones.
pub fn class_of(dataset: &Dataset, class: &str) -> std::result::Result<u32, String> {
    let by_name = || dataset.classes.iter().position(|name| name == class);
    let by_number = class.parse().ok().filter(|number| *number < dataset.classes.len());
    match by_number.or_else(by_name) {
        Some(found) => Ok(found as u32),
        None => ClassChoice::Name(class.to_owned()).number(dataset),
    }
}

/// What an `evaluate` stage stored.
pub struct StoredJudgement {
    /// The scores.
    pub scores: ModelScores,
    /// The attacks and their settings.
    pub settings: Option<unlearn_mia_eval::Settings>,
    /// The method that made the judged model, if the store still holds its stage.
    method: Option<String>,
}

impl StoredJudgement {
    /// Refuses, as a Retrain's, what was stored of a model of another method.
    ///
    /// # Errors
    /// If the model is known to be of another method.
    pub fn check_retrain(&self, path: &Path) -> Result<()> {
        match self.method.as_deref().filter(|method| !retrain::is_retrain(method)) {
            None => Ok(()),
            Some(method) => {
                let reason = format!("{}: its model was made by `{method}`; name a Retrain's", path.display());
                Err(Error::deletion("--retrain", reason))
            }
        }
    }
}

/// What an `evaluate` stage stored, if `path` names such a stage by its folder or address.
///
/// # Errors
/// If the stage is damaged.
pub fn stored_scores(path: &Path) -> Result<Option<StoredJudgement>> {
    let path = address::resolve(path)?;
    if !path.is_dir() || Folder::of(&path) != Folder::Stage {
        return Ok(None);
    }
    let stage = Stage::open(&path)?;
    if stage.manifest().kind != Evaluate::NAME {
        return Ok(None);
    }
    let settings = stage.manifest().config.get("attacks").cloned();
    let settings = settings.and_then(|settings| serde_json::from_value(settings).ok());
    let of_model = || {
        let key = stage.manifest().inputs.get("model")?;
        let path = std::path::absolute(&path).ok()?;
        let model = Stage::open(&path.parent()?.parent()?.join(Unlearn::NAME).join(key.as_str())).ok()?;
        model.manifest().config.get("method").and_then(serde_json::Value::as_str).map(str::to_owned)
    };
    Ok(Some(StoredJudgement { method: of_model(), settings, scores: StoredScores::of(&stage)?.scores }))
}
