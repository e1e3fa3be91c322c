//! The values of a model's tensors, on the host, in the graph's order.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Graph, Result};

static NEXT_GENERATION: AtomicU64 = AtomicU64::new(1);

/// Values of every parameter and buffer of one graph, each row-major in the shape that the graph gives.
///
/// A clone is a snapshot; assigning it back rewinds the model. [`State::generation`] identifies the content, so that
/// an executor can tell whether its uploaded or packed copy is current.
#[derive(Debug, Clone)]
pub struct State {
    parameters: Vec<Vec<f32>>,
    buffers: Vec<Vec<f32>>,
    generation: u64,
}

impl State {
    /// Zero parameters and fresh buffers for a graph.
    pub fn zeros(graph: &Graph) -> Self {
        let size = |shape: &[usize]| shape.iter().product::<usize>();
        let parameters = graph.parameters.iter().map(|p| vec![0.0; size(&p.shape)]).collect();
        let buffers = graph.buffers.iter().map(|b| vec![b.initial; size(&b.shape)]).collect();
        Self { parameters, buffers, generation: fresh_generation() }
    }

    /// Values in the graph's order.
    #[cfg(feature = "candle")]
    pub(crate) fn from_lists(parameters: Vec<Vec<f32>>, buffers: Vec<Vec<f32>>) -> Self {
        Self { parameters, buffers, generation: fresh_generation() }
    }

    /// Takes each tensor of the graph from `lookup`, which returns shape and values for a name.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn from_named(graph: &Graph, mut lookup: impl FnMut(&str) -> Option<(Vec<usize>, Vec<f32>)>) -> Result<Self> {
        let mut take = |name: &str, shape: &[usize]| {
            let (found, values) = lookup(name).ok_or_else(|| Error::Missing(name.into()))?;
            if found != shape || values.len() != shape.iter().product::<usize>() {
                return Err(Error::Shape { what: format!("tensor `{name}`"), expected: shape.to_vec(), found });
            }
            Ok(values)
        };
        let parameters = graph.parameters.iter().map(|p| take(&p.name, &p.shape)).collect::<Result<_>>()?;
        let buffers = graph.buffers.iter().map(|b| take(&b.name, &b.shape)).collect::<Result<_>>()?;
        Ok(Self { parameters, buffers, generation: fresh_generation() })
    }

    /// Name, shape and values of every tensor, parameters first.
    pub fn named<'a>(&'a self, graph: &'a Graph) -> impl Iterator<Item = (&'a str, &'a [usize], &'a [f32])> {
        let parameters = graph.parameters.iter().zip(&self.parameters);
        let buffers = graph.buffers.iter().zip(&self.buffers);
        parameters
            .map(|(p, v)| (p.name.as_str(), p.shape.as_slice(), v.as_slice()))
            .chain(buffers.map(|(b, v)| (b.name.as_str(), b.shape.as_slice(), v.as_slice())))
    }

    /// Checks that the values belong to `graph`.
    pub(crate) fn check_against(&self, graph: &Graph) -> Result<()> {
        let expected = vec![graph.parameters.len(), graph.buffers.len()];
        let found = vec![self.parameters.len(), self.buffers.len()];
        if expected != found {
            return Err(Error::Shape { what: "numbers of parameters and buffers".into(), expected, found });
        }
        self.named(graph)
            .try_for_each(|(name, shape, values)| check_len(|| format!("tensor `{name}`"), shape, values.len()))
    }

    /// Trainable values in the graph's order.
    pub fn parameters(&self) -> &[Vec<f32>] {
        &self.parameters
    }

    /// Trainable values, mutable.
    pub fn parameters_mut(&mut self) -> &mut [Vec<f32>] {
        self.generation = fresh_generation();
        &mut self.parameters
    }

    /// Running statistics in the graph's order.
    pub fn buffers(&self) -> &[Vec<f32>] {
        &self.buffers
    }

    /// Running statistics, mutable.
    pub fn buffers_mut(&mut self) -> &mut [Vec<f32>] {
        self.generation = fresh_generation();
        &mut self.buffers
    }

    /// Equal generations mean equal content.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The name of the first running variance that is negative. No training gives one: a normalisation takes its root.
    pub fn first_negative_variance<'a>(&'a self, graph: &'a Graph) -> Option<&'a str> {
        let is_variance = |name: &str| name.ends_with("running_var");
        let mut named = self.named(graph);
        named.find(|(name, _, values)| is_variance(name) && values.iter().any(|v| *v < 0.0)).map(|(name, _, _)| name)
    }

    /// The name of the first tensor that holds a NaN or an infinity.
    pub fn first_non_finite<'a>(&'a self, graph: &'a Graph) -> Option<&'a str> {
        self.named(graph).find(|(_, _, values)| values.iter().any(|v| !v.is_finite())).map(|(name, _, _)| name)
    }
}

/// Checks that the number of values matches their shape.
pub(crate) fn check_len(what: impl FnOnce() -> String, shape: &[usize], len: usize) -> Result<()> {
    if shape.iter().product::<usize>() == len {
        return Ok(());
    }
    Err(Error::Shape { what: what(), expected: shape.to_vec(), found: vec![len] })
}

fn fresh_generation() -> u64 {
    NEXT_GENERATION.fetch_add(1, Ordering::Relaxed)
}
