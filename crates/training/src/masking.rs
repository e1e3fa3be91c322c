//! The two spellings of which weights are kept, a [`Mask`] by names and a network's [`Kept`] by parameters, and the one way from
//! each to the other. A mask put on a network keeps its pruned weights exactly 0, whatever trains it.

use unlearn_masks::{Bits, Mask};
use unlearn_network::{Graph, Kept, Network, ParameterId};

use crate::{Error, Result};

/// What `mask` keeps of each parameter of `graph`; `None` of those that it does not cover.
///
/// # Errors
/// A mask for another architecture, or of other shapes.
pub fn kept_by(mask: &Mask, graph: &Graph) -> Result<Kept> {
    let layers: Vec<(&str, &[usize])> =
        graph.parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    mask.check_against(&graph.arch, &layers).map_err(Error::Mask)?;
    Ok(graph.parameters.iter().map(|p| mask.get(&p.name).map(|bits| bits.iter().collect())).collect())
}

/// The mask that covers these parameters of `graph`, and keeps of each what stands beside it: all of it where nothing does.
///
/// # Errors
/// A pattern of another length than its parameter.
pub fn mask_over<'a>(
    graph: &Graph,
    parameters: impl IntoIterator<Item = (ParameterId, Option<&'a [bool]>)>,
) -> unlearn_masks::Result<Mask> {
    let mut mask = Mask::new(graph.arch.as_str());
    for (id, kept) in parameters {
        let parameter = &graph.parameters[id];
        let shape = &parameter.shape;
        let bits = kept.map_or_else(|| Bits::ones(shape), |kept| Bits::from_bools(shape, kept))?;
        mask.insert(parameter.name.as_str(), bits);
    }
    Ok(mask)
}

/// Prunes `network` by `mask`.
///
/// # Errors
/// As [`kept_by`].
pub fn apply_mask(network: &mut Network, mask: &Mask) -> Result<()> {
    let kept = kept_by(mask, network.graph())?;
    Ok(network.prune(kept)?)
}

/// The mask that `network` has: the tensors of which pruning left a part or nothing, and those that a mask covers whole; `None`
/// where no weight is pruned.
///
/// # Errors
/// None in practice; the mask's own refusals are passed on.
pub fn mask_of(network: &Network) -> Result<Option<Mask>> {
    let covered = network.kept().iter().enumerate().filter(|(_, kept)| kept.is_some());
    let mask = mask_over(network.graph(), covered.map(|(id, kept)| (id, kept.as_deref()))).map_err(Error::Mask)?;
    Ok((mask.kept() < mask.len()).then_some(mask))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unlearn_network::{DeviceChoice, GraphBuilder, State};

    use super::*;

    fn network() -> Network {
        let (mut builder, input) = GraphBuilder::new("tiny", [1, 4, 4]);
        let conv = builder.conv2d("conv", input, 2, 1, 1, 0);
        let pool = builder.global_avg_pool("pool", conv);
        builder.linear("fc", pool, 2);
        let graph = Arc::new(builder.finish());
        Network::new(graph.clone(), State::zeros(&graph), DeviceChoice::Cpu).unwrap()
    }

    #[test]
    fn a_mask_put_on_a_network_is_read_off_again() {
        let mut network = network();
        assert_eq!(mask_of(&network).unwrap(), None);
        let mask = mask_over(network.graph(), [(0, Some(&[true, false][..])), (1, None)]).unwrap();
        assert_eq!((mask.len(), mask.kept()), (6, 5));
        apply_mask(&mut network, &mask).unwrap();
        assert_eq!(network.kept()[..2], [Some(vec![true, false]), Some(vec![true; 4])]);
        assert_eq!(kept_by(&mask, network.graph()).unwrap(), *network.kept());
        assert_eq!(mask_of(&network).unwrap(), Some(mask));
    }

    #[test]
    fn a_mask_of_another_architecture_or_length_is_refused() {
        let network = network();
        assert!(matches!(kept_by(&Mask::new("other"), network.graph()), Err(Error::Mask(_))));
        assert!(mask_over(network.graph(), [(0, Some(&[true][..]))]).is_err());
    }
}
