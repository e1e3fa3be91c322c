//! Vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929) in the sizes of `DeiT` (arXiv 2012.12877, table 1), with
//! timm's parameter names: `patch_embed.proj`, `cls_token`, `pos_embed`, `blocks.0.norm1`, `blocks.0.attn.qkv`, …, `norm`, `head`.
//!
//! Patches depend on the size of the images: 4 pixels a side for images up to 64 pixels, as is usual for CIFAR, and 16 for larger ones.

use unlearn_network::{Conv, Graph, GraphBuilder, NodeId};

use crate::InputSpec;

const BLOCKS: usize = 12;
const EPSILON: f64 = 1e-6;
/// Features of a block's hidden layer, as a multiple of a token's features.
const MLP_RATIO: usize = 4;

/// Side of a patch for images of this side, in pixels.
pub(crate) fn patch(side: usize) -> usize {
    if side <= 64 { 4 } else { 16 }
}

pub(crate) fn build(name: &str, input: &InputSpec, features: usize, heads: usize) -> Graph {
    let (mut graph, images) = GraphBuilder::new(name, input.shape);
    let normalized = graph.normalize(images, &input.mean, &input.std);
    let patch = patch(input.shape[1].max(input.shape[2]));
    let patches = graph.convolution("patch_embed.proj", normalized, features, Conv::new(patch, patch, 0).with_bias());
    let tokens = graph.tokens("patch_embed", patches);
    let tokens = graph.class_token("cls_token", tokens);
    let mut node = graph.position("pos_embed", tokens);
    for block in 0..BLOCKS {
        let name = format!("blocks.{block}");
        let attention = |graph: &mut GraphBuilder, qkv| graph.attention(&format!("{name}.attn"), qkv, heads);
        node = transformer_block(&mut graph, &name, node, EPSILON, attention);
    }
    let norm = graph.layer_norm("norm", node, EPSILON);
    let class = graph.first_token("fc_norm", norm);
    graph.linear("head", class, input.classes);
    graph.finish()
}

/// A block of any transformer in this crate: attention, then a perceptron of two layers. Each has a normalisation before it and an
/// identity beside it. `attend` turns queries, keys and values into tokens.
pub(crate) fn transformer_block(
    g: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    epsilon: f64,
    attend: impl FnOnce(&mut GraphBuilder, NodeId) -> NodeId,
) -> NodeId {
    let features = g.shape(input)[1];
    let norm = g.layer_norm(&format!("{name}.norm1"), input, epsilon);
    let qkv = g.token_linear(&format!("{name}.attn.qkv"), norm, 3 * features, true);
    let attended = attend(g, qkv);
    let projected = g.token_linear(&format!("{name}.attn.proj"), attended, features, true);
    let sum = g.add(&format!("{name}.add1"), input, projected);

    let norm = g.layer_norm(&format!("{name}.norm2"), sum, epsilon);
    let hidden = g.token_linear(&format!("{name}.mlp.fc1"), norm, MLP_RATIO * features, true);
    let active = g.gelu(&format!("{name}.mlp.act"), hidden);
    let output = g.token_linear(&format!("{name}.mlp.fc2"), active, features, true);
    g.add(&format!("{name}.add2"), sum, output)
}
