//! A model ready to run: graph, values, executor and the weights that pruning keeps.

use std::sync::Arc;

use crate::{DeviceChoice, Error, Executor, Gradients, Graph, Kept, Mode, Result, State};

/// A graph with its values and the executor that runs it. Training, pruning and unlearning see only this.
///
/// Pruned weights are zero when [`Network::prune`] returns, and their gradients are zero after every
/// [`Network::backward`]; an optimiser whose update vanishes at (0, 0) keeps them at exactly zero for ever.
pub struct Network {
    graph: Arc<Graph>,
    state: State,
    executor: Box<dyn Executor>,
    kept: Kept,
    gradients: Gradients,
    last_count: Option<usize>,
}

impl Network {
    /// Puts a model on a device.
    ///
    /// # Errors
    /// A device that is not in this build or does not open.
    pub fn new(graph: Arc<Graph>, state: State, device: DeviceChoice) -> Result<Self> {
        let executor = device.executor(&graph)?;
        Ok(Self::with_executor(graph, state, executor))
    }

    /// Puts a model on an executor of the caller's choice.
    pub fn with_executor(graph: Arc<Graph>, state: State, executor: Box<dyn Executor>) -> Self {
        let gradients = Gradients::zeros(&graph);
        let kept = vec![None; graph.parameters.len()];
        Self { graph, state, executor, kept, gradients, last_count: None }
    }

    /// The architecture.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The name of the executor that runs this network.
    pub fn executor_name(&self) -> &'static str {
        self.executor.name()
    }

    /// The values.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Replaces the values; pruned weights stay pruned.
    pub fn set_state(&mut self, state: State) {
        self.state = state;
        self.zero_pruned_weights();
    }

    /// Parameters to be changed and the gradients of the last backward pass, side by side for an optimiser.
    pub fn parameters_and_gradients(&mut self) -> (&mut [Vec<f32>], &mut Gradients) {
        (self.state.parameters_mut(), &mut self.gradients)
    }

    /// Gradients of the last backward pass.
    pub fn gradients(&self) -> &Gradients {
        &self.gradients
    }

    /// Which weights are kept, per parameter.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Prunes: weights outside `kept` become zero and stay so.
    ///
    /// # Errors
    /// A pattern whose length is not the parameter's.
    pub fn prune(&mut self, kept: Kept) -> Result<()> {
        for (parameter, kept) in self.graph.parameters.iter().zip(&kept) {
            let size = parameter.shape.iter().product::<usize>();
            if let Some(kept) = kept.as_ref().filter(|kept| kept.len() != size) {
                let what = format!("mask of `{}`", parameter.name);
                return Err(Error::Shape { what, expected: vec![size], found: vec![kept.len()] });
            }
        }
        self.kept = kept;
        self.executor.set_kept(&self.kept);
        self.zero_pruned_weights();
        Ok(())
    }

    /// Logits `[count, classes]` for images `[count, channels, height, width]` in 0..1.
    ///
    /// # Errors
    /// Images of another shape, or a device that fails.
    pub fn forward(&mut self, images: &[f32], mode: Mode, logits: &mut Vec<f32>) -> Result<()> {
        let [channels, height, width] = self.graph.input_shape();
        let size = channels * height * width;
        let count = images.len() / size;
        if count == 0 || count * size != images.len() {
            let expected = vec![count.max(1), channels, height, width];
            return Err(Error::Shape { what: "images".into(), expected, found: vec![images.len()] });
        }
        self.executor.forward(&self.graph, &mut self.state, images, count, mode, logits)?;
        self.last_count = (mode != Mode::Evaluate).then_some(count);
        Ok(())
    }

    /// Gradients from ∂loss/∂logits `[count, classes]` of the last forward pass.
    ///
    /// # Errors
    /// No forward pass to go back through, or a wrong shape.
    pub fn backward(&mut self, dlogits: &[f32]) -> Result<&Gradients> {
        self.run_backward(dlogits, false)
    }

    /// The same, and the gradient with respect to the images as well.
    ///
    /// # Errors
    /// As [`Network::backward`].
    pub fn backward_to_input(&mut self, dlogits: &[f32]) -> Result<&Gradients> {
        self.run_backward(dlogits, true)
    }

    fn run_backward(&mut self, dlogits: &[f32], input: bool) -> Result<&Gradients> {
        let count = self.last_count.take().ok_or(Error::NoForward)?;
        let expected = vec![count, self.graph.classes()];
        if dlogits.len() != expected[0] * expected[1] {
            return Err(Error::Shape { what: "∂loss/∂logits".into(), expected, found: vec![dlogits.len()] });
        }
        self.executor.backward(&self.graph, &self.state, dlogits, input, &mut self.gradients)?;
        zero_pruned(&self.kept, &mut self.gradients.parameters);
        Ok(&self.gradients)
    }

    fn zero_pruned_weights(&mut self) {
        if self.kept.iter().any(Option::is_some) {
            zero_pruned(&self.kept, self.state.parameters_mut());
        }
    }
}

fn zero_pruned(kept: &Kept, tensors: &mut [Vec<f32>]) {
    for (kept, values) in kept.iter().zip(tensors) {
        if let Some(kept) = kept {
            for (value, _) in values.iter_mut().zip(kept).filter(|(_, kept)| !**kept) {
                *value = 0.0;
            }
        }
    }
}
