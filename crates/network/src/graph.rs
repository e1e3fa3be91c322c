//! A model as data: named layers, the edges between them, and the tensors they own.
//!
//! A graph says what is computed, not how. Nodes are stored in topological order, and every node has one output.

use crate::{Pixels, Result, TokenOp, state::check_len};

/// Index of a node in [`Graph::nodes`].
pub type NodeId = usize;
/// Index of a trainable tensor in [`Graph::parameters`].
pub type ParameterId = usize;
/// Index of a non-trainable tensor in [`Graph::buffers`].
pub type BufferId = usize;

/// Constant that batch normalisation adds to a variance (ε).
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

/// Purpose of a trainable tensor. Pruning, weight decay and initialisation depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// Convolution weight, shape `[out, in / groups, kernel, kernel]`.
    ConvWeight,
    /// Bias of a convolution, shape `[out]`.
    ConvBias,
    /// Fully connected weight, shape `[out, in]`.
    LinearWeight,
    /// Bias of a fully connected layer, shape `[out]`.
    LinearBias,
    /// Scale of a normalisation layer (γ), shape `[channels]`.
    NormWeight,
    /// Shift of a normalisation layer (β), shape `[channels]`.
    NormBias,
    /// Weight of a fully connected layer that is applied to every token, shape `[out, in]`.
    TokenWeight,
    /// Bias of a fully connected layer that is applied to every token, shape `[out]`.
    TokenBias,
    /// Learnt position embedding or class token of a transformer.
    Embedding,
}

impl ParameterKind {
    /// Whether this is a weight before the classifier: of a convolution, or of a layer on tokens. Pruning covers
    /// these weights by default (arXiv 2304.04934, appendix C.1).
    pub const fn is_feature_weight(self) -> bool {
        matches!(self, Self::ConvWeight | Self::TokenWeight)
    }
}

/// A trainable tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name as in torchvision, for example `layer1.0.conv1.weight`.
    pub name: String,
    /// Shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// Its purpose.
    pub kind: ParameterKind,
}

/// A tensor that is part of the model but not trained: running statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct Buffer {
    /// Name as in torchvision, for example `bn1.running_mean`.
    pub name: String,
    /// Shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// Value in a fresh model.
    pub initial: f32,
}

/// The operation of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The images, `[channels, height, width]` per sample, in 0..1.
    Input,
    /// `(x − mean) / std` per channel.
    Normalize {
        /// Per-channel mean.
        mean: Vec<f32>,
        /// Per-channel standard deviation.
        std: Vec<f32>,
    },
    /// Two-dimensional cross-correlation with a square kernel.
    Conv2d {
        /// Weight `[out, in / groups, kernel, kernel]`.
        weight: ParameterId,
        /// Bias `[out]`, if there is one.
        bias: Option<ParameterId>,
        /// Side of the kernel.
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Zeros added on every side.
        padding: usize,
        /// Groups of channels that are convolved separately: group n of the outputs reads group n of the inputs.
        groups: usize,
    },
    /// Largest value of each square window.
    ///
    /// Padding counts as −∞. The first of several largest values in row-major order gets the gradient, as in PyTorch.
    MaxPool2d {
        /// Side of the window.
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Positions with −∞ added on every side.
        padding: usize,
    },
    /// Batch normalisation over batch, height and width; ε [`BATCH_NORM_EPSILON`], running statistics with momentum 0.1.
    BatchNorm2d {
        /// Scale γ `[channels]`.
        weight: ParameterId,
        /// Shift β `[channels]`.
        bias: ParameterId,
        /// Running mean `[channels]`.
        running_mean: BufferId,
        /// Running (unbiased) variance `[channels]`.
        running_var: BufferId,
    },
    /// max(x, 0); its gradient at 0 is 0.
    Relu,
    /// Sum of two inputs of the same shape.
    Add,
    /// The parameter-free shortcut of He et al. (option A): every `stride`-th pixel, with zero channels added on both
    /// sides.
    ShortcutA {
        /// Step in both directions.
        stride: usize,
        /// Channels of the output. Half of the added channels come before the others, half after.
        out_channels: usize,
    },
    /// Mean over height and width: `[channels, height, width]` → `[channels]`.
    GlobalAvgPool,
    /// Fully connected layer `[in]` → `[out]`.
    Linear {
        /// Weight `[out, in]`.
        weight: ParameterId,
        /// Bias `[out]`.
        bias: ParameterId,
    },
    /// A layer of a transformer.
    Token(TokenOp),
}

/// One layer and where its inputs come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Layer name, for example `layer1.0.conv1`.
    pub name: String,
    /// Its operation.
    pub op: Op,
    /// The nodes that it reads. All of them come earlier in the list.
    pub inputs: Vec<NodeId>,
    /// Output shape per sample: `[channels, height, width]`, `[tokens, features]` or `[features]`.
    pub shape: Vec<usize>,
}

/// An architecture: nodes in topological order. The last one gives the logits `[classes]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Architecture name, for example `resnet20s`.
    pub arch: String,
    /// The layers.
    pub nodes: Vec<Node>,
    /// Trainable tensors in order of appearance.
    pub parameters: Vec<Parameter>,
    /// Non-trainable tensors in order of appearance.
    pub buffers: Vec<Buffer>,
}

impl Graph {
    /// Shape of one input image, `[channels, height, width]`.
    pub fn input_shape(&self) -> [usize; 3] {
        let shape = &self.nodes[0].shape;
        [shape[0], shape[1], shape[2]]
    }

    /// Number of logits per sample.
    pub fn classes(&self) -> usize {
        self.nodes.last().map_or(0, |node| node.shape[0])
    }

    /// `[count, channels, height, width]` of the images of a pass.
    ///
    /// # Errors
    /// If they are not a whole number of images, or are placed one by one and not all are placed.
    pub fn batch_shape(&self, images: Pixels<'_>) -> Result<[usize; 4]> {
        let [channels, height, width] = self.input_shape();
        let count = images.len().checked_div(channels * height * width).unwrap_or(0).max(1);
        let shape = [count, channels, height, width];
        check_len(|| "images".into(), &shape, images.len())?;
        if let Pixels::Bytes { placements, .. } = images
            && !placements.is_empty()
        {
            check_len(|| "placements of images".into(), &[count], placements.len())?;
        }
        Ok(shape)
    }

    /// Number of trainable values.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(|p| p.shape.iter().product::<usize>()).sum()
    }

    /// The parameter named `name`.
    pub fn parameter(&self, name: &str) -> Option<ParameterId> {
        self.parameters.iter().position(|p| p.name == name)
    }

    /// Number of multiply-accumulates in one forward pass of one sample, for each convolution weight.
    pub fn conv_operations(&self) -> Vec<(ParameterId, usize)> {
        self.nodes
            .iter()
            .filter_map(|node| match node.op {
                Op::Conv2d { weight, .. } => {
                    let per_pixel: usize = self.parameters[weight].shape.iter().product();
                    Some((weight, per_pixel * node.shape[1] * node.shape[2]))
                }
                _ => None,
            })
            .collect()
    }
}

/// Settings of a convolution with a square kernel, for [`GraphBuilder::convolution`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
    bias: bool,
}

impl Conv {
    /// One group and no bias.
    pub const fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel, stride, padding, groups: 1, bias: false }
    }

    /// The same with `groups` groups of channels.
    #[must_use]
    pub const fn grouped(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// The same with a bias.
    #[must_use]
    pub const fn with_bias(self) -> Self {
        Self { bias: true, ..self }
    }
}

/// Builds a [`Graph`] layer by layer and computes the shapes.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
}

impl GraphBuilder {
    /// Starts a graph whose input is one image of shape `[channels, height, width]`.
    pub fn new(arch: &str, input: [usize; 3]) -> (Self, NodeId) {
        let node = Node { name: "input".into(), op: Op::Input, inputs: vec![], shape: input.to_vec() };
        let graph = Graph { arch: arch.into(), nodes: vec![node], parameters: vec![], buffers: vec![] };
        (Self { graph }, 0)
    }

    /// Output shape of a node.
    pub fn shape(&self, node: NodeId) -> &[usize] {
        &self.graph.nodes[node].shape
    }

    /// Per-channel normalisation of the input images.
    pub fn normalize(&mut self, input: NodeId, mean: &[f32], std: &[f32]) -> NodeId {
        let shape = self.shape(input).to_vec();
        self.node("normalize", Op::Normalize { mean: mean.to_vec(), std: std.to_vec() }, vec![input], shape)
    }

    /// A convolution with one group and no bias.
    ///
    /// # Panics
    /// As [`GraphBuilder::convolution`].
    pub fn conv2d(
        &mut self,
        name: &str,
        input: NodeId,
        out_channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> NodeId {
        self.convolution(name, input, out_channels, Conv::new(kernel, stride, padding))
    }

    /// A convolution with weight `{name}.weight`, and with bias `{name}.bias` if it has one.
    ///
    /// # Panics
    /// If groups do not divide the channels, or the kernel does not fit the padded map. This is a mistake in the
    /// architecture, or the images are too small for it.
    pub fn convolution(&mut self, name: &str, input: NodeId, out_channels: usize, conv: Conv) -> NodeId {
        let Conv { kernel, stride, padding, groups, bias } = conv;
        let channels = self.map_shape(input)[0];
        let divides = groups > 0 && channels.is_multiple_of(groups) && out_channels.is_multiple_of(groups);
        assert!(divides, "`{name}`: {groups} groups do not divide {channels} input and {out_channels} output channels");
        let [height, width] = self.windows(name, input, kernel, stride, padding);
        let shape = vec![out_channels, channels / groups, kernel, kernel];
        let weight = self.parameter(format!("{name}.weight"), shape, ParameterKind::ConvWeight);
        let bias = bias.then(|| self.parameter(format!("{name}.bias"), vec![out_channels], ParameterKind::ConvBias));
        let op = Op::Conv2d { weight, bias, kernel, stride, padding, groups };
        self.node(name, op, vec![input], vec![out_channels, height, width])
    }

    /// Largest value of each window.
    ///
    /// # Panics
    /// If the window does not fit the padded map.
    pub fn max_pool2d(&mut self, name: &str, input: NodeId, kernel: usize, stride: usize, padding: usize) -> NodeId {
        let channels = self.map_shape(input)[0];
        let [height, width] = self.windows(name, input, kernel, stride, padding);
        self.node(name, Op::MaxPool2d { kernel, stride, padding }, vec![input], vec![channels, height, width])
    }

    /// Batch normalisation.
    pub fn batch_norm2d(&mut self, name: &str, input: NodeId) -> NodeId {
        let shape = self.shape(input).to_vec();
        let channels = vec![shape[0]];
        let weight = self.parameter(format!("{name}.weight"), channels.clone(), ParameterKind::NormWeight);
        let bias = self.parameter(format!("{name}.bias"), channels.clone(), ParameterKind::NormBias);
        let running_mean = self.buffer(format!("{name}.running_mean"), channels.clone(), 0.0);
        let running_var = self.buffer(format!("{name}.running_var"), channels, 1.0);
        self.node(name, Op::BatchNorm2d { weight, bias, running_mean, running_var }, vec![input], shape)
    }

    /// ReLU.
    pub fn relu(&mut self, name: &str, input: NodeId) -> NodeId {
        let shape = self.shape(input).to_vec();
        self.node(name, Op::Relu, vec![input], shape)
    }

    /// Sum of two nodes of the same shape.
    ///
    /// # Panics
    /// If the shapes differ, which is a mistake in the architecture.
    pub fn add(&mut self, name: &str, a: NodeId, b: NodeId) -> NodeId {
        assert_eq!(self.shape(a), self.shape(b), "`{name}` adds maps of different shapes");
        let shape = self.shape(a).to_vec();
        self.node(name, Op::Add, vec![a, b], shape)
    }

    /// Option-A shortcut.
    pub fn shortcut_a(&mut self, name: &str, input: NodeId, stride: usize, out_channels: usize) -> NodeId {
        let [_, height, width] = self.map_shape(input);
        let output = vec![out_channels, height.div_ceil(stride), width.div_ceil(stride)];
        self.node(name, Op::ShortcutA { stride, out_channels }, vec![input], output)
    }

    /// Mean over height and width.
    pub fn global_avg_pool(&mut self, name: &str, input: NodeId) -> NodeId {
        let channels = self.shape(input)[0];
        self.node(name, Op::GlobalAvgPool, vec![input], vec![channels])
    }

    /// Fully connected layer.
    pub fn linear(&mut self, name: &str, input: NodeId, out_features: usize) -> NodeId {
        let in_features = self.shape(input)[0];
        let shape = vec![out_features, in_features];
        let weight = self.parameter(format!("{name}.weight"), shape, ParameterKind::LinearWeight);
        let bias = self.parameter(format!("{name}.bias"), vec![out_features], ParameterKind::LinearBias);
        self.node(name, Op::Linear { weight, bias }, vec![input], vec![out_features])
    }

    /// The finished graph. Its last node gives the logits.
    pub fn finish(self) -> Graph {
        self.graph
    }

    /// Number of windows that fit the padded map of `input`, `[height, width]`.
    fn windows(&self, name: &str, input: NodeId, kernel: usize, stride: usize, padding: usize) -> [usize; 2] {
        let [_, height, width] = self.map_shape(input);
        assert!(stride > 0, "`{name}`: a stride of 0 never ends");
        // With more padding, some windows would hold nothing but padding.
        assert!(padding < kernel, "`{name}`: padding {padding} is not smaller than the window of side {kernel}");
        [height, width].map(|side| {
            let padded = side + 2 * padding;
            assert!(kernel <= padded, "`{name}`: a window of side {kernel} does not fit a padded map of side {padded}");
            (padded - kernel) / stride + 1
        })
    }

    pub(crate) fn map_shape(&self, node: NodeId) -> [usize; 3] {
        let shape = self.shape(node);
        [shape[0], shape[1], shape[2]]
    }

    pub(crate) fn node(&mut self, name: &str, op: Op, inputs: Vec<NodeId>, shape: Vec<usize>) -> NodeId {
        self.graph.nodes.push(Node { name: name.into(), op, inputs, shape });
        self.graph.nodes.len() - 1
    }

    pub(crate) fn parameter(&mut self, name: String, shape: Vec<usize>, kind: ParameterKind) -> ParameterId {
        self.graph.parameters.push(Parameter { name, shape, kind });
        self.graph.parameters.len() - 1
    }

    fn buffer(&mut self, name: String, shape: Vec<usize>, initial: f32) -> BufferId {
        self.graph.buffers.push(Buffer { name, shape, initial });
        self.graph.buffers.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> (GraphBuilder, NodeId) {
        GraphBuilder::new("test", [4, 7, 9])
    }

    #[test]
    fn a_grouped_convolution_has_pytorchs_shapes_and_counts_its_operations() {
        let (mut graph, input) = builder();
        let conv = graph.convolution("conv", input, 6, Conv::new(3, 2, 1).grouped(2).with_bias());
        let pool = graph.max_pool2d("pool", conv, 3, 2, 1);
        assert_eq!((graph.shape(conv), graph.shape(pool)), (&[6, 4, 5][..], &[6, 2, 3][..]));
        let graph = graph.finish();
        let shapes: Vec<_> = graph.parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice(), p.kind)).collect();
        let weight = ("conv.weight", &[6, 2, 3, 3][..], ParameterKind::ConvWeight);
        assert_eq!(shapes, [weight, ("conv.bias", &[6], ParameterKind::ConvBias)]);
        // Each of the 6·4·5 outputs reads 2 channels of 3·3 values.
        assert_eq!(graph.conv_operations(), [(0, 6 * 4 * 5 * 2 * 9)]);
    }

    #[test]
    #[should_panic(expected = "`conv`: 3 groups do not divide 4 input and 6 output channels")]
    fn groups_divide_the_channels() {
        let (mut graph, input) = builder();
        graph.convolution("conv", input, 6, Conv::new(3, 1, 1).grouped(3));
    }

    #[test]
    #[should_panic(expected = "`pool`: a window of side 8 does not fit a padded map of side 7")]
    fn a_window_fits_the_padded_map() {
        let (mut graph, input) = builder();
        graph.max_pool2d("pool", input, 8, 1, 0);
    }

    #[test]
    #[should_panic(expected = "`conv`: padding 1 is not smaller than the window of side 1")]
    fn padding_is_smaller_than_the_window() {
        let (mut graph, input) = builder();
        graph.conv2d("conv", input, 6, 1, 1, 1);
    }
}
