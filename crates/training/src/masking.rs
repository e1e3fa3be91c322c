//! A mask put on a network, from when on its pruned weights are exactly 0, whatever trains it; and read off again.

use unlearn_masks::{Bits, Mask};
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

/// The mask that `network` has: the tensors of which pruning left a part or nothing, and those that a mask covers whole; `None`
/// where no weight is pruned.
///
/// # Errors
/// None in practice; the mask's own refusals are passed on.
pub fn mask_of(network: &Network) -> Result<Option<Mask>> {
    let graph = network.graph();
    let mut mask = Mask::new(graph.arch.as_str());
    for (parameter, kept) in graph.parameters.iter().zip(network.kept()) {
        if let Some(kept) = kept {
            mask.insert(parameter.name.as_str(), Bits::from_bools(&parameter.shape, kept).map_err(Error::Mask)?);
        }
    }
    Ok((mask.kept() < mask.len()).then_some(mask))
}
