//! Attacks with a pool of models, from the stored scores of its rows.
//!
//! Each row of a pool's suite is one model. Its scores say which samples it was trained with (retain set), which it was trained with and
//! then asked to forget (forget set), and which it never saw. Every model is attacked with all others of the same method and pruning, and
//! the scores of all are judged together. Rows of `raw` were not made to forget anything, so their forget sets count as trained with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unlearn_metrics::{AtFpr, ModelScores, Scores};
use unlearn_mia_eval::pool::{
    Comparison, ModelPool, Outcome, Pair, PoolAttack, PoolSettings, Question, ScoreTable, Seen,
};
use unlearn_mia_eval::pool_attacks::{POOL_ATTACKS, ruli};
use unlearn_run_store::{Store, StoredScores, SuiteIndex, SuiteRow, write_atomic};

use crate::error::{ReportError, Result};
use crate::results::RETRAIN;
use crate::roc;
use crate::summary::Variant;
use crate::table::Grid;

/// The method whose rows are the models before unlearning.
const RAW: &str = "raw";
/// Maximum number of test images that serve as samples of the population.
pub(crate) const POPULATION: usize = 2000;
/// Share of the samples that count as most vulnerable.
const VULNERABLE: f64 = 0.1;
/// Maximum number of points of a stored curve.
const POINTS: usize = 200;
/// Smallest false-positive rate of the pictures.
pub(crate) const SMALLEST: f64 = 1e-4;

/// All results of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolResults {
    /// Version of the format: 1.
    pub format: u32,
    /// Name of the pool's suite.
    pub suite: String,
    /// Its title, in one line.
    pub title: Option<String>,
    /// The command that ran it.
    pub command: String,
    /// The commit of the program, if known.
    pub commit: Option<String>,
    /// Time of the run, RFC 3339 in UTC.
    pub date: String,
    /// Data set.
    pub dataset: String,
    /// Architecture.
    pub arch: String,
    /// Number of models of each method and pruning.
    pub models: usize,
    /// Number of samples that are attacked.
    pub samples: usize,
    /// One group per pruning and method.
    pub groups: Vec<Group>,
}

/// The models of one method and pruning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Name of the method.
    pub method: String,
    /// Name of the pruning method, `none` for dense.
    pub pruning: String,
    /// Share of zeros, 0..1.
    pub sparsity: f64,
    /// The attacks that tell samples apart.
    pub attacks: Vec<Attack>,
    /// The comparisons of models that unlearned a sample with models that never saw it.
    pub comparisons: Vec<Compared>,
}

/// One attack on a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// Name of the attack.
    pub attack: String,
    /// `membership` (trained with, or never seen?) or `unlearning` (unlearned, or never seen?).
    pub question: String,
    /// Its result. The curve has at most 200 points.
    pub outcome: Outcome,
    /// RULI's result on the tenth of the samples that the models before unlearning remember most. `None` for other attacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_most_vulnerable: Option<Outcome>,
}

/// One comparison of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Name of the attack.
    pub attack: String,
    /// The figure over all samples.
    pub value: f64,
    /// The 95th percentile over samples.
    pub percentile_95: f64,
    /// Number of models of each kind per sample.
    pub models: [usize; 2],
    /// The same figure between two halves of the models that never saw a sample.
    pub floor: Option<f64>,
}

/// The files of a pool's report.
#[derive(Debug)]
pub struct PoolWritten {
    /// The tables, for a terminal and for `attacks.md`.
    pub summary: String,
    /// `attacks.md`.
    pub markdown: PathBuf,
    /// The content.
    pub results: PoolResults,
}

impl PoolResults {
    /// Version of the format.
    pub const FORMAT: u32 = 1;

    /// Runs every attack on every group of a pool's suite.
    ///
    /// # Errors
    /// [`ReportError::Store`] if a stage is missing or damaged, [`ReportError::Pool`] if the rows are not those of a pool,
    /// [`ReportError::NoRows`].
    pub fn gather(store: &Store, index: &SuiteIndex) -> Result<Self> {
        let mut rows: BTreeMap<(usize, usize), Vec<&SuiteRow>> = BTreeMap::new();
        let (mut variants, mut methods): (Vec<Variant>, Vec<&str>) = (Vec::new(), Vec::new());
        for row in &index.rows {
            let variant = Variant::of_suite(row);
            let of = |found: Option<usize>, all: usize| found.unwrap_or(all);
            let at = of(variants.iter().position(|known| *known == variant), variants.len());
            let method = of(methods.iter().position(|known| *known == row.method), methods.len());
            if at == variants.len() {
                variants.push(variant);
            }
            if method == methods.len() {
                methods.push(&row.method);
            }
            rows.entry((at, method)).or_default().push(row);
        }
        let Some(first) = index.rows.first() else { return Err(ReportError::NoRows(index.suite.clone())) };
        let mut vulnerable: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        for ((variant, _), rows) in rows.iter().filter(|(_, rows)| rows[0].method == RAW) {
            vulnerable.insert(*variant, Measured::of(store, rows)?.most_vulnerable(rows[0])?);
        }
        let mut groups = Vec::new();
        let mut samples = 0;
        for ((variant, _), rows) in &rows {
            let measured = Measured::of(store, rows)?;
            samples = measured.samples;
            groups.push(measured.group(rows[0], vulnerable.get(variant).map(Vec::as_slice))?);
        }
        Ok(Self {
            format: Self::FORMAT,
            suite: index.suite.clone(),
            title: index.title.clone(),
            command: index.command.clone(),
            commit: index.commit.clone(),
            date: index.created.clone(),
            dataset: first.dataset.clone(),
            arch: first.arch.clone(),
            models: rows.values().map(Vec::len).max().unwrap_or(0),
            samples,
            groups,
        })
    }

    /// The Retrain that was pruned as a group was: what attacks find in it is the noise floor.
    fn retrain(&self, group: &Group) -> Option<&Group> {
        let is_retrain = |other: &&Group| other.method == RETRAIN && other.variant() == group.variant();
        self.groups.iter().find(is_retrain)
    }

    /// What an attack finds in Retrain.
    fn floor(&self, group: &Group, attack: &Attack) -> Option<&Outcome> {
        let retrain = self.retrain(group)?;
        let same = |other: &&Attack| other.attack == attack.attack && other.question == attack.question;
        retrain.attacks.iter().find(same).map(|attack| &attack.outcome)
    }

    /// The value of a comparison for Retrain: models that never saw a sample, beside models that never saw it either.
    fn compared_floor(&self, group: &Group, attack: &str) -> Option<f64> {
        self.retrain(group)?.comparisons.iter().find(|found| found.attack == attack).map(|found| found.value)
    }

    /// The tables and their notes as Markdown.
    pub fn markdown(&self) -> String {
        let title = self.title.as_deref().unwrap_or(&self.suite);
        let mut text = format!(
            "# {title}\n\n{} models of each method, {} on {}; {} samples. For every sample, a third of the models never saw it, a third were \
             trained with it, and a third were trained with it and then unlearned it.\n",
            self.models, self.arch, self.dataset, self.samples
        );
        for question in [Question::UNLEARNING, Question::MEMBERSHIP] {
            let _ = writeln!(text, "\n## {}\n\n{}", heading(question), meaning(question));
            let _ = writeln!(text, "\n{}", self.grid(question).markdown());
        }
        let vulnerable = self.vulnerable();
        if !vulnerable.lines.is_empty() {
            let _ = writeln!(
                text,
                "\n## The most vulnerable tenth\n\nAn average over samples hides those that a model remembers. These are RULI's results on the \
                 {:.0} % of the samples whose scores differ most between models before unlearning that were trained with the sample and models \
                 that never saw it. The choice rests on models of the same pool, so read it beside the floor, for which the same samples were \
                 chosen.\n\n{}",
                100.0 * VULNERABLE,
                vulnerable.markdown()
            );
        }
        let comparisons = self.comparisons();
        if !comparisons.lines.is_empty() {
            let _ = writeln!(
                text,
                "\n## Unlearned models against models that never saw the sample\n\nThe floor is the value of `{RETRAIN}`, whose models never saw \
                 the sample either. With few models, all values are far too high: read them beside the floor only.\n\n{}",
                comparisons.markdown()
            );
        }
        let _ = writeln!(
            text,
            "\nAUC with its 95 % interval; 0.5 is a coin. TPR at a false-positive rate (FPR) with its exact 95 % interval. \
             The scores of one model are not independent of another's, so the intervals are rather too narrow. Floor: the same attack on \
             `{RETRAIN}`, where there is nothing to find.\n\nCommand: `{}`{}.",
            self.command,
            self.commit.as_ref().map(|commit| format!(", commit {commit}")).unwrap_or_default()
        );
        text
    }

    fn grid(&self, question: Question) -> Grid {
        let head = ["Model", "Method", "Attack", "AUC", "floor", "TPR at 0.1 % FPR", "TPR at 1 % FPR", "models"];
        let mut lines = Vec::new();
        for group in &self.groups {
            for attack in group.attacks.iter().filter(|attack| attack.question == question.name) {
                let outcome = &attack.outcome;
                let floor = self.floor(group, attack).filter(|_| question == Question::UNLEARNING);
                lines.push(vec![
                    group.variant().label(),
                    group.method.clone(),
                    attack.attack.clone(),
                    area(outcome),
                    floor.map_or_else(|| "–".to_owned(), |floor| format!("{:.3}", floor.auc.value)),
                    rate(&outcome.at_fpr[0]),
                    rate(&outcome.at_fpr[1]),
                    format!("{} + {}", outcome.models[0], outcome.models[1]),
                ]);
            }
        }
        Grid { head: head.map(str::to_owned).to_vec(), names: 3, lines }
    }

    /// RULI on the most vulnerable samples beside RULI on all.
    fn vulnerable(&self) -> Grid {
        let head = [
            "Model",
            "Method",
            "Question",
            "AUC, all",
            "AUC, most vulnerable",
            "floor",
            "TPR at 1 % FPR, most vulnerable",
        ];
        let mut lines = Vec::new();
        for group in &self.groups {
            for attack in &group.attacks {
                let Some(outcome) = &attack.on_most_vulnerable else { continue };
                let is_unlearning = attack.question == Question::UNLEARNING.name;
                let same = |other: &&Attack| other.attack == attack.attack && other.question == attack.question;
                let floor = self.retrain(group).filter(|_| is_unlearning).and_then(|retrain| {
                    retrain.attacks.iter().find(same)?.on_most_vulnerable.as_ref().map(|floor| floor.auc.value)
                });
                lines.push(vec![
                    group.variant().label(),
                    group.method.clone(),
                    attack.question.clone(),
                    area(&attack.outcome),
                    area(outcome),
                    floor.map_or_else(|| "–".to_owned(), |floor| format!("{floor:.3}")),
                    rate(&outcome.at_fpr[1]),
                ]);
            }
        }
        Grid { head: head.map(str::to_owned).to_vec(), names: 3, lines }
    }

    fn comparisons(&self) -> Grid {
        let head = ["Model", "Method", "Figure", "value", "95th percentile", "floor", "models"];
        let mut lines = Vec::new();
        for group in &self.groups {
            for found in &group.comparisons {
                lines.push(vec![
                    group.variant().label(),
                    group.method.clone(),
                    found.attack.clone(),
                    format!("{:.3}", found.value),
                    format!("{:.3}", found.percentile_95),
                    self.compared_floor(group, &found.attack)
                        .map_or_else(|| "–".to_owned(), |floor| format!("{floor:.3}")),
                    format!("{} + {}", found.models[0], found.models[1]),
                ]);
            }
        }
        Grid { head: head.map(str::to_owned).to_vec(), names: 3, lines }
    }
}

impl Group {
    /// How its models were pruned.
    pub(crate) fn variant(&self) -> Variant {
        Variant { sparsity: self.sparsity, pruning: self.pruning.clone() }
    }
}

pub(crate) fn heading(question: Question) -> &'static str {
    if question == Question::UNLEARNING {
        "Was the sample unlearned?"
    } else {
        "Was the model trained with the sample?"
    }
}

fn meaning(question: Question) -> &'static str {
    if question == Question::UNLEARNING {
        "The attack tells models that unlearned a sample from models that never saw it. The closer to the floor, the better the sample was \
         forgotten."
    } else {
        "The attack tells models that were trained with a sample, and still are, from models that never saw it. For `raw` these are all \
         samples of the training. This is what a model reveals of the data that it keeps."
    }
}

pub(crate) fn area(outcome: &Outcome) -> String {
    let value = outcome.auc.value;
    match outcome.auc.interval {
        Some([low, high]) => format!("{value:.3} ({low:.3} to {high:.3})"),
        None => format!("{value:.3}"),
    }
}

pub(crate) fn rate(rate: &AtFpr) -> String {
    match rate {
        AtFpr::Known(found) => {
            let [low, high] = found.interval.map(|end| 100.0 * end);
            format!("{:.2} % ({low:.2} to {high:.2})", 100.0 * found.tpr)
        }
        AtFpr::TooFew { .. } => "too few models".to_owned(),
    }
}

/// One attack of the registry on a group of models.
pub(crate) struct Attempt {
    /// Its name.
    pub(crate) attack: &'static str,
    /// The question; `None` for a comparison.
    pub(crate) question: Option<Question>,
    /// What it found, or why it cannot be run.
    pub(crate) found: unlearn_mia_eval::Result<Found>,
}

/// What an attack found.
pub(crate) enum Found {
    Attack(Box<Attack>),
    Compared(Compared),
}

/// The scores of a group's models.
pub(crate) struct Measured {
    pub(crate) models: usize,
    pub(crate) samples: usize,
    /// φ, `[models, samples]`.
    pub(crate) scores: Vec<f64>,
    /// `[models, samples]`.
    pub(crate) seen: Vec<Seen>,
    /// φ of test images, `[models, population]`.
    pub(crate) population: Vec<f64>,
    /// 0 if there is no population.
    pub(crate) population_size: usize,
}

impl Measured {
    fn of(store: &Store, rows: &[&SuiteRow]) -> Result<Self> {
        let refuse =
            |row: &SuiteRow, problem: &str| ReportError::Pool { row: row.label(), problem: problem.to_owned() };
        let mut measured = Self {
            models: rows.len(),
            samples: 0,
            scores: Vec::new(),
            seen: Vec::new(),
            population: Vec::new(),
            population_size: 0,
        };
        let mut positions: Option<Vec<u32>> = None;
        for row in rows {
            let ModelScores { forget, retain, test, unseen, .. } =
                StoredScores::of(&store.stage("evaluate", &row.evaluate)?)?.scores;
            let unseen = unseen.ok_or_else(|| refuse(row, "its scores lack the samples that the model never saw"))?;
            let unlearned = if row.method == RAW { Seen::Trained } else { Seen::Unlearned };
            let mut all: Vec<(u32, f64, Seen)> = Vec::new();
            for (scores, seen) in [(&forget, unlearned), (&retain, Seen::Trained), (&unseen, Seen::Never)] {
                let with = |scores: &Scores| -> Vec<(u32, f64, Seen)> {
                    scores.positions().iter().copied().zip(scores.log_odds()).map(|(at, phi)| (at, phi, seen)).collect()
                };
                all.extend(with(scores));
            }
            all.sort_unstable_by_key(|(position, ..)| *position);
            let found: Vec<u32> = all.iter().map(|(position, ..)| *position).collect();
            match &positions {
                None => positions = Some(found),
                Some(known) if *known == found => {}
                Some(_) => return Err(refuse(row, "its samples are not those of the other models")),
            }
            measured.samples = all.len();
            measured.scores.extend(all.iter().map(|(_, phi, _)| *phi));
            measured.seen.extend(all.iter().map(|(.., seen)| *seen));
            let size = test.len().min(POPULATION);
            measured.population_size = size;
            measured.population.extend(test.log_odds().take(size));
        }
        Ok(measured)
    }

    /// The samples that these models remember most.
    fn most_vulnerable(&self, row: &SuiteRow) -> Result<Vec<bool>> {
        let chosen = ScoreTable::new(&self.scores, self.models, self.samples)
            .and_then(|table| ModelPool::new(table, &self.seen))
            .and_then(|pool| ruli::most_vulnerable(&pool, VULNERABLE));
        chosen.map_err(|source| ReportError::Pool { row: row.label(), problem: source.to_string() })
    }

    fn group(&self, row: &SuiteRow, vulnerable: Option<&[bool]>) -> Result<Group> {
        let fail =
            |source: unlearn_mia_eval::Error| ReportError::Pool { row: row.label(), problem: source.to_string() };
        let (mut attacks, mut comparisons) = (Vec::new(), Vec::new());
        for Attempt { found, .. } in self.attacked(vulnerable).map_err(fail)? {
            match found.map_err(fail)? {
                Found::Attack(found) => attacks.push(*found),
                Found::Compared(found) => comparisons.push(found),
            }
        }
        let (method, pruning, sparsity) = (row.method.clone(), row.pruning.clone(), row.sparsity);
        Ok(Group { method, pruning, sparsity, attacks, comparisons })
    }

    /// Runs every attack of the registry, for every question that the models can answer. RULI is also judged on the samples of
    /// `vulnerable`.
    ///
    /// # Errors
    /// If the scores do not make tables.
    pub(crate) fn attacked(&self, vulnerable: Option<&[bool]>) -> unlearn_mia_eval::Result<Vec<Attempt>> {
        let pool = ModelPool::new(ScoreTable::new(&self.scores, self.models, self.samples)?, &self.seen)?;
        let never = vec![Seen::Never; self.population.len()];
        let population = if self.population_size == 0 {
            None
        } else {
            let table = ScoreTable::new(&self.population, self.models, self.population_size)?;
            Some(ModelPool::new(table, &never)?)
        };
        let mut attempts = Vec::new();
        for attack in POOL_ATTACKS {
            for question in attack.questions().iter().filter(|question| self.answers(**question)) {
                let population = population.filter(|_| attack.population);
                let vulnerable = vulnerable.filter(|_| attack.name == ruli::ATTACK.name);
                let found = judged(attack, (pool, population), *question, vulnerable);
                let found = found.map(|found| Found::Attack(Box::new(found)));
                attempts.push(Attempt { attack: attack.name, question: Some(*question), found });
            }
            if attack.questions().is_empty() && self.answers(Question::UNLEARNING) {
                let found = self.compared(attack, &pool).map(Found::Compared);
                attempts.push(Attempt { attack: attack.name, question: None, found });
            }
        }
        Ok(attempts)
    }

    /// Compares the models that unlearned a sample with those that never saw it.
    fn compared(&self, attack: &PoolAttack, pool: &ModelPool<'_>) -> unlearn_mia_eval::Result<Compared> {
        let [unlearned, never] = [Seen::Unlearned, Seen::Never].map(|seen| self.compact(pool, seen));
        let tables = [&unlearned, &never].map(|(scores, models)| ScoreTable::new(scores, *models, self.samples));
        let [unlearned, never] = tables;
        let Comparison { value, percentile_95, models, floor, .. } = attack.compare(&Pair::new(unlearned?, never?)?)?;
        let floor = floor.map(|floor| floor.value);
        Ok(Compared { attack: attack.name.into(), value, percentile_95, models, floor })
    }

    /// Whether some models had of a sample what the question is about.
    fn answers(&self, question: Question) -> bool {
        self.seen.contains(&question.positive) && self.seen.contains(&question.negative)
    }

    /// The scores of the models that had this of each sample, `[models, samples]`, and the number of models. Samples differ in which
    /// models these are, and the design gives nearly as many to all; the least number counts.
    fn compact(&self, pool: &ModelPool<'_>, seen: Seen) -> (Vec<f64>, usize) {
        let (_, models) = pool.least(seen);
        let mut scores = vec![0.0; models * self.samples];
        for sample in 0..self.samples {
            for (model, phi) in pool.of(sample, seen).take(models).enumerate() {
                scores[model * self.samples + sample] = phi;
            }
        }
        (scores, models)
    }
}

/// One attack on all models of a pool, judged on all samples and on those of `vulnerable`.
fn judged(
    attack: &PoolAttack,
    (pool, population): (ModelPool<'_>, Option<ModelPool<'_>>),
    question: Question,
    vulnerable: Option<&[bool]>,
) -> unlearn_mia_eval::Result<Attack> {
    let parts = attack.each_left_out(pool, population, question, &PoolSettings::default())?;
    let parts: Vec<_> = parts.iter().map(|(scores, truth)| (scores, *truth)).collect();
    let judged = |among: &dyn Fn(usize) -> bool| -> unlearn_mia_eval::Result<Outcome> {
        let mut outcome = Outcome::of(&parts, question, among)?;
        outcome.points = thinned(&outcome.points);
        Ok(outcome)
    };
    Ok(Attack {
        attack: attack.name.into(),
        question: question.name.into(),
        outcome: judged(&|_| true)?,
        on_most_vulnerable: vulnerable.map(|chosen| judged(&|sample| chosen[sample])).transpose()?,
    })
}

/// At most [`POINTS`] points of a curve, evenly spread over the logarithm of the false-positive rate, with both ends.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let mut kept: Vec<[f64; 2]> = Vec::new();
    let step = -SMALLEST.ln() / (POINTS - 2) as f64;
    let mut next = SMALLEST;
    for (at, point) in points.iter().enumerate() {
        // The last point at or below each rate is the highest there.
        let following = points.get(at + 1).map_or(f64::INFINITY, |point| point[0]);
        if following > next || at + 1 == points.len() || at == 0 {
            kept.push(*point);
            while next < following && next < 1.0 {
                next *= step.exp();
            }
        }
    }
    kept
}

/// Runs all attacks on a finished pool and writes `attacks.json`, `attacks.md` and one picture of ROC curves per model and question into
/// `folder`.
///
/// # Errors
/// As [`PoolResults::gather`], and if a file cannot be written.
pub fn write(store: &Store, index: &SuiteIndex, folder: &Path) -> Result<PoolWritten> {
    let results = PoolResults::gather(store, index)?;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut json = serde_json::to_vec_pretty(&results)?;
    json.push(b'\n');
    files.push(("attacks.json".to_owned(), json));
    for (name, svg) in roc::pictures(&results)? {
        files.push((name, svg.into_bytes()));
    }
    let summary = results.markdown();
    files.push(("attacks.md".to_owned(), summary.clone().into_bytes()));
    std::fs::create_dir_all(folder).map_err(|source| ReportError::Folder { folder: folder.to_path_buf(), source })?;
    for (name, bytes) in &files {
        write_atomic(&folder.join(name), bytes)?;
    }
    Ok(PoolWritten { summary, markdown: folder.join("attacks.md"), results })
}
