//! Pruning of a network to a sparsity: score, select and prune, in as many rounds as the criterion needs.

use unlearn_masks::Mask;
use unlearn_network::Network;
use unlearn_training::{apply_mask, mask_over};

use crate::{
    Error, Result, Settings,
    criteria::{Subject, criterion},
    scopes::{prunable, scope},
};

/// Prunes the subject's network until the share `sparsity` of all covered weights is 0, with the criterion and scope
/// that `settings` name. The field `sparsity` of `settings` is the aim of the schedule, and is not used here.
///
/// The number of pruned weights is the integer nearest to `sparsity` times the number of covered weights (halves to
/// even). Weights that are already pruned count and stay pruned. In a criterion of several rounds, each round keeps
/// the same share of the remaining weights.
///
/// # Errors
/// If a score is NaN, the mask empties a layer and `settings` do not allow it, or the network fails.
pub fn prune_to(subject: &mut Subject<'_>, settings: &Settings, sparsity: f64) -> Result<Mask> {
    let graph = subject.network.graph().clone();
    let covered = prunable(&graph, settings.include_classifier);
    let (criterion, scope) = (criterion(&settings.criterion)?, scope(&settings.scope)?);
    let mut mask = current_mask(subject.network, settings.include_classifier)?;
    let from = mask.density();
    for round in 1..=criterion.rounds {
        let last = round == criterion.rounds;
        let sparsity = if last { sparsity } else { 1.0 - geometric(from, 1.0 - sparsity, round, criterion.rounds) };
        let keep = mask.len() - (sparsity * mask.len() as f64).round_ties_even() as usize;
        if keep < mask.kept() {
            let scores = (criterion.score)(subject, &covered)?;
            mask = scope.select(&graph, &scores, subject.network.kept(), keep)?;
            apply_mask(subject.network, &mask)?;
        }
    }
    match mask.empty_layers().first() {
        Some(layer) if !settings.allow_collapse => Err(Error::LayerCollapse { layer: (*layer).to_string(), sparsity }),
        _ => Ok(mask),
    }
}

/// The density after `step` of `steps` steps from `from` to `to`. Each step keeps the same share of the remaining
/// weights.
pub(crate) fn geometric(from: f64, to: f64, step: usize, steps: usize) -> f64 {
    from * (to / from).powf(step as f64 / steps as f64)
}

/// The covered weights that a network currently keeps.
pub(crate) fn current_mask(network: &Network, include_classifier: bool) -> Result<Mask> {
    let (graph, kept) = (network.graph(), network.kept());
    Ok(mask_over(graph, prunable(graph, include_classifier).into_iter().map(|id| (id, kept[id].as_deref())))?)
}
