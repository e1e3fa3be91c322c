//! Labels of the rows of suites.

use crate::suite_index::SuiteRow;

impl SuiteRow {
    /// Label of the row's model: `dense`, or the pruning method with the sparsity in percent.
    pub fn model_label(&self) -> String {
        if self.pruning == "none" { "dense".to_owned() } else { pruning_label(&self.pruning, self.sparsity) }
    }

    /// Label of the row: method, request, model and seed.
    pub fn label(&self) -> String {
        format!("{} · {} · {} · seed {}", self.method, self.forget, self.model_label(), self.seed)
    }
}

/// Name and sparsity of a pruning: `omp 95 %`.
pub fn pruning_label(name: &str, sparsity: f64) -> String {
    format!("{name} {:.4} %", 100.0 * sparsity).replace(".0000 %", " %")
}
