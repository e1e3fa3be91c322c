//! A model's values as Candle's variables, and back: what a program that is built on `candle-nn` trains or serves.
//!
//! Names are the graph's tensor names, which are torchvision's or timm's. Parameters and running statistics are both
//! variables, as in `candle-nn` itself; a statistic has no gradient, so no optimiser moves it.

use std::sync::PoisonError;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};

use crate::{Error, Graph, Result, State};

impl State {
    /// Copies every tensor of `graph` to `device`, as variables under the graph's names.
    ///
    /// # Errors
    /// If the values belong to another graph, or the device fails.
    pub fn to_var_map(&self, graph: &Graph, device: &Device) -> Result<VarMap> {
        self.check_against(graph)?;
        let map = VarMap::new();
        let mut variables = map.data().lock().unwrap_or_else(PoisonError::into_inner);
        for (name, shape, values) in self.named(graph) {
            let tensor = Tensor::from_slice(values, shape, device)?;
            variables.insert(name.to_owned(), Var::from_tensor(&tensor)?);
        }
        drop(variables);
        Ok(map)
    }

    /// Takes every tensor of `graph` from a map of variables, on any device.
    ///
    /// # Errors
    /// If a tensor is missing, has another shape or is not f32, if the map holds a name that the graph lacks, or if
    /// the device fails.
    pub fn from_var_map(graph: &Graph, map: &VarMap) -> Result<Self> {
        let variables = map.data().lock().unwrap_or_else(PoisonError::into_inner);
        let known = |name: &str| shapes(graph).any(|(known, _)| known == name);
        let mut extra: Vec<&str> = variables.keys().map(String::as_str).filter(|name| !known(name)).collect();
        if !extra.is_empty() {
            extra.sort_unstable();
            return Err(Error::Extra(extra.join("`, `")));
        }
        Self::from_tensors(graph, |name| Ok(variables.get(name).map(|variable| variable.as_tensor().clone())))
    }

    /// The same as [`State::to_var_map`], as the builder that layers of `candle-nn` take their tensors from.
    ///
    /// # Errors
    /// As [`State::to_var_map`].
    pub fn to_var_builder(&self, graph: &Graph, device: &Device) -> Result<VarBuilder<'static>> {
        Ok(VarBuilder::from_varmap(&self.to_var_map(graph, device)?, DType::F32, device))
    }

    /// Takes every tensor of `graph` from a builder, under the builder's prefix. A builder does not list its names, so
    /// names that the graph lacks cannot be refused; [`State::from_var_map`] refuses them.
    ///
    /// # Errors
    /// If a tensor is missing, has another shape or is not f32, or the device fails.
    pub fn from_var_builder(graph: &Graph, builder: &VarBuilder<'_>) -> Result<Self> {
        // A builder over a `VarMap` makes a tensor that it lacks, so it is asked first.
        let shape = |wanted: &str| shapes(graph).find(|(name, _)| *name == wanted).map(|(_, shape)| shape);
        Self::from_tensors(graph, |name| match shape(name) {
            Some(shape) if builder.contains_tensor(name) => Ok(Some(builder.get(shape, name)?)),
            _ => Ok(None),
        })
    }

    fn from_tensors(graph: &Graph, mut tensor: impl FnMut(&str) -> Result<Option<Tensor>>) -> Result<Self> {
        let mut failed = None;
        let state = Self::from_named(graph, |name| {
            let values = tensor(name).and_then(|found| found.map(|found| values(name, &found)).transpose());
            values.unwrap_or_else(|error| {
                failed.get_or_insert(error);
                None
            })
        });
        // A tensor that could not be read is not missing.
        failed.map_or(state, Err)
    }
}

/// Name and shape of every tensor.
fn shapes(graph: &Graph) -> impl Iterator<Item = (&str, &[usize])> {
    let buffers = graph.buffers.iter().map(|buffer| (buffer.name.as_str(), buffer.shape.as_slice()));
    graph.parameters.iter().map(|parameter| (parameter.name.as_str(), parameter.shape.as_slice())).chain(buffers)
}

/// Shape and values of a tensor.
fn values(name: &str, tensor: &Tensor) -> Result<(Vec<usize>, Vec<f32>)> {
    if tensor.dtype() != DType::F32 {
        return Err(Error::NotFloat { tensor: format!("`{name}`"), found: format!("{:?}", tensor.dtype()) });
    }
    Ok((tensor.dims().to_vec(), tensor.flatten_all()?.to_vec1()?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{GraphBuilder, initialize};

    fn graph() -> Graph {
        let (mut graph, input) = GraphBuilder::new("tiny", [2, 4, 4]);
        let conv = graph.conv2d("conv1", input, 3, 3, 1, 1);
        let norm = graph.batch_norm2d("bn1", conv);
        let pool = graph.global_avg_pool("pool", norm);
        graph.linear("fc", pool, 4);
        graph.finish()
    }

    fn map() -> (Graph, State, VarMap) {
        let graph = graph();
        let mut state = initialize(&graph, 7);
        state.buffers_mut()[0][1] = 0.25;
        let map = state.to_var_map(&graph, &Device::Cpu).unwrap();
        (graph, state, map)
    }

    fn put(map: &VarMap, name: &str, tensor: &Tensor) {
        map.data().lock().unwrap().insert(name.into(), Var::from_tensor(tensor).unwrap());
    }

    fn refusal(result: Result<State>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn values_pass_through_variables_and_builders_to_the_bit() {
        let (graph, state, map) = map();
        let names: Vec<String> = map.data().lock().unwrap().keys().cloned().collect();
        assert_eq!(names.len(), 7, "{names:?}");
        let builder = state.to_var_builder(&graph, &Device::Cpu).unwrap();
        let prefixed: HashMap<String, Tensor> = map
            .data()
            .lock()
            .unwrap()
            .iter()
            .map(|(name, variable)| (format!("model.{name}"), variable.as_tensor().clone()))
            .collect();
        let prefixed = VarBuilder::from_tensors(prefixed, DType::F32, &Device::Cpu);
        for found in [
            State::from_var_map(&graph, &map),
            State::from_var_builder(&graph, &builder),
            State::from_var_builder(&graph, &prefixed.pp("model")),
        ] {
            let found = found.unwrap();
            assert_eq!((found.parameters(), found.buffers()), (state.parameters(), state.buffers()));
        }
    }

    #[test]
    fn a_missing_name_is_refused_and_not_made() {
        let (graph, _, map) = map();
        map.data().lock().unwrap().remove("fc.bias");
        let expected = "tensor `fc.bias` is missing; the graph of this architecture needs it";
        assert_eq!(refusal(State::from_var_map(&graph, &map)), expected);
        let builder = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
        assert_eq!(refusal(State::from_var_builder(&graph, &builder)), expected);
        assert!(!map.data().lock().unwrap().contains_key("fc.bias"));
    }

    #[test]
    fn extra_names_other_shapes_and_other_types_are_refused() {
        let (graph, _, map) = map();
        let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
        put(&map, "head.weight", &zeros(&[1], DType::F32));
        put(&map, "head.bias", &zeros(&[1], DType::F32));
        let message = refusal(State::from_var_map(&graph, &map));
        assert_eq!(
            message,
            "the graph of this architecture has no tensor `head.bias`, `head.weight`; remove what is not the model's"
        );
        let (graph, _, map) = self::map();
        put(&map, "fc.bias", &zeros(&[4, 1], DType::F32));
        let message = "tensor `fc.bias`: expected shape [4], found [4, 1]";
        assert_eq!(refusal(State::from_var_map(&graph, &map)), message);
        put(&map, "fc.bias", &zeros(&[4], DType::F64));
        let message = "tensor `fc.bias` holds F64 values; convert it to f32 first";
        assert_eq!(refusal(State::from_var_map(&graph, &map)), message);
        let builder = VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
        assert!(refusal(State::from_var_builder(&graph, &builder)).contains("F64"));
        let (mut other, input) = GraphBuilder::new("other", [2, 4, 4]);
        let pool = other.global_avg_pool("pool", input);
        other.linear("fc", pool, 4);
        assert!(State::zeros(&other.finish()).to_var_map(&graph, &Device::Cpu).is_err());
    }
}
