//! One deletion: makes a trained model forget the images that a request lists, judges it before and after, and writes
//! a certificate.
//!
//! A deletion is a plan like a suite's. Stages import the model, judge it, make it forget, and judge it again. Their
//! store is temporary and is removed when the certificate is written. So a deletion gives the same bits as a suite
//! with the same model, forget set, method and seed, and it can be killed and resumed.

mod certified;
mod folder;
mod identity;
mod listing;
mod measuring;
mod statement;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use unlearn::parts::input_spec;
use unlearn_certificates::{Asked, Basis, Certificate, Code, Data, Done, Measured, Samples, SigningKey, Threshold};
use unlearn_metrics::{Need, figures::mia_efficacy};
use unlearn_mia_eval::{MemberSelection, Settings};
use unlearn_models::{
    ImportOptions, ModelFile, Target,
    checkpoint::{CheckpointInfo, Training},
};
use unlearn_run_store::{Artifact, Evaluation, Machine, StageKey, StageSpec, clock, write_atomic};
use unlearn_samples::{Division, ForgetSpec};
use unlearn_unlearning::{Entry, Prospect, Pruned};

pub use certified::Certified;
pub use identity::check_identity;
pub use measuring::{CLOSENESS, measure_again};
pub use statement::Stated;

use self::{
    folder::{Folder, Found},
    identity::Identity,
    statement::trained_on,
};
use crate::{
    Environment, Error, Materials, OpenedModel, PlannedStage, Result, RunOptions, address, overrides,
    retrain::{self, Beside},
    schedule,
    setting::Setting,
    stages::{
        Evaluate, EvaluateConfig, Import, ImportConfig, Kind, LAST_FINITE, MASK_PLACE, MODEL, MODEL_PLACE, RAW,
        RETRAIN, Unlearn, UnlearnConfig, describe,
    },
    subclass::{self, Subclass},
    suite::{CONFIDENCE, EFFICACY, EvaluateSection},
};

/// Options of a deletion.
#[derive(Debug, Clone)]
pub struct DeletionOptions {
    /// The model: a dense or sparse checkpoint, a finished stage by its folder or address, or the folder of an earlier deletion.
    pub checkpoint: PathBuf,
    /// The dictionary of tensors to take, if `checkpoint` is a PyTorch file with several: keys joined by dots.
    pub key: Option<String>,
    /// The mask of the model, if its own files do not hold one.
    pub mask: Option<PathBuf>,
    /// Name of the dataset, or a folder that holds it.
    pub data: String,
    /// The images to forget.
    pub request: Requested,
    /// Name of the method.
    pub method: String,
    /// The method's parameters as `key=value`. All others have their defaults.
    pub assignments: Vec<String>,
    /// Thresholds that the model should meet afterwards.
    pub thresholds: Vec<Threshold>,
    /// Membership-inference attacks, which must include `mia-efficacy`.
    pub attacks: Vec<String>,
    /// Features that the attacks use, which must include `confidence`.
    pub features: Vec<String>,
    /// How often an attack is fitted, each time on other members. Default: 10, or 1 on the first rows.
    pub draws: Option<usize>,
    /// How members are drawn.
    pub members: MemberSelection,
    /// A model that never saw the images to forget, for comparison: a file or a folder as for `checkpoint`.
    pub retrain: Option<PathBuf>,
    /// The same as `key`, for the file of `retrain`.
    pub retrain_key: Option<String>,
    /// What the checkpoint was trained on, if it does not say so itself.
    pub stated: Option<Stated>,
    /// Where the data are, and which device computes.
    pub environment: Environment,
}

/// The images to forget.
#[derive(Debug, Clone)]
pub enum Requested {
    /// Those that a file lists.
    List(PathBuf),
    /// All of some subclasses.
    Subclass(Subclass),
}

/// A deletion whose options were all checked.
pub struct Deletion {
    /// Size and hash of every file that was read, by role.
    input: BTreeMap<String, Artifact>,
    /// The dictionaries of tensors that were chosen in these files, by role.
    dictionaries: BTreeMap<String, String>,
    /// The paths of the model and its mask.
    places: Vec<(&'static str, String)>,
    setting: Setting,
    stated_by: Basis,
    asked: Asked,
    division: Division,
    method: &'static Entry,
    parameters: Value,
    attacks: Settings,
    /// The path of a Retrain that the model is compared with.
    retrain: Option<String>,
    thresholds: Vec<Threshold>,
    materials: Materials,
    executor: String,
}

/// The outcome of a deletion.
#[derive(Debug)]
pub enum Deleted {
    /// It was done now.
    Now(Box<Certificate>),
    /// It had been done before.
    Before(Box<Certificate>),
}

impl Deletion {
    /// Reads the model and the request, opens the data and looks every name up. Nothing is computed or written yet.
    ///
    /// # Errors
    /// If anything does not exist, does not fit, or cannot be forgotten.
    pub fn resolve(options: &DeletionOptions) -> Result<Self> {
        let methods = &options.environment.methods;
        let method = methods.find(&options.method).map_err(|e| Error::deletion("--method", e))?;
        let parameters = overrides::object(&options.assignments)?;
        let parameters = method.resolve(&parameters).map_err(|e| Error::deletion("--set", e))?;
        let DeletionOptions { environment, stated, .. } = options;
        let checkpoint = &address::resolve(&options.checkpoint)?;
        // A file of another program does not say on what images the model was trained: the operator does.
        let dataset = stated.as_ref().map(|stated| stated.open(&options.data, environment)).transpose()?;
        let images = dataset.as_ref().map(statement::images);
        let import = ImportOptions { images, key: options.key.clone(), ..ImportOptions::default() };
        let opened = OpenedModel::open(checkpoint, options.mask.as_deref(), &import)?;
        let (setting, stated_by, materials) =
            trained_on(&opened.model, checkpoint, (&options.data, dataset), stated.as_ref(), environment)?;
        let ids = match &options.request {
            Requested::List(path) => listing::read(path, &setting)?,
            Requested::Subclass(subclass) => {
                let left = setting.division().retain;
                let members = subclass.members(&setting.dataset, &setting.split, &left);
                members.map_err(|reason| Error::deletion("--subclass", reason))?.positions
            }
        };
        let asked = Asked::new(ids, setting.history.forgotten.clone());
        let division = Division::new(&setting.dataset, &setting.split, &asked.all());
        if samples(&setting, &division, &asked.all()).test == 0 {
            let reason =
                "no test image is left to judge the model on; give a dataset with test images of other classes";
            return Err(Error::deletion(format!("--data {}", options.data), reason));
        }
        let prospect = Prospect {
            graph: &opened.model.graph,
            pruned: if opened.model.mask.is_some() { Pruned::Unknown } else { Pruned::Dense },
            labels: &setting.dataset.train.labels,
            forget: &asked.ids,
            retain: &division.retain,
            validation: &setting.split.validation,
            recipe: &setting.history.recipe,
        };
        let refuse = |e| Error::deletion(format!("--method {}", options.method), e);
        method.check(&parameters, &prospect).map_err(refuse)?;
        if method.begins_again {
            // The pretrained weights must still exist. Checking now saves judging the model in vain.
            materials
                .initial(setting.history.init.as_ref())
                .map_err(|reason| Error::deletion(format!("--method {}", options.method), reason))?;
        }
        let attacks = attacked(options, setting.history.seed)?;
        let mut input = opened.artifacts();
        if let Some(path) = &options.retrain {
            let key = options.retrain_key.clone();
            let import = ImportOptions { images: Some(input_spec(&setting.dataset)), key, ..ImportOptions::default() };
            let forgotten = asked.all();
            let beside = Beside {
                info: &opened.model.info,
                state: &opened.model.state,
                what: "the model that is to forget",
                fingerprint: &setting.dataset.fingerprint,
                forgotten: &forgotten,
            };
            let of = |training: &Training| Setting::of(training, &materials);
            let retrain = retrain::open((path, path), &import, &beside, of)?.artifacts();
            input.extend(retrain.into_iter().map(|(role, artifact)| (format!("{OF_RETRAIN}{role}"), artifact)));
        }
        let of_subclasses =
            subclass::forgotten_whole(&setting.dataset, &asked.all(), &division.retain, &division.whole_classes);
        let knows = [!setting.split.validation.is_empty(), !of_subclasses.is_empty(), setting.poisoning.is_some()];
        check_thresholds(options, &attacks, knows)?;
        let chosen = [("", &options.key), (OF_RETRAIN, &options.retrain_key)];
        let chosen = chosen.into_iter().filter_map(|(of, key)| Some((format!("{of}{MODEL_PLACE}"), key.clone()?)));
        let dictionaries: BTreeMap<String, String> = chosen.collect();
        let executor = environment.device.arithmetic(&opened.model.graph).map_err(Error::Device)?;
        let mask = options.mask.as_deref().map(address::resolve).transpose()?;
        let places = [(MODEL_PLACE, Some(checkpoint)), (MASK_PLACE, mask.as_ref())];
        let place = |path: &PathBuf| {
            let reason =
                || Error::deletion(path.display(), "the path of a model must be UTF-8; rename the file or its folder");
            path.to_str().map(str::to_owned).ok_or_else(reason)
        };
        let places = places.into_iter().filter_map(|(role, path)| Some(place(path?).map(|place| (role, place))));
        Ok(Self {
            input,
            dictionaries,
            places: places.collect::<Result<_>>()?,
            setting,
            stated_by,
            asked,
            division,
            method,
            parameters,
            attacks,
            retrain: options.retrain.as_deref().map(address::resolve).transpose()?.as_ref().map(place).transpose()?,
            thresholds: options.thresholds.clone(),
            materials,
            executor,
        })
    }

    /// Makes the model forget and writes `model.safetensors` (a sparse checkpoint if the model is pruned) and
    /// `certificate.json` into `out`. A killed deletion is resumed. A finished one is not repeated.
    ///
    /// # Errors
    /// If the folder holds something else, if the method fails or diverges, or if the user interrupts (the state is
    /// saved). After a divergence, `last-finite.safetensors` holds the last finite weights, and there is no
    /// certificate.
    pub fn run(&self, out: &Path, options: &RunOptions<'_>, signer: Option<&SigningKey>) -> Result<Deleted> {
        let spec = self.spec(signer).map_err(|e| Error::deletion(Certificate::FILE, e))?;
        let figures = self.materials.environment().registry.figures();
        let folder = match Folder::open(out, &spec, &figures)? {
            Found::Done(certificate) => return Ok(Deleted::Before(certificate)),
            Found::ToDo(folder) => folder,
        };
        let steps = self.steps()?;
        match schedule::compute(&steps.stages, folder.store(), &self.materials, options) {
            Ok(_) => {}
            Err(Error::Diverged { stage, reason, kept }) => {
                let place = folder.path(LAST_FINITE);
                fs::rename(&kept, &place).map_err(|source| Error::Io {
                    action: "keep the last finite weights as",
                    path: place.clone(),
                    source,
                })?;
                folder.close()?;
                return Err(Error::Diverged { stage, reason, kept: place });
            }
            Err(error) => return Err(error),
        }
        let certificate = self.certify(&steps, &folder, (&spec.key(), signer), options)?;
        folder.close()?;
        Ok(Deleted::Now(Box::new(certificate)))
    }

    /// Everything that decides what is done and certified.
    fn spec(&self, signer: Option<&SigningKey>) -> serde_json::Result<StageSpec> {
        let Self { setting, asked, .. } = self;
        let identity = Identity {
            input: &self.input,
            dictionaries: &self.dictionaries,
            forget: &asked.ids,
            before: &asked.before,
            data: serde_json::to_value(&setting.data)?,
            fingerprint: &setting.dataset.fingerprint,
            recipe: serde_json::to_value(&setting.history.recipe)?,
            seed: setting.history.seed,
            init: setting.history.init.as_ref(),
            stated_by: self.stated_by,
            method: self.method.name,
            parameters: &self.parameters,
            attacks: serde_json::to_value(&self.attacks)?,
            thresholds: self.thresholds.iter().collect(),
            arithmetic: &self.executor,
            signer: signer.map(|signer| signer.public_key().to_hex()),
        };
        Ok(identity.spec())
    }

    /// The stages of the deletion: import the model, judge it, make it forget, and judge it again.
    fn steps(&self) -> Result<Steps> {
        let Self { setting, asked, attacks, executor: arithmetic, .. } = self;
        let (fingerprint, seed) = (&setting.dataset.fingerprint, setting.history.seed);
        let mut stages = Vec::new();
        let mut push = |spec: StageSpec, label: String| {
            let key = spec.key();
            stages.push(PlannedStage { spec, key: key.clone(), label });
            key
        };
        let training = setting.training().map_err(|e| Error::deletion(MODEL, e))?;
        let mut import = self.import("", training.clone())?;
        for (role, place) in &self.places {
            import = import.with_place(*role, place);
        }
        let model = push(import, "open the model".into());
        let evaluate = EvaluateConfig { attacks: attacks.clone(), arithmetic: arithmetic.clone() };
        let evaluate = describe::<Evaluate>(&evaluate, fingerprint, seed)?;
        let retrain = match &self.retrain {
            None => None,
            Some(place) => {
                // A Retrain never saw the requested images, although its own file need not say so.
                let import = self.import(OF_RETRAIN, Training { forgotten: asked.all(), ..training })?;
                let retrain = push(import.with_place(MODEL_PLACE, place), "open the Retrain".into());
                let judged = push(evaluate.clone().with_input("model", retrain.clone()), "judge the Retrain".into());
                Some((retrain, judged))
            }
        };
        let images = asked.ids.len();
        let original = self.materials.environment().methods.find(RAW).map_err(|e| Error::deletion("--method", e))?;
        let unchanged = original.resolve(&json!({})).map_err(|e| Error::deletion("--method", e))?;
        let mut forget = |method: &str, parameters: &Value, when| {
            let config = UnlearnConfig {
                method: method.into(),
                config: parameters.clone(),
                forget: Some(ForgetSpec::Positions { positions: asked.ids.clone() }),
                ranked: None,
                hard: None,
                arithmetic: arithmetic.clone(),
            };
            let unlearn = describe::<Unlearn>(&config, fingerprint, seed)?.with_input("model", model.clone());
            let unlearn = push(unlearn, format!("forget {images} images by {method}"));
            let mut evaluate = evaluate.clone().with_input("model", unlearn.clone());
            if let Some((retrain, _)) = &retrain {
                evaluate = evaluate.with_input(RETRAIN, retrain.clone());
            }
            Ok::<_, Error>((unlearn, push(evaluate, format!("judge the model {when}"))))
        };
        let (_, before) = forget(original.name, &unchanged, "before")?;
        let (unlearn, after) = forget(self.method.name, &self.parameters, "after")?;
        // If the requested method is `raw`, both models are the same.
        let mut seen = HashSet::new();
        stages.retain(|stage| seen.insert(stage.key.clone()));
        Ok(Steps { stages, before, unlearn, after, retrain: retrain.map(|(_, judged)| judged) })
    }

    /// The stage that imports a model. `of` is the prefix of its files' roles.
    fn import(&self, of: &str, training: Training) -> Result<StageSpec> {
        let mask = self.input.get(&format!("{of}{MASK_PLACE}")).cloned();
        let model = format!("{of}{MODEL_PLACE}");
        let key = self.dictionaries.get(&model).cloned();
        let config = ImportConfig { model: self.input[&model].clone(), mask, key, training };
        describe::<Import>(&config, &self.setting.dataset.fingerprint, self.setting.history.seed)
    }

    /// Writes the model and a certificate with the figures measured on it.
    fn certify(
        &self,
        steps: &Steps,
        folder: &Folder,
        (key, signer): (&StageKey, Option<&SigningKey>),
        options: &RunOptions<'_>,
    ) -> Result<Certificate> {
        let store = folder.store();
        let figures = |key: &StageKey| {
            let stage = store.stage(Evaluate::NAME, key)?;
            Ok::<_, Error>(Evaluation::of(&stage)?.figures)
        };
        let (before, after) = (figures(&steps.before)?, figures(&steps.after)?);
        let retrain = steps.retrain.as_ref().map(figures).transpose()?;
        let unlearned = store.stage(Unlearn::NAME, &steps.unlearn)?;
        let model = OpenedModel::of_stage(unlearned, &ImportOptions::default())?.model;
        let info = CheckpointInfo { config: key.to_string(), ..model.info.clone() };
        let model = ModelFile { info, ..model };
        let bytes = model.to_bytes(if model.mask.is_some() { Target::Sparse } else { Target::Dense })?;
        write_atomic(&folder.path(MODEL), &bytes)?;
        let verdict = |threshold: &Threshold| {
            let measured = after.get(&threshold.figure());
            let measured = measured.ok_or_else(|| {
                Error::deletion(
                    format!("--threshold {threshold}"),
                    "it was not measured on this model and data; leave it out",
                )
            })?;
            Ok::<_, Error>(threshold.judge(measured.value))
        };
        let measured = Measured {
            thresholds: self.thresholds.iter().map(verdict).collect::<Result<_>>()?,
            before,
            after,
            retrain,
            attacks: Some(json!(self.attacks)),
        };
        let json = |e: serde_json::Error| Error::deletion(Certificate::FILE, e);
        let mut certificate = Certificate {
            format: measured.format(),
            key: key.clone(),
            request: self.asked.clone(),
            data: self.data().map_err(json)?,
            method: self.done().map_err(json)?,
            input: self.input.clone(),
            dictionaries: self.dictionaries.clone(),
            output: [(MODEL.to_owned(), Artifact::of_bytes(&bytes))].into(),
            measured,
            code: Code::running(env!("CARGO_PKG_VERSION"), options.commit.clone())?,
            machine: Machine::this(),
            started: folder.started(),
            finished: clock::now(),
            signature: None,
        };
        if let Some(signer) = signer {
            certificate.sign(signer)?;
        }
        certificate.save(folder.out())?;
        Ok(certificate)
    }

    fn data(&self) -> serde_json::Result<Data> {
        let (dataset, data) = (&self.setting.dataset, &self.setting.data);
        Ok(Data {
            name: dataset.name.clone(),
            fingerprint: dataset.fingerprint.clone(),
            split: serde_json::to_value(data)?,
            whole_classes: self.division.whole_classes.clone(),
            samples: samples(&self.setting, &self.division, &self.asked.all()),
            stated_by: self.stated_by,
        })
    }

    fn done(&self) -> serde_json::Result<Done> {
        Ok(Done {
            name: self.method.name.into(),
            parameters: self.parameters.clone(),
            recipe: serde_json::to_value(&self.setting.history.recipe)?,
            seed: self.setting.history.seed,
            executor: self.executor.clone(),
        })
    }
}

/// Prefix of the roles of a Retrain's files.
const OF_RETRAIN: &str = "retrain ";

/// The stages of a deletion, and which of them hold the certificate's content.
struct Steps {
    stages: Vec<PlannedStage>,
    before: StageKey,
    unlearn: StageKey,
    after: StageKey,
    retrain: Option<StageKey>,
}

/// Numbers of samples that a model is judged on.
fn samples(setting: &Setting, division: &Division, forgotten: &[u32]) -> Samples {
    Samples {
        forget: forgotten.len(),
        retain: division.retain.len(),
        validation: setting.split.validation.len(),
        test: division.test(&setting.dataset).len(),
    }
}

/// The requested attacks. `seed` is the model's seed.
fn attacked(options: &DeletionOptions, seed: u64) -> Result<Settings> {
    let refuse = |option: &str, reason: &dyn std::fmt::Display| Error::deletion(option, reason);
    let DeletionOptions { attacks, features, draws, members, .. } = options;
    if !features.iter().any(|name| name == CONFIDENCE) {
        let reason = format!("`{CONFIDENCE}` must be among the features: it is the one that tables report");
        return Err(refuse("--mia", &reason));
    }
    if !attacks.iter().any(|name| name == EFFICACY) {
        let reason = format!("`{EFFICACY}` must be among the attacks: it is the one that tables report");
        return Err(refuse("--attacks", &reason));
    }
    Settings::count(*draws, *members).map_err(|reason| refuse("--draws", &reason))?;
    let section = EvaluateSection {
        attacks: attacks.clone(),
        mia: features.clone(),
        draws: *draws,
        members: *members,
        ..EvaluateSection::default()
    };
    section.settings(&options.environment.registry, seed).map_err(|reason| refuse("--attacks and --mia", &reason))
}

/// Refuses a threshold on a figure that will not be measured.
fn check_thresholds(
    options: &DeletionOptions,
    attacks: &Settings,
    [validated, of_subclasses, poisoned]: [bool; 3],
) -> Result<()> {
    let registry = &options.environment.registry;
    let figures = registry.figures();
    let measured = registry.measured(attacks).map_err(|e| Error::deletion("--mia", e))?;
    for threshold in &options.thresholds {
        let refuse = |reason: &str| Err(Error::deletion(format!("--threshold {threshold}"), reason));
        let name = threshold.figure();
        if let Some(feature) = name.strip_prefix("mia_efficacy.")
            && !measured.contains(&name)
        {
            let names = attacks.mia.join(", ");
            return refuse(&format!("`{feature}` is not among the features that are attacked on: {names}"));
        }
        threshold.check(&figures).map_err(|e| Error::deletion("--threshold", e))?;
        let Some(figure) = figures.get(&name) else { continue };
        if figure.needs.contains(&Need::Validation) && !validated {
            return refuse("the model has no validation split");
        }
        if figure.needs.contains(&Need::Transfer) {
            return refuse("it is measured where a suite has a section [transfer], and a deletion has none");
        }
        if figure.needs.contains(&Need::Triggered) && !poisoned {
            return refuse(
                "it is measured where the model's training data have a backdoor (`[data.poison]`), and these have none",
            );
        }
        if figure.needs.contains(&Need::Subclasses) && !of_subclasses {
            return refuse(
                "it is measured where the dataset knows its subclasses and all samples of one are forgotten",
            );
        }
        if figure.needs.contains(&Need::Audit) {
            return refuse("it is measured where a suite has a section [audit], and a deletion has none");
        }
        if figure.needs_retrain() && options.retrain.is_none() {
            return refuse("it is measured against a Retrain; name one with `--retrain`");
        }
        let of_an_attack =
            figure.needs.contains(&Need::Attack) && !figure.needs_retrain() && name != mia_efficacy::NAME;
        if of_an_attack && !measured.contains(&name) {
            return refuse(&format!("it is not measured; these are: {}", measured.join(", ")));
        }
    }
    Ok(())
}
