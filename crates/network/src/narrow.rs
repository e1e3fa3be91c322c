//! The same architecture with fewer channels, for models whose structured zeros are removed.

use std::collections::BTreeMap;

use crate::{Error, Graph, Op, ParameterId, Result};

/// Number of channels that convolutions write, by the name of their weight (`layer1.0.conv1.weight`).
pub type Widths = BTreeMap<String, usize>;

impl Graph {
    /// The graph with the convolutions in `widths` reduced to these numbers of channels, and every layer that reads
    /// them adapted. Names do not change.
    ///
    /// # Errors
    /// [`Error::Narrow`] if a name is not that of a convolution's weight, if a convolution would have no channels or
    /// more than before, if summands would differ, or if the input of a grouped convolution or an option-A shortcut
    /// would lose channels.
    pub fn narrowed(&self, widths: &Widths) -> Result<Self> {
        let mut graph = self.clone();
        for name in widths.keys() {
            if !self.convolutions().any(|(weight, _)| self.parameters[weight].name == *name) {
                return Err(Error::Narrow { layer: name.clone(), reason: "is not the weight of a convolution".into() });
            }
        }
        for id in 0..graph.nodes.len() {
            let node = &graph.nodes[id];
            let refuse = |reason: String| Error::Narrow { layer: node.name.clone(), reason };
            let channels = |input: usize| graph.nodes[node.inputs[input]].shape[0];
            let (before, whole) =
                (node.shape[0], |input: usize| channels(input) == self.nodes[node.inputs[input]].shape[0]);
            let after = match &node.op {
                Op::Conv2d { weight, groups, .. } => {
                    let width = widths.get(&self.parameters[*weight].name).copied().unwrap_or(before);
                    if width == 0 || width > before {
                        return Err(refuse(format!("writes {before} channels and cannot be made to write {width}")));
                    }
                    if *groups > 1 && !(width == before && whole(0)) {
                        return Err(refuse("has groups, which need all of its channels".into()));
                    }
                    width
                }
                Op::Add if channels(0) != channels(1) => {
                    return Err(refuse(format!("adds maps of {} and of {} channels", channels(0), channels(1))));
                }
                Op::ShortcutA { .. } if !whole(0) => {
                    return Err(refuse("is an option-A shortcut, which needs all channels".into()));
                }
                Op::Token(_) if !whole(0) => {
                    return Err(refuse("makes tokens of channels, which needs all of them".into()));
                }
                Op::Input | Op::Token(_) | Op::Linear { .. } | Op::ShortcutA { .. } => before,
                _ => channels(0),
            };
            graph.resize(id, after);
        }
        Ok(graph)
    }

    /// Weight and node of every convolution.
    fn convolutions(&self) -> impl Iterator<Item = (ParameterId, usize)> {
        self.nodes.iter().enumerate().filter_map(|(node, layer)| match layer.op {
            Op::Conv2d { weight, .. } => Some((weight, node)),
            _ => None,
        })
    }

    /// Sets a node's number of channels, and adapts the shapes of its tensors.
    fn resize(&mut self, id: usize, channels: usize) {
        let read = self.nodes[id].inputs.first().map(|input| self.nodes[*input].shape[0]);
        let node = &mut self.nodes[id];
        node.shape[0] = channels;
        match node.op {
            Op::Conv2d { weight, bias, groups, .. } => {
                let shape = &mut self.parameters[weight].shape;
                shape[0] = channels;
                shape[1] = read.unwrap_or(shape[1] * groups) / groups;
                if let Some(bias) = bias {
                    self.parameters[bias].shape[0] = channels;
                }
            }
            Op::BatchNorm2d { weight, bias, running_mean, running_var } => {
                for parameter in [weight, bias] {
                    self.parameters[parameter].shape[0] = channels;
                }
                for buffer in [running_mean, running_var] {
                    self.buffers[buffer].shape[0] = channels;
                }
            }
            Op::Linear { weight, .. } => {
                let shape = &mut self.parameters[weight].shape;
                shape[1] = read.unwrap_or(shape[1]);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv, GraphBuilder, State};

    /// A graph with a residual block, a grouped convolution, a shortcut and a classifier.
    fn graph() -> Graph {
        let (mut graph, input) = GraphBuilder::new("test", [2, 6, 6]);
        let stem = graph.conv2d("stem", input, 4, 3, 1, 1);
        let inner = graph.convolution("inner", stem, 6, Conv::new(3, 1, 1).with_bias());
        let inner = graph.batch_norm2d("norm", inner);
        let outer = graph.conv2d("outer", inner, 4, 1, 1, 0);
        let sum = graph.add("sum", outer, stem);
        let grouped = graph.convolution("grouped", sum, 4, Conv::new(3, 1, 1).grouped(2));
        let shortcut = graph.shortcut_a("shortcut", grouped, 2, 8);
        let pooled = graph.global_avg_pool("pool", shortcut);
        graph.linear("fc", pooled, 3);
        graph.finish()
    }

    fn narrowed(widths: &[(&str, usize)]) -> Result<Graph> {
        graph().narrowed(&widths.iter().map(|(name, width)| ((*name).to_owned(), *width)).collect())
    }

    #[test]
    fn readers_are_fitted_and_nothing_else_changes() {
        assert_eq!(narrowed(&[]).unwrap(), graph());
        let narrow = narrowed(&[("inner.weight", 5)]).unwrap();
        let before = graph();
        let changed: Vec<_> = narrow.parameters.iter().zip(&before.parameters).filter(|(a, b)| a != b).collect();
        let shapes: Vec<_> = changed.iter().map(|(now, _)| (now.name.as_str(), now.shape.as_slice())).collect();
        assert_eq!(
            shapes,
            [
                ("inner.weight", &[5, 4, 3, 3][..]),
                ("inner.bias", &[5]),
                ("norm.weight", &[5]),
                ("norm.bias", &[5]),
                ("outer.weight", &[4, 5, 1, 1]),
            ]
        );
        assert!(narrow.buffers.iter().all(|buffer| buffer.shape == [5]));
        assert_eq!(State::zeros(&narrow).parameters()[0].len(), 4 * 2 * 9);
    }

    #[test]
    fn what_cannot_be_narrowed_is_named() {
        for (widths, words) in [
            (&[("norm.weight", 5)][..], ["norm.weight", "not the weight"]),
            (&[("inner.weight", 0)], ["inner", "6 channels"]),
            (&[("inner.weight", 7)], ["inner", "6 channels"]),
            (&[("stem.weight", 3)], ["sum", "adds"]),
            (&[("stem.weight", 3), ("outer.weight", 3)], ["grouped", "groups"]),
            (&[("grouped.weight", 3)], ["grouped", "groups"]),
        ] {
            let message = narrowed(widths).unwrap_err().to_string();
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        }
    }
}
