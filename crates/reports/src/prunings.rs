//! What the suite's prunings kept of their networks: shares of parameters and of operations, in total and by layer.
//!
//! A `prune` stage records this in its manifest, as the fact `sparsity`. Stages of older programs lack it and are
//! left out. A newer form is refused.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unlearn_run_store::{CLEAN, Stage, Store, SuiteIndex, SuiteRow};

use crate::error::{ReportError, Result};

/// Name of the fact in the manifest of a `prune` stage.
const FACT: &str = "sparsity";
/// The newest known form of the fact.
const FORMAT: u64 = 1;

/// What one pruning kept of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pruning {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Name of the pruning method.
    pub pruning: String,
    /// Requested share of zeros, 0..1.
    pub sparsity: f64,
    /// The seed.
    pub seed: u64,
    /// Share of the prunable parameters kept, 0..1.
    pub parameter_density: f64,
    /// Share of their multiply-accumulates kept, 0..1.
    pub operation_density: f64,
    /// Each prunable layer, in the network's order.
    pub layers: Vec<LayerDensity>,
}

/// What a pruning kept of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerDensity {
    /// The weight's name, for example `layer1.0.conv1.weight`.
    pub name: String,
    /// Share of the layer's parameters kept, 0..1.
    pub parameter_density: f64,
    /// Share of the layer's multiply-accumulates kept, 0..1.
    pub operation_density: f64,
}

/// The part of the fact that a report needs.
#[derive(Deserialize)]
struct Shares {
    total: LayerDensity,
    layers: Vec<LayerDensity>,
}

/// Reads what every pruning of the suite kept, in the order of the suite. Stages without the fact are left out.
///
/// # Errors
/// [`ReportError::Store`] if a stage is missing or damaged, [`ReportError::NewerShares`], [`ReportError::Shares`].
pub fn gather(store: &Store, index: &SuiteIndex) -> Result<Vec<Pruning>> {
    let mut prunings = Vec::new();
    for (stage, row) in stages(store, index)? {
        let Some(Shares { total, layers }) = shares(&stage)? else { continue };
        prunings.push(Pruning {
            dataset: row.dataset.clone(),
            arch: row.arch.clone(),
            pruning: row.pruning.clone(),
            sparsity: row.sparsity,
            seed: row.seed,
            parameter_density: total.parameter_density,
            operation_density: total.operation_density,
            layers,
        });
    }
    Ok(prunings)
}

/// The `prune` stages that made the suite's models, each with the first row of its model, in the order of the suite.
pub(crate) fn stages<'a>(store: &Store, index: &'a SuiteIndex) -> Result<Vec<(Stage, &'a SuiteRow)>> {
    let mut stages = Vec::new();
    let mut seen = BTreeSet::new();
    for row in index.rows.iter().filter(|row| row.method != CLEAN) {
        let unlearn = store.stage("unlearn", &row.unlearn)?;
        let Some(model) = unlearn.manifest().inputs.get("model") else { continue };
        if seen.insert(model.clone())
            && let Some(stage) = store.find("prune", model)?
        {
            stages.push((stage, row));
        }
    }
    Ok(stages)
}

fn shares(stage: &Stage) -> Result<Option<Shares>> {
    let Some(fact) = stage.manifest().facts.get(FACT) else { return Ok(None) };
    let folder = || stage.path().to_path_buf();
    match fact.get("format").and_then(Value::as_u64) {
        Some(found) if found > FORMAT => Err(ReportError::NewerShares { folder: folder(), found, known: FORMAT }),
        Some(_) => Shares::deserialize(fact)
            .map(Some)
            .map_err(|error| ReportError::Shares { folder: folder(), problem: error.to_string() }),
        None => Err(ReportError::Shares { folder: folder(), problem: "it has no `format`".to_owned() }),
    }
}
