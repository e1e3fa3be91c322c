//! A suite with its names looked up, its data opened and its defaults filled in. Plans are made from it. No stage
//! needs it.

use std::{collections::HashSet, sync::Arc};

use serde_json::Value;
use unlearn::parts::{Purpose, input_spec};
use unlearn_datasets::Error as NoData;
use unlearn_mia_eval::Settings;
use unlearn_network::Graph;
use unlearn_pruning::PruningMethod;
use unlearn_run_store::{CLEAN, StoreError, Tuning, pruning_label};
use unlearn_samples::Dataset;
use unlearn_training::{Recipe, Schedule};
use unlearn_unlearning::{Entry, Prospect, Pruned};

use crate::{
    Error, Result, Suite,
    audit::AuditSection,
    data::DataSection,
    initial::Initial,
    materials::Materials,
    requests::{self, Forget, Samples},
    stages::{RAW, RETRAIN},
    suite::{CONFIDENCE, EFFICACY, MethodSection, with_nearest},
    transfer::{Target, TransferSection},
};

/// A suite with its names looked up, its data opened and its defaults filled in.
pub(crate) struct Resolved {
    pub(crate) dataset: Arc<Dataset>,
    /// The name of the data in reports.
    pub(crate) data_title: String,
    pub(crate) graph: Arc<Graph>,
    pub(crate) initial: Arc<Initial>,
    pub(crate) recipe: Recipe,
    /// Epochs after which dense training must keep its weights.
    pub(crate) snapshots: Vec<usize>,
    pub(crate) prunings: Vec<Pruning>,
    pub(crate) methods: Vec<Unlearning>,
    /// The attacks, without a seed.
    attacks: Settings,
    pub(crate) tuning: Option<Tuning>,
    /// `[transfer]`.
    pub(crate) transfer: Option<TransferSection>,
    /// `[audit]`.
    pub(crate) audit: Option<AuditSection>,
    pub(crate) seeds: Vec<SeedData>,
    /// The executor and its revision. The bits of every trained model depend on it.
    pub(crate) arithmetic: String,
}

/// One `[[unlearn]]` table.
pub(crate) struct Unlearning {
    pub(crate) name: String,
    pub(crate) entry: &'static Entry,
    pub(crate) config: Value,
}

/// One `[[prune]]` table. Without a method, it means the dense model.
pub(crate) struct Pruning {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) sparsity: f64,
    pub(crate) method: Option<(&'static PruningMethod, Value)>,
}

/// Data that are drawn with one seed.
pub(crate) struct SeedData {
    pub(crate) seed: u64,
    /// `[data]` with its seeds and the trigger's settings filled in.
    pub(crate) data: DataSection,
    /// Fingerprint of the images and labels, with their poison.
    pub(crate) fingerprint: String,
    /// Labels of the official training set, with their poison.
    pub(crate) labels: Arc<[u32]>,
    /// Remarks on the poison for the user.
    warnings: Vec<String>,
    /// D_v.
    validation: Vec<u32>,
    pub(crate) forgets: Vec<Forget>,
    /// The target task of `[transfer]`.
    pub(crate) target: Option<Target>,
}

impl SeedData {
    /// Number of images that are held out for validation.
    pub(crate) fn validation_images(&self) -> usize {
        self.validation.len()
    }
}

impl Resolved {
    /// Opens the data and looks every name up.
    ///
    /// # Errors
    /// If anything in the suite does not exist, does not fit or is out of range.
    pub(crate) fn of(suite: &Suite, materials: &Materials) -> Result<Self> {
        let refuse = |reason: &dyn std::fmt::Display| Error::Suite {
            path: suite.path.clone(),
            reason: with_nearest(&reason.to_string()),
        };
        let dataset = materials.dataset(&suite.data.name).map_err(|e| match &e {
            NoData::DatasetNotFound { .. } | NoData::Hub { .. } if materials.environment().offline => {
                refuse(&format!("{e}; a dry run fetches nothing"))
            }
            _ => refuse(&e),
        })?;
        let dataset = if suite.data.takes_all() {
            dataset
        } else {
            materials.images(&suite.data).map_err(|reason| refuse(&format!("[data]: {reason}")))?
        };
        if dataset.classes.len() < 2 {
            return Err(refuse(&format!("{} has one class, and a classifier needs two", dataset.name)));
        }
        let input = input_spec(&dataset);
        let graph =
            unlearn_models::find(&suite.model.arch).and_then(|arch| arch.graph(&input)).map_err(|e| refuse(&e))?;
        let mut snapshots = Vec::new();
        // A fault in a repeated table is told with its line.
        let refuse_in = |section: &str, number: usize, reason: &dyn std::fmt::Display| {
            let reason = reason.to_string();
            match suite.lines.of_fault(section, number, &reason) {
                Some(line) => refuse(&format!("line {line}, [[{section}]]: {reason}")),
                None => refuse(&reason),
            }
        };
        let mut resolve = |(number, section): (usize, &MethodSection)| {
            Pruning::resolve(section, &suite.train, &mut snapshots).map_err(|e| refuse_in("prune", number, &e))
        };
        let prunings: Vec<Pruning> = suite.prune.iter().enumerate().map(&mut resolve).collect::<Result<_, _>>()?;
        all_differ("prune", prunings.iter().map(|pruning| &pruning.label)).map_err(|e| refuse(&e))?;
        snapshots.sort_unstable();
        snapshots.dedup();
        let resolve = |section: &MethodSection| -> unlearn_unlearning::Result<Unlearning> {
            let entry = materials.environment().methods.find(&section.method)?;
            Ok(Unlearning { name: section.name().to_owned(), entry, config: entry.resolve(&section.config)? })
        };
        let methods = suite.unlearn.iter().enumerate();
        let methods = methods.map(|(number, section)| resolve(section).map_err(|e| refuse_in("unlearn", number, &e)));
        let methods: Vec<Unlearning> = methods.collect::<Result<_, _>>()?;
        all_differ("unlearn", methods.iter().map(|method| &method.name)).map_err(|e| refuse(&e))?;
        let attacks = suite.evaluate.settings(&materials.environment().registry, 0).map_err(|e| refuse(&e))?;
        let seeds = suite.suite.seeds.iter().map(|seed| SeedData::resolve(suite, materials, *seed));
        let seeds: Vec<SeedData> = seeds.collect::<Result<_, _>>().map_err(|e| refuse(&e))?;
        for warning in beyond_the_end(suite) {
            tracing::warn!("{warning}");
        }
        for warning in seeds.first().map_or(&[][..], |data| &data.warnings) {
            tracing::warn!("{warning}");
        }
        if suite.data.poison.is_some() && methods.iter().any(|method| method.name == CLEAN) {
            let reason = format!(
                "[[unlearn]] `{CLEAN}` has the name of the model that never saw the poison; give another `name`"
            );
            return Err(refuse(&reason));
        }
        named_as_they_are(&methods, materials.environment().methods.iter().map(|method| method.name))
            .map_err(|e| refuse(&e))?;
        let forgets = seeds.first().map(|data| &data.forgets).into_iter().flatten();
        all_differ("forget", forgets.map(|forget| &forget.label)).map_err(|e| refuse(&e))?;
        let arithmetic = materials.device().arithmetic(&graph).map_err(Error::Device)?;
        let tuning = tuning(suite, &suite.data.title(), &graph.arch).map_err(|e| refuse(&e))?;
        // This comes last, so that any other mistake is found before anything is fetched.
        let initial = materials.open_initial(suite)?;
        for tensor in initial.anew(&graph)? {
            tracing::warn!("initialised anew: {tensor}");
        }
        let resolved = Self {
            dataset,
            data_title: suite.data.title(),
            transfer: suite.transfer.clone(),
            audit: suite.audit.clone(),
            graph,
            initial,
            recipe: suite.train.clone(),
            snapshots,
            prunings,
            methods,
            attacks,
            tuning,
            seeds,
            arithmetic,
        };
        resolved.check_selection().map_err(|reason| refuse(&reason))?;
        resolved.check_requests().map_err(|reason| refuse(&reason))?;
        resolved.check_methods().map_err(|reason| refuse(&reason))?;
        resolved.check_tuning().map_err(|reason| refuse(&reason))?;
        Ok(resolved)
    }

    /// Whether every seed has validation images.
    pub(crate) fn has_validation(&self) -> bool {
        self.seeds.iter().all(|data| !data.validation.is_empty())
    }

    /// Refuses a request on which no model could be judged.
    fn check_requests(&self) -> Result<(), String> {
        for forget in self.seeds.iter().flat_map(|data| &data.forgets) {
            let left = |label: &&u32| !forget.whole_classes.contains(label);
            if self.dataset.test.labels.iter().filter(left).count() == 0 {
                let why = if self.dataset.test.is_empty() {
                    format!("{} has no test images", self.dataset.name)
                } else {
                    "no test image is of another class than those that are forgotten whole".to_owned()
                };
                return Err(format!(
                    "[[forget]] {}: {why}, so that neither TA nor an attack can be computed; give a dataset with test images",
                    forget.label
                ));
            }
        }
        Ok(())
    }

    /// Refuses a choice of epochs that lacks the images it needs, and a change of images that does not suit them.
    fn check_selection(&self) -> Result<(), String> {
        let Dataset { train, augmentation, .. } = &*self.dataset;
        let first = if train.is_empty() { &[][..] } else { &[0][..] };
        self.recipe.batches(train, first, *augmentation, 0).map_err(|error| format!("[train]: {error}"))?;
        let check = |data: &SeedData| self.recipe.check_selection(&data.validation).map_err(|error| error.to_string());
        self.seeds
            .iter()
            .try_for_each(|data| check(data).map_err(|reason| format!("[train], seed {}: {reason}", data.seed)))
    }

    /// Refuses a method that cannot serve a request with its settings.
    fn check_methods(&self) -> Result<(), String> {
        for data in &self.seeds {
            for (pruning, forget) in self.prunings.iter().flat_map(|p| data.forgets.iter().map(move |f| (p, f))) {
                let prospect = self.prospect(data, pruning, forget);
                for (number, Unlearning { name, entry, .. }) in self.methods.iter().enumerate() {
                    if !self.serves(number, forget) {
                        continue;
                    }
                    entry.check(self.settings(number, forget, pruning), &prospect).map_err(|error| {
                        let (request, model, seed) = (&forget.label, &pruning.label, data.seed);
                        format!(
                            "[[unlearn]] {name}, for [[forget]] {request} of the model {model}, seed {seed}: {error}"
                        )
                    })?;
                }
            }
        }
        Ok(())
    }

    /// What a method learns about a request before there is a model.
    fn prospect<'a>(&'a self, data: &'a SeedData, pruning: &Pruning, forget: &'a Forget) -> Prospect<'a> {
        Prospect {
            graph: &self.graph,
            pruned: if pruning.method.is_some() { Pruned::Repeatable } else { Pruned::Dense },
            labels: &data.labels,
            forget: &forget.split.forget,
            retain: &forget.split.retain,
            validation: &data.validation,
            recipe: &self.recipe,
        }
    }

    /// Whether a method can serve a request. If not, its row is left out.
    pub(crate) fn serves(&self, method: usize, request: &Forget) -> bool {
        !self.methods[method].entry.whole_classes_only || request.is_of_whole_classes
    }

    /// Whether a method trains again from the initial weights.
    pub(crate) fn retrains(&self) -> bool {
        self.methods.iter().any(|method| method.entry.begins_again)
    }

    /// Describes the pretrained weights that training begins with, if any.
    pub(crate) fn begins_with(&self) -> Result<Option<String>> {
        let Some(origin) = self.initial.origin() else { return Ok(None) };
        let anew = self.initial.anew(&self.graph)?;
        let anew: Vec<_> = anew.iter().map(|tensor| format!("`{}`", tensor.name)).collect();
        let but = if anew.is_empty() { String::new() } else { format!(", but {} anew", anew.join(", ")) };
        Ok(Some(format!("training, and Retrain, begin with {} (BLAKE3 {}){but}", origin.source, &origin.blake3[..12])))
    }

    /// Names the rows that are left out, so that the report explains them.
    pub(crate) fn left_out(&self) -> Vec<String> {
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
        Settings { seed: Purpose::Attack.seed(seed), ..self.attacks.clone() }
    }

    /// The one attack of these that tables report.
    pub(crate) fn table_attack_settings(&self, seed: u64) -> Settings {
        Settings { attacks: vec![EFFICACY.into()], mia: vec![CONFIDENCE.into()], ..self.attack_settings(seed) }
    }

    /// A method's settings for a request to a model: those that a tuning chose, else the suite's.
    pub(crate) fn settings(&self, method: usize, request: &Forget, pruning: &Pruning) -> &Value {
        let Unlearning { name, config, .. } = &self.methods[method];
        let tuned = self
            .tuning
            .as_ref()
            .and_then(|tuning| tuning.chosen(name, &request.label, &pruning.name, pruning.sparsity));
        tuned.map_or(config, |trial| &trial.config)
    }
}

/// How many methods without tuned settings a message names.
const NAMED: usize = 5;

impl Resolved {
    /// Refuses a tuning that has settings for none of the methods, and names those that it leaves out.
    fn check_tuning(&self) -> Result<(), String> {
        let Some(tuning) = &self.tuning else { return Ok(()) };
        let (mut applied, mut left_out) = (0_usize, Vec::new());
        let forgets = || self.seeds.first().into_iter().flat_map(|data| &data.forgets);
        for (number, method) in self.methods.iter().enumerate() {
            if method.entry.parameters().all(|parameter| parameter.search.is_none()) {
                continue;
            }
            for request in forgets().filter(|request| self.serves(number, request)) {
                for Pruning { name, label, sparsity, .. } in &self.prunings {
                    if tuning.chosen(&method.name, &request.label, name, *sparsity).is_some() {
                        applied += 1;
                    } else {
                        left_out.push(format!("{} · {} · {label}", method.name, request.label));
                    }
                }
            }
        }
        let mut listed = left_out.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        if left_out.len() > NAMED {
            listed = format!("{listed}; … ({} in all)", left_out.len());
        }
        if applied == 0 {
            let chosen = tuning.trials.iter().filter(|trial| trial.chosen);
            let mut has: Vec<String> = chosen.map(|trial| format!("{} · {}", trial.method, trial.forget)).collect();
            has.dedup();
            return Err(format!(
                "`suite.tuned` has settings for no method of this suite ({listed}); it was made for: {}; run `unlearn tune` on this suite, or \
                 leave `tuned` out",
                if has.is_empty() { "nothing".to_owned() } else { has.join("; ") }
            ));
        }
        if !left_out.is_empty() {
            tracing::warn!("`suite.tuned` has no settings for {listed}; they keep those of the suite");
        }
        Ok(())
    }
}

/// Settings of `[train]` that its last epoch precedes.
fn beyond_the_end(suite: &Suite) -> Vec<String> {
    let Recipe { epochs, schedule, ref milestones, warmup_epochs, .. } = suite.train;
    let mut warnings = Vec::new();
    let given = suite.given.get("train").is_some_and(|keys| keys.contains("milestones"));
    if let Some(milestone) = milestones.iter().find(|milestone| **milestone >= epochs)
        && given
        && schedule == Schedule::Multistep
    {
        warnings.push(format!(
            "[train]: the milestone {milestone} has no effect, because training ends after {epochs} epochs"
        ));
    }
    if epochs > 0 && warmup_epochs >= epochs as f64 {
        warnings.push(format!(
            "[train]: the learning rate rises until training ends, because `warmup-epochs` is {warmup_epochs} and `epochs` {epochs}"
        ));
    }
    warnings
}

/// The tuning that a suite names.
fn tuning(suite: &Suite, dataset: &str, arch: &str) -> Result<Option<Tuning>, String> {
    let Some(file) = &suite.suite.tuned else { return Ok(None) };
    let file = suite.path.parent().map_or_else(|| file.clone(), |folder| folder.join(file));
    let tuning = Tuning::read(&file).map_err(|error| match error {
        // Not "damaged": the user named it, and it may be theirs.
        StoreError::DamagedIndex { file, problem } => format!(
            "`suite.tuned`: {} is no file of `unlearn tune`: {problem}; name one that `unlearn tune --out` wrote",
            file.display()
        ),
        error => format!("`suite.tuned`: {error}"),
    })?;
    if (tuning.dataset.as_str(), tuning.arch.as_str()) != (dataset, arch) {
        let (its_data, its_arch) = (&tuning.dataset, &tuning.arch);
        return Err(format!(
            "`suite.tuned`: {} was made for {its_arch} on {its_data}, not for {arch} on {dataset}; run `unlearn tune` on this suite",
            file.display()
        ));
    }
    Ok(Some(tuning))
}

/// Refuses names that would give a method another's place in reports: the name of another method, and names of `retrain` and `raw` without
/// which nothing would be compared with Retrain or with the model before unlearning.
fn named_as_they_are<'a>(methods: &[Unlearning], known: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let known: Vec<&str> = known.collect();
    for Unlearning { name, entry, .. } in methods {
        let method = entry.name;
        if name != method && known.contains(&name.as_str()) {
            return Err(format!(
                "[[unlearn]] `name = \"{name}\"` is the name of another method than `{method}`, and reports would take it for that; give \
                 another `name`"
            ));
        }
        let is_standard = [RETRAIN, RAW].contains(&method);
        if is_standard && !methods.iter().any(|other| other.entry.name == method && other.name == method) {
            return Err(format!(
                "[[unlearn]] `name = \"{name}\"`: one table of `{method}` must keep the name `{method}`, because reports compare the \
                 others with it; leave `name` out"
            ));
        }
    }
    Ok(())
}

/// Refuses two tables that reports could not tell apart.
fn all_differ<'a>(section: &str, mut labels: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = HashSet::new();
    match labels.find(|label| !seen.insert(*label)) {
        None => Ok(()),
        Some(label) => Err(format!(
            "two [[{section}]] tables both read `{label}` in reports; give one of them another `name = \"…\"`"
        )),
    }
}

impl Pruning {
    /// Resolves a section, and adds to `snapshots` the epochs after which dense training must keep its weights.
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
        let label = pruning_label(&name, sparsity);
        Ok(Self { name, label, sparsity, method: Some((method, config)) })
    }
}

impl SeedData {
    /// The error is a reason for users.
    fn resolve(suite: &Suite, materials: &Materials, seed: u64) -> Result<Self, String> {
        let data = suite.data.resolved(seed, suite.folder())?;
        let opened = materials.data(&data)?;
        let data_seed = data.seed.unwrap_or_default();
        let draw = |section| requests::draw(section, &opened, suite.data.sampler, data_seed);
        let forgets = suite.forget.iter().map(draw).collect::<Result<Vec<_>, String>>()?;
        let target = Target::of(suite, &input_spec(&opened.dataset), materials, seed)?;
        let is_ranked = |forget: &Forget| matches!(forget.samples, Samples::Ranked(_));
        if let Some(target) = target.as_ref().filter(|target| !target.has_validation)
            && forgets.iter().flatten().any(is_ranked)
        {
            return Err(format!(
                "[transfer.data]: a ranking of classes is judged on validation images of {}, and there are none; set some aside (`validation`)",
                target.data.name
            ));
        }
        Ok(Self {
            seed,
            data,
            fingerprint: opened.dataset.fingerprint.clone(),
            labels: Arc::clone(&opened.dataset.train.labels),
            warnings: opened.poisoning.as_ref().map_or_else(Vec::new, |poisoning| poisoning.warnings.clone()),
            validation: opened.split.validation,
            forgets: forgets.into_iter().flatten().collect(),
            target,
        })
    }
}
