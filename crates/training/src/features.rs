//! Features of images: the inputs of a model's last layer, in evaluation mode.

use std::sync::Arc;

use unlearn_network::{DeviceChoice, Network, State};
use unlearn_samples::ImageSet;

use crate::{Predictions, Result, head::head_of, predict};

/// Features of a set of samples, in the order of the requested positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// `[count, dims]`, row-major.
    pub values: Vec<f32>,
    /// True class of each sample.
    pub labels: Vec<u32>,
    /// Number of features of a sample.
    pub dims: usize,
}

/// The inputs of the network's last layer for the samples at `indices`, without augmentation.
///
/// # Errors
/// If there are no samples, if the last layer is not fully connected, or if the network fails.
pub fn features(network: &Network, device: DeviceChoice, images: &ImageSet, indices: &[u32]) -> Result<Features> {
    let Predictions { logits, labels, classes } = predict(&mut headless(network, device)?, images, indices)?;
    Ok(Features { values: logits, labels, dims: classes })
}

/// The same network with the identity as its last layer, so that its logits are the features, bit for bit.
fn headless(network: &Network, device: DeviceChoice) -> Result<Network> {
    let mut graph = network.graph().as_ref().clone();
    let [weight, bias] = head_of(&graph)?;
    let dims = graph.parameters[weight].shape[1];
    graph.parameters[weight].shape = vec![dims, dims];
    graph.parameters[bias].shape = vec![dims];
    if let Some(last) = graph.nodes.last_mut() {
        last.shape = vec![dims];
    }
    let mut state = State::zeros(&graph);
    for (id, values) in network.state().parameters().iter().enumerate() {
        if id != weight && id != bias {
            state.parameters_mut()[id].clone_from(values);
        }
    }
    for (to, from) in state.buffers_mut().iter_mut().zip(network.state().buffers()) {
        to.clone_from(from);
    }
    state.parameters_mut()[weight].iter_mut().step_by(dims + 1).for_each(|on_the_diagonal| *on_the_diagonal = 1.0);
    Ok(Network::new(Arc::new(graph), state, device)?)
}

#[cfg(test)]
mod tests {
    use unlearn_models::{InputSpec, find, initialize};
    use unlearn_network::Op;

    use super::*;

    #[test]
    fn the_last_layer_on_the_features_gives_the_logits() {
        let input = InputSpec { shape: [1, 28, 28], classes: 3, mean: vec![0.5], std: vec![0.25] };
        let graph = find("resnet8s").unwrap().graph(&input).unwrap();
        let state = initialize(&graph, 1);
        let pixels: Vec<u8> = (0..5 * 784_usize).map(|i| (i * 7 % 251) as u8).collect();
        let images = ImageSet::new([1, 28, 28], pixels, vec![0, 1, 2, 0, 1]).unwrap();
        let mut network = Network::new(Arc::clone(&graph), state, DeviceChoice::Cpu).unwrap();
        let found = features(&network, DeviceChoice::Cpu, &images, &[4, 0, 2]).unwrap();
        assert_eq!((found.dims, found.values.len(), &found.labels[..]), (64, 192, &[1, 0, 2][..]));
        let logits = predict(&mut network, &images, &[4, 0, 2]).unwrap().logits;
        let Some(Op::Linear { weight, bias }) = graph.nodes.last().map(|node| node.op.clone()) else { panic!() };
        let (weight, bias) = (&network.state().parameters()[weight], &network.state().parameters()[bias]);
        for (features, logits) in found.values.chunks(64).zip(logits.chunks(3)) {
            for class in 0..3 {
                let sum: f32 = weight[class * 64..][..64].iter().zip(features).map(|(w, x)| w * x).sum();
                assert!((sum + bias[class] - logits[class]).abs() < 1e-4, "{sum} {logits:?}");
            }
        }
    }
}
