//! Pruning a network to a sparsity: score, select, prune, as many rounds as the criterion asks for.

use unlearn_masks::Mask;
use unlearn_network::Network;
use unlearn_training::{apply_mask, mask_over};

use crate::{
    Error, Result, Settings,
    criteria::{Subject, criterion},
    scopes::{prunable, scope},
};

/// Prunes the subject's network until the share `sparsity` of all covered weights is 0, with the criterion and scope that
/// `settings` name (their own `sparsity`, the schedule's aim, is not read).
///
/// The number pruned is the integer nearest to `sparsity` times the number of covered weights (halves to even). What is
/// pruned already stays so and counts. A criterion of several rounds keeps the same share of what remains in each.
///
/// # Errors
/// A score that is NaN, a mask that empties a layer unless `settings` allow it, a network that fails.
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

/// The density after `step` of `steps` from `from` to `to`, each of which keeps the same share of what remains.
pub(crate) fn geometric(from: f64, to: f64, step: usize, steps: usize) -> f64 {
    from * (to / from).powf(step as f64 / steps as f64)
}

/// Which covered weights a network keeps now.
pub(crate) fn current_mask(network: &Network, include_classifier: bool) -> Result<Mask> {
    let (graph, kept) = (network.graph(), network.kept());
    Ok(mask_over(graph, prunable(graph, include_classifier).into_iter().map(|id| (id, kept[id].as_deref())))?)
}
