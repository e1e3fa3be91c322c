//! Puts a mask on a network: from then on its pruned weights are exactly 0, whatever trains it.

use unlearn_masks::Mask;
use unlearn_network::Network;

use crate::{Error, Result};

/// Prunes `network` by `mask`.
///
/// # Errors
/// A mask for another architecture, or of other shapes.
pub fn apply_mask(network: &mut Network, mask: &Mask) -> Result<()> {
    let graph = network.graph().clone();
    let layers: Vec<(&str, &[usize])> =
        graph.parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    mask.check_against(&graph.arch, &layers).map_err(Error::Mask)?;
    let kept = graph.parameters.iter().map(|p| mask.get(&p.name).map(|bits| bits.iter().collect())).collect();
    Ok(network.prune(kept)?)
}
