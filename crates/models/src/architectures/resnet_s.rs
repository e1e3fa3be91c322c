//! The small-image residual networks of He et al. 2016 (arXiv 1512.03385, section 4.2). They have three stages of 16, 32 and 64 channels,
//! `n` basic blocks per stage, and option-A shortcuts without parameters. Parameter names follow torchvision's ResNet: `conv1`, `bn1`,
//! `layer1.0.conv1`, …, `fc`.

use unlearn_network::{Graph, GraphBuilder, NodeId};

use crate::InputSpec;

pub(crate) fn build(name: &str, input: &InputSpec, blocks_per_stage: usize) -> Graph {
    let (mut graph, images) = GraphBuilder::new(name, input.shape);
    let normalized = graph.normalize(images, &input.mean, &input.std);
    let stem = graph.conv2d("conv1", normalized, 16, 3, 1, 1);
    let stem = graph.batch_norm2d("bn1", stem);
    let mut node = graph.relu("relu", stem);
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..blocks_per_stage {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            node = basic_block(&mut graph, &format!("layer{}.{block}", stage + 1), node, channels, stride);
        }
    }
    let pooled = graph.global_avg_pool("avgpool", node);
    graph.linear("fc", pooled, input.classes);
    graph.finish()
}

fn basic_block(graph: &mut GraphBuilder, name: &str, input: NodeId, channels: usize, stride: usize) -> NodeId {
    let conv = graph.conv2d(&format!("{name}.conv1"), input, channels, 3, stride, 1);
    let norm = graph.batch_norm2d(&format!("{name}.bn1"), conv);
    let relu = graph.relu(&format!("{name}.relu1"), norm);
    let conv = graph.conv2d(&format!("{name}.conv2"), relu, channels, 3, 1, 1);
    let norm = graph.batch_norm2d(&format!("{name}.bn2"), conv);
    let changes_shape = stride != 1 || graph.shape(input)[0] != channels;
    let shortcut =
        if changes_shape { graph.shortcut_a(&format!("{name}.shortcut"), input, stride, channels) } else { input };
    let sum = graph.add(&format!("{name}.add"), norm, shortcut);
    graph.relu(&format!("{name}.relu2"), sum)
}
