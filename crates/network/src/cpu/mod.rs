//! The CPU executor.

use crate::{Error, Executor, Gradients, Graph, Mode, Result, State};

/// Runs the convolutional families on the kernels of `unlearn-kernels`.
#[derive(Debug, Default)]
pub struct CpuExecutor;

impl CpuExecutor {
    /// An executor without working memory yet.
    pub fn new() -> Self {
        Self
    }

    /// Whether every layer of `graph` is one this executor knows.
    ///
    /// # Errors
    /// The first layer it does not know.
    pub fn supports(graph: &Graph) -> Result<()> {
        Err(Error::Unsupported { executor: "cpu", layer: graph.nodes[0].name.clone() })
    }
}

impl Executor for CpuExecutor {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn forward(&mut self, _: &Graph, _: &mut State, _: &[f32], _: usize, _: Mode, _: &mut Vec<f32>) -> Result<()> {
        Err(Error::NoForward)
    }

    fn backward(&mut self, _: &Graph, _: &State, _: &[f32], _: bool, _: &mut Gradients) -> Result<()> {
        Err(Error::NoForward)
    }
}
