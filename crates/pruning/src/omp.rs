//! `omp`: one-shot pruning. Train dense, prune to the sparsity asked for in one step, rewind, retrain (arXiv 2304.04934,
//! section 4.1; Ma et al. 2021, arXiv 2107.00166).

use serde::{Deserialize, Serialize};
use unlearn_training::apply_mask;

use crate::{
    Error, Outcome, Plan, PruningMethod, Request, Result, Rewind, criteria::criterion, method::refuse_collapse, scope,
};

pub(crate) const METHOD: PruningMethod = PruningMethod {
    name: "omp",
    summary: "one shot: train dense, prune, rewind, retrain",
    source: "Jia et al. 2023, arXiv 2304.04934, section 4.1",
    resolve: |config| serde_json::to_value(parse(config)?).map_err(|e| refusal(&e)),
    plan: |config| Ok(parse(config)?.plan()),
    run: |config, request| run(&parse(config)?, request),
};

/// Keys of `omp`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Config {
    /// Share of the convolution weights to prune, in 0..1.
    sparsity: f64,
    /// What a weight is worth.
    criterion: String,
    /// Where the kept weights go back to.
    rewind: Rewind,
    /// The epoch of `rewind-lt`; the paper's is 8 of 182.
    rewind_epoch: usize,
    /// Prune the classifier's weight as well.
    include_classifier: bool,
    /// Accept a mask that leaves nothing of a layer.
    allow_collapse: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sparsity: 0.95,
            criterion: "magnitude".into(),
            rewind: Rewind::RewindLt,
            rewind_epoch: 8,
            include_classifier: false,
            allow_collapse: false,
        }
    }
}

impl Config {
    fn plan(&self) -> Plan {
        let snapshots = if self.rewind == Rewind::RewindLt { vec![self.rewind_epoch] } else { vec![] };
        Plan { sparsity: self.sparsity, snapshots }
    }
}

fn refusal(reason: &dyn std::fmt::Display) -> Error {
    Error::Config { method: METHOD.name, reason: reason.to_string() }
}

fn parse(config: &serde_json::Value) -> Result<Config> {
    let config: Config = serde_json::from_value(config.clone()).map_err(|e| refusal(&e))?;
    if !(config.sparsity > 0.0 && config.sparsity < 1.0) {
        return Err(refusal(&format!(
            "`sparsity` must lie strictly between 0 and 1, found {}; for a dense model use method `none`",
            config.sparsity
        )));
    }
    if config.rewind == Rewind::RewindLt && config.rewind_epoch == 0 {
        return Err(refusal(&"`rewind-epoch` must be 1 or more; for the initialisation use `rewind = \"lt\"`"));
    }
    criterion(&config.criterion)?;
    Ok(config)
}

fn run(config: &Config, request: &mut Request<'_>) -> Result<Outcome> {
    let graph = request.network.graph().clone();
    let covered = scope::prunable(&graph, config.include_classifier);
    let scores = (criterion(&config.criterion)?.score)(request.network, &covered)?;
    let mask = scope::global(&graph, &scores, config.sparsity)?;
    if !config.allow_collapse {
        refuse_collapse(&mask, config.sparsity)?;
    }
    let start_epoch = match config.rewind {
        Rewind::Lt => {
            request.network.set_state(request.initial.clone());
            0
        }
        Rewind::RewindLt => {
            let epoch = config.rewind_epoch;
            let snapshot = (request.snapshot)(epoch).ok_or_else(|| {
                let epochs = request.recipe.epochs;
                refusal(&format!("`rewind-epoch` is {epoch}, but dense training has {epochs} epochs"))
            })?;
            request.network.set_state(snapshot);
            epoch
        }
        Rewind::Pt => 0,
    };
    apply_mask(request.network, &mask)?;
    let epochs = request.retrain(start_epoch)?;
    Ok(Outcome { mask, epochs })
}
