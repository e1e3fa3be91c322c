//! `results.json`: every figure of a suite, unrounded, in a stable form.

use serde::{Deserialize, Serialize};
use unlearn_metrics::{UnlearningScores, average_gap};
use unlearn_run_store::{Evaluation, Machine, Store, SuiteIndex, SuiteRow, Tuning};

use crate::claims::{Claim, claims};
use crate::drift::Drift;
use crate::error::{ReportError, Result};
use crate::metric::Metric;
use crate::prunings::{self, Pruning};

/// Name of the method every other one is measured against.
pub const RETRAIN: &str = "retrain";

/// Everything a suite found out. The form of `results.json` is stable: fields are added, never renamed or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Version of the format: 1.
    pub format: u32,
    /// The suite's name.
    pub suite: String,
    /// What the suite is about, in a line.
    pub title: Option<String>,
    /// Where the figures come from.
    pub provenance: Provenance,
    /// The rows, in the order of the suite.
    pub rows: Vec<ResultRow>,
    /// What the rows say about the paper's claims; claims the suite has no rows for are left out.
    pub claims: Vec<Claim>,
    /// What each pruning left, in the order of the suite; stages of programs that did not say so are left out.
    #[serde(default)]
    pub prunings: Vec<Pruning>,
    /// How models drifted over requests served one after the other; `None` for a suite without such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// The search that chose the methods' settings, with every trial; `None` for settings that were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
}

/// Where the figures come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The command that ran the suite.
    pub command: String,
    /// The commit of the program, where known.
    pub commit: Option<String>,
    /// Version of the program that finished the stages.
    pub versions: Vec<String>,
    /// When the suite was run, RFC 3339 in UTC.
    pub date: String,
    /// The machines the rows' stages ran on.
    pub machines: Vec<Machine>,
    /// What a reader must know: switches in force, data that was left out, …
    pub notes: Vec<String>,
}

/// The figures of one unlearned model. Accuracies, efficacies and gaps are in percent (points), 0..100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Kind of forget set: `class`, `random`, …
    pub scenario: String,
    /// The forget set for people: "class 0", "random 10 %".
    pub forget: String,
    /// Share of zeros among the weights the mask covers, 0..1.
    pub sparsity: f64,
    /// Name of the pruning method, `none` for dense.
    pub pruning: String,
    /// Name of the unlearning method.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// Unlearning accuracy: 100 − accuracy on the forget set.
    pub ua: f64,
    /// Remaining accuracy: accuracy on the retain set.
    pub ra: f64,
    /// Testing accuracy.
    pub ta: f64,
    /// Share of the forget set a membership-inference attack calls non-member.
    pub mia_efficacy: f64,
    /// Wall seconds of the unlearning method alone.
    pub rte_seconds: f64,
    /// Mean absolute difference to Retrain of the same forget set, sparsity, pruning and seed over UA, MIA-efficacy, RA and TA;
    /// `None` where the suite has no such Retrain.
    pub avg_gap: Option<f64>,
    /// Name of the requests that the same model served one after the other; `None` for a request alone.
    #[serde(default)]
    pub sequence: Option<String>,
    /// Which of them this one is, from 1.
    #[serde(default)]
    pub turn: Option<usize>,
}

impl ResultRow {
    /// True when `other` differs in nothing but the unlearning method, so that the two may be compared.
    pub fn is_comparable(&self, other: &Self) -> bool {
        self.dataset == other.dataset
            && self.arch == other.arch
            && self.scenario == other.scenario
            && self.forget == other.forget
            && self.sparsity == other.sparsity
            && self.pruning == other.pruning
            && self.seed == other.seed
    }

    fn scores(&self) -> UnlearningScores {
        UnlearningScores { ua: self.ua, ra: self.ra, ta: self.ta, mia_efficacy: self.mia_efficacy }
    }

    fn new(row: &SuiteRow, evaluation: &Evaluation) -> Self {
        Self {
            dataset: row.dataset.clone(),
            arch: row.arch.clone(),
            scenario: row.scenario.clone(),
            forget: row.forget.clone(),
            sparsity: row.sparsity,
            pruning: row.pruning.clone(),
            method: row.method.clone(),
            seed: row.seed,
            ua: evaluation.ua,
            ra: evaluation.ra,
            ta: evaluation.ta,
            mia_efficacy: evaluation.mia_efficacy,
            rte_seconds: evaluation.rte_seconds,
            avg_gap: None,
            sequence: row.turn.as_ref().map(|turn| turn.sequence.clone()),
            turn: row.turn.as_ref().map(|turn| turn.number),
        }
    }
}

impl Results {
    /// Version of the format.
    pub const FORMAT: u32 = 1;

    /// Gathers a suite's rows from the store.
    ///
    /// # Errors
    /// [`ReportError::Store`] when a stage is missing or damaged, [`ReportError::NoRows`], [`ReportError::NotFinite`] naming row and
    /// metric, [`ReportError::NewerShares`] and [`ReportError::Shares`] for what a pruning left.
    pub fn gather(store: &Store, index: &SuiteIndex) -> Result<Self> {
        let mut rows = Vec::with_capacity(index.rows.len());
        let (mut machines, mut versions) = (Vec::new(), Vec::new());
        for row in &index.rows {
            let stage = store.stage("evaluate", &row.evaluate)?;
            let result = ResultRow::new(row, &Evaluation::of(&stage)?);
            for metric in Metric::MEASURED {
                if let Some(value) = metric.of(&result).filter(|value| !value.is_finite()) {
                    let folder = stage.path().to_path_buf();
                    return Err(ReportError::NotFinite {
                        row: describe(&result),
                        metric: metric.label(),
                        value,
                        folder,
                    });
                }
            }
            if !result.sparsity.is_finite() {
                let (value, folder) = (result.sparsity, stage.path().to_path_buf());
                return Err(ReportError::NotFinite { row: describe(&result), metric: "sparsity", value, folder });
            }
            rows.push(result);
            // The run time is the unlearning stage's, so its machine is the one that counts.
            let unlearn = store.stage("unlearn", &row.unlearn)?;
            for manifest in [unlearn.manifest(), stage.manifest()] {
                machines.push(manifest.machine.clone());
                versions.push(manifest.crate_version.clone());
            }
        }
        if rows.is_empty() {
            return Err(ReportError::NoRows(index.suite.clone()));
        }
        fill_gaps(&mut rows);
        // The paper's claims are about one request to a model.
        let alone: Vec<ResultRow> = rows.iter().filter(|row| row.turn.is_none()).cloned().collect();
        let claims = claims(&alone);
        let drift = index.drift_threshold.and_then(|threshold| Drift::of(&rows, threshold));
        let provenance = Provenance {
            command: index.command.clone(),
            commit: index.commit.clone(),
            versions: distinct(versions),
            date: index.created.clone(),
            machines: distinct(machines),
            notes: index.notes.clone(),
        };
        Ok(Self {
            format: Self::FORMAT,
            suite: index.suite.clone(),
            title: index.title.clone(),
            provenance,
            rows,
            claims,
            prunings: prunings::gather(store, index)?,
            drift,
            tuning: index.tuning.clone(),
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

/// Computes `avg_gap` of every row that has a Retrain.
fn fill_gaps(rows: &mut [ResultRow]) {
    let gaps: Vec<Option<f64>> = rows
        .iter()
        .map(|row| {
            let retrain = rows.iter().find(|other| other.method == RETRAIN && other.is_comparable(row));
            retrain.map(|retrain| average_gap(&row.scores(), &retrain.scores()))
        })
        .collect();
    rows.iter_mut().zip(gaps).for_each(|(row, gap)| row.avg_gap = gap);
}

fn describe(row: &ResultRow) -> String {
    let ResultRow { dataset, arch, forget, sparsity, pruning, method, seed, .. } = row;
    format!("`{dataset}, {arch}, {forget}, sparsity {sparsity}, pruning {pruning}, method {method}, seed {seed}`")
}

/// The items without repetitions, in the order of first sight.
pub(crate) fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}
