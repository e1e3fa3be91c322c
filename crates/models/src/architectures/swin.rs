//! Swin-T (Liu et al. 2021, arXiv 2103.14030, section 3.3), with timm's parameter names: `patch_embed.proj`,
//! `layers.0.blocks.0.attn.qkv`, `layers.1.downsample.reduction`, …, `norm`, `head.fc`.
//!
//! Patches and windows depend on the size of the images. Up to 64 pixels a side, patches are 2 pixels and windows 4 tokens wide, and
//! the last stage keeps its resolution: the stages divide by 2, 2, 2, 1, as in the paper on sparsity and unlearning (arXiv 2304.04934)
//! for CIFAR. For larger images, patches are 4 pixels and windows 7 tokens wide, and every stage but the first halves the resolution.

use unlearn_network::{Conv, Graph, GraphBuilder, NodeId};

use super::vit::transformer_block;
use crate::InputSpec;

const BLOCKS: [usize; 4] = [2, 2, 6, 2];
const FEATURES: usize = 96;
const HEADS: usize = 3;
const EPSILON: f64 = 1e-5;

/// How images of a given size are divided.
struct Cut {
    patch: usize,
    window: usize,
    /// The factor by which each stage divides the resolution of the stage before.
    factors: [usize; 4],
}

const SMALL: Cut = Cut { patch: 2, window: 4, factors: [1, 2, 2, 1] };
const LARGE: Cut = Cut { patch: 4, window: 7, factors: [1, 2, 2, 2] };

fn cut(side: usize) -> &'static Cut {
    if side <= 64 { &SMALL } else { &LARGE }
}

/// The number that the side of an image of about this size must be a multiple of, so that windows tile every stage.
pub(crate) fn step(side: usize) -> usize {
    let Cut { patch, window, factors } = cut(side);
    patch * window * factors.iter().product::<usize>()
}

pub(crate) fn build(name: &str, input: &InputSpec) -> Graph {
    let (mut graph, images) = GraphBuilder::new(name, input.shape);
    let normalized = graph.normalize(images, &input.mean, &input.std);
    let Cut { patch, window, factors } = cut(input.shape[1].max(input.shape[2]));
    let conv = Conv::new(*patch, *patch, 0).with_bias();
    let patches = graph.convolution("patch_embed.proj", normalized, FEATURES, conv);
    let mut map = [graph.shape(patches)[1], graph.shape(patches)[2]];
    let tokens = graph.tokens("patch_embed", patches);
    let mut node = graph.layer_norm("patch_embed.norm", tokens, EPSILON);
    for (stage, (blocks, factor)) in BLOCKS.into_iter().zip(factors).enumerate() {
        if stage > 0 {
            node = merge(&mut graph, &format!("layers.{stage}.downsample"), node, map, *factor);
            map = map.map(|side| side / factor);
        }
        for block in 0..blocks {
            let name = format!("layers.{stage}.blocks.{block}");
            // Every second block shifts its windows, unless one window covers the whole map.
            let shift = if block % 2 == 1 && map.iter().any(|side| side > window) { window / 2 } else { 0 };
            let attention = |graph: &mut GraphBuilder, qkv| {
                graph.window_attention(&format!("{name}.attn"), qkv, map, (*window, shift), HEADS << stage)
            };
            node = transformer_block(&mut graph, &name, node, EPSILON, attention);
        }
    }
    let norm = graph.layer_norm("norm", node, EPSILON);
    let pooled = graph.mean_token("head.global_pool", norm);
    graph.linear("head.fc", pooled, input.classes);
    graph.finish()
}

/// Combines each square of tokens into one token with twice the features.
fn merge(g: &mut GraphBuilder, name: &str, input: NodeId, map: [usize; 2], factor: usize) -> NodeId {
    let features = g.shape(input)[1];
    let merged = g.merge_tokens(name, input, map, factor);
    let norm = g.layer_norm(&format!("{name}.norm"), merged, EPSILON);
    g.token_linear(&format!("{name}.reduction"), norm, 2 * features, false)
}
