//! The last stages of a network, for `cf-k` and `eu-k`.
//!
//! The first two parts of a layer's name determine its block: `layer2.0.conv1` belongs to `layer2.0`; `features.3`
//! and `conv1` are blocks of their own. Consecutive blocks whose outputs have the same resolution form a stage. Fully
//! connected layers belong to the last stage. So the small-image residual networks have three stages (`conv1` and
//! `layer1`, `layer2`, `layer3` and `fc`), torchvision's have four on small images and five on large ones, and VGG-16
//! has five.

use std::collections::BTreeMap;

use unlearn_network::{Graph, Network, Node, Op, State};
use unlearn_training::{Error, Result, Trainable};

/// The last `k` stages of a network.
pub(crate) struct LastStages {
    /// Whether each parameter is in these stages.
    parameters: Vec<bool>,
    /// Whether each buffer is in these stages.
    buffers: Vec<bool>,
}

impl LastStages {
    /// # Errors
    /// If `k` exceeds the number of stages.
    pub(crate) fn new(graph: &Graph, k: usize) -> Result<Self> {
        let stages = stages(graph);
        let count = stages.last().map_or(0, |(stage, _)| stage + 1);
        if k > count {
            return Err(Error::Unsuitable(format!(
                "`k` must lie in 1..={count}, the stages of {}, found {k}",
                graph.arch
            )));
        }
        let mut last =
            Self { parameters: vec![false; graph.parameters.len()], buffers: vec![false; graph.buffers.len()] };
        for (_, node) in stages.into_iter().filter(|(stage, _)| stage + k >= count) {
            let (parameters, buffers) = tensors(&node.op);
            for id in parameters {
                last.parameters[id] = true;
            }
            for id in buffers {
                last.buffers[id] = true;
            }
        }
        Ok(last)
    }

    /// The values that training may change: the parameters of these stages.
    pub(crate) fn trainable(&self, state: &State) -> Trainable {
        let parameters = self.parameters.iter().zip(state.parameters());
        parameters.map(|(inside, values)| if *inside { None } else { Some(vec![false; values.len()]) }).collect()
    }

    /// Sets these stages to their values in `other`. The mask stays.
    pub(crate) fn replace_by(&self, network: &mut Network, other: &State) {
        let mut state = network.state().clone();
        replace(state.parameters_mut(), other.parameters(), &self.parameters, true);
        replace(state.buffers_mut(), other.buffers(), &self.buffers, true);
        network.set_state(state);
    }

    /// Sets the running statistics before these stages to their values in `original`.
    pub(crate) fn restore_statistics_before(&self, network: &mut Network, original: &State) {
        let mut state = network.state().clone();
        replace(state.buffers_mut(), original.buffers(), &self.buffers, false);
        network.set_state(state);
    }
}

/// Copies the tensors whose flag equals `wanted`.
fn replace(tensors: &mut [Vec<f32>], by: &[Vec<f32>], flags: &[bool], wanted: bool) {
    for ((tensor, by), _) in tensors.iter_mut().zip(by).zip(flags).filter(|(_, flag)| **flag == wanted) {
        tensor.clone_from(by);
    }
}

/// The layers with tensors, in the graph's order, each with the number of its stage.
fn stages<'a>(graph: &'a Graph) -> Vec<(usize, &'a Node)> {
    let maps = graph.nodes.iter().filter(|node| node.shape.len() == 3);
    let resolutions: BTreeMap<&str, &[usize]> = maps.map(|node| (block(&node.name), &node.shape[1..])).collect();
    let owners = graph.nodes.iter().filter(|node| !tensors(&node.op).0.is_empty());
    let (mut stage, mut current) = (0, None);
    let number = |node: &'a Node| {
        if node.shape.len() == 3 {
            let resolution = resolutions.get(block(&node.name)).copied();
            if current.is_some() && current != Some(resolution) {
                stage += 1;
            }
            current = Some(resolution);
        }
        (stage, node)
    };
    owners.map(number).collect()
}

/// The first two parts of a name.
fn block(name: &str) -> &str {
    name.match_indices('.').nth(1).map_or(name, |(end, _)| &name[..end])
}

/// Parameters and buffers of a layer.
fn tensors(op: &Op) -> (Vec<usize>, Vec<usize>) {
    match *op {
        Op::Conv2d { weight, bias, .. } => ([weight].into_iter().chain(bias).collect(), vec![]),
        Op::BatchNorm2d { weight, bias, running_mean, running_var } => {
            (vec![weight, bias], vec![running_mean, running_var])
        }
        Op::Linear { weight, bias } => (vec![weight, bias], vec![]),
        Op::Token(ref op) => (op.parameters(), vec![]),
        _ => (vec![], vec![]),
    }
}

#[cfg(test)]
mod tests {
    use unlearn_models::{InputSpec, find};

    use super::*;

    /// The first names of the layers in each stage.
    fn names(arch: &str, side: usize) -> Vec<Vec<String>> {
        let input = InputSpec { shape: [3, side, side], classes: 10, mean: vec![0.0; 3], std: vec![1.0; 3] };
        let graph = find(arch).unwrap().graph(&input).unwrap();
        let mut names: Vec<Vec<String>> = vec![];
        for (stage, node) in stages(&graph) {
            names.resize(stage + 1, vec![]);
            let name = node.name.split('.').next().unwrap().to_owned();
            if names[stage].last() != Some(&name) {
                names[stage].push(name);
            }
        }
        names
    }

    #[test]
    fn stages_are_those_of_the_papers() {
        assert_eq!(names("resnet20s", 32), [vec!["conv1", "bn1", "layer1"], vec!["layer2"], vec!["layer3", "fc"]]);
        let small = [vec!["conv1", "bn1", "layer1"], vec!["layer2"], vec!["layer3"], vec!["layer4", "fc"]];
        assert_eq!(names("resnet18", 32), small);
        assert_eq!(names("resnet50", 32), small);
        let large = [vec!["conv1", "bn1"], vec!["layer1"], vec!["layer2"], vec!["layer3"], vec!["layer4", "fc"]];
        assert_eq!(names("resnet50", 224), large);
        let features = vec!["features"];
        let vgg = [features.clone(), features.clone(), features.clone(), features, vec!["features", "classifier"]];
        assert_eq!(names("vgg16_bn", 32), vgg);
    }

    #[test]
    fn more_stages_than_there_are_is_an_error_that_says_how_many() {
        let input = InputSpec { shape: [1, 8, 8], classes: 4, mean: vec![0.0], std: vec![1.0] };
        let graph = find("resnet8s").unwrap().graph(&input).unwrap();
        let message = LastStages::new(&graph, 4).err().unwrap().to_string();
        assert!(message.contains("1..=3") && message.contains("found 4"), "{message}");
        let all = LastStages::new(&graph, 3).unwrap();
        assert!(all.parameters.iter().chain(&all.buffers).all(|inside| *inside));
    }
}
