//! A small residual network that the golden scripts also build. It has every kind of layer of a small-image ResNet
//! once.

use std::sync::Arc;

use unlearn_network::{Graph, GraphBuilder};

/// A stem with `width` channels, then a block with twice as many that halves the resolution, for images `[2, 8, 8]`.
pub(crate) fn small_residual(width: usize, classes: usize) -> Arc<Graph> {
    let (mut g, images) = GraphBuilder::new("small-residual", [2, 8, 8]);
    let x = g.normalize(images, &[0.3, 0.6], &[0.5, 0.25]);
    let x = g.conv2d("conv1", x, width, 3, 1, 1);
    let x = g.batch_norm2d("bn1", x);
    let x = g.relu("relu1", x);
    let y = g.conv2d("conv2", x, 2 * width, 3, 2, 1);
    let y = g.batch_norm2d("bn2", y);
    let y = g.relu("relu2", y);
    let y = g.conv2d("conv3", y, 2 * width, 3, 1, 1);
    let y = g.batch_norm2d("bn3", y);
    let shortcut = g.shortcut_a("shortcut", x, 2, 2 * width);
    let x = g.add("add", y, shortcut);
    let x = g.relu("relu3", x);
    let x = g.global_avg_pool("pool", x);
    g.linear("fc", x, classes);
    Arc::new(g.finish())
}
