//! Plans the steps that run a graph.

use std::collections::HashMap;

use unlearn_kernels::{Convolution, Maps};

use super::{
    Kernels,
    layers::{self, BatchNorm, Format, Layer},
};
use crate::{Graph, Kept, NodeId, Op, Result};

/// Most tokens in a row of a map.
const MOST_COLUMNS: usize = 32;

/// A planned graph.
pub(super) struct Plan<E> {
    graph: Graph,
    /// The node whose value is the normalised images.
    pub(super) input: NodeId,
    /// Per-channel mean of the images' normalisation.
    pub(super) mean: Vec<f32>,
    /// Per-channel standard deviation of the images' normalisation.
    pub(super) std: Vec<f32>,
    pub(super) steps: Vec<Step<E>>,
    /// For each step of an evaluation, the nodes whose values no later step reads.
    last_used: Vec<Vec<NodeId>>,
}

/// One step: its layer, the nodes that it reads and the node whose value it computes.
pub(super) struct Step<E> {
    pub(super) layer: Box<dyn Layer<E>>,
    pub(super) input: NodeId,
    /// A second input: the residual branch, or the second summand.
    pub(super) other: Option<NodeId>,
    pub(super) output: NodeId,
    /// Set if this is a normalisation that alone reads the output of a convolution: that convolution's step. An
    /// evaluation folds the two into one.
    pub(super) folds: Option<usize>,
    /// The step of the normalisation that folds this convolution, if any.
    pub(super) folded: Option<usize>,
    /// Set if this is a convolution that normalises what it reads while training: that normalisation's step.
    pub(super) normalises: Option<usize>,
    /// Whether nobody writes the value of this normalisation while training, because its only reader normalises what
    /// it reads.
    pub(super) unwritten: bool,
}

/// Inputs for planning a layer.
pub(super) struct Planning<'a> {
    pub(super) graph: &'a Graph,
    pub(super) kept: &'a Kept,
    /// How the algorithms of the convolutions are chosen.
    pub(super) kernels: Kernels,
    fused: &'a Fusions,
}

impl Planning<'_> {
    /// Whether a normalisation is fused with a following ReLU.
    pub(super) fn has_relu(&self, norm: NodeId) -> bool {
        self.fused.relu.contains(&norm)
    }
}

impl<E: Format> Plan<E> {
    /// Plans a graph with these kept weights.
    pub(super) fn new(graph: &Graph, kept: &Kept, kernels: Kernels) -> Result<Self> {
        let channels = graph.input_shape()[0];
        let mut plan = Self {
            graph: graph.clone(),
            input: 0,
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
            steps: Vec::new(),
            last_used: Vec::new(),
        };
        let fused = Fusions::find(graph);
        let planning = Planning { graph, kept, kernels, fused: &fused };
        for (id, node) in graph.nodes.iter().enumerate() {
            match &node.op {
                _ if fused.absorbed.contains_key(&id) => continue,
                Op::Input => continue,
                Op::Normalize { mean, std } if node.inputs == [0] && id == 1 => {
                    (plan.input, plan.mean, plan.std) = (id, mean.clone(), std.clone());
                    continue;
                }
                _ => {}
            }
            let layer = layers::plan(&planning, id, &node.op).ok_or_else(|| E::PRECISION.lacks(&node.name))?;
            let other = fused.residual.get(&id).copied().or_else(|| node.inputs.get(1).copied());
            let output = fused.output.get(&id).copied().unwrap_or(id);
            let input = node.inputs[0];
            plan.steps.push(Step {
                layer,
                input,
                other,
                output,
                folds: None,
                folded: None,
                normalises: None,
                unwritten: false,
            });
        }
        // A fused step computes the value of the last node that it absorbs, so it runs at that node's position.
        plan.steps.sort_by_key(|step| step.output);
        plan.fold();
        plan.leave_unwritten();
        plan.last_used = plan.find_last_uses();
        Ok(plan)
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Layout of a node's value for a batch.
    pub(super) fn maps(&self, node: NodeId, batch: usize) -> Maps {
        match self.graph.nodes[node].shape[..] {
            [channels, height, width] => Maps::new(channels, height, width, batch),
            [tokens, features] => {
                let [rows, columns] = rows_and_columns(tokens);
                Maps::new(features, rows, columns, batch)
            }
            ref features => Maps::new(features[0], 1, 1, batch),
        }
    }

    /// The normalisation of a step, and the node whose value it computes.
    pub(super) fn norm(&self, step: usize) -> (&BatchNorm, NodeId) {
        let Step { layer, output, .. } = &self.steps[step];
        (layer.as_batch_norm().unwrap_or_else(|| unreachable!("step {step} is a normalisation")), *output)
    }

    /// The nodes whose values are not needed after a step of an evaluation.
    pub(super) fn last_used_by(&self, step: usize) -> &[NodeId] {
        &self.last_used[step]
    }

    /// Pairs each normalisation with the convolution before it, if no other node reads the convolution's output.
    fn fold(&mut self) {
        for norm in 0..self.steps.len() {
            let input = self.steps[norm].input;
            let readers = self.steps.iter().filter(|step| step.input == input || step.other == Some(input)).count();
            let conv = self.steps.iter().position(|step| step.output == input);
            let Some(conv) = conv.filter(|conv| readers == 1 && self.steps[*conv].layer.as_convolution().is_some())
            else {
                continue;
            };
            if self.steps[norm].layer.as_batch_norm().is_some() {
                self.steps[norm].folds = Some(conv);
                self.steps[conv].folded = Some(norm);
            }
        }
    }

    /// Pairs each normalisation without a residual branch with the convolution that alone reads it, if that can
    /// normalise what it reads.
    fn leave_unwritten(&mut self) {
        for norm in 0..self.steps.len() {
            let Step { layer, other, output, .. } = &self.steps[norm];
            if layer.as_batch_norm().is_none() || other.is_some() {
                continue;
            }
            let reads = |step: &Step<E>| step.input == *output || step.other == Some(*output);
            let mut readers = (0..self.steps.len()).filter(|reader| reads(&self.steps[*reader]));
            let (Some(conv), None) = (readers.next(), readers.next()) else { continue };
            let kernel = self.steps[conv].layer.as_convolution().map(|conv| &conv.kernel);
            if kernel.is_some_and(Convolution::normalises_what_it_reads) {
                self.steps[conv].normalises = Some(norm);
                self.steps[norm].unwritten = true;
            }
        }
    }

    fn find_last_uses(&self) -> Vec<Vec<NodeId>> {
        let mut last: HashMap<NodeId, usize> = HashMap::new();
        for (index, step) in self.steps.iter().enumerate() {
            let folded = step.folds.map(|conv| self.steps[conv].input);
            for node in std::iter::once(step.input).chain(step.other).chain(folded) {
                last.insert(node, index);
            }
        }
        let mut by_step = vec![Vec::new(); self.steps.len()];
        for (node, step) in last {
            by_step[step].push(node);
        }
        by_step
    }
}

/// Rows and columns of the map that holds some tokens as its pixels. Kernels cut their work by rows and hold a few
/// neighbours of a row in registers. So a row has as many tokens as it can, up to 32, unless tokens are so few that
/// one row holds them all. The layout in memory is the same for all.
fn rows_and_columns(tokens: usize) -> [usize; 2] {
    let columns = (1..=tokens.min(MOST_COLUMNS)).rev().find(|columns| tokens.is_multiple_of(*columns)).unwrap_or(1);
    [tokens / columns, columns]
}

/// The nodes that normalisations absorb: the following residual sum and ReLU, if no other node reads the values in
/// between.
#[derive(Default)]
struct Fusions {
    /// Absorbed node → the normalisation that absorbs it.
    absorbed: HashMap<NodeId, NodeId>,
    /// Normalisation → the node whose value it computes.
    output: HashMap<NodeId, NodeId>,
    /// Normalisation → the residual branch.
    residual: HashMap<NodeId, NodeId>,
    /// Normalisations with a ReLU.
    relu: Vec<NodeId>,
}

impl Fusions {
    fn find(graph: &Graph) -> Self {
        let only_reader = |id: NodeId| {
            let mut readers = (0..graph.nodes.len()).filter(|reader| graph.nodes[*reader].inputs.contains(&id));
            readers.next().filter(|_| readers.next().is_none())
        };
        let mut fusions = Self::default();
        for (norm, node) in graph.nodes.iter().enumerate() {
            if !matches!(node.op, Op::BatchNorm2d { .. }) {
                continue;
            }
            let mut end = norm;
            if let Some(add) = only_reader(end).filter(|id| graph.nodes[*id].op == Op::Add) {
                let branch = graph.nodes[add].inputs.iter().copied().find(|id| *id != end);
                // If two normalisations are added, only the first can absorb the sum.
                if let Some(branch) = branch.filter(|_| !fusions.absorbed.contains_key(&add)) {
                    fusions.absorbed.insert(add, norm);
                    fusions.residual.insert(norm, branch);
                    end = add;
                }
            }
            if let Some(relu) = only_reader(end).filter(|id| graph.nodes[*id].op == Op::Relu) {
                fusions.absorbed.insert(relu, norm);
                fusions.relu.push(norm);
                end = relu;
            }
            fusions.output.insert(norm, end);
        }
        fusions
    }
}
