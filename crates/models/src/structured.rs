//! Removes the channels of a pruned model that its logits do not depend on, which gives a smaller dense network with the same outputs.
//!
//! A channel can be removed if nothing reads it, or if it holds the same value for every image: a filter of zeros before a normalisation
//! gives β − γμ/σ. This value is often not 0, so the layer that reads the channel must still receive it. A fully connected layer adds it
//! to its bias. A convolution pads its map with zeros, so a bias cannot replace the value. There, all constant channels of a map become
//! one channel that holds 1; its weights are the sum of their weights times their values.
//!
//! Additions connect channels: all maps of a residual stream keep or lose the same channels. Channels that reach an option-A shortcut,
//! which depends on their number, or a grouped convolution all stay.

use std::collections::{BTreeMap, BTreeSet};

use unlearn_network::{BATCH_NORM_EPSILON, Graph, NodeId, Op, State, Widths};

use crate::Result;

/// A network without its dead channels.
#[derive(Debug, Clone)]
pub struct Structured {
    /// The narrowed graph.
    pub graph: Graph,
    /// The values of its tensors.
    pub state: State,
    /// The number of channels that each narrowed convolution writes.
    pub widths: Widths,
}

/// Removes every channel that the logits do not depend on. In evaluation, outputs are the same up to rounding.
///
/// # Errors
/// None in practice: only if graph and state do not belong together.
pub fn structured(graph: &Graph, state: &State) -> Result<Structured> {
    let model = Model { graph, state };
    let constants = model.constants();
    let live = model.live(&constants);
    let streams = model.streams(&constants, &live);
    let mut widths = Widths::new();
    for (node, stream) in graph.nodes.iter().zip(&streams) {
        if let Op::Conv2d { weight, .. } = node.op
            && stream.width() < node.shape[0]
        {
            widths.insert(graph.parameters[weight].name.clone(), stream.width());
        }
    }
    let narrow = graph.narrowed(&widths)?;
    let mut gathered = State::zeros(&narrow);
    for id in 0..graph.nodes.len() {
        model.gather(id, &constants, &streams, &mut gathered);
    }
    Ok(Structured { graph: narrow, state: gathered, widths })
}

/// Per node and channel: the value that it holds for every image at every pixel, if there is one.
type Constants = Vec<Vec<Option<f64>>>;

/// The channels of a node that stay and go; the same for all nodes of a residual stream.
#[derive(Debug, Clone)]
struct Stream {
    /// Channels that stay, ascending.
    kept: Vec<usize>,
    /// The value, at this node, of an additional channel. That channel replaces all removed channels whose value is not 0.
    merged: Option<f64>,
}

impl Stream {
    fn whole(channels: usize) -> Self {
        Self { kept: (0..channels).collect(), merged: None }
    }

    fn width(&self) -> usize {
        self.kept.len() + usize::from(self.merged.is_some())
    }

    /// The kept entries of `values`, and then `merged` for the additional channel.
    fn select(&self, values: &[f32], merged: f32) -> Vec<f32> {
        self.kept.iter().map(|channel| values[*channel]).chain(self.merged.map(|_| merged)).collect()
    }

    /// Removed channels with their values at a node, if these are not 0.
    fn removed<'a>(&'a self, constants: &'a [Option<f64>]) -> impl Iterator<Item = (usize, f64)> + 'a {
        let constants = constants.iter().enumerate();
        let gone = constants.filter(|(channel, _)| self.kept.binary_search(channel).is_err());
        gone.filter_map(|(channel, value)| Some((channel, value.filter(|value| *value != 0.0)?)))
    }
}

struct Model<'a> {
    graph: &'a Graph,
    state: &'a State,
}

impl Model<'_> {
    /// The weights between one output channel and one input channel of an ungrouped convolution or a fully connected layer.
    fn weights(&self, weight: usize, output: usize, input: usize) -> &[f32] {
        let shape = &self.graph.parameters[weight].shape;
        let size: usize = shape[2..].iter().product();
        &self.state.parameters()[weight][(output * shape[1] + input) * size..][..size]
    }

    fn reads(&self, weight: usize, output: usize, input: usize) -> bool {
        self.weights(weight, output, input).iter().any(|value| *value != 0.0)
    }

    fn constants(&self) -> Constants {
        let mut constants = Constants::with_capacity(self.graph.nodes.len());
        for node in &self.graph.nodes {
            let of = |input: usize| &constants[node.inputs[input]];
            let found = match node.op {
                Op::Input | Op::Normalize { .. } | Op::Linear { .. } | Op::Token(_) => vec![None; node.shape[0]],
                Op::Conv2d { weight, bias, groups, .. } => {
                    let (outputs, per_group) = (node.shape[0], self.graph.parameters[weight].shape[1]);
                    let sees = |output: usize, input: usize| {
                        let channel = output / (outputs / groups) * per_group + input;
                        of(0)[channel] != Some(0.0) && self.reads(weight, output, input)
                    };
                    let value = |output: usize| bias.map_or(0.0, |b| f64::from(self.state.parameters()[b][output]));
                    let constant = |output: usize| !(0..per_group).any(|input| sees(output, input));
                    (0..outputs).map(|output| constant(output).then(|| value(output))).collect()
                }
                Op::BatchNorm2d { weight, bias, running_mean, running_var } => {
                    let at = |values: &[Vec<f32>], id: usize, channel: usize| f64::from(values[id][channel]);
                    let (parameters, buffers) = (self.state.parameters(), self.state.buffers());
                    let normalise = |(channel, value): (usize, &Option<f64>)| {
                        let scale = at(parameters, weight, channel);
                        let scale = scale / (at(buffers, running_var, channel) + BATCH_NORM_EPSILON).sqrt();
                        let shift = at(parameters, bias, channel);
                        let centred = value.map(|value| value - at(buffers, running_mean, channel));
                        if scale == 0.0 { Some(shift) } else { centred.map(|centred| centred * scale + shift) }
                    };
                    of(0).iter().enumerate().map(normalise).collect()
                }
                Op::Relu => of(0).iter().map(|value| value.map(|value| value.max(0.0))).collect(),
                Op::MaxPool2d { .. } | Op::GlobalAvgPool => of(0).clone(),
                Op::Add => of(0).iter().zip(of(1)).map(|(a, b)| Some((*a)? + (*b)?)).collect(),
                Op::ShortcutA { out_channels, .. } => {
                    let before = (out_channels - of(0).len()) / 2;
                    let mut padded = vec![Some(0.0); out_channels];
                    padded[before..before + of(0).len()].copy_from_slice(of(0));
                    padded
                }
            };
            constants.push(found);
        }
        constants
    }

    /// Per node and channel: whether a logit depends on it.
    fn live(&self, constants: &Constants) -> Vec<Vec<bool>> {
        let nodes = &self.graph.nodes;
        let mut live: Vec<Vec<bool>> = nodes.iter().map(|node| vec![false; node.shape[0]]).collect();
        if let Some(logits) = live.last_mut() {
            logits.fill(true);
        }
        for (id, node) in nodes.iter().enumerate().rev() {
            let passes: Vec<bool> =
                live[id].iter().zip(&constants[id]).map(|(live, constant)| *live && constant.is_none()).collect();
            let outputs = |count: usize| (0..count).filter(|output| passes[*output]);
            for input in &node.inputs {
                let needed: Vec<bool> = match node.op {
                    Op::Conv2d { weight, groups, .. } => {
                        let (per_group, share) = (self.graph.parameters[weight].shape[1], node.shape[0] / groups);
                        let reads = |channel: usize| {
                            let mut readers = outputs(node.shape[0]).filter(|o| o / share == channel / per_group);
                            readers.any(|output| self.reads(weight, output, channel % per_group))
                        };
                        (0..live[*input].len()).map(reads).collect()
                    }
                    Op::Linear { weight, .. } => {
                        let reads = |channel: usize| outputs(node.shape[0]).any(|o| self.reads(weight, o, channel));
                        (0..live[*input].len()).map(reads).collect()
                    }
                    Op::ShortcutA { out_channels, .. } => {
                        let before = (out_channels - live[*input].len()) / 2;
                        passes[before..before + live[*input].len()].to_vec()
                    }
                    _ => passes.clone(),
                };
                live[*input].iter_mut().zip(needed).for_each(|(live, needed)| *live |= needed);
            }
        }
        live
    }

    /// The channels that stay and go, for each node.
    fn streams(&self, constants: &Constants, live: &[Vec<bool>]) -> Vec<Stream> {
        let members = self.members();
        let ones = self.values_of_a_merged_channel();
        let mut streams: Vec<Stream> = self.graph.nodes.iter().map(|node| Stream::whole(node.shape[0])).collect();
        for nodes in members.values().filter(|nodes| nodes.iter().all(|node| self.may_lose_channels(*node))) {
            let varies = |channel: usize| nodes.iter().any(|n| live[*n][channel] && constants[*n][channel].is_none());
            let channels = self.graph.nodes[nodes[0]].shape[0];
            let mut stream = Stream { kept: (0..channels).filter(|channel| varies(*channel)).collect(), merged: None };
            let read_by_convolutions: BTreeSet<NodeId> = self.read_by_convolutions(nodes).collect();
            let needs_merged = |node: &NodeId| {
                let mut removed = stream.removed(&constants[*node]);
                removed.any(|(channel, _)| live[*node][channel])
            };
            let needing: Vec<NodeId> = read_by_convolutions.into_iter().filter(needs_merged).collect();
            if needing.iter().any(|node| ones[*node] == 0.0) {
                continue; // No normalisation could give a channel the value 1 here.
            }
            if needing.is_empty() && stream.kept.is_empty() {
                stream.kept.push(0); // A map needs a channel, be it dead.
            }
            for node in nodes {
                let merged = (!needing.is_empty()).then_some(ones[*node]);
                streams[*node] = Stream { merged, ..stream.clone() };
            }
        }
        streams
    }

    /// The nodes of each residual stream, by its first node. Nodes that do not change the order of channels are in the same stream.
    fn members(&self) -> BTreeMap<NodeId, Vec<NodeId>> {
        let nodes = &self.graph.nodes;
        let mut first: Vec<NodeId> = (0..nodes.len()).collect();
        for (id, node) in nodes.iter().enumerate() {
            let keeps_channels = matches!(
                node.op,
                Op::Normalize { .. }
                    | Op::BatchNorm2d { .. }
                    | Op::Relu
                    | Op::MaxPool2d { .. }
                    | Op::GlobalAvgPool
                    | Op::Add
            );
            for input in node.inputs.iter().filter(|_| keeps_channels) {
                let (one, other) = (first[id].min(first[*input]), first[id].max(first[*input]));
                first.iter_mut().filter(|root| **root == other).for_each(|root| *root = one);
            }
        }
        let mut members = BTreeMap::<NodeId, Vec<NodeId>>::new();
        for (id, root) in first.into_iter().enumerate() {
            members.entry(root).or_default().push(id);
        }
        members
    }

    /// False if all channels must stay: those of images and logits, and those that touch an option-A shortcut, a grouped convolution or a
    /// layer of a transformer.
    fn may_lose_channels(&self, id: NodeId) -> bool {
        let nodes = &self.graph.nodes;
        let counts = |node: &Op| {
            matches!(node, Op::ShortcutA { .. } | Op::Token(_))
                || matches!(node, Op::Conv2d { groups, .. } if *groups > 1)
        };
        let counted = nodes.iter().any(|reader| counts(&reader.op) && reader.inputs.contains(&id));
        let fixed = counts(&nodes[id].op) || matches!(nodes[id].op, Op::Input | Op::Linear { .. });
        !(fixed || counted || id + 1 == nodes.len())
    }

    fn read_by_convolutions<'a>(&'a self, nodes: &'a [NodeId]) -> impl Iterator<Item = NodeId> + 'a {
        let readers = self.graph.nodes.iter().filter(|node| matches!(node.op, Op::Conv2d { .. }));
        readers.map(|node| node.inputs[0]).filter(|input| nodes.contains(input))
    }

    /// The value, at each node, of a channel that no convolution writes, if every normalisation gives it 1.
    fn values_of_a_merged_channel(&self) -> Vec<f64> {
        let mut values = Vec::with_capacity(self.graph.nodes.len());
        for node in &self.graph.nodes {
            let value = match node.op {
                Op::BatchNorm2d { .. } => 1.0,
                Op::Relu | Op::MaxPool2d { .. } | Op::GlobalAvgPool | Op::Add => {
                    node.inputs.iter().map(|input| values[*input]).sum()
                }
                _ => 0.0,
            };
            values.push(value);
        }
        values
    }

    /// Writes the tensors of a node as they are in the narrowed network, in which tensors have the same numbers.
    fn gather(&self, id: NodeId, constants: &Constants, streams: &[Stream], to: &mut State) {
        let (node, stream) = (&self.graph.nodes[id], &streams[id]);
        let (parameters, buffers) = (self.state.parameters(), self.state.buffers());
        let mut put = |parameter: usize, values| to.parameters_mut()[parameter] = values;
        match node.op {
            Op::Conv2d { weight, bias, groups, .. } => {
                let read = node.inputs[0];
                let values = if groups > 1 {
                    parameters[weight].clone()
                } else {
                    let rows =
                        stream.kept.iter().map(|output| self.row(weight, *output, &streams[read], &constants[read]));
                    let mut values: Vec<f32> = rows.flatten().collect();
                    let size: usize = self.graph.parameters[weight].shape[2..].iter().product();
                    values.resize(stream.width() * streams[read].width() * size, 0.0);
                    values
                };
                put(weight, values);
                if let Some(bias) = bias {
                    put(bias, stream.select(&parameters[bias], 0.0));
                }
            }
            Op::BatchNorm2d { weight, bias, running_mean, running_var } => {
                put(weight, stream.select(&parameters[weight], 0.0));
                put(bias, stream.select(&parameters[bias], 1.0));
                for (buffer, merged) in [(running_mean, 0.0), (running_var, 1.0)] {
                    to.buffers_mut()[buffer] = stream.select(&buffers[buffer], merged);
                }
            }
            Op::Linear { weight, bias } => {
                let (read, constants) = (&streams[node.inputs[0]], &constants[node.inputs[0]]);
                let row = |output: usize| (0..constants.len()).map(move |input| self.weights(weight, output, input)[0]);
                let rows = (0..node.shape[0]).map(|output| read.select(&row(output).collect::<Vec<_>>(), 0.0));
                put(weight, rows.flatten().collect());
                let moved = |output: usize| {
                    let parts = read.removed(constants);
                    parts.map(|(c, value)| value * f64::from(self.weights(weight, output, c)[0])).sum::<f64>()
                };
                let shifted = parameters[bias].iter().enumerate();
                put(bias, shifted.map(|(output, value)| (f64::from(*value) + moved(output)) as f32).collect());
            }
            _ => {}
        }
    }

    /// The weights of one output channel for the remaining channels of a map.
    fn row(&self, weight: usize, output: usize, read: &Stream, constants: &[Option<f64>]) -> Vec<f32> {
        let kept = read.kept.iter().flat_map(|input| self.weights(weight, output, *input));
        let mut row: Vec<f32> = kept.copied().collect();
        if let Some(one) = read.merged {
            let mut sums = vec![0.0; self.weights(weight, output, 0).len()];
            for (channel, value) in read.removed(constants) {
                for (sum, weight) in sums.iter_mut().zip(self.weights(weight, output, channel)) {
                    *sum += value / one * f64::from(*weight);
                }
            }
            row.extend(sums.into_iter().map(|sum| sum as f32));
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unlearn_network::{DeviceChoice, Mode, Network, ParameterKind};

    use super::*;
    use crate::{InputSpec, find, initialize};

    /// A model with statistics and shifts of both signs, as after training.
    fn trained(arch: &str, side: usize) -> (Arc<Graph>, State) {
        let input = InputSpec { shape: [1, side, side], classes: 5, mean: vec![0.4], std: vec![0.3] };
        let graph = find(arch).unwrap().graph(&input).unwrap();
        let mut state = initialize(&graph, 3);
        let wave = |i: usize, step: f32| (step * (i as f32 + 1.0)).sin();
        for (parameter, values) in graph.parameters.iter().zip(state.parameters_mut()) {
            match parameter.kind {
                ParameterKind::NormBias | ParameterKind::ConvBias => {
                    values.iter_mut().enumerate().for_each(|(i, value)| *value = 0.3 * wave(i, 2.3));
                }
                ParameterKind::NormWeight => {
                    values.iter_mut().enumerate().for_each(|(i, value)| *value = 1.0 + 0.3 * wave(i, 1.7));
                }
                _ => {}
            }
        }
        for (buffer, values) in graph.buffers.iter().zip(state.buffers_mut()) {
            let initial = buffer.initial;
            values.iter_mut().enumerate().for_each(|(i, value)| *value = initial + 0.2 * wave(i, 3.1));
        }
        (graph, state)
    }

    /// Zeroes the output (or input) channels that a rule selects, of every convolution but the first.
    fn prune(graph: &Graph, state: &mut State, inputs: bool, gone: impl Fn(usize, usize) -> bool) {
        let convolutions = graph.parameters.iter().zip(state.parameters_mut()).enumerate();
        let convolutions = convolutions.filter(|(_, (parameter, _))| parameter.kind == ParameterKind::ConvWeight);
        for (id, (parameter, values)) in convolutions.skip(1) {
            let size = parameter.shape[2] * parameter.shape[3];
            for (i, value) in values.iter_mut().enumerate() {
                let (output, input) = (i / size / parameter.shape[1], i / size % parameter.shape[1]);
                if gone(id, if inputs { input } else { output }) {
                    *value = 0.0;
                }
            }
        }
    }

    fn logits(graph: &Graph, state: &State) -> Vec<f32> {
        let mut network = Network::new(Arc::new(graph.clone()), state.clone(), DeviceChoice::CpuDirect).unwrap();
        let count = 3 * graph.input_shape().iter().product::<usize>();
        let images: Vec<f32> = (0..count).map(|i| 0.5 + 0.5 * (0.37 * i as f32).sin()).collect();
        let mut logits = Vec::new();
        network.forward(&images, Mode::Evaluate, &mut logits).unwrap();
        logits
    }

    fn assert_same_outputs(case: &str, graph: &Graph, state: &State, narrow: &Structured) {
        let (before, after) = (logits(graph, state), logits(&narrow.graph, &narrow.state));
        let largest = before.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (before, after) in before.iter().zip(&after) {
            assert!((before - after).abs() <= 2e-5 * largest, "{case}: {before} became {after}");
        }
    }

    #[test]
    fn pruned_filters_go_and_their_constants_stay_in_the_outputs() {
        for (arch, side) in
            [("resnet8s", 16), ("resnet18", 16), ("resnet50", 8), ("resnext50_32x4d", 8), ("vgg16_bn", 32)]
        {
            let (graph, mut state) = trained(arch, side);
            prune(&graph, &mut state, false, |id, channel| (channel + id) % 3 != 0);
            let narrow = structured(&graph, &state).unwrap();
            assert_same_outputs(arch, &graph, &state, &narrow);
            assert!(narrow.graph.parameter_count() * 3 < graph.parameter_count() * 2, "{arch}");
        }
    }

    #[test]
    fn channels_that_nothing_reads_go_without_a_trace() {
        let (graph, mut state) = trained("vgg16_bn_lth", 32);
        prune(&graph, &mut state, true, |_, channel| channel % 4 != 0);
        let narrow = structured(&graph, &state).unwrap();
        assert_same_outputs("vgg16_bn_lth", &graph, &state, &narrow);
        let width = |name: &str| narrow.graph.parameters[narrow.graph.parameter(name).unwrap()].shape[0];
        // Exactly a quarter remains, with no additional channel. The classifier reads the last convolution, which stays whole.
        let quarter = narrow.widths.values().filter(|width| [16, 32, 64, 128].contains(*width)).count();
        assert_eq!((quarter, narrow.widths.len()), (12, 12), "{:?}", narrow.widths);
        assert_eq!(width("features.40.weight"), 512);
    }

    #[test]
    fn a_stream_loses_what_all_its_writers_leave_constant() {
        let (graph, mut state) = trained("resnet18", 16);
        let stream = ["conv1", "layer1.0.conv2", "layer1.1.conv2"];
        for name in stream {
            let weight = graph.parameter(&format!("{name}.weight")).unwrap();
            let filter = state.parameters()[weight].len() / 64;
            state.parameters_mut()[weight][..filter * 40].fill(0.0);
        }
        let narrow = structured(&graph, &state).unwrap();
        assert_same_outputs("stream", &graph, &state, &narrow);
        assert!(stream.iter().all(|name| narrow.widths[&format!("{name}.weight")] == 25), "{:?}", narrow.widths);
    }

    #[test]
    fn a_dense_network_is_left_alone_and_an_empty_layer_keeps_a_channel() {
        let (graph, mut state) = trained("resnet8s", 8);
        let same = structured(&graph, &state).unwrap();
        assert!(same.widths.is_empty() && same.state.parameters() == state.parameters() && same.graph == *graph);
        prune(&graph, &mut state, false, |_, _| true);
        let narrow = structured(&graph, &state).unwrap();
        assert_same_outputs("all but the stem", &graph, &state, &narrow);
        assert!(narrow.widths.values().all(|width| *width == 1), "{:?}", narrow.widths);
    }
}
