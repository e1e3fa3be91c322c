//! The residual networks of He et al. 2016 (arXiv 1512.03385, section 4.1) as torchvision builds them, with its parameter
//! names: `conv1`, `bn1`, `layer1.0.conv1`, `layer1.0.downsample.0`, …, `fc`.
//!
//! As in torchvision, a bottleneck has its stride in the 3×3 convolution ("version 1.5"). Aggregated transformations (arXiv 1611.05431)
//! split that convolution into groups. Wide ResNet (arXiv 1605.07146) widens it.
//!
//! The stem depends on the size of the images. Up to 64 pixels a side, it is the usual 3×3 convolution for CIFAR, at full resolution. For
//! larger images, it is the 7×7 convolution and max-pool of the paper, which reduce the side to a quarter.

use unlearn_network::{Conv, Graph, GraphBuilder, NodeId};

use crate::InputSpec;

/// Longest side of images that keep their resolution in the stem, in pixels.
const SMALL_IMAGE: usize = 64;

/// The block that a stage repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// A 1×1 convolution to fewer channels, a 3×3 one, and a 1×1 one to four times the stage's channels.
    Bottleneck {
        /// Groups of the 3×3 convolution.
        groups: usize,
        /// Channels of the 3×3 convolution in the first stage, over all groups; they double with each stage.
        width: usize,
    },
}

/// The bottleneck of He et al.
pub(crate) const BOTTLENECK: Block = Block::Bottleneck { groups: 1, width: 64 };

pub(crate) fn build(name: &str, input: &InputSpec, block: Block, blocks: [usize; 4]) -> Graph {
    let (mut graph, images) = GraphBuilder::new(name, input.shape);
    let normalized = graph.normalize(images, &input.mean, &input.std);
    let mut node = stem(&mut graph, normalized);
    for (stage, count) in blocks.into_iter().enumerate() {
        for number in 0..count {
            let stride = if stage > 0 && number == 0 { 2 } else { 1 };
            node = residual(&mut graph, &format!("layer{}.{number}", stage + 1), node, block, stage, stride);
        }
    }
    let pooled = graph.global_avg_pool("avgpool", node);
    graph.linear("fc", pooled, input.classes);
    graph.finish()
}

fn stem(graph: &mut GraphBuilder, images: NodeId) -> NodeId {
    let small = graph.shape(images)[1..].iter().all(|side| *side <= SMALL_IMAGE);
    let (kernel, stride, padding) = if small { (3, 1, 1) } else { (7, 2, 3) };
    let conv = graph.conv2d("conv1", images, 64, kernel, stride, padding);
    let norm = graph.batch_norm2d("bn1", conv);
    let relu = graph.relu("relu", norm);
    if small { relu } else { graph.max_pool2d("maxpool", relu, 3, 2, 1) }
}

/// One block of a stage (0..4) and the shortcut around it.
fn residual(g: &mut GraphBuilder, name: &str, input: NodeId, block: Block, stage: usize, stride: usize) -> NodeId {
    let channels = 64 << stage;
    let layers = match block {
        Block::Basic => vec![(channels, Conv::new(3, stride, 1)), (channels, Conv::new(3, 1, 1))],
        Block::Bottleneck { groups, width } => {
            let width = width << stage;
            let middle = Conv::new(3, stride, 1).grouped(groups);
            vec![(width, Conv::new(1, 1, 0)), (width, middle), (4 * channels, Conv::new(1, 1, 0))]
        }
    };
    let mut node = input;
    for (number, (channels, conv)) in layers.into_iter().enumerate() {
        let number = number + 1;
        if number > 1 {
            node = g.relu(&format!("{name}.relu{}", number - 1), node);
        }
        node = g.convolution(&format!("{name}.conv{number}"), node, channels, conv);
        node = g.batch_norm2d(&format!("{name}.bn{number}"), node);
    }
    let shortcut = if g.shape(node) == g.shape(input) {
        input
    } else {
        let channels = g.shape(node)[0];
        let conv = g.conv2d(&format!("{name}.downsample.0"), input, channels, 1, stride, 0);
        g.batch_norm2d(&format!("{name}.downsample.1"), conv)
    };
    let sum = g.add(&format!("{name}.add"), node, shortcut);
    g.relu(&format!("{name}.relu"), sum)
}
