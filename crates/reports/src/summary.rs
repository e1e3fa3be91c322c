//! Rows gathered over seeds: blocks of methods, with each method dense and sparse.

use unlearn_metrics::{Estimate, Figure};
use unlearn_run_store::SuiteRow;

use crate::results::{RETRAIN, ResultRow, distinct};

/// One forget set on one model. The paper prints this as one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Kind of forget set.
    pub scenario: String,
    /// Label of the forget set.
    pub forget: String,
    /// The sparsities, ascending, dense first.
    pub variants: Vec<Variant>,
    /// The methods, Retrain first and then in the order of the suite.
    pub lines: Vec<Line>,
}

/// One way of pruning the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Share of zeros, 0..1.
    pub sparsity: f64,
    /// Name of the pruning method.
    pub pruning: String,
}

/// One method of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Name of the method.
    pub method: String,
    /// One cell per variant of the block. `None` if the suite did not run it.
    pub cells: Vec<Option<Cell>>,
}

/// One method on one variant, over seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The rows, one per seed.
    pub rows: Vec<ResultRow>,
    /// Retrain's rows of the same seeds. Empty unless there is one for every seed.
    pub retrain: Vec<ResultRow>,
}

impl Variant {
    /// "dense", or "95 % omp".
    pub fn label(&self) -> String {
        let sparsity = sparsity_label(self.sparsity);
        if self.sparsity == 0.0 { sparsity } else { format!("{sparsity} {}", self.pruning) }
    }

    /// The variant of a row in a suite's index.
    pub(crate) fn of_suite(row: &SuiteRow) -> Self {
        Self { sparsity: row.sparsity, pruning: row.pruning.clone() }
    }

    fn of(row: &ResultRow) -> Self {
        Self { sparsity: row.sparsity, pruning: row.pruning.clone() }
    }
}

impl Cell {
    /// Mean and 95 % confidence interval of a figure over the seeds. `None` if a row lacks the figure.
    pub fn estimate(&self, figure: &str) -> Option<Estimate> {
        let values: Option<Vec<f64>> = self.rows.iter().map(|row| row.value(figure)).collect();
        values.and_then(|values| Estimate::over_seeds(&values).ok())
    }

    /// The same for a table. The figure of one seed has the interval over its draws.
    pub fn spread(&self, figure: &str) -> Option<Estimate> {
        let estimate = self.estimate(figure)?;
        let of_draws = match self.rows.as_slice() {
            [row] => row.figures.get(figure).and_then(unlearn_metrics::Value::half_width),
            _ => None,
        };
        Some(Estimate { half_width: estimate.half_width.or(of_draws), ..estimate })
    }

    /// Mean over the seeds of the absolute difference to Retrain with the same seed. The average gap is the mean of
    /// the four measured figures' gaps.
    pub fn gap(&self, figure: &Figure) -> Option<f64> {
        if self.retrain.is_empty() || !figure.has_gap() {
            return None;
        }
        let pairs = self.rows.iter().zip(&self.retrain);
        let gap = |(row, retrain): (&ResultRow, &ResultRow)| {
            Some((row.value(&figure.name)? - retrain.value(&figure.name)?).abs())
        };
        let gaps: Option<Vec<f64>> = pairs.map(gap).collect();
        gaps.map(|gaps| gaps.iter().sum::<f64>() / gaps.len() as f64)
    }
}

impl Block {
    /// "class 0 · resnet20s on fashion-mnist-mini".
    pub fn title(&self) -> String {
        format!("{} · {} on {}", self.forget, self.arch, self.dataset)
    }

    /// The block's name in its suite: the forget set, with the model if the suite has several.
    pub(crate) fn name(&self, blocks: &[Self]) -> String {
        let one_model = blocks.iter().all(|other| other.dataset == self.dataset && other.arch == self.arch);
        if one_model { self.forget.clone() } else { format!("{}/{}/{}", self.dataset, self.arch, self.forget) }
    }

    /// The line of a method.
    pub fn line(&self, method: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.method == method)
    }

    /// Position of the dense variant.
    pub fn dense(&self) -> Option<usize> {
        self.variants.iter().position(|variant| variant.sparsity == 0.0)
    }

    /// Position of the sparse variant closest to the paper's 95 %. Of several, the first in the suite.
    pub fn sparse(&self) -> Option<usize> {
        let distance = |position: &usize| (self.variants[*position].sparsity - 0.95).abs();
        let sparse = (0..self.variants.len()).filter(|&position| self.variants[position].sparsity > 0.0);
        sparse.min_by(|one, other| distance(one).total_cmp(&distance(other)))
    }

    /// The same block with the dense variant and [`sparse`](Self::sparse) alone.
    pub(crate) fn dense_and_sparse(&self) -> Self {
        let kept: Vec<usize> = [self.dense(), self.sparse()].into_iter().flatten().collect();
        let line = |line: &Line| Line {
            method: line.method.clone(),
            cells: kept.iter().map(|at| line.cells[*at].clone()).collect(),
        };
        Self {
            variants: kept.iter().map(|at| self.variants[*at].clone()).collect(),
            lines: self.lines.iter().map(line).collect(),
            ..self.clone()
        }
    }

    /// The distinct sparsities, ascending. Dense is 0.
    pub fn sparsities(&self) -> Vec<f64> {
        distinct(self.variants.iter().map(|variant| variant.sparsity))
    }

    /// The distinct names of pruning methods except dense's, in the order of the suite.
    pub fn prunings(&self) -> Vec<&str> {
        let sparse = self.variants.iter().filter(|variant| variant.sparsity != 0.0);
        distinct(sparse.map(|variant| variant.pruning.as_str()))
    }

    /// The maximum number of draws behind any figure of its rows.
    pub fn draws(&self) -> usize {
        let rows = self.lines.iter().flat_map(|line| line.cells.iter().flatten()).flat_map(|cell| &cell.rows);
        rows.flat_map(|row| row.figures.values()).map(|found| found.draws.len()).max().unwrap_or(0)
    }

    /// Whether a row has a figure.
    pub fn has(&self, figure: &str) -> bool {
        let mut rows = self.lines.iter().flat_map(|line| line.cells.iter().flatten()).flat_map(|cell| &cell.rows);
        rows.any(|row| row.figures.contains_key(figure))
    }

    /// The maximum number of seeds behind a cell.
    pub fn seeds(&self) -> usize {
        self.lines.iter().flat_map(|line| line.cells.iter().flatten()).map(|cell| cell.rows.len()).max().unwrap_or(0)
    }
}

/// Gathers rows into blocks, in the order of the suite.
pub fn blocks(rows: &[ResultRow]) -> Vec<Block> {
    distinct(rows.iter().map(place))
        .into_iter()
        .map(|key| {
            let members: Vec<&ResultRow> = rows.iter().filter(|row| place(row) == key).collect();
            block(&members)
        })
        .collect()
}

fn block(rows: &[&ResultRow]) -> Block {
    let mut variants = distinct(rows.iter().map(|row| Variant::of(row)));
    let mut methods = distinct(rows.iter().map(|row| row.method.clone()));
    variants.sort_by(|one, other| one.sparsity.total_cmp(&other.sparsity)); // Stable: pruning methods keep their order.
    methods.sort_by_key(|method| method != RETRAIN);
    let lines = methods
        .into_iter()
        .map(|method| Line { cells: variants.iter().map(|variant| cell(rows, variant, &method)).collect(), method })
        .collect();
    let [dataset, arch, scenario, forget] = place(rows[0]).map(str::to_owned);
    Block { dataset, arch, scenario, forget, variants, lines }
}

fn cell(rows: &[&ResultRow], variant: &Variant, method: &str) -> Option<Cell> {
    let of = |method: &str| -> Vec<ResultRow> {
        rows.iter()
            .filter(|row| row.method == method && Variant::of(row) == *variant)
            .map(|row| (*row).clone())
            .collect()
    };
    let members = of(method);
    let references = of(RETRAIN);
    let paired: Option<Vec<ResultRow>> =
        members.iter().map(|row| references.iter().find(|retrain| retrain.is_comparable(row)).cloned()).collect();
    (!members.is_empty()).then(|| Cell { rows: members, retrain: paired.unwrap_or_default() })
}

fn place(row: &ResultRow) -> [&str; 4] {
    [&row.dataset, &row.arch, &row.scenario, &row.forget]
}

/// "dense", or "95 %".
pub(crate) fn sparsity_label(sparsity: f64) -> String {
    if sparsity == 0.0 { "dense".to_owned() } else { percent(sparsity) }
}

/// A fraction in percent with as many digits as needed: "95 %", "99.5 %".
pub(crate) fn percent(fraction: f64) -> String {
    let text = format!("{:.2}", fraction * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
