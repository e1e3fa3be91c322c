//! One deletion: a trained model is made to forget the images that a request lists, is judged before and after, and leaves a
//! certificate of that.
//!
//! A deletion computes what a suite does with the same model, forget set, method and seed, bit for bit. It may be killed and
//! started again.

mod folder;
mod listing;
mod measuring;
mod setting;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use unlearn_certificates::{Asked, Certificate, Code, Data, Done, FORMAT, Measured, SigningKey, Threshold};
use unlearn_masks::Mask;
use unlearn_metrics::Need;
use unlearn_mia_eval::{MemberSelection, Settings};
use unlearn_models::{
    ImportOptions, ModelFile, Target,
    checkpoint::{CheckpointInfo, Training},
};
use unlearn_network::{Graph, Network};
use unlearn_run_store::{Artifact, Machine, Stage, StageKey, StageSpec, clock, write_atomic};
use unlearn_training::{Session, mask_of};
use unlearn_unlearning::{Entry, Request};

pub use measuring::{CLOSENESS, measure_again};
pub use setting::Stated;

use self::{
    folder::{Folder, Found},
    measuring::{Measuring, network},
    setting::{Division, Setting},
};
use crate::{
    Environment, Error, Result, RunOptions,
    checkpoints::FileCheckpoints,
    initial::Initial,
    overrides,
    plan::arithmetic,
    stages::{LAST_FINITE, MASK, MODEL, derived_seed, has_diverged, kept_apart},
    suite::{CONFIDENCE, EFFICACY, EvaluateSection},
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct DeletionOptions {
    /// The model: a checkpoint, dense or sparse, or a folder with one: a finished stage's, or that of an earlier deletion.
    pub checkpoint: PathBuf,
    /// Which of its weights are kept, where its own files do not say.
    pub mask: Option<PathBuf>,
    /// Name of the dataset, or a folder that it lies in.
    pub data: String,
    /// The list of images.
    pub request: PathBuf,
    /// Name of the method.
    pub method: String,
    /// Its parameters as `key=value`; defaults for the rest.
    pub assignments: Vec<String>,
    /// What is demanded of the model afterwards.
    pub thresholds: Vec<Threshold>,
    /// Membership-inference attacks, `mia-efficacy` among them.
    pub attacks: Vec<String>,
    /// Features that attacks look at, `confidence` among them.
    pub features: Vec<String>,
    /// How often an attack is fitted, each time on other members; ten times, or once on the first rows, if not given.
    pub draws: Option<usize>,
    /// How members are drawn.
    pub members: MemberSelection,
    /// A model that never saw what is to be forgotten, to measure against: a file or a folder as for `checkpoint`.
    pub retrain: Option<PathBuf>,
    /// What the checkpoint was trained on, where it does not say.
    pub stated: Option<Stated>,
    /// Where data lie, and which device computes.
    pub environment: Environment,
}

/// A deletion in which nothing is left to refuse.
pub struct Deletion {
    model: ModelFile,
    input: BTreeMap<String, Artifact>,
    setting: Setting,
    asked: Asked,
    division: Division,
    method: &'static Entry,
    parameters: Value,
    attacks: Settings,
    retrain: Option<ModelFile>,
    thresholds: Vec<Threshold>,
    environment: Environment,
    executor: String,
}

/// What came of a deletion.
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
    /// Anything that does not exist, does not fit, or cannot be forgotten.
    pub fn resolve(options: &DeletionOptions) -> Result<Self> {
        let method = unlearn_unlearning::find(&options.method).map_err(|e| Error::deletion("--method", e))?;
        let parameters = overrides::object(&options.assignments)?;
        let parameters = method.resolve(&parameters).map_err(|e| Error::deletion("--set", e))?;
        let (model, mut input) = read(&options.checkpoint, options.mask.as_deref())?;
        let DeletionOptions { environment, stated, .. } = options;
        let setting = Setting::of(&model, &options.checkpoint, &options.data, stated.as_ref(), environment)?;
        let ids = listing::read(&options.request, &setting)?;
        let asked = Asked::new(ids, setting.forgotten.clone());
        let division = Division::new(&setting.dataset, &setting.split, &asked.all());
        let attacks = attacked(options, setting.seed)?;
        let retrain = options.retrain.as_deref().map(|path| beside(path, &model, &mut input)).transpose()?;
        check_thresholds(options, &attacks, !setting.split.validation.is_empty())?;
        let executor = arithmetic(environment.device, &model.graph)?;
        Ok(Self {
            model,
            input,
            setting,
            asked,
            division,
            method,
            parameters,
            attacks,
            retrain,
            thresholds: options.thresholds.clone(),
            environment: environment.clone(),
            executor,
        })
    }

    /// Makes the model forget and leaves `model.safetensors` (a sparse checkpoint if the model is pruned) and `certificate.json`
    /// in `out`. A deletion that was killed goes on; one that is done is not done again.
    ///
    /// # Errors
    /// A folder with something else in it; a method that fails, or diverges (the last finite weights are then in
    /// `last-finite.safetensors`, and there is no certificate); an interruption, with the state saved.
    pub fn run(&self, out: &Path, options: &RunOptions<'_>, signer: Option<&SigningKey>) -> Result<Deleted> {
        let key = self.key(signer);
        let folder = match Folder::open(out, &key)? {
            Found::Done(certificate) => return Ok(Deleted::Before(certificate)),
            Found::ToDo(folder) => folder,
        };
        let label = format!("forget {} images by {}", self.asked.ids.len(), self.method.name);
        options.reporter.stage_started(1, 1, &label, folder.resumed);
        let fail = |reason: String| Error::Stage { stage: label.clone(), reason };
        let device = self.environment.device;
        let mut network = network(&self.model, device).map_err(fail)?;
        let forget = self.asked.all();
        let measuring = Measuring {
            setting: &self.setting,
            division: &self.division,
            forget: &forget,
            attacks: &self.attacks,
            registry: &self.environment.registry,
        };
        let retrain = match &self.retrain {
            None => None,
            Some(retrain) => {
                let mut retrain = measuring::network(retrain, device).map_err(fail)?;
                Some(measuring.judge(&mut retrain, None, None).map_err(fail)?)
            }
        };
        let before = measuring.judge(&mut network, None, retrain.as_ref()).map_err(fail)?.figures;
        let rte_seconds = match self.forget(&mut network, &folder, options) {
            Ok(seconds) => seconds,
            Err(error) => return Err(self.failure(&network, folder, &error, label)),
        };
        let after = measuring.judge(&mut network, Some(rte_seconds), retrain.as_ref()).map_err(fail)?.figures;
        let bytes = self.encode(&network, &key)?;
        write_atomic(&folder.path(MODEL), &bytes)?;
        let verdict =
            |threshold: &Threshold| after.get(&threshold.figure()).map(|measured| threshold.judge(measured.value));
        let measured = Measured {
            thresholds: self.thresholds.iter().filter_map(verdict).collect(),
            before,
            after,
            retrain: retrain.map(|retrain| retrain.figures),
            attacks: Some(json!(self.attacks)),
        };
        let mut certificate = Certificate {
            format: FORMAT,
            key,
            request: self.asked.clone(),
            data: self.data().map_err(|e| fail(e.to_string()))?,
            method: self.done().map_err(|e| fail(e.to_string()))?,
            input: self.input.clone(),
            output: [(MODEL.to_owned(), artifact(&bytes))].into(),
            measured,
            code: Code::running(env!("CARGO_PKG_VERSION"), options.commit.clone())?,
            machine: Machine::this(),
            started: folder.started.clone(),
            finished: clock::now(),
            signature: None,
        };
        if let Some(signer) = signer {
            certificate.sign(signer)?;
        }
        certificate.save(out)?;
        folder.close()?;
        options.reporter.stage_finished(1, 1, &label);
        Ok(Deleted::Now(Box::new(certificate)))
    }

    /// The hash of all that decides what is done and certified.
    fn key(&self, signer: Option<&SigningKey>) -> StageKey {
        let Self { setting, asked, .. } = self;
        let mut config = json!({
            "input": self.input, "forget": asked.ids, "before": asked.before, "data": setting.data,
            "recipe": setting.recipe, "stated-by": setting.stated_by, "method": self.method.name,
            "parameters": self.parameters, "attacks": self.attacks,
            "thresholds": self.thresholds, "arithmetic": self.executor,
            "signer": signer.map(|signer| signer.public_key().to_hex()),
        });
        if let Some(init) = &setting.init {
            config["init"] = json!(init);
        }
        StageSpec::new("forget", config, &setting.dataset.fingerprint, setting.seed).key()
    }

    /// Runs the method; its run time in seconds.
    fn forget(
        &self,
        network: &mut Network,
        folder: &Folder,
        options: &RunOptions<'_>,
    ) -> unlearn_unlearning::Result<f64> {
        let checkpoints = FileCheckpoints::new(&folder.partial(), options.checkpoint_interval);
        let Setting { dataset, split, recipe, seed, init, .. } = &self.setting;
        // Opened by the methods alone that need it: the others serve a request wherever the file has gone.
        let initial = |graph: &Graph, seed| {
            let state = Initial::reopen(init.as_ref())
                .and_then(|initial| initial.state(graph, seed).map_err(|error| error.to_string()));
            state.map_err(unlearn_training::Error::Unsuitable)
        };
        let mut request = Request {
            network,
            images: &dataset.train,
            forget: &self.asked.ids,
            retain: &self.division.retain,
            validation: &split.validation,
            recipe,
            augmentation: dataset.augmentation,
            device: self.environment.device,
            initial: &initial,
            prune_anew: None,
            seed: derived_seed(*seed, "unlearn"),
            session: Session { progress: options.reporter, checkpoints: &checkpoints, interrupt: options.interrupt },
        };
        Ok(self.method.run(&self.parameters, &mut request)?.seconds)
    }

    /// The error of a method that failed; if it diverged, the last finite weights are kept apart, and nothing to go on from.
    fn failure(&self, network: &Network, folder: Folder, error: &unlearn_unlearning::Error, stage: String) -> Error {
        if let unlearn_unlearning::Error::Training { source: unlearn_training::Error::Interrupted, .. } = error {
            return Error::Interrupted { stage };
        }
        if !has_diverged(error) {
            return Error::Stage { stage, reason: error.to_string() };
        }
        let finite = network.state().first_non_finite(network.graph()).is_none();
        // A method without steps has no weights between those it was given and those that are not finite.
        let state = if finite { network.state() } else { &self.model.state };
        let place = folder.path(LAST_FINITE);
        let model = ModelFile { state: state.clone(), ..self.model.clone() };
        let kept = model.to_bytes(target(&model)).map_err(Error::from);
        let kept = kept.and_then(|bytes| Ok(write_atomic(&place, &bytes)?)).and_then(|()| folder.close());
        let reason = match kept {
            Ok(()) => kept_apart(error, &place),
            Err(unsaved) => format!("{error}; the last finite weights could not be kept: {unsaved}"),
        };
        Error::Stage { stage, reason }
    }

    /// The bytes of the model that has forgotten.
    fn encode(&self, network: &Network, key: &StageKey) -> Result<Vec<u8>> {
        let Setting { dataset, data, recipe, seed, init, .. } = &self.setting;
        let json = |e: serde_json::Error| Error::deletion(MODEL, e);
        let training = Some(Training {
            data: serde_json::to_value(data).map_err(json)?,
            fingerprint: dataset.fingerprint.clone(),
            recipe: serde_json::to_value(recipe).map_err(json)?,
            seed: *seed,
            init: init.clone(),
            forgotten: self.asked.all(),
        });
        let info = CheckpointInfo { config: key.to_string(), training, ..self.model.info.clone() };
        let mask = mask_of(network).map_err(|e| Error::deletion(MODEL, e))?;
        let model = ModelFile { state: network.state().clone(), mask, info, ..self.model.clone() };
        Ok(model.to_bytes(target(&model))?)
    }

    fn data(&self) -> serde_json::Result<Data> {
        let Setting { dataset, data, stated_by, .. } = &self.setting;
        Ok(Data {
            name: dataset.name.clone(),
            fingerprint: dataset.fingerprint.clone(),
            split: serde_json::to_value(data)?,
            whole_classes: self.division.whole_classes.clone(),
            samples: self.division.samples,
            stated_by: *stated_by,
        })
    }

    fn done(&self) -> serde_json::Result<Done> {
        Ok(Done {
            name: self.method.name.into(),
            parameters: self.parameters.clone(),
            recipe: serde_json::to_value(&self.setting.recipe)?,
            seed: self.setting.seed,
            executor: self.executor.clone(),
        })
    }
}

/// What a model is written as.
fn target(model: &ModelFile) -> Target {
    if model.mask.is_some() { Target::Sparse } else { Target::Dense }
}

fn artifact(bytes: &[u8]) -> Artifact {
    Artifact { blake3: blake3::hash(bytes).to_hex().to_string(), bytes: bytes.len() as u64 }
}

/// A model and its mask from a checkpoint or a folder with one, and the hashes of what was read.
fn read(checkpoint: &Path, mask: Option<&Path>) -> Result<(ModelFile, BTreeMap<String, Artifact>)> {
    let (file, beside) = if !checkpoint.is_dir() {
        (checkpoint.to_path_buf(), None)
    } else if checkpoint.join(Certificate::FILE).exists() {
        (checkpoint.join(MODEL), None)
    } else {
        let stage = Stage::open(checkpoint)?;
        let pruned = stage.manifest().artifacts.contains_key(MASK);
        (stage.artifact(MODEL)?, if pruned { Some(stage.artifact(MASK)?) } else { None })
    };
    let bytes =
        |path: &Path| std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.into(), source });
    let model = bytes(&file)?;
    let mut input = BTreeMap::from([("model".to_owned(), artifact(&model))]);
    let mut model = ModelFile::read(&model, &ImportOptions::default(), &file)?;
    if let Some(path) = mask.or(beside.as_deref()) {
        let mask = bytes(path)?;
        input.insert("mask".into(), artifact(&mask));
        let mask = Mask::from_bytes(&mask).map_err(|e| Error::deletion(path.display(), e))?;
        model.apply(&mask)?;
    }
    Ok((model, input))
}

/// A Retrain of `model`; its files' hashes go to `input`.
fn beside(path: &Path, model: &ModelFile, input: &mut BTreeMap<String, Artifact>) -> Result<ModelFile> {
    let (retrain, files) = read(path, None)?;
    if (&retrain.info.arch, retrain.info.input, retrain.info.classes)
        != (&model.info.arch, model.info.input, model.info.classes)
    {
        let reason = format!(
            "{} is a `{}` and the model a `{}`; a Retrain is of the same kind",
            path.display(),
            retrain.info.arch,
            model.info.arch
        );
        return Err(Error::deletion("--retrain", reason));
    }
    input.extend(files.into_iter().map(|(name, artifact)| (format!("retrain {name}"), artifact)));
    Ok(retrain)
}

/// The attacks that are asked for; `seed` is the model's.
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

/// Refuses a threshold on something that is not going to be measured.
fn check_thresholds(options: &DeletionOptions, attacks: &Settings, validated: bool) -> Result<()> {
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
        if figure.needs_retrain() && options.retrain.is_none() {
            return refuse("it is measured against a Retrain; name one with `--retrain`");
        }
        if name.contains('.') && !measured.contains(&name) {
            return refuse(&format!("it is not measured; these are: {}", measured.join(", ")));
        }
    }
    Ok(())
}
