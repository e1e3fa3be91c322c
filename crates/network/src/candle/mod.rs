//! The Candle executor. It runs every layer on every device through Candle's operations and autograd, and is the
//! reference in tests.

mod backend;
mod convolution;
#[cfg(feature = "cudnn")]
mod cudnn;
mod layers;
mod tokens;
mod variables;
mod windows;

use candle_core::{Device, Tensor, Var};

pub(crate) use self::backend::Backend;
use self::{convolution::convolution, windows::Windows};
use crate::{Collect, Error, Executor, Gradients, Graph, Mode, Op, Result, State};

/// Runs a graph on a Candle device (CPU, CUDA, Metal).
///
/// Values live on the host. They are uploaded when their generation changes: once per step while training, and once
/// for a whole evaluation.
pub struct CandleExecutor {
    device: Device,
    values: Option<Uploaded>,
    pass: Option<Pass>,
}

struct Uploaded {
    generation: u64,
    parameters: Vec<Var>,
    buffers: Vec<Tensor>,
}

/// Data that a forward pass keeps for the backward pass.
struct Pass {
    images: Tensor,
    logits: Tensor,
    mode: Mode,
}

/// Logits and, when training, the batch mean and unbiased batch variance of each normalisation layer.
struct Output {
    logits: Tensor,
    statistics: Vec<layers::BatchStatistics>,
}

impl CandleExecutor {
    /// Revision 1: Candle's gradients of convolutions. Revision 2: gradients by matrix products (`convolution.rs`).
    pub(crate) const REVISION: u32 = 2;

    /// An executor on one device.
    pub fn new(device: Device) -> Self {
        Self { device, values: None, pass: None }
    }

    fn upload(&mut self, graph: &Graph, state: &State) -> Result<()> {
        if self.values.as_ref().is_some_and(|v| v.generation == state.generation()) {
            return Ok(());
        }
        let tensor = |values: &[f32], shape: &[usize]| Tensor::from_slice(values, shape, &self.device);
        let parameters = graph
            .parameters
            .iter()
            .zip(state.parameters())
            .map(|(p, v)| Ok(Var::from_tensor(&tensor(v, &p.shape)?)?))
            .collect::<Result<_>>()?;
        let buffers =
            graph.buffers.iter().zip(state.buffers()).map(|(b, v)| Ok(tensor(v, &b.shape)?)).collect::<Result<_>>()?;
        self.values = Some(Uploaded { generation: state.generation(), parameters, buffers });
        Ok(())
    }
}

impl Uploaded {
    fn run(&self, graph: &Graph, images: &Tensor, mode: Mode) -> Result<Output> {
        let mut outputs: Vec<Tensor> = Vec::with_capacity(graph.nodes.len());
        let mut statistics = Vec::new();
        for node in &graph.nodes {
            let input = |i: usize| &outputs[node.inputs[i]];
            let parameter = |id: usize| self.parameters[id].as_tensor();
            let output = match &node.op {
                Op::Input => images.clone(),
                Op::Normalize { mean, std } => layers::normalize(input(0), mean, std)?,
                &Op::Conv2d { weight, bias, kernel, stride, padding, groups } => {
                    let windows = Windows { kernel, stride, padding };
                    let product = convolution(input(0), parameter(weight), windows, groups)?;
                    match bias {
                        Some(bias) => layers::add_bias(&product, parameter(bias))?,
                        None => product,
                    }
                }
                &Op::MaxPool2d { kernel, stride, padding } => {
                    layers::max_pool(input(0), Windows { kernel, stride, padding })?
                }
                Op::BatchNorm2d { weight, bias, running_mean, running_var } => {
                    let (mean, var) = match mode {
                        Mode::Train => {
                            let batch = layers::batch_statistics(input(0), (*running_mean, *running_var))?;
                            let pair = (batch.mean.clone(), batch.var.clone());
                            statistics.push(batch);
                            pair
                        }
                        Mode::Frozen | Mode::Evaluate => {
                            (self.buffers[*running_mean].clone(), self.buffers[*running_var].clone())
                        }
                    };
                    layers::batch_norm(input(0), &mean, &var, parameter(*weight), parameter(*bias))?
                }
                Op::Relu => layers::relu(input(0))?,
                Op::Add => (input(0) + input(1))?,
                Op::ShortcutA { stride, out_channels } => layers::shortcut_a(input(0), *stride, *out_channels)?,
                Op::GlobalAvgPool => input(0).mean((2, 3))?,
                Op::Linear { weight, bias } => {
                    input(0).matmul(&parameter(*weight).t()?)?.broadcast_add(parameter(*bias))?
                }
                Op::Token(op) => tokens::run(op, input(0), parameter)?,
            };
            outputs.push(output);
        }
        let logits = outputs.pop().expect("a graph has an input node");
        Ok(Output { logits, statistics })
    }

    /// Gradients of the whole loss.
    fn gradients(
        &self,
        graph: &Graph,
        pass: &Pass,
        dlogits: &Tensor,
        input: bool,
        gradients: &mut Gradients,
    ) -> Result<()> {
        // The images are a leaf of the tape only if their gradient is wanted. The forward pass is then recorded
        // again.
        let images = if input { Some(Var::from_tensor(&pass.images)?) } else { None };
        let logits = match &images {
            Some(images) => &self.run(graph, images.as_tensor(), pass.mode)?.logits,
            None => &pass.logits,
        };
        let store = (logits * dlogits)?.sum_all()?.backward()?;
        for (parameter, gradient) in self.parameters.iter().zip(&mut gradients.parameters) {
            match store.get(parameter.as_tensor()) {
                Some(tensor) => *gradient = tensor.flatten_all()?.to_vec1()?,
                None => gradient.fill(0.0),
            }
        }
        gradients.input.clear();
        if let Some(tensor) = images.as_ref().and_then(|images| store.get(images.as_tensor())) {
            gradients.input = tensor.flatten_all()?.to_vec1()?;
        }
        Ok(())
    }
}

impl Executor for CandleExecutor {
    fn name(&self) -> &'static str {
        Backend::of(&self.device).name()
    }

    fn revision(&self) -> u32 {
        Self::REVISION
    }

    fn forward(
        &mut self,
        graph: &Graph,
        state: &mut State,
        images: &[f32],
        count: usize,
        mode: Mode,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        self.upload(graph, state)?;
        let [channels, height, width] = graph.input_shape();
        let images = Tensor::from_slice(images, (count, channels, height, width), &self.device)?;
        let values = self.values.as_ref().expect("uploaded above");
        let output = values.run(graph, &images, mode)?;
        *logits = output.logits.flatten_all()?.to_vec1()?;
        for batch in &output.statistics {
            batch.update_running(state)?;
        }
        self.pass = (mode != Mode::Evaluate).then_some(Pass { images, logits: output.logits, mode });
        Ok(())
    }

    fn backward(&mut self, graph: &Graph, _state: &State, dlogits: &[f32], mut collect: Collect<'_>) -> Result<()> {
        let (Some(pass), Some(values)) = (&self.pass, &self.values) else { return Err(Error::NoForward) };
        collect.check(pass.mode)?;
        let dlogits = Tensor::from_slice(dlogits, pass.logits.shape(), &self.device)?;
        if let Collect::Gradients { gradients, input } = collect {
            values.gradients(graph, pass, &dlogits, input, gradients)?;
            self.pass = None;
            return Ok(());
        }
        // Statistics are constants in this mode, so a sample on its own gives the same result as in its batch.
        for sample in 0..pass.images.dim(0)? {
            let logits = values.run(graph, &pass.images.narrow(0, sample, 1)?, pass.mode)?.logits;
            let store = (logits * dlogits.narrow(0, sample, 1)?)?.sum_all()?.backward()?;
            for (id, parameter) in values.parameters.iter().enumerate() {
                if let Some(gradient) = store.get(parameter.as_tensor()) {
                    collect.add_samples(id, sample, &gradient.flatten_all()?.to_vec1()?);
                }
            }
        }
        Ok(())
    }
}
