//! `results.json`: every figure of a suite, unrounded, in a stable form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unlearn_metrics::figures::{avg_gap, mia_efficacy, ra, rte_seconds, ta, ua};
use unlearn_metrics::{Figures, Retrain, Value, Values};
use unlearn_run_store::{Configured, Evaluation, Machine, RowStages, Stage, Store, SuiteIndex, SuiteRow, Tuning};

use crate::backdoors::{self, Backdoor, ClassRates};
use crate::claims::{Claim, claims};
use crate::drift::Drift;
use crate::error::{ReportError, Result};
use crate::mask_leaks::{self, MaskLeaks};
use crate::prunings::{self, Pruning};
use crate::rankings::{self, Ranking};
use crate::source::{Source, Stored};

/// Name of the method that every other one is compared with.
pub const RETRAIN: &str = "retrain";
/// Name of the method that leaves the model as it was.
pub const RAW: &str = "raw";

/// All results of a suite. The form of `results.json` is stable: fields are added, never renamed or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Version of the format: 1.
    pub format: u32,
    /// The suite's name.
    pub suite: String,
    /// Title of the suite, in one line.
    pub title: Option<String>,
    /// The origin of the figures.
    pub provenance: Provenance,
    /// Meaning and unit of each figure in the rows, by name, in one line.
    #[serde(default)]
    pub meanings: BTreeMap<String, String>,
    /// The rows, in the order of the suite.
    pub rows: Vec<ResultRow>,
    /// The verdicts on the paper's claims. Claims without rows are left out.
    pub claims: Vec<Claim>,
    /// What each pruning kept, in the order of the suite. Stages of programs that did not record it are left out.
    #[serde(default)]
    pub prunings: Vec<Pruning>,
    /// The poison of each seed's training set. Empty for a suite without a backdoor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backdoors: Vec<Backdoor>,
    /// What each model does with each class. Empty for a suite without a backdoor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_rates: Vec<ClassRates>,
    /// Influence of the classes on a target task. Empty for a suite that ranks none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rankings: Vec<Ranking>,
    /// Overlap of masks learned with and without a class. Empty for a suite without `retrain-relearn` or with fewer than three seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mask_leaks: Vec<MaskLeaks>,
    /// Drift of models over sequences of requests. `None` for a suite without sequences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// The search that chose the methods' settings, with every trial. `None` if the settings were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// The settings of the rows. Empty for a suite of an older program that did not store them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configured: Vec<Configured>,
    /// The figures for tables and pictures.
    #[serde(skip)]
    pub figures: Figures,
}

/// The origin of the figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The command that ran the suite.
    pub command: String,
    /// The commit of the program, if known.
    pub commit: Option<String>,
    /// Version of the program that finished the stages.
    pub versions: Vec<String>,
    /// Time of the run, RFC 3339 in UTC.
    pub date: String,
    /// The machines that ran the rows' stages.
    pub machines: Vec<Machine>,
    /// Notes that a reader must know: active switches, omitted data, …
    pub notes: Vec<String>,
}

/// The figures of one unlearned model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "WrittenRow", from = "WrittenRow")]
pub struct ResultRow {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Kind of forget set: `class`, `random`, …
    pub scenario: String,
    /// Label of the forget set: "class 0", "random 10 %".
    pub forget: String,
    /// Share of zeros among the weights that the mask covers, 0..1.
    pub sparsity: f64,
    /// Name of the pruning method, `none` for dense.
    pub pruning: String,
    /// Name of the unlearning method.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// All values, by the name of the figure.
    pub figures: Values,
    /// Name of the sequence of requests that the same model served. `None` for a request alone.
    pub sequence: Option<String>,
    /// Number of this request in its sequence, from 1.
    pub turn: Option<usize>,
}

/// A row in the form of `results.json`. Six figures have had their own fields since format 1 began, and keep them.
#[derive(Serialize, Deserialize)]
struct WrittenRow {
    dataset: String,
    arch: String,
    scenario: String,
    forget: String,
    sparsity: f64,
    pruning: String,
    method: String,
    seed: u64,
    ua: Option<f64>,
    ra: Option<f64>,
    ta: Option<f64>,
    mia_efficacy: Option<f64>,
    rte_seconds: Option<f64>,
    avg_gap: Option<f64>,
    #[serde(default)]
    sequence: Option<String>,
    #[serde(default)]
    turn: Option<usize>,
    #[serde(default)]
    figures: Values,
}

/// The figures with their own fields, in the order of `WrittenRow`.
pub(crate) const FIELDS: [&str; 6] =
    [ua::NAME, ra::NAME, ta::NAME, mia_efficacy::NAME, rte_seconds::NAME, avg_gap::NAME];

impl From<ResultRow> for WrittenRow {
    fn from(row: ResultRow) -> Self {
        let [ua, ra, ta, mia_efficacy, rte_seconds, avg_gap] = FIELDS.map(|name| row.value(name));
        let ResultRow { dataset, arch, scenario, forget, sparsity, pruning, method, seed, figures, sequence, turn } =
            row;
        Self {
            dataset,
            arch,
            scenario,
            forget,
            sparsity,
            pruning,
            method,
            seed,
            ua,
            ra,
            ta,
            mia_efficacy,
            rte_seconds,
            avg_gap,
            sequence,
            turn,
            figures,
        }
    }
}

impl From<WrittenRow> for ResultRow {
    fn from(row: WrittenRow) -> Self {
        let WrittenRow { ua, ra, ta, mia_efficacy, rte_seconds, avg_gap, mut figures, .. } = row;
        // Older files have only the fields.
        for (name, value) in FIELDS.into_iter().zip([ua, ra, ta, mia_efficacy, rte_seconds, avg_gap]) {
            if let Some(value) = value {
                figures.entry(name.to_owned()).or_insert_with(|| Value::exact(value));
            }
        }
        let WrittenRow { dataset, arch, scenario, forget, sparsity, pruning, method, seed, sequence, turn, .. } = row;
        Self { dataset, arch, scenario, forget, sparsity, pruning, method, seed, figures, sequence, turn }
    }
}

impl ResultRow {
    /// Whether `other` differs only in the unlearning method, so that the two may be compared.
    pub fn is_comparable(&self, other: &Self) -> bool {
        self.dataset == other.dataset
            && self.arch == other.arch
            && self.scenario == other.scenario
            && self.forget == other.forget
            && self.sparsity == other.sparsity
            && self.pruning == other.pruning
            && self.seed == other.seed
    }

    /// The value of a figure. `None` if it is missing or undefined.
    pub fn value(&self, figure: &str) -> Option<f64> {
        self.figures.get(figure).and_then(Value::number)
    }

    /// Why a figure is undefined for this model, if it is.
    pub fn undefined(&self, figure: &str) -> Option<&str> {
        self.figures.get(figure)?.undefined.as_deref()
    }

    fn new(row: &SuiteRow, figures: Values) -> Self {
        Self {
            dataset: row.dataset.clone(),
            arch: row.arch.clone(),
            scenario: row.scenario.clone(),
            forget: row.forget.clone(),
            sparsity: row.sparsity,
            pruning: row.pruning.clone(),
            method: row.method.clone(),
            seed: row.seed,
            figures,
            sequence: row.turn.as_ref().map(|turn| turn.sequence.clone()),
            turn: row.turn.as_ref().map(|turn| turn.number),
        }
    }
}

impl Results {
    /// Version of the format.
    pub const FORMAT: u32 = 1;

    /// Gathers a suite's rows from the store, and computes those of `figures` that follow from them and from
    /// Retrain's.
    ///
    /// # Errors
    /// [`ReportError::Store`] if a stage is missing or damaged, [`ReportError::NoRows`], [`ReportError::NotFinite`]
    /// with row and figure, [`ReportError::Figures`] for an impossible figure, [`ReportError::NewerShares`] and
    /// [`ReportError::Shares`] for the shares of a pruning.
    pub fn gather(store: &Store, index: &SuiteIndex, figures: &Figures) -> Result<Self> {
        Self::gather_from(&Stored, store, index, figures)
    }

    /// The same with the figures of each model from a given source.
    pub(crate) fn gather_from(
        source: &dyn Source,
        store: &Store,
        index: &SuiteIndex,
        figures: &Figures,
    ) -> Result<Self> {
        let mut rows = Vec::with_capacity(index.rows.len());
        let mut stages = Vec::with_capacity(index.rows.len());
        let (mut machines, mut versions) = (Vec::new(), Vec::new());
        for row in &index.rows {
            let RowStages { unlearn, evaluate: stage, audit } = store.row(row)?;
            let mut values = source.figures(&stage)?;
            if let Some(audit) = &audit {
                values.extend(Evaluation::of(audit)?.figures);
            }
            let result = ResultRow::new(row, values);
            let not_finite = |metric: &str, value: f64| ReportError::NotFinite {
                row: describe(&result),
                metric: metric.to_owned(),
                value,
                folder: stage.path().to_path_buf(),
            };
            for (name, found) in &result.figures {
                if found.number().is_some_and(|number| !number.is_finite()) {
                    let label = figures.get(name).map_or(name.as_str(), |figure| figure.label.as_ref());
                    return Err(not_finite(label, found.value));
                }
            }
            if !result.sparsity.is_finite() {
                return Err(not_finite("sparsity", result.sparsity));
            }
            rows.push(result);
            // The run time was measured in the unlearning stage, so that stage's machine counts.
            for manifest in [&unlearn, &stage].into_iter().chain(&audit).map(Stage::manifest) {
                machines.push(manifest.machine.clone());
                versions.push(manifest.crate_version.clone());
            }
            stages.push(stage);
        }
        if rows.is_empty() {
            return Err(ReportError::NoRows(index.suite.clone()));
        }
        complete(&mut rows, &stages, source, figures)?;
        // The paper's claims are about one request to a model.
        let alone: Vec<ResultRow> = rows.iter().filter(|row| row.turn.is_none()).cloned().collect();
        let claims = claims(&alone, index.init.as_deref());
        let drift = index.drift_threshold.and_then(|threshold| Drift::of(&rows, threshold));
        let provenance = Provenance {
            command: index.command.clone(),
            commit: index.commit.clone(),
            versions: distinct(versions),
            date: index.created.clone(),
            machines: distinct(machines),
            notes: index.notes.clone(),
        };
        let backdoors = backdoors::gather(store, index)?;
        let class_rates = if backdoors.is_empty() { Vec::new() } else { backdoors::class_rates(store, index)? };
        Ok(Self {
            format: Self::FORMAT,
            suite: index.suite.clone(),
            title: index.title.clone(),
            provenance,
            meanings: meanings(&rows, figures),
            rows,
            claims,
            prunings: prunings::gather(store, index)?,
            backdoors,
            class_rates,
            rankings: rankings::gather(store, index)?,
            mask_leaks: mask_leaks::gather(store, index)?,
            drift,
            tuning: index.tuning.clone(),
            configured: index.configured.clone(),
            figures: figures.clone(),
        })
    }

    /// The distinct seeds, in the order of the suite.
    pub fn seeds(&self) -> Vec<u64> {
        distinct(self.rows.iter().map(|row| row.seed))
    }

    /// The file's content.
    ///
    /// # Errors
    /// [`ReportError::Json`].
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Adds to every row the figures that follow from its own and from those of its Retrain.
fn complete(rows: &mut [ResultRow], stages: &[Stage], source: &dyn Source, figures: &Figures) -> Result<()> {
    let alone: Vec<Values> = rows.iter().map(|row| row.figures.clone()).collect();
    let is_retrain = |row: &ResultRow, other: &ResultRow| other.method == RETRAIN && other.is_comparable(row);
    let partners: Vec<Option<usize>> =
        rows.iter().map(|row| rows.iter().position(|other| is_retrain(row, other))).collect();
    for (at, partner) in partners.into_iter().enumerate() {
        let (own, theirs) = match partner {
            Some(partner) => (source.scores(&stages[at])?, source.scores(&stages[partner])?),
            None => (None, None),
        };
        let retrain = partner.map(|partner| Retrain { scores: theirs.as_ref(), figures: &alone[partner] });
        let row = &mut rows[at];
        let wanted = |figure: &_| source.wants(figure);
        let completed = figures.complete(&mut row.figures, own.as_ref(), None, retrain, wanted);
        completed.map_err(|source| ReportError::Figures { row: describe(row), source })?;
    }
    Ok(())
}

/// Meanings of the figures in the rows.
fn meanings(rows: &[ResultRow], figures: &Figures) -> BTreeMap<String, String> {
    let names = rows.iter().flat_map(|row| row.figures.keys());
    names.filter_map(|name| Some((name.clone(), figures.get(name)?.meaning.to_string()))).collect()
}

fn describe(row: &ResultRow) -> String {
    let ResultRow { dataset, arch, forget, sparsity, pruning, method, seed, .. } = row;
    format!("`{dataset}, {arch}, {forget}, sparsity {sparsity}, pruning {pruning}, method {method}, seed {seed}`")
}

/// The items without repetitions, in the order of first occurrence.
pub(crate) fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}
