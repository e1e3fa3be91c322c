//! The one interface between what a model is and how it is run.

use crate::{Collect, Graph, Result, State};

/// How a forward pass treats normalisation, and whether a backward pass may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running statistics are updated; activations are kept for `backward`.
    Train,
    /// Running statistics, which stay as they are; activations are kept for `backward`.
    Frozen,
    /// Running statistics; nothing is kept. The fastest way to logits.
    Evaluate,
}

/// ∂loss/∂parameters in the graph's order, and ∂loss/∂images when it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// One gradient per parameter, in its shape.
    pub parameters: Vec<Vec<f32>>,
    /// `[count, channels, height, width]` with respect to the images in 0..1; empty unless asked for.
    pub input: Vec<f32>,
}

impl Gradients {
    /// Zero gradients for a graph.
    pub fn zeros(graph: &Graph) -> Self {
        let parameters = graph.parameters.iter().map(|p| vec![0.0; p.shape.iter().product()]).collect();
        Self { parameters, input: vec![] }
    }
}

/// Per parameter, which values are kept (`true`) and which are pruned; `None` where nothing is pruned.
pub type Kept = Vec<Option<Vec<bool>>>;

/// Runs a graph. An executor holds working memory, never the model: values come in as a [`State`].
pub trait Executor: Send {
    /// Name of the arithmetic, for logs and stores: `cpu` or `cpu-direct`, which give the same bits on every processor; `candle-cuda`,
    /// `candle-cudnn`, `candle-metal`, or `candle-cpu-` with the instruction set or library that computes.
    fn name(&self) -> &'static str;

    /// A number that is raised whenever the same values and images come to give other bits, so that a store never takes what
    /// one arithmetic has computed for the work of another.
    fn revision(&self) -> u32;

    /// Name and revision in one: what tells apart results that differ in their bits.
    fn arithmetic(&self) -> String {
        arithmetic(self.name(), self.revision())
    }

    /// Writes `logits` `[count, classes]` for `images` `[count, channels, height, width]` in 0..1.
    ///
    /// # Errors
    /// Shapes that do not fit the graph, or a device that fails.
    fn forward(
        &mut self,
        graph: &Graph,
        state: &mut State,
        images: &[f32],
        count: usize,
        mode: Mode,
        logits: &mut Vec<f32>,
    ) -> Result<()>;

    /// From `dlogits` = ∂loss/∂logits `[count, classes]` of the last forward pass, collects what is asked for.
    ///
    /// [`Collect::Gradients`] ends the forward pass. Whatever is made of gradients of single samples leaves it for further
    /// backward passes, and needs that it was in mode frozen.
    ///
    /// # Errors
    /// No matching forward pass, or one in the wrong mode; shapes, or a device that fails.
    fn backward(&mut self, graph: &Graph, state: &State, dlogits: &[f32], collect: Collect<'_>) -> Result<()>;

    /// Tells which weights are pruned, so that an executor may skip them. Gradients at pruned weights need not be
    /// computed: [`crate::Network`] zeroes them in any case.
    fn set_kept(&mut self, _kept: &Kept) {}
}

/// `"<name> <revision>"`.
pub(crate) fn arithmetic(name: &str, revision: u32) -> String {
    format!("{name} {revision}")
}
