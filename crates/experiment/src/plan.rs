//! The meaning of a suite: a list of self-contained stages, and the stages of each row of the report.

use std::collections::HashSet;

use unlearn_hub::PREFIX;
use unlearn_run_store::{CLEAN, StageKey, StageSpec, SuiteIndex, SuiteRow, Tuning};

use crate::{
    Error, Result, Suite, configured,
    data::DataSection,
    hard::{Difficulty, Hard},
    materials::{Environment, Materials},
    requests::{Forget, Samples},
    resolved::{Pruning, Resolved, SeedData, Unlearning},
    stages::{
        Audit, AuditConfig, CURVATURE, Curvature, CurvatureConfig, Detect, DetectConfig, Evaluate, EvaluateConfig,
        FOUND, INIT, InitialKey, Kind, ORIGINAL, PICTURE, POISON, PoisonConfig, PoisonStage, Prune, PruneConfig,
        RETRAIN, Rank, RankConfig, RankSamples, RankSamplesConfig, SETS, Train, TrainConfig, TransferConfig,
        TransferStage, Unlearn, UnlearnConfig, Validate, ValidateConfig, WorstCase, describe,
    },
    transfer::Mode,
    wanted::{Detector, Ranked},
};

/// A list of stages, and their purpose.
pub struct Plan {
    /// All stages, each after its inputs.
    pub stages: Vec<PlannedStage>,
    /// The suite's index when every stage is done.
    pub index: SuiteIndex,
    /// Data sets and weights that were opened to make the plan.
    pub materials: Materials,
    pub(crate) resolved: Resolved,
}

/// One stage.
#[derive(Debug, Clone)]
pub struct PlannedStage {
    /// The stage's description, which gives its key.
    pub spec: StageSpec,
    /// Its key in the store.
    pub key: StageKey,
    /// Label for users: `unlearn ft · class 0 · omp 95 % · seed 1`.
    pub label: String,
}

impl PlannedStage {
    /// A stage without a plan.
    pub fn of(spec: StageSpec) -> Self {
        let key = spec.key();
        let label = format!("{} {}", spec.kind, key.short());
        Self { spec, key, label }
    }
}

/// How the models of a plan are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judging {
    /// On the test set, for a report.
    Test,
    /// On data that may be seen while settings are still chosen.
    Validation,
}

impl Plan {
    /// Opens the data, looks every name up and describes every stage. Nothing is computed yet.
    ///
    /// # Errors
    /// If anything in the suite does not exist, does not fit or is out of range, or if the device does not exist.
    pub fn resolve(suite: &Suite, environment: &Environment) -> Result<Self> {
        suite.check_complete()?;
        Self::resolve_for(suite, environment, Judging::Test)
    }

    /// The same, with only the suite's dense and pruned models.
    ///
    /// # Errors
    /// As [`Plan::resolve`].
    pub fn of_models(suite: &Suite, environment: &Environment) -> Result<Self> {
        let models = Suite { forget: Vec::new(), unlearn: Vec::new(), ..suite.clone() };
        Self::resolve_for(&models, environment, Judging::Test)
    }

    pub(crate) fn resolve_for(suite: &Suite, environment: &Environment, judging: Judging) -> Result<Self> {
        let materials = Materials::new(environment.clone());
        let resolved = Resolved::of(suite, &materials)?;
        let mut index = SuiteIndex::new(&suite.suite.name, "");
        index.title.clone_from(&suite.suite.title);
        index.notes.clone_from(&suite.suite.notes);
        let left_out = resolved.left_out();
        for note in &left_out {
            tracing::warn!("{note}");
        }
        // A library user may make a suite without a file, but it has a path all the same.
        index.source = suite.place();
        index.init = resolved.initial.origin().map(ToString::to_string);
        if let (Some(init), true) = (&index.init, resolved.retrains()) {
            tracing::warn!(
                "Retrain begins with {init}, as training does: if those weights have seen what is to be forgotten, it is no gold standard, and \
                 every gap to it misleads; to judge a model of your own, use `unlearn forget --method raw --suite`"
            );
        }
        index.notes.extend(resolved.begins_with()?.into_iter().chain(left_out));
        if suite.forget.iter().any(|section| section.sequence) {
            index.drift_threshold = Some(suite.evaluate.drift_threshold);
        }
        // The path of the searched suite is of no use to a reader of the results.
        index.tuning = resolved.tuning.clone().map(|tuning| Tuning { source: None, ..tuning });
        index.configured = configured::of(suite, &resolved)?;
        let mut planner = Planner { resolved: &resolved, judging, stages: Vec::new(), rows: Vec::new() };
        for data in &resolved.seeds {
            planner.add_seed(data)?;
        }
        let Planner { mut stages, rows, .. } = planner;
        let mut seen = HashSet::new();
        stages.retain(|stage| seen.insert(stage.key.clone()));
        if rows.is_empty() && !suite.unlearn.is_empty() {
            let reason = format!("no method of the suite can serve a request of it: {}", index.notes.join("; "));
            return Err(Error::Suite { path: suite.path.clone(), reason });
        }
        index.rows = rows;
        Ok(Self { stages, index, materials, resolved })
    }
}

/// Describes the stages of a suite, one seed after the other.
struct Planner<'a> {
    resolved: &'a Resolved,
    judging: Judging,
    stages: Vec<PlannedStage>,
    rows: Vec<SuiteRow>,
}

/// A training of a seed, on the suite's data or on these without their poison.
#[derive(Clone, Copy)]
struct Trained<'a> {
    section: &'a DataSection,
    fingerprint: &'a str,
    seed: u64,
    /// Prefix of the model in labels.
    whose: &'static str,
}

/// The position of a row in the suite's grid.
#[derive(Clone, Copy)]
struct RowAt<'a> {
    data: &'a SeedData,
    pruning: &'a Pruning,
    forget: usize,
    method: usize,
}

impl Planner<'_> {
    fn add_seed(&mut self, data: &SeedData) -> Result<()> {
        let resolved = self.resolved;
        let trained = Trained { section: &data.data, fingerprint: &data.fingerprint, seed: data.seed, whose: "" };
        let train = self.add_training(trained)?;
        let clean = Trained {
            section: &data.data.clean(),
            fingerprint: &resolved.dataset.fingerprint,
            whose: "clean ",
            ..trained
        };
        let judges_clean = self.judging == Judging::Test && data.data.poison.is_some();
        let clean_model = if judges_clean { Some(self.add_training(clean)?) } else { None };
        for pruning in &resolved.prunings {
            let model = self.add_pruning(trained, &train, pruning)?;
            let clean_model = clean_model.as_ref().map(|model| self.add_pruning(clean, model, pruning)).transpose()?;
            let first = self.rows.len();
            // If a method serves requests in turn, each one begins with the model that the previous one left.
            let mut left = vec![model.clone(); resolved.methods.len()];
            for (forget, request) in data.forgets.iter().enumerate() {
                for (method, left) in left.iter_mut().enumerate() {
                    if resolved.serves(method, request) {
                        let input = if request.is_first() { &model } else { &*left };
                        let found = self.found(data, request, &train)?;
                        *left = self.add_row(RowAt { data, pruning, forget, method }, input, found)?;
                    }
                }
            }
            self.add_audits(data, first, &model, pruning)?;
            if let Some(clean_model) = &clean_model {
                self.add_clean_rows(data, first, clean_model)?;
            }
        }
        Ok(())
    }

    /// Adds the training of a dense model.
    fn add_training(&mut self, Trained { section, fingerprint, seed, whose }: Trained<'_>) -> Result<StageKey> {
        let resolved = self.resolved;
        let origin = resolved.initial.origin();
        let (section, picture) = section.without_place();
        let picture = picture.map(|path| path.to_string_lossy().into_owned());
        let config = TrainConfig {
            data: section,
            arch: resolved.graph.arch.clone(),
            recipe: resolved.recipe.clone(),
            snapshots: resolved.snapshots.clone(),
            init: origin.map(InitialKey::of),
            arithmetic: resolved.arithmetic.clone(),
        };
        let with_picture = |spec: StageSpec| match &picture {
            None => spec,
            Some(path) => spec.with_place(PICTURE, path),
        };
        let mut spec = with_picture(describe::<Train>(&config, fingerprint, seed)?);
        if let Some(origin) = origin.filter(|origin| !origin.source.starts_with(PREFIX)) {
            spec = spec.with_place(INIT, &origin.source);
        }
        if config.data.poison.is_some() {
            let poison = describe::<PoisonStage>(&PoisonConfig { data: config.data }, fingerprint, seed)?;
            spec = spec.with_input(POISON, self.push(with_picture(poison), format!("poison · seed {seed}")));
        }
        Ok(self.push(spec, format!("train {whose}· seed {seed}")))
    }

    /// Adds the pruning of a dense model. Returns the key of the dense model if the pruning is none.
    fn add_pruning(
        &mut self,
        Trained { fingerprint, seed, whose, .. }: Trained<'_>,
        train: &StageKey,
        pruning: &Pruning,
    ) -> Result<StageKey> {
        let Some((method, config)) = &pruning.method else { return Ok(train.clone()) };
        let config = PruneConfig {
            method: method.name.into(),
            config: config.clone(),
            arithmetic: self.resolved.arithmetic.clone(),
        };
        let spec = describe::<Prune>(&config, fingerprint, seed)?.with_input("model", train.clone());
        Ok(self.push(spec, format!("prune {whose}{} · seed {seed}", pruning.label)))
    }

    /// Adds the stage that finds the samples of a request, if one must. It looks at the dense model, so that all models forget the same.
    fn found(&mut self, data: &SeedData, request: &Forget, dense: &StageKey) -> Result<Option<StageKey>> {
        let Detector { name, settings } = match &request.samples {
            Samples::Drawn(_) => return Ok(None),
            Samples::Ranked(ranked) => return self.ranking(data, *ranked, dense),
            Samples::Hard(hard) => {
                let count = request.split.forget.len();
                return self.ranking_of_samples(data, *hard, count, dense).map(Some);
            }
            Samples::Found(detector) => detector,
        };
        let config = DetectConfig {
            detector: name.clone(),
            settings: settings.clone(),
            arithmetic: self.resolved.arithmetic.clone(),
        };
        let spec = describe::<Detect>(&config, &data.fingerprint, data.seed)?.with_input("model", dense.clone());
        Ok(Some(self.push(spec, format!("detect {name} · seed {}", data.seed))))
    }

    /// Adds the stage that ranks the classes of the dense model by their influence on the target.
    fn ranking(&mut self, data: &SeedData, Ranked { by, .. }: Ranked, dense: &StageKey) -> Result<Option<StageKey>> {
        let resolved = self.resolved;
        let (Some(section), Some(target)) = (&resolved.transfer, &data.target) else { return Ok(None) };
        let (probe, arithmetic) = (section.probe, resolved.arithmetic.clone());
        let config = RankConfig { by, data: target.data.clone(), probe, arithmetic };
        let spec = describe::<Rank>(&config, &target.fingerprint, data.seed)?.with_input("model", dense.clone());
        Ok(Some(self.push(spec, format!("rank by {} · seed {}", by.name(), data.seed))))
    }

    /// Adds the stage that ranks the samples of the dense model by how hard they are to forget.
    fn ranking_of_samples(&mut self, data: &SeedData, hard: Hard, count: usize, dense: &StageKey) -> Result<StageKey> {
        let by = hard.by;
        let worst_case = (by == Difficulty::WorstCase).then(|| WorstCase { count, search: hard.search() });
        let config = RankSamplesConfig { by, worst_case, arithmetic: self.resolved.arithmetic.clone() };
        let spec = describe::<RankSamples>(&config, &data.fingerprint, data.seed)?.with_input("model", dense.clone());
        Ok(self.push(spec, format!("rank samples by {} · seed {}", by.name(), data.seed)))
    }

    /// Adds the transfers of a model to the target, if there is one, and makes them inputs of the model's evaluation.
    fn with_transfers(
        &mut self,
        data: &SeedData,
        evaluate: StageSpec,
        model: &StageKey,
        label: &str,
    ) -> Result<StageSpec> {
        let resolved = self.resolved;
        let (Some(section), Some(target)) = (&resolved.transfer, &data.target) else { return Ok(evaluate) };
        let mut evaluate = evaluate;
        for mode in &section.modes {
            let config = TransferConfig {
                mode: *mode,
                data: target.data.clone(),
                recipe: (*mode == Mode::FineTune).then(|| target.recipe.clone()),
                probe: (*mode == Mode::LinearProbe).then_some(section.probe),
                arithmetic: resolved.arithmetic.clone(),
            };
            let spec =
                describe::<TransferStage>(&config, &target.fingerprint, data.seed)?.with_input("model", model.clone());
            let transfer = self.push(spec, format!("transfer {} · {label}", mode.name()));
            evaluate = evaluate.with_input(mode.name(), transfer);
        }
        Ok(evaluate)
    }

    /// Adds the audit of each model since the row `first`, if the suite has one. `original` is the model before the requests.
    fn add_audits(&mut self, data: &SeedData, first: usize, original: &StageKey, pruning: &Pruning) -> Result<()> {
        let resolved = self.resolved;
        let Some(section) = resolved.audit.as_ref().filter(|_| self.judging == Judging::Test) else { return Ok(()) };
        let curvature = match section.theory.as_ref().filter(|_| first < self.rows.len()) {
            None => None,
            Some(theory) => {
                let config = CurvatureConfig { theory: theory.clone(), arithmetic: resolved.arithmetic.clone() };
                let spec = describe::<Curvature>(&config, &data.fingerprint, data.seed)?;
                let label = format!("{} {} · seed {}", Curvature::NAME, pruning.label, data.seed);
                Some(self.push(spec.with_input("model", original.clone()), label))
            }
        };
        for at in first..self.rows.len() {
            let row = &self.rows[at];
            let is_retrain =
                |other: &&SuiteRow| other.method == RETRAIN && other.forget == row.forget && other.turn == row.turn;
            let retrain = self.rows[first..].iter().find(is_retrain).filter(|retrain| retrain.unlearn != row.unlearn);
            let config = AuditConfig { audit: section.clone(), arithmetic: resolved.arithmetic.clone() };
            let mut spec = describe::<Audit>(&config, &data.fingerprint, data.seed)?
                .with_input("model", row.unlearn.clone())
                .with_input(ORIGINAL, original.clone());
            if let Some(retrain) = retrain {
                spec = spec.with_input(RETRAIN, retrain.unlearn.clone());
            }
            if let Some(curvature) = &curvature {
                spec = spec.with_input(CURVATURE, curvature.clone());
            }
            let label = format!("{} {}", Audit::NAME, row.label());
            self.rows[at].audit = Some(self.push(spec, label));
        }
        Ok(())
    }

    /// Adds a row for the model that never saw the poison, for each request since the row `first`. It is judged on the sets of the
    /// request's first row.
    fn add_clean_rows(&mut self, data: &SeedData, first: usize, model: &StageKey) -> Result<()> {
        let mut requests = HashSet::new();
        let rows: Vec<SuiteRow> =
            self.rows[first..].iter().filter(|row| requests.insert(row.forget.clone())).cloned().collect();
        for row in rows {
            let (attacks, arithmetic) = (self.resolved.attack_settings(data.seed), self.resolved.arithmetic.clone());
            let config = EvaluateConfig { attacks, arithmetic };
            let spec = describe::<Evaluate>(&config, &data.fingerprint, data.seed)?
                .with_input("model", model.clone())
                .with_input(SETS, row.unlearn.clone());
            let row = SuiteRow { method: CLEAN.into(), unlearn: model.clone(), audit: None, ..row };
            let spec = self.with_transfers(data, spec, model, &row.label())?;
            let evaluate = self.push(spec, format!("evaluate {}", row.label()));
            self.rows.push(SuiteRow { evaluate, ..row });
        }
        Ok(())
    }

    /// Adds the row of a method and a request, with its stages. Returns the key of the resulting model.
    fn add_row(
        &mut self,
        RowAt { data, pruning, forget, method }: RowAt<'_>,
        model: &StageKey,
        found: Option<StageKey>,
    ) -> Result<StageKey> {
        let resolved = self.resolved;
        let (seed, fingerprint) = (data.seed, &data.fingerprint);
        let request = &data.forgets[forget];
        let settings = resolved.settings(method, request, pruning).clone();
        let Unlearning { name, entry, .. } = &resolved.methods[method];
        let label = format!("{name} · {} · {} · seed {seed}", request.label, pruning.label);
        let arithmetic = &resolved.arithmetic;
        let config = UnlearnConfig {
            method: entry.name.into(),
            config: settings,
            forget: match &request.samples {
                Samples::Drawn(spec) => Some(spec.clone()),
                _ => None,
            },
            ranked: match &request.samples {
                Samples::Ranked(ranked) => Some(*ranked),
                _ => None,
            },
            hard: match &request.samples {
                Samples::Hard(hard) => Some(*hard),
                _ => None,
            },
            arithmetic: arithmetic.clone(),
        };
        let mut spec = describe::<Unlearn>(&config, fingerprint, seed)?.with_input("model", model.clone());
        if let Some(found) = found {
            spec = spec.with_input(FOUND, found);
        }
        let unlearn = self.push(spec, format!("unlearn {label}"));
        let judge = match self.judging {
            Judging::Test => {
                let (attacks, arithmetic) = (resolved.attack_settings(seed), arithmetic.clone());
                let config = EvaluateConfig { attacks, arithmetic };
                let spec = describe::<Evaluate>(&config, fingerprint, seed)?;
                self.with_transfers(data, spec, &unlearn, &label)?
            }
            Judging::Validation => {
                let (attacks, arithmetic) = (resolved.table_attack_settings(seed), arithmetic.clone());
                describe::<Validate>(&ValidateConfig { attacks, arithmetic }, fingerprint, seed)?
            }
        };
        let label = format!("{} {label}", judge.kind);
        let evaluate = self.push(judge.with_input("model", unlearn.clone()), label);
        self.rows.push(SuiteRow {
            dataset: resolved.data_title.clone(),
            arch: resolved.graph.arch.clone(),
            scenario: request.scenario.into(),
            forget: request.label.clone(),
            sparsity: pruning.sparsity,
            pruning: pruning.name.clone(),
            method: name.clone(),
            seed,
            unlearn: unlearn.clone(),
            evaluate,
            audit: None,
            turn: request.turn.clone(),
        });
        Ok(unlearn)
    }

    fn push(&mut self, spec: StageSpec, label: String) -> StageKey {
        let key = spec.key();
        self.stages.push(PlannedStage { spec, key: key.clone(), label });
        key
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;
    use unlearn_run_store::{Trial, Tuning};

    use super::*;

    const SUITE: &str = r#"
        prune = [{ method = "none" }, { method = "omp", sparsity = 0.9, rewind-epoch = 1 }]
        forget = [{ kind = "class", class = 0 }, { kind = "random", count = 9 }]
        unlearn = [{ method = "raw" }, { method = "ft", epochs = 1 }, { method = "unsir" }]
        [suite]
        name = "tiny"
        seeds = [1, 2]
        [data]
        name = "fashion-mnist-mini"
        train-limit = 200
        [model]
        arch = "resnet8s"
        [train]
        epochs = 2
    "#;

    fn plan(text: &str) -> Result<Plan> {
        let environment = Environment { device: "cpu".parse().unwrap(), offline: true, ..Environment::default() };
        Plan::resolve(&Suite::parse(text, Path::new("suite.toml"), &[])?, &environment)
    }

    #[test]
    fn every_stage_comes_after_its_inputs_and_every_row_has_its_stages() {
        let Plan { stages, index, .. } = plan(SUITE).unwrap();
        // For one seed's dense and pruned model: two methods that serve both requests, and `unsir`, which serves only
        // the class.
        let rows = 2 * 2 * (2 * 2 + 1);
        assert_eq!((stages.len(), index.rows.len()), (2 * 2 + 2 * rows, rows));
        let mut seen = HashSet::new();
        for stage in &stages {
            assert_eq!(stage.key, stage.spec.key());
            assert!(stage.spec.inputs.values().all(|input| seen.contains(input)), "{}", stage.label);
            assert!(seen.insert(stage.key.clone()), "{} is there twice", stage.label);
        }
        assert!(index.rows.iter().all(|row| seen.contains(&row.unlearn) && seen.contains(&row.evaluate)));
        assert!(
            index.notes.iter().any(|note| note.contains("`unsir`") && note.contains("random 9")),
            "{:?}",
            index.notes
        );
    }

    #[test]
    fn a_description_says_all_that_a_stage_needs() {
        for stage in plan(SUITE).unwrap().stages {
            let text = stage.spec.to_json().to_string();
            let read = StageSpec::from_json(text.as_bytes(), Path::new("stage.json")).unwrap();
            assert_eq!(read.key(), stage.key);
            crate::StageKind::find(&read.kind).unwrap().check(&read).unwrap();
        }
    }

    #[test]
    fn what_changes_a_result_changes_its_key_and_a_seed_more_changes_none() {
        let keys = |text: &str| plan(text).unwrap().stages.into_iter().map(|stage| stage.key).collect::<HashSet<_>>();
        let own = keys(SUITE);
        let changed = keys(&SUITE.replace("epochs = 2", "epochs = 3"));
        assert!(own.is_disjoint(&changed), "all builds on training");
        let changed = keys(&SUITE.replace("sparsity = 0.9", "sparsity = 0.8"));
        assert_eq!(own.intersection(&changed).count(), 2 * (1 + 2 * 5), "dense models and their rows stay");
        assert!(own.is_subset(&keys(&SUITE.replace("[1, 2]", "[1, 2, 3]"))));
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_is_computed() {
        for (from, to, words) in [
            ("resnet8s", "resnet9s", "resnet8s"),
            ("class = 0", "class = 10", "10"),
            ("\"ft\"", "\"fft\"", "did you mean `ff`"),
            ("epochs = 1", "epoch = 1", "did you mean `epochs`"),
            ("fashion-mnist-mini", "fashion-mnist-mimi", "did you mean `fashion-mnist-mini`"),
            ("\"raw\"", "\"ft\"", "two [[unlearn]] tables"),
            ("\"raw\"", "\"cf-k\", k = 50", "[[unlearn]] cf-k, for [[forget]] class 0 of the model dense"),
            ("\"raw\"", "\"eu-k\", k = 4", "`k` must lie in 1..=3"),
            ("\"raw\"", "\"ft-prune\", sparsity = 0.99999", "`sparsity = 0.99999` leaves 1 weights for 7 layers"),
            ("train-limit = 200", "train-limit = 200\nvalidation = 0.0", "or say `select = \"last\"`"),
        ] {
            let error = plan(&SUITE.replacen(from, to, 1)).map(|_| ()).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_method_that_cannot_serve_a_request_is_refused_with_its_table_and_the_request() {
        let last = SUITE.replace("epochs = 2", "epochs = 2\nselect = \"last\"");
        let without = last.replace("train-limit = 200", "train-limit = 200\nvalidation = 0.0");
        let rewinding = |suite: &str| suite.replace("\"raw\"", "\"scrub\", name = \"back\", rewind = true");
        plan(&without).unwrap();
        plan(&rewinding(&last)).unwrap();
        let error = plan(&rewinding(&without)).map(|_| ()).unwrap_err();
        let words = ["[[unlearn]] back", "class 0", "dense", "seed 1", "`scrub`", "or say `rewind = false`"];
        assert!(error.is_usage() && words.iter().all(|word| error.to_string().contains(word)), "{error}");
        let text =
            SUITE.replace("\"ft\", epochs = 1", "\"cf-k\", k = 4").replace("{ kind = \"class\", class = 0 }, ", "");
        let error = plan(&text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("[[unlearn]] cf-k, for [[forget]] random 9 of the model dense, seed 1"), "{error}");
    }

    #[test]
    fn settings_that_a_tuning_chose_are_checked_as_those_of_the_suite_are() {
        let folder = tempfile::tempdir().unwrap();
        let trial = Trial {
            method: "cf-k".into(),
            forget: "class 0".into(),
            pruning: "omp".into(),
            sparsity: 0.9,
            number: 1,
            config: json!({ "k": 9 }),
            value: Some(1.0),
            validation: None,
            failure: None,
            unlearn: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            chosen: true,
        };
        let tuning = Tuning {
            format: Tuning::FORMAT,
            suite: "tiny".into(),
            command: String::new(),
            created: String::new(),
            commit: None,
            source: None,
            dataset: "fashion-mnist-mini".into(),
            arch: "resnet8s".into(),
            objective: "gap".into(),
            criterion: String::new(),
            budget: 2,
            seed: 1,
            run_seed: 1,
            space: Vec::new(),
            trials: vec![trial],
        };
        let file = folder.path().join("tiny.json");
        tuning.write(&file).unwrap();
        let text = SUITE.replace("\"ft\", epochs = 1", "\"cf-k\"");
        plan(&text).unwrap();
        let tuned = text.replace("seeds = [1, 2]", &format!("seeds = [1, 2]\ntuned = '{}'", file.display()));
        let error = plan(&tuned).map(|_| ()).unwrap_err();
        let words = ["[[unlearn]] cf-k, for [[forget]] class 0 of the model omp 90 %, seed 1", "found 9"];
        assert!(error.is_usage() && words.iter().all(|word| error.to_string().contains(word)), "{error}");
    }
}
