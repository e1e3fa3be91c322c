//! VGG-16 with batch normalisation (Simonyan and Zisserman 2015, arXiv 1409.1556, column D) as torchvision builds its
//! `features`, under its names `features.N` and `classifier.N`.
//!
//! Two things differ, for small images. The last maps are averaged to one value per channel (a 32×32 image already gives one), so that
//! the head takes 512 values instead of 25,088. There is no dropout: batch normalisation already regularises, and methods are easier to
//! compare without further noise. `classifier.2` and `classifier.5`, torchvision's dropouts, hold no parameters, so the numbers of the
//! fully connected layers stay the same.

use unlearn_network::{Conv, Graph, GraphBuilder, NodeId};

use crate::InputSpec;

/// Channels of each convolution; each stage ends with a max-pool.
const STAGES: [&[usize]; 5] = [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];

/// Width of the hidden layers of the head.
const HIDDEN: usize = 512;

/// Three fully connected layers: torchvision's head, with a width for small images.
pub(crate) fn build(name: &str, input: &InputSpec) -> Graph {
    let (mut graph, mut node) = features(name, input);
    for index in [0, 3] {
        node = graph.linear(&format!("classifier.{index}"), node, HIDDEN);
        node = graph.relu(&format!("classifier.{}", index + 1), node);
    }
    graph.linear("classifier.6", node, input.classes);
    graph.finish()
}

/// One fully connected layer, as in lottery-ticket experiments.
pub(crate) fn build_lth(name: &str, input: &InputSpec) -> Graph {
    let (mut graph, node) = features(name, input);
    graph.linear("classifier", node, input.classes);
    graph.finish()
}

fn features(name: &str, input: &InputSpec) -> (GraphBuilder, NodeId) {
    let (mut graph, images) = GraphBuilder::new(name, input.shape);
    let mut node = graph.normalize(images, &input.mean, &input.std);
    let mut indices = 0..;
    let mut next = || format!("features.{}", indices.next().unwrap_or_default());
    for stage in STAGES {
        for channels in stage {
            node = graph.convolution(&next(), node, *channels, Conv::new(3, 1, 1).with_bias());
            node = graph.batch_norm2d(&next(), node);
            node = graph.relu(&next(), node);
        }
        node = graph.max_pool2d(&next(), node, 2, 2, 0);
    }
    let pooled = graph.global_avg_pool("avgpool", node);
    (graph, pooled)
}
