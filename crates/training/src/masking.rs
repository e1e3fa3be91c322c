//! Conversions between the two representations of kept weights: a [`Mask`] by parameter names and a network's
//! [`Kept`] by parameter index. Pruned weights of a network stay exactly 0 in all training.

use unlearn_masks::{Bits, Mask};
use unlearn_network::{Graph, Kept, Network, ParameterId};

use crate::{Error, Result};

/// The kept weights of each parameter of `graph`, or `None` for parameters that `mask` does not cover.
///
/// # Errors
/// If the mask is for another architecture or has other shapes.
pub fn kept_by(mask: &Mask, graph: &Graph) -> Result<Kept> {
    let layers: Vec<(&str, &[usize])> =
        graph.parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    mask.check_against(&graph.arch, &layers).map_err(Error::Mask)?;
    Ok(graph.parameters.iter().map(|p| mask.get(&p.name).map(|bits| bits.iter().collect())).collect())
}

/// A mask that covers these parameters of `graph`, each with its kept weights. `None` means that the whole parameter
/// is kept.
///
/// # Errors
/// If the length of a pattern is not that of its parameter.
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

/// Prunes `network` with `mask`.
///
/// # Errors
/// As [`kept_by`].
pub fn apply_mask(network: &mut Network, mask: &Mask) -> Result<()> {
    let kept = kept_by(mask, network.graph())?;
    Ok(network.prune(kept)?)
}

/// The mask of `network`. It covers the tensors with pruned weights and those that a mask covers without pruning any.
/// The result is `None` if no weight is pruned.
///
/// # Errors
/// None in practice; errors of the mask are passed on.
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
