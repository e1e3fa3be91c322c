//! A model ready to run: graph, values, executor and the weights that pruning keeps.

use std::{borrow::Cow, sync::Arc};

use crate::{
    Collect, DeviceChoice, Error, Executor, Gradients, Graph, Kept, Mode, Pixels, Result, RowLayout, State, Traffic,
    state::check_len,
};

/// A graph with its values and the executor that runs it. Training, pruning and unlearning use only this type.
///
/// Pruned weights are zero when [`Network::prune`] returns, and their gradients are zero after every
/// [`Network::backward`]. An optimiser whose update is zero for weight 0 and gradient 0 keeps them at exactly zero.
pub struct Network {
    pub(crate) graph: Arc<Graph>,
    pub(crate) state: State,
    pub(crate) executor: Box<dyn Executor>,
    pub(crate) kept: Kept,
    gradients: Gradients,
    pub(crate) last_count: Option<usize>,
}

impl Network {
    /// Puts a model on a device.
    ///
    /// # Errors
    /// If this build lacks the device or it does not open, or the values belong to another graph.
    pub fn new(graph: Arc<Graph>, state: State, device: DeviceChoice) -> Result<Self> {
        state.check_against(&graph)?;
        let executor = device.executor(&graph)?;
        Ok(Self::with_executor(graph, state, executor))
    }

    /// Puts a model on the given executor. If the values belong to another graph, the next pass returns an error.
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

    /// Name and revision of the arithmetic. The bits of a trained model depend on it.
    pub fn arithmetic(&self) -> String {
        self.executor.arithmetic()
    }

    /// The values.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Replaces the values. Pruned weights stay pruned. If the values belong to another graph, the next pass returns
    /// an error.
    pub fn set_state(&mut self, state: State) {
        self.state = state;
        self.zero_pruned_weights();
    }

    /// Mutable parameters and the gradients of the last backward pass, for an optimiser.
    pub fn parameters_and_gradients(&mut self) -> (&mut [Vec<f32>], &mut Gradients) {
        (self.state.parameters_mut(), &mut self.gradients)
    }

    /// Gradients of the last backward pass.
    pub fn gradients(&self) -> &Gradients {
        &self.gradients
    }

    /// The kept weights of each parameter.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Prunes: weights outside `kept` become zero and stay zero.
    ///
    /// # Errors
    /// If `kept` does not have one entry per parameter, or the length of an entry is not that of its parameter.
    pub fn prune(&mut self, kept: Kept) -> Result<()> {
        let (expected, found) = (self.graph.parameters.len(), kept.len());
        if expected != found {
            let (expected, found) = (vec![expected], vec![found]);
            return Err(Error::Shape { what: "masks, one for each parameter".into(), expected, found });
        }
        self.check_lists("mask", &kept)?;
        self.kept = kept;
        self.executor.set_kept(&self.kept);
        self.zero_pruned_weights();
        Ok(())
    }

    /// Logits `[count, classes]` for images `[count, channels, height, width]` in 0..1.
    ///
    /// # Errors
    /// If the images have another shape, the values belong to another graph, or the device fails. In debug builds,
    /// also if images are not finite.
    pub fn forward(&mut self, images: &[f32], mode: Mode, logits: &mut Vec<f32>) -> Result<()> {
        let shape = self.graph.batch_shape(images.into())?;
        check_finite("images", &shape, images)?;
        self.state.check_against(&self.graph)?;
        let _pass = pass();
        self.executor.forward(&self.graph, &mut self.state, images, shape[0], mode, logits)?;
        self.last_count = (mode != Mode::Evaluate).then_some(shape[0]);
        Ok(())
    }

    /// The same for images in either form. If [`Network::takes_bytes`], bytes go to the device as they are.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn forward_pixels(&mut self, images: Pixels<'_>, mode: Mode, logits: &mut Vec<f32>) -> Result<()> {
        if let Pixels::Floats(images) = images {
            return self.forward(images, mode, logits);
        }
        let shape = self.graph.batch_shape(images)?;
        self.state.check_against(&self.graph)?;
        let _pass = pass();
        self.executor.forward_pixels(&self.graph, &mut self.state, images, mode, logits)?;
        self.last_count = (mode != Mode::Evaluate).then_some(shape[0]);
        Ok(())
    }

    /// Whether images should come as bytes, because the executor's memory is not the host's.
    pub fn takes_bytes(&self) -> bool {
        self.executor.takes_bytes()
    }

    /// What has crossed between the host and the executor's device.
    pub fn traffic(&self) -> Traffic {
        self.executor.traffic()
    }

    /// Gradients from ∂loss/∂logits `[count, classes]` of the last forward pass.
    ///
    /// # Errors
    /// If there is no forward pass to go back through, or the shape is wrong. In debug builds, also if values are not
    /// finite.
    pub fn backward(&mut self, dlogits: &[f32]) -> Result<&Gradients> {
        self.run_backward(dlogits, false)
    }

    /// The same, with the gradient with respect to the images.
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
        let _pass = pass();
        self.executor.backward(&self.graph, &self.state, dlogits, collect)?;
        zero_pruned(&self.kept, &mut self.gradients.parameters);
        Ok(&self.gradients)
    }

    /// Adds to `squares`, for each parameter and in its shape, Σ over samples of (∂ℓₙ/∂θ)², the squared gradient of
    /// each sample. Entries of pruned weights become zero. In expectation over the model's own labels, this is the
    /// diagonal of the Fisher information.
    ///
    /// Row n of `dlogits` `[count, classes]` holds the derivative of sample n's own loss ℓₙ, not of its share in a
    /// mean. The last forward pass must have been in [`Mode::Frozen`]. It is kept: more calls of this kind may
    /// follow, and then a [`Network::backward`].
    ///
    /// # Errors
    /// If there is no forward pass, it was in mode train, or shapes are wrong.
    pub fn add_squared_gradients(&mut self, dlogits: &[f32], squares: &mut [Vec<f32>]) -> Result<()> {
        self.check_dlogits(dlogits)?;
        self.check_tensors("squared gradients", squares)?;
        let _pass = pass();
        self.executor.backward(&self.graph, &self.state, dlogits, Collect::Squares(squares))?;
        zero_pruned(&self.kept, squares);
        Ok(())
    }

    /// Adds to `dots` `[count]` the dot product of each sample's gradient with a direction, over the kept weights.
    /// The direction is one tensor per parameter, in its shape. `dlogits` and the forward pass are as for
    /// [`Network::add_squared_gradients`].
    ///
    /// # Errors
    /// As [`Network::add_squared_gradients`].
    pub fn add_gradient_dots(&mut self, direction: &[Vec<f32>], dlogits: &[f32], dots: &mut [f32]) -> Result<()> {
        let count = self.check_dlogits(dlogits)?;
        self.check_tensors("direction", direction)?;
        check_len(|| "dot products".into(), &[count], dots.len())?;
        let mut direction = Cow::Borrowed(direction);
        if self.kept.iter().any(Option::is_some) {
            zero_pruned(&self.kept, direction.to_mut());
        }
        let collect = Collect::Dots { direction: &direction, dots };
        let _pass = pass();
        self.executor.backward(&self.graph, &self.state, dlogits, collect)
    }

    /// Writes each sample's gradient as a row of `rows` `[count, width]`. [`Network::row_layout`] describes a row.
    /// `dlogits` and the forward pass are as for [`Network::add_squared_gradients`].
    ///
    /// # Errors
    /// As [`Network::add_squared_gradients`].
    pub fn sample_gradients(&mut self, dlogits: &[f32], rows: &mut [f32]) -> Result<()> {
        let count = self.check_dlogits(dlogits)?;
        let layout = self.row_layout();
        check_len(|| "rows of gradients".into(), &[count, layout.width()], rows.len())?;
        rows.fill(0.0);
        let _pass = pass();
        self.executor.backward(&self.graph, &self.state, dlogits, Collect::Rows { layout: &layout, rows })
    }

    /// The layout of a row of [`Network::sample_gradients`], and thereby its width.
    pub fn row_layout(&self) -> RowLayout {
        RowLayout::new(&self.graph, &self.kept)
    }

    /// Checks `dlogits` against the last forward pass, and returns that pass's number of samples.
    fn check_dlogits(&self, dlogits: &[f32]) -> Result<usize> {
        let count = self.last_count.ok_or(Error::NoForward)?;
        let shape = [count, self.graph.classes()];
        check_len(|| "∂loss/∂logits".into(), &shape, dlogits.len())?;
        check_finite("∂loss/∂logits", &shape, dlogits)?;
        self.state.check_against(&self.graph)?;
        Ok(count)
    }

    /// Checks one list of bits per parameter.
    pub(crate) fn check_lists(&self, what: &str, lists: &Kept) -> Result<()> {
        check_len(|| what.to_owned(), &[self.graph.parameters.len()], lists.len())?;
        for (parameter, list) in self.graph.parameters.iter().zip(lists) {
            if let Some(list) = list {
                check_len(|| format!("{what} of `{}`", parameter.name), &parameter.shape, list.len())?;
            }
        }
        Ok(())
    }

    pub(crate) fn check_tensors(&self, what: &str, tensors: &[Vec<f32>]) -> Result<()> {
        check_len(|| what.to_owned(), &[self.graph.parameters.len()], tensors.len())?;
        let mut pairs = self.graph.parameters.iter().zip(tensors);
        pairs.try_for_each(|(parameter, values)| {
            check_len(|| format!("{what} of `{}`", parameter.name), &parameter.shape, values.len())
        })
    }

    fn zero_pruned_weights(&mut self) {
        if self.kept.iter().any(Option::is_some) {
            zero_pruned(&self.kept, self.state.parameters_mut());
        }
    }
}

/// In debug builds, checks that no value is a NaN or an infinity. Such a value would otherwise surface far from its
/// origin.
pub(crate) fn check_finite(what: &str, shape: &[usize], values: &[f32]) -> Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let Some(mut index) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let value = values[index];
    let mut position = vec![0; shape.len()];
    for (place, size) in position.iter_mut().zip(shape).rev() {
        (*place, index) = (index % size, index / size);
    }
    Err(Error::NonFinite { what: what.to_owned(), position, value })
}

/// Marks a pass through the network, in either direction, by a span. Time outside of these spans is overhead.
pub(crate) fn pass() -> tracing::span::EnteredSpan {
    tracing::trace_span!("pass").entered()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;

    /// A graph for images `[2, 4, 4]` with three classes.
    fn graph(outputs: usize) -> Arc<Graph> {
        let (mut graph, images) = GraphBuilder::new("test", [2, 4, 4]);
        let conv = graph.conv2d("conv", images, outputs, 3, 1, 1);
        let pooled = graph.global_avg_pool("pool", conv);
        graph.linear("fc", pooled, 3);
        graph.finish().into()
    }

    fn network() -> Network {
        let graph = graph(5);
        let state = State::zeros(&graph);
        Network::new(graph, state, DeviceChoice::Cpu).unwrap()
    }

    fn refusal<T>(result: Result<T>) -> String {
        result.map(drop).unwrap_err().to_string()
    }

    #[test]
    fn images_fill_their_shape() {
        let mut network = network();
        let mut forward = |len| network.forward(&vec![0.5; len], Mode::Train, &mut vec![]);
        assert_eq!(refusal(forward(0)), "images: expected shape [1, 2, 4, 4], found [0]");
        assert_eq!(refusal(forward(16)), "images: expected shape [1, 2, 4, 4], found [16]", "one channel of two");
        assert_eq!(refusal(forward(7 * 16)), "images: expected shape [3, 2, 4, 4], found [112]");
        forward(2 * 32).unwrap();
    }

    #[test]
    fn gradients_of_the_logits_fill_their_shape_and_follow_a_forward_pass() {
        let mut network = network();
        assert!(matches!(network.backward(&[0.0; 3]), Err(Error::NoForward)));
        for len in [0, 5, 12] {
            network.forward(&[0.5; 3 * 32], Mode::Train, &mut vec![]).unwrap();
            let expected = format!("∂loss/∂logits: expected shape [3, 3], found [{len}]");
            assert_eq!(refusal(network.backward(&vec![0.0; len])), expected);
        }
        network.forward(&[0.5; 3 * 32], Mode::Evaluate, &mut vec![]).unwrap();
        assert!(matches!(network.backward(&[0.0; 9]), Err(Error::NoForward)));
    }

    #[test]
    fn masks_fill_their_parameters() {
        let mut network = network();
        let mut kept: Kept = vec![None; 3];
        kept[0] = Some(vec![true; 5 * 2 * 9]);
        network.prune(kept.clone()).unwrap();
        assert_eq!(
            refusal(network.prune(vec![None; 2])),
            "masks, one for each parameter: expected shape [3], found [2]"
        );
        kept[0] = Some(vec![true; 45]);
        assert_eq!(refusal(network.prune(kept)), "mask of `conv.weight`: expected shape [5, 2, 3, 3], found [45]");
    }

    #[test]
    fn values_of_another_graph_are_refused() {
        let other = State::zeros(&graph(4));
        let expected = "tensor `conv.weight`: expected shape [5, 2, 3, 3], found [72]";
        assert_eq!(refusal(Network::new(graph(5), other.clone(), DeviceChoice::Cpu)), expected);
        let mut network = network();
        network.set_state(other);
        assert_eq!(refusal(network.forward(&[0.5; 32], Mode::Evaluate, &mut vec![])), expected);
        let (mut empty, images) = GraphBuilder::new("test", [2, 4, 4]);
        empty.global_avg_pool("pool", images);
        network.set_state(State::zeros(&empty.finish()));
        let message = refusal(network.forward(&[0.5; 32], Mode::Evaluate, &mut vec![]));
        assert_eq!(message, "numbers of parameters and buffers: expected shape [3, 0], found [0, 0]");
    }

    #[test]
    #[cfg(debug_assertions)]
    fn debug_builds_say_where_something_is_not_finite() {
        let mut network = network();
        let mut images = vec![0.5; 2 * 32];
        (images[32 + 16 + 4 * 2 + 1], images[32 + 31]) = (f32::NAN, f32::INFINITY);
        let message = refusal(network.forward(&images, Mode::Evaluate, &mut vec![]));
        assert_eq!(message, "images: NaN at [1, 1, 2, 1]; values passed to a network must be finite");
        network.forward(&[0.5; 2 * 32], Mode::Train, &mut vec![]).unwrap();
        let message = refusal(network.backward(&[0.0, 0.0, 0.0, 0.0, f32::NEG_INFINITY, 0.0]));
        assert_eq!(message, "∂loss/∂logits: -inf at [1, 1]; values passed to a network must be finite");
    }
}
