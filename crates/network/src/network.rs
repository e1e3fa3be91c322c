//! A model ready to run: graph, values, executor and the weights that pruning keeps.

use std::{borrow::Cow, sync::Arc};

use crate::{Collect, DeviceChoice, Error, Executor, Gradients, Graph, Kept, Mode, Result, RowLayout, State};

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
        self.check_dlogits(dlogits)?;
        self.last_count = None;
        let collect = Collect::Gradients { gradients: &mut self.gradients, input };
        self.executor.backward(&self.graph, &self.state, dlogits, collect)?;
        zero_pruned(&self.kept, &mut self.gradients.parameters);
        Ok(&self.gradients)
    }

    /// Adds to `squares`, per parameter in its shape, Σ over samples of (∂ℓₙ/∂θ)², the square of each sample's gradient; at
    /// pruned weights it becomes zero. In expectation over the model's own labels this is the diagonal of the Fisher
    /// information.
    ///
    /// `dlogits` `[count, classes]` holds in row n the derivative of sample n's own loss ℓₙ, not its share of a mean. The last
    /// forward pass must have been in [`Mode::Frozen`] and stays: more of the kind, and then a [`Network::backward`], may
    /// follow.
    ///
    /// # Errors
    /// No forward pass, or one in mode train; wrong shapes.
    pub fn add_squared_gradients(&mut self, dlogits: &[f32], squares: &mut [Vec<f32>]) -> Result<()> {
        self.check_dlogits(dlogits)?;
        self.check_tensors("squared gradients", squares)?;
        self.executor.backward(&self.graph, &self.state, dlogits, Collect::Squares(squares))?;
        zero_pruned(&self.kept, squares);
        Ok(())
    }

    /// Adds to `dots` `[count]` the dot product of each sample's gradient with a direction, given per parameter in its shape,
    /// over the weights that are kept. `dlogits` and the forward pass are as for [`Network::add_squared_gradients`].
    ///
    /// # Errors
    /// As [`Network::add_squared_gradients`].
    pub fn add_gradient_dots(&mut self, direction: &[Vec<f32>], dlogits: &[f32], dots: &mut [f32]) -> Result<()> {
        let count = self.check_dlogits(dlogits)?;
        self.check_tensors("direction", direction)?;
        check_shape("dot products", &[count], dots.len())?;
        let mut direction = Cow::Borrowed(direction);
        if self.kept.iter().any(Option::is_some) {
            zero_pruned(&self.kept, direction.to_mut());
        }
        let collect = Collect::Dots { direction: &direction, dots };
        self.executor.backward(&self.graph, &self.state, dlogits, collect)
    }

    /// Writes each sample's gradient as a row of `rows` `[count, width]`, which [`Network::row_layout`] lays out. `dlogits`
    /// and the forward pass are as for [`Network::add_squared_gradients`].
    ///
    /// # Errors
    /// As [`Network::add_squared_gradients`].
    pub fn sample_gradients(&mut self, dlogits: &[f32], rows: &mut [f32]) -> Result<()> {
        let count = self.check_dlogits(dlogits)?;
        let layout = self.row_layout();
        check_shape("rows of gradients", &[count, layout.width()], rows.len())?;
        rows.fill(0.0);
        self.executor.backward(&self.graph, &self.state, dlogits, Collect::Rows { layout: &layout, rows })
    }

    /// What a row of [`Network::sample_gradients`] holds, and so how wide it is.
    pub fn row_layout(&self) -> RowLayout {
        RowLayout::new(&self.graph, &self.kept)
    }

    /// Samples of the forward pass that a backward pass may follow.
    fn check_dlogits(&self, dlogits: &[f32]) -> Result<usize> {
        let count = self.last_count.ok_or(Error::NoForward)?;
        check_shape("∂loss/∂logits", &[count, self.graph.classes()], dlogits.len())?;
        Ok(count)
    }

    fn check_tensors(&self, what: &str, tensors: &[Vec<f32>]) -> Result<()> {
        check_shape(what, &[self.graph.parameters.len()], tensors.len())?;
        let mut pairs = self.graph.parameters.iter().zip(tensors);
        pairs.try_for_each(|(parameter, values)| {
            check_shape(&format!("{what} of `{}`", parameter.name), &parameter.shape, values.len())
        })
    }

    fn zero_pruned_weights(&mut self) {
        if self.kept.iter().any(Option::is_some) {
            zero_pruned(&self.kept, self.state.parameters_mut());
        }
    }
}

/// Holds a number of values against a shape.
fn check_shape(what: &str, expected: &[usize], found: usize) -> Result<()> {
    if found == expected.iter().product::<usize>() {
        return Ok(());
    }
    Err(Error::Shape { what: what.to_owned(), expected: expected.to_vec(), found: vec![found] })
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
