//! The interface between the description of a model and its execution.

use crate::{Collect, Graph, Pixels, Resident, Result, State, Traffic};

/// How a forward pass treats normalisation, and whether a backward pass may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Uses batch statistics and updates running statistics. Keeps activations for `backward`.
    Train,
    /// Uses running statistics and leaves them unchanged. Keeps activations for `backward`.
    Frozen,
    /// Uses running statistics and keeps nothing. The fastest way to compute logits.
    Evaluate,
}

/// ∂loss/∂parameters in the graph's order, and ∂loss/∂images if asked for.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// One gradient per parameter, in its shape.
    pub parameters: Vec<Vec<f32>>,
    /// `[count, channels, height, width]`, with respect to the images in 0..1. Empty unless asked for.
    pub input: Vec<f32>,
}

impl Gradients {
    /// Zero gradients for a graph.
    pub fn zeros(graph: &Graph) -> Self {
        let parameters = graph.parameters.iter().map(|p| vec![0.0; p.shape.iter().product()]).collect();
        Self { parameters, input: vec![] }
    }
}

/// For each parameter, which values are kept (`true`) and which are pruned. `None` if nothing is pruned.
pub type Kept = Vec<Option<Vec<bool>>>;

/// Runs a graph. An executor holds working memory but never the model; values are passed in as a [`State`].
pub trait Executor: Send {
    /// Name of the arithmetic, for logs and stores. `cpu` and `cpu-direct` give the same bits on every processor. The
    /// others are `candle-cuda`, `candle-cudnn`, `candle-metal`, and `candle-cpu-` followed by the instruction set or
    /// library.
    fn name(&self) -> &'static str;

    /// A number that is raised whenever the same values and images give other bits than before. With it, a store
    /// never mixes the results of two arithmetics.
    fn revision(&self) -> u32;

    /// Name and revision together, which identify the bits of a result.
    fn arithmetic(&self) -> String {
        arithmetic(self.name(), self.revision())
    }

    /// Writes `logits` `[count, classes]` for `images` `[count, channels, height, width]` in 0..1.
    ///
    /// # Errors
    /// If shapes do not fit the graph, or the device fails.
    fn forward(
        &mut self,
        graph: &Graph,
        state: &mut State,
        images: &[f32],
        count: usize,
        mode: Mode,
        logits: &mut Vec<f32>,
    ) -> Result<()>;

    /// The same for images in either form. By default, the host makes the values of bytes.
    ///
    /// # Errors
    /// As [`Executor::forward`].
    fn forward_pixels(
        &mut self,
        graph: &Graph,
        state: &mut State,
        images: Pixels<'_>,
        mode: Mode,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        let count = graph.batch_shape(images)?[0];
        self.forward(graph, state, &images.floats(graph.input_shape()), count, mode, logits)
    }

    /// Whether bytes serve this executor better than values, because its memory is not the host's.
    fn takes_bytes(&self) -> bool {
        false
    }

    /// Runs a backward pass from `dlogits` = ∂loss/∂logits `[count, classes]` of the last forward pass, and collects
    /// what `collect` asks for.
    ///
    /// [`Collect::Gradients`] ends the forward pass. The variants that are made of per-sample gradients keep it for
    /// further backward passes, and need a forward pass in mode frozen.
    ///
    /// # Errors
    /// If there is no matching forward pass or it was in the wrong mode, if shapes do not fit, or if the device
    /// fails.
    fn backward(&mut self, graph: &Graph, state: &State, dlogits: &[f32], collect: Collect<'_>) -> Result<()>;

    /// Tells the executor which weights are pruned, so that it may skip them. It need not compute gradients at pruned
    /// weights, because [`crate::Network`] zeroes them in any case.
    fn set_kept(&mut self, _kept: &Kept) {}

    /// The training on this executor's own device, if it keeps one there. Otherwise the host trains, with passes.
    fn resident(&mut self) -> Option<&mut dyn Resident> {
        None
    }

    /// What has crossed between the host and this executor's device. Nothing, if its memory is the host's.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}

/// `"<name> <revision>"`.
pub(crate) fn arithmetic(name: &str, revision: u32) -> String {
    format!("{name} {revision}")
}
