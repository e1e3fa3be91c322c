//! A model's values on the device.

use candle_core::{Result, Tensor, Var};

use super::bus::Bus;
use crate::{Graph, State};

/// Parameters are leaves of the tape, and also lie one after the other in one vector: so an optimiser's step is a few
/// operations for the whole model, and the whole model crosses the bus in one piece.
pub(super) struct Values {
    /// The content, as [`State::generation`] identifies it.
    pub(super) generation: u64,
    pub(super) parameters: Vec<Var>,
    pub(super) buffers: Vec<Tensor>,
    flat: Tensor,
}

impl Values {
    /// Uploads a state in one piece.
    pub(super) fn upload(bus: &Bus, graph: &Graph, state: &State) -> Result<Self> {
        let all: Vec<f32> = state.named(graph).flat_map(|(_, _, values)| values).copied().collect();
        let uploaded = bus.up(&all, all.len())?;
        let flat = uploaded.narrow(0, 0, graph.parameter_count())?;
        let parameters = parts(graph, &flat).map(|part| Var::from_tensor(&part?)).collect::<Result<_>>()?;
        let mut start = graph.parameter_count();
        let buffer = |shape: &Vec<usize>| {
            let len = shape.iter().product();
            start += len;
            // A copy, because the slice would keep the whole upload in memory. `Tensor::copy` would copy all of it on a CPU.
            let part = uploaded.narrow(0, start - len, len)?.reshape(&shape[..])?;
            Ok(Var::from_tensor(&part)?.as_detached_tensor())
        };
        let buffers = graph.buffers.iter().map(|buffer| &buffer.shape).map(buffer).collect::<Result<_>>()?;
        Ok(Self { generation: state.generation(), parameters, buffers, flat })
    }

    /// Fetches all values in one piece.
    pub(super) fn download(&mut self, bus: &Bus, graph: &Graph) -> Result<State> {
        let mut all = vec![self.flat.clone()];
        for buffer in &self.buffers {
            all.push(buffer.flatten_all()?);
        }
        let all = bus.down::<f32>(&Tensor::cat(&all, 0)?)?;
        let (parameters, buffers) = all.split_at(graph.parameter_count());
        let state = State::from_lists(
            split(parameters, graph.parameters.iter().map(|parameter| &parameter.shape[..])),
            split(buffers, graph.buffers.iter().map(|buffer| &buffer.shape[..])),
        );
        self.generation = state.generation();
        Ok(state)
    }

    /// All parameters, one after the other.
    pub(super) fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Replaces the parameters. The content then has no generation, because no host has seen it.
    pub(super) fn replace(&mut self, graph: &Graph, flat: Tensor) -> Result<()> {
        for (variable, part) in self.parameters.iter().zip(parts(graph, &flat)) {
            variable.set(&part?)?;
        }
        self.flat = flat;
        self.generation = UNSEEN;
        Ok(())
    }
}

/// The generation of values that no host has seen. A state's begins with 1.
pub(super) const UNSEEN: u64 = 0;

/// Views of each parameter's part of a vector of all weights.
pub(super) fn flat_parts<'a>(graph: &'a Graph, flat: &'a Tensor) -> impl Iterator<Item = Result<Tensor>> + 'a {
    let mut start = 0;
    graph.parameters.iter().map(move |parameter| {
        let len = parameter.shape.iter().product();
        start += len;
        flat.narrow(0, start - len, len)
    })
}

/// The same, in each parameter's shape.
fn parts<'a>(graph: &'a Graph, flat: &'a Tensor) -> impl Iterator<Item = Result<Tensor>> + 'a {
    let shapes = graph.parameters.iter().map(|parameter| &parameter.shape[..]);
    flat_parts(graph, flat).zip(shapes).map(|(part, shape)| part?.reshape(shape))
}

/// Cuts a list into lists of these shapes.
pub(super) fn split<'a>(mut values: &[f32], shapes: impl Iterator<Item = &'a [usize]>) -> Vec<Vec<f32>> {
    let cut = |shape: &[usize]| {
        let (first, rest) = values.split_at(shape.iter().product());
        values = rest;
        first.to_vec()
    };
    shapes.map(cut).collect()
}
