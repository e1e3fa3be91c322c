//! What a suite resolves to: data opened, names looked up, defaults filled in, and every stage with its key.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};
use unlearn_datasets::{Dataset, Split, registry, registry::OpenOptions};
use unlearn_mia_eval::{Registry, Settings};
use unlearn_models::{InputSpec, checkpoint::CheckpointInfo};
use unlearn_network::{DeviceChoice, Graph};
use unlearn_pruning::PruningMethod;
use unlearn_run_store::{StageKey, StageSpec, SuiteRow, Tuning};
use unlearn_training::Recipe;
use unlearn_unlearning::Entry;

use crate::{
    Error, Result, Suite,
    initial::Initial,
    requests::{self, Forget},
    stages::derived_seed,
    suite::{CONFIDENCE, DataSection, EFFICACY, MethodSection, with_nearest},
};

/// Where a suite runs and where its data lies: what is not part of a result.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Folder with datasets, before the usual places.
    pub data_dir: Option<PathBuf>,
    /// Device for every stage.
    pub device: DeviceChoice,
    /// The figures and attacks there are.
    pub registry: Registry,
}

/// A resolved suite.
pub struct Plan {
    /// The suite's name.
    pub suite: String,
    /// Headline of the report.
    pub title: Option<String>,
    /// Remarks that the report repeats.
    pub notes: Vec<String>,
    /// All stages, each after its inputs.
    pub stages: Vec<Stage>,
    /// The rows of the report, each with the stages that make it.
    pub rows: Vec<SuiteRow>,
    /// Average gap to Retrain, in points, beyond which a full retrain is due; `None` without requests in turn.
    pub drift_threshold: Option<f64>,
    pub(crate) shared: Shared,
}

/// One stage.
pub struct Stage {
    /// What it is: the source of its key.
    pub spec: StageSpec,
    /// Its key in the store.
    pub key: StageKey,
    /// For people: `unlearn ft · class 0 · omp 95 % · seed 1`.
    pub label: String,
    pub(crate) work: Work,
}

/// What a stage does, with indices into [`Shared`].
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Train { seed: usize },
    Prune { seed: usize, pruning: usize, train: StageKey },
    Unlearn { at: RowAt, config: Value, model: Model },
    Evaluate { seed: usize, forget: usize, unlearn: StageKey },
    Validate { seed: usize, forget: usize, unlearn: StageKey },
}

/// How the models of a plan are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judging {
    /// On the test set, for a report.
    Test,
    /// On what may be seen while settings are still chosen.
    Validation,
}

impl Work {
    /// The seed it is of.
    pub(crate) fn seed(&self) -> usize {
        match self {
            Self::Train { seed }
            | Self::Prune { seed, .. }
            | Self::Unlearn { at: RowAt { seed, .. }, .. }
            | Self::Evaluate { seed, .. }
            | Self::Validate { seed, .. } => *seed,
        }
    }
}

/// A stage that leaves a model.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) kind: &'static str,
    pub(crate) key: StageKey,
}

/// What all stages of a suite share.
pub(crate) struct Shared {
    pub(crate) dataset: Dataset,
    pub(crate) graph: Arc<Graph>,
    pub(crate) initial: Initial,
    pub(crate) info: CheckpointInfo,
    pub(crate) recipe: Recipe,
    pub(crate) snapshots: Vec<usize>,
    pub(crate) prunings: Vec<Pruning>,
    pub(crate) methods: Vec<Unlearning>,
    pub(crate) registry: Registry,
    /// The attacks, for no seed in particular.
    attacks: Settings,
    pub(crate) tuning: Option<Tuning>,
    pub(crate) seeds: Vec<SeedData>,
    pub(crate) device: DeviceChoice,
    /// Which executor computes, and its revision: whatever comes from a trained model depends on it to the bit.
    pub(crate) arithmetic: String,
}

/// One `[[unlearn]]` table.
pub(crate) struct Unlearning {
    pub(crate) name: String,
    pub(crate) entry: &'static Entry,
    pub(crate) config: Value,
}

/// One `[[prune]]` table; without a method, the dense model.
pub(crate) struct Pruning {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) sparsity: f64,
    pub(crate) method: Option<(&'static PruningMethod, Value)>,
}

/// What is drawn from one seed.
pub(crate) struct SeedData {
    pub(crate) seed: u64,
    /// `[data]` with its seed filled in.
    pub(crate) data: DataSection,
    pub(crate) split: Split,
    pub(crate) forgets: Vec<Forget>,
}

impl Plan {
    /// Opens the data, looks every name up and works out every stage. Nothing is computed yet.
    ///
    /// # Errors
    /// Anything in the suite that does not exist, does not fit or is out of range, or a device that does not open.
    pub fn resolve(suite: &Suite, environment: &Environment) -> Result<Self> {
        suite.check_complete()?;
        Self::resolve_for(suite, environment, Judging::Test)
    }

    /// The same without anything that comes after pruning: the suite's models, dense and pruned.
    ///
    /// # Errors
    /// As [`Plan::resolve`].
    pub fn of_models(suite: &Suite, environment: &Environment) -> Result<Self> {
        let models = Suite { forget: Vec::new(), unlearn: Vec::new(), ..suite.clone() };
        Self::resolve_for(&models, environment, Judging::Test)
    }

    pub(crate) fn resolve_for(suite: &Suite, environment: &Environment, judging: Judging) -> Result<Self> {
        let shared = Shared::resolve(suite, environment)?;
        let mut plan = Self {
            suite: suite.suite.name.clone(),
            title: suite.suite.title.clone(),
            notes: suite.suite.notes.iter().cloned().chain(shared.begins_with()?).chain(shared.left_out()).collect(),
            stages: Vec::new(),
            rows: Vec::new(),
            drift_threshold: suite
                .forget
                .iter()
                .any(|section| section.sequence)
                .then_some(suite.evaluate.drift_threshold),
            shared,
        };
        for seed in 0..plan.shared.seeds.len() {
            plan.add_seed(seed, judging);
        }
        let mut seen = HashSet::new();
        plan.stages.retain(|stage| seen.insert(stage.key.clone()));
        Ok(plan)
    }

    fn add_seed(&mut self, seed: usize, judging: Judging) {
        let SeedData { seed: number, data, .. } = &self.shared.seeds[seed];
        let number = *number;
        let mut config = json!({
            "data": data, "arch": self.shared.graph.arch, "recipe": self.shared.recipe,
            "snapshots": self.shared.snapshots, "arithmetic": self.shared.arithmetic,
        });
        if let Some(init) = self.shared.initial.key() {
            config["init"] = init;
        }
        let train = self.push("train", config, None, seed, format!("train · seed {number}"), Work::Train { seed });
        for pruning in 0..self.shared.prunings.len() {
            let model = match &self.shared.prunings[pruning] {
                Pruning { method: None, .. } => Model { kind: "train", key: train.clone() },
                Pruning { label, method: Some((method, config)), .. } => {
                    let config = json!({ "method": method.name, "config": config });
                    let label = format!("prune {label} · seed {number}");
                    let work = Work::Prune { seed, pruning, train: train.clone() };
                    let key = self.push("prune", config, Some(&train), seed, label, work);
                    Model { kind: "prune", key }
                }
            };
            // A method's requests in turn each begin with the model that the one before left.
            let mut left = vec![model.clone(); self.shared.methods.len()];
            for forget in 0..self.shared.seeds[seed].forgets.len() {
                for (method, left) in left.iter_mut().enumerate() {
                    if !self.shared.serves(method, &self.shared.seeds[seed].forgets[forget]) {
                        continue;
                    }
                    let first = self.shared.seeds[seed].forgets[forget].served.is_empty();
                    let input = if first { &model } else { &*left };
                    let key = self.add_row(RowAt { seed, pruning, forget, method }, input, judging);
                    *left = Model { kind: "unlearn", key };
                }
            }
        }
    }

    /// Adds the row of a method that serves a request, with its stages; the key of the model it leaves.
    fn add_row(&mut self, at: RowAt, model: &Model, judging: Judging) -> StageKey {
        let RowAt { seed, pruning, forget, method } = at;
        let number = self.shared.seeds[seed].seed;
        let pruned = &self.shared.prunings[pruning];
        let Unlearning { name, entry, .. } = &self.shared.methods[method];
        let request = &self.shared.seeds[seed].forgets[forget];
        let settings = self.shared.settings(method, request, pruned).clone();
        let (name, label) = (name.clone(), format!("{name} · {} · {} · seed {number}", request.label, pruned.label));
        let mut config = json!({ "method": entry.name, "config": settings, "forget": request.spec });
        if !request.served.is_empty() {
            config["served"] = json!(request.served);
        }
        let work = Work::Unlearn { at, config: settings, model: model.clone() };
        let unlearn = self.push("unlearn", config, Some(&model.key), seed, format!("unlearn {label}"), work);
        let (kind, config, work) = match judging {
            Judging::Test => {
                let config = json!(self.shared.attack_settings(number));
                ("evaluate", config, Work::Evaluate { seed, forget, unlearn: unlearn.clone() })
            }
            Judging::Validation => {
                let config = json!(self.shared.table_attack_settings(number));
                ("validate", config, Work::Validate { seed, forget, unlearn: unlearn.clone() })
            }
        };
        let evaluate = self.push(kind, config, Some(&unlearn), seed, format!("{kind} {label}"), work);
        let Pruning { sparsity, name: pruning, .. } = &self.shared.prunings[pruning];
        let forget = &self.shared.seeds[seed].forgets[forget];
        self.rows.push(SuiteRow {
            dataset: self.shared.dataset.name.clone(),
            arch: self.shared.graph.arch.clone(),
            scenario: forget.scenario.into(),
            forget: forget.label.clone(),
            sparsity: *sparsity,
            pruning: pruning.clone(),
            method: name,
            seed: number,
            unlearn: unlearn.clone(),
            evaluate,
            turn: forget.turn.clone(),
        });
        unlearn
    }

    fn push(
        &mut self,
        kind: &str,
        config: Value,
        model: Option<&StageKey>,
        seed: usize,
        label: String,
        work: Work,
    ) -> StageKey {
        let mut spec = StageSpec::new(kind, config, &self.shared.dataset.fingerprint, self.shared.seeds[seed].seed);
        if let Some(model) = model {
            spec = spec.with_input("model", model.clone());
        }
        let key = spec.key();
        self.stages.push(Stage { spec, key: key.clone(), label, work });
        key
    }
}

/// Where in the grid of a suite a row stands: indices into [`Shared`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowAt {
    pub(crate) seed: usize,
    pub(crate) pruning: usize,
    pub(crate) forget: usize,
    pub(crate) method: usize,
}

impl Shared {
    fn resolve(suite: &Suite, environment: &Environment) -> Result<Self> {
        let refuse = |reason: &dyn std::fmt::Display| Error::Suite {
            path: suite.path.clone(),
            reason: with_nearest(&reason.to_string()),
        };
        let options = OpenOptions { data_dir: environment.data_dir.clone(), fetch: true };
        let dataset = registry::open(&suite.data.name, &options).map_err(|e| refuse(&e))?;
        let images = &dataset.train;
        let input = InputSpec {
            shape: [images.channels, images.height, images.width],
            classes: dataset.classes.len(),
            mean: dataset.normalization.mean.clone(),
            std: dataset.normalization.std.clone(),
        };
        let graph =
            unlearn_models::find(&suite.model.arch).and_then(|arch| arch.graph(&input)).map_err(|e| refuse(&e))?;
        let mut snapshots = Vec::new();
        let resolve = |section: &MethodSection| Pruning::resolve(section, &suite.train, &mut snapshots);
        let prunings = suite.prune.iter().map(resolve).collect::<std::result::Result<_, _>>();
        let prunings: Vec<Pruning> = prunings.map_err(|e| refuse(&e))?;
        all_differ("prune", prunings.iter().map(|pruning| &pruning.label)).map_err(|e| refuse(&e))?;
        snapshots.sort_unstable();
        snapshots.dedup();
        let resolve = |section: &MethodSection| {
            let entry = unlearn_unlearning::find(&section.method)?;
            Ok(Unlearning { name: section.name().to_owned(), entry, config: entry.resolve(&section.config)? })
        };
        let methods = suite.unlearn.iter().map(resolve).collect::<unlearn_unlearning::Result<_>>();
        let methods: Vec<Unlearning> = methods.map_err(|e| refuse(&e))?;
        all_differ("unlearn", methods.iter().map(|method| &method.name)).map_err(|e| refuse(&e))?;
        let registry = environment.registry.clone();
        let attacks = suite.evaluate.settings(&registry, 0).map_err(|e| refuse(&e))?;
        let seeds = suite.suite.seeds.iter().map(|seed| SeedData::resolve(suite, &dataset, *seed));
        let seeds: Vec<SeedData> = seeds.collect::<std::result::Result<_, _>>().map_err(|e| refuse(&e))?;
        let forgets = seeds.first().map(|data| &data.forgets).into_iter().flatten();
        all_differ("forget", forgets.map(|forget| &forget.label)).map_err(|e| refuse(&e))?;
        let recipe = suite.train.clone();
        let info = CheckpointInfo::new(&graph.arch, input, &dataset.name);
        let device = environment.device;
        let arithmetic = arithmetic(device, &graph)?;
        let tuning = tuning(suite, &dataset.name, &graph.arch).map_err(|e| refuse(&e))?;
        // Last, so that a slip elsewhere is found before anything is fetched.
        let folder = suite.path.parent().unwrap_or(Path::new(""));
        let initial = Initial::open(suite.model.init.as_deref(), folder)?;
        for tensor in initial.anew(&graph)? {
            tracing::warn!("initialised anew: {tensor}");
        }
        Ok(Self {
            dataset,
            graph,
            initial,
            info,
            recipe,
            snapshots,
            prunings,
            methods,
            registry,
            attacks,
            tuning,
            seeds,
            device,
            arithmetic,
        })
    }

    /// Whether a method can serve a request; rows of one that cannot are left out.
    fn serves(&self, method: usize, request: &Forget) -> bool {
        request.spec.whole_class().is_some() || !self.methods[method].entry.whole_classes_only
    }

    /// Says what training begins with, where that is not fresh weights.
    fn begins_with(&self) -> Result<Option<String>> {
        let Some(origin) = self.initial.origin() else { return Ok(None) };
        let anew = self.initial.anew(&self.graph)?;
        let anew: Vec<_> = anew.iter().map(|tensor| format!("`{}`", tensor.name)).collect();
        let but = if anew.is_empty() { String::new() } else { format!(", but {} anew", anew.join(", ")) };
        Ok(Some(format!("training, and Retrain, begin with {} (BLAKE3 {}){but}", origin.source, &origin.blake3[..12])))
    }

    /// Says which rows are left out, so that their absence is no riddle.
    fn left_out(&self) -> Vec<String> {
        let requests = self.seeds.first().map_or(&[][..], |data| &data.forgets);
        let pairs = (0..self.methods.len()).flat_map(|method| requests.iter().map(move |request| (method, request)));
        pairs
            .filter(|(method, request)| !self.serves(*method, request))
            .map(|(method, request)| {
                format!("`{}` forgets whole classes only: no row for {}", self.methods[method].name, request.label)
            })
            .collect()
    }

    /// The attacks on a model of a run with this seed.
    pub(crate) fn attack_settings(&self, seed: u64) -> Settings {
        Settings { seed: derived_seed(seed, "attack"), ..self.attacks.clone() }
    }

    /// Of those the one that tables report.
    pub(crate) fn table_attack_settings(&self, seed: u64) -> Settings {
        Settings { attacks: vec![EFFICACY.into()], mia: vec![CONFIDENCE.into()], ..self.attack_settings(seed) }
    }

    /// A method's settings for a request to a model: those that a tuning chose, or else the suite's.
    fn settings(&self, method: usize, request: &Forget, pruning: &Pruning) -> &Value {
        let Unlearning { name, config, .. } = &self.methods[method];
        let tuned = self
            .tuning
            .as_ref()
            .and_then(|tuning| tuning.chosen(name, &request.label, &pruning.name, pruning.sparsity));
        tuned.map_or(config, |trial| &trial.config)
    }
}

/// The tuning that a suite names.
fn tuning(suite: &Suite, dataset: &str, arch: &str) -> std::result::Result<Option<Tuning>, String> {
    let Some(file) = &suite.suite.tuned else { return Ok(None) };
    let file = suite.path.parent().map_or_else(|| file.clone(), |folder| folder.join(file));
    let tuning = Tuning::read(&file).map_err(|error| format!("`suite.tuned`: {error}"))?;
    if (tuning.dataset.as_str(), tuning.arch.as_str()) != (dataset, arch) {
        let (its_data, its_arch) = (&tuning.dataset, &tuning.arch);
        return Err(format!(
            "`suite.tuned`: {} was made for {its_arch} on {its_data}, not for {arch} on {dataset}; run `unlearn tune` on this suite",
            file.display()
        ));
    }
    Ok(Some(tuning))
}

/// The executor that a device computes a graph with, and its revision.
pub(crate) fn arithmetic(device: DeviceChoice, graph: &Arc<Graph>) -> Result<String> {
    let executor = device.executor(graph).map_err(Error::Device)?;
    Ok(format!("{} {}", executor.name(), executor.revision()))
}

/// Refuses two tables that reports could not tell apart.
fn all_differ<'a>(section: &str, mut labels: impl Iterator<Item = &'a String>) -> std::result::Result<(), String> {
    let mut seen = HashSet::new();
    match labels.find(|label| !seen.insert(*label)) {
        None => Ok(()),
        Some(label) => Err(format!(
            "two [[{section}]] tables both read `{label}` in reports; give one of them another `name = \"…\"`"
        )),
    }
}

impl Pruning {
    /// Adds to `snapshots` the epochs after which dense training must keep its weights.
    fn resolve(section: &MethodSection, recipe: &Recipe, snapshots: &mut Vec<usize>) -> unlearn_pruning::Result<Self> {
        if section.method == "none" {
            return Ok(Self { name: section.method.clone(), label: "dense".into(), sparsity: 0.0, method: None });
        }
        let method = unlearn_pruning::find(&section.method)?;
        let config = method.resolve(&section.config)?;
        let plan = method.plan(&config, recipe)?;
        snapshots.extend(plan.snapshots);
        let sparsity = plan.sparsity;
        let name = section.name().to_owned();
        let label = format!("{name} {:.4} %", 100.0 * sparsity);
        let label = label.replace(".0000 %", " %");
        Ok(Self { name, label, sparsity, method: Some((method, config)) })
    }
}

impl SeedData {
    fn resolve(suite: &Suite, dataset: &Dataset, seed: u64) -> unlearn_datasets::Result<Self> {
        let data_seed = suite.data.seed.unwrap_or(seed + 1);
        let data = DataSection { seed: Some(data_seed), ..suite.data.clone() };
        let split = data.split(dataset)?;
        let draw = |section| requests::draw(section, dataset, &split, suite.data.sampler, data_seed);
        let forgets = suite.forget.iter().map(draw).collect::<unlearn_datasets::Result<Vec<_>>>()?;
        Ok(Self { seed, data, forgets: forgets.into_iter().flatten().collect(), split })
    }
}
