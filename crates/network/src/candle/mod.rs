//! The Candle executor. It runs every layer on every device through Candle's operations and autograd, and is the
//! reference in tests.

mod backend;
mod bus;
mod convolution;
#[cfg(feature = "cudnn")]
mod cudnn;
mod images;
mod layers;
mod losses;
mod steps;
mod tokens;
mod training;
mod values;
mod variables;
mod windows;

use candle_core::{Device, Tensor, Var, backprop::GradStore};

pub(crate) use self::backend::Backend;
use self::{
    bus::Bus,
    convolution::convolution,
    training::Training,
    values::{Values, split},
    windows::Windows,
};
use crate::{Collect, Error, Executor, Gradients, Graph, Mode, Op, Pixels, Resident, Result, State, Traffic};

/// Runs a graph on a Candle device (CPU, CUDA, Metal).
///
/// A training lives on the device ([`Resident`]). Single passes take their values from the host, which uploads them
/// when their generation changes.
pub struct CandleExecutor {
    bus: Bus,
    values: Option<Values>,
    pass: Option<Pass>,
    training: Training,
    trains: bool,
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
    /// Revision 3: training with loss and optimiser on the device.
    pub(crate) const REVISION: u32 = 3;

    /// An executor on one device.
    pub fn new(device: Device) -> Self {
        Self { bus: Bus::new(device), values: None, pass: None, training: Training::default(), trains: true }
    }

    /// The same without a training on the device: every step's parameters and gradients cross the bus, and the host
    /// runs the loss and the optimiser. This is the reference in tests.
    pub fn by_passes(device: Device) -> Self {
        Self { trains: false, ..Self::new(device) }
    }

    fn upload(&mut self, graph: &Graph, state: &State) -> Result<()> {
        if self.values.as_ref().is_none_or(|values| values.generation != state.generation()) {
            self.values = Some(Values::upload(&self.bus, graph, state)?);
        }
        Ok(())
    }

    /// The images of a pass, checked against the graph.
    fn images(&self, graph: &Graph, pixels: Pixels<'_>) -> Result<Tensor> {
        let shape = graph.batch_shape(pixels)?;
        Ok(images::upload(&self.bus, pixels, shape)?)
    }
}

impl Values {
    fn run(&self, bus: &Bus, graph: &Graph, images: &Tensor, mode: Mode) -> Result<Output> {
        let mut outputs: Vec<Tensor> = Vec::with_capacity(graph.nodes.len());
        let mut statistics = Vec::new();
        for node in &graph.nodes {
            let input = |i: usize| &outputs[node.inputs[i]];
            let parameter = |id: usize| self.parameters[id].as_tensor();
            let output = match &node.op {
                Op::Input => images.clone(),
                Op::Normalize { mean, std } => layers::normalize(bus, input(0), mean, std)?,
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
                Op::ShortcutA { stride, out_channels } => layers::shortcut_a(bus, input(0), *stride, *out_channels)?,
                Op::GlobalAvgPool => input(0).mean((2, 3))?,
                Op::Linear { weight, bias } => {
                    input(0).matmul(&parameter(*weight).t()?)?.broadcast_add(parameter(*bias))?
                }
                Op::Token(op) => tokens::run(bus, op, input(0), parameter)?,
            };
            outputs.push(output);
        }
        let logits = outputs.pop().expect("a graph has an input node");
        Ok(Output { logits, statistics })
    }

    /// ∂loss/∂parameters as one vector.
    fn flat_gradient(&self, graph: &Graph, logits: &Tensor, dlogits: &Tensor) -> Result<Tensor> {
        let store = (logits * dlogits)?.sum_all()?.backward()?;
        self.collected(graph, &store)
    }

    fn collected(&self, graph: &Graph, store: &GradStore) -> Result<Tensor> {
        let gradients = self.parameters.iter().map(|parameter| match store.get(parameter.as_tensor()) {
            Some(gradient) => Ok(gradient.flatten_all()?),
            None => Ok(parameter.flatten_all()?.detach().zeros_like()?),
        });
        let gradients = gradients.collect::<Result<Vec<_>>>()?;
        debug_assert_eq!(gradients.len(), graph.parameters.len());
        if gradients.is_empty() { Err(Error::NoForward) } else { Ok(Tensor::cat(&gradients, 0)?) }
    }

    /// Gradients of the whole loss.
    fn gradients(
        &self,
        (bus, graph): (&Bus, &Graph),
        pass: &Pass,
        dlogits: &Tensor,
        input: bool,
        gradients: &mut Gradients,
    ) -> Result<()> {
        // The images are a leaf of the tape only if their gradient is wanted. The forward pass is then recorded
        // again.
        let images = if input { Some(Var::from_tensor(&pass.images)?) } else { None };
        let logits = match &images {
            Some(images) => &self.run(bus, graph, images.as_tensor(), pass.mode)?.logits,
            None => &pass.logits,
        };
        let store = (logits * dlogits)?.sum_all()?.backward()?;
        let all = bus.down::<f32>(&self.collected(graph, &store)?)?;
        gradients.parameters = split(&all, graph.parameters.iter().map(|parameter| &parameter.shape[..]));
        gradients.input.clear();
        if let Some(tensor) = images.as_ref().and_then(|images| store.get(images.as_tensor())) {
            gradients.input = bus.down(tensor)?;
        }
        Ok(())
    }
}

impl Executor for CandleExecutor {
    fn name(&self) -> &'static str {
        Backend::of(self.bus.device()).name()
    }

    fn revision(&self) -> u32 {
        Self::REVISION
    }

    fn forward(
        &mut self,
        graph: &Graph,
        state: &mut State,
        images: &[f32],
        _: usize,
        mode: Mode,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        self.forward_pixels(graph, state, images.into(), mode, logits)
    }

    fn forward_pixels(
        &mut self,
        graph: &Graph,
        state: &mut State,
        images: Pixels<'_>,
        mode: Mode,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        self.upload(graph, state)?;
        let images = self.images(graph, images)?;
        let Some(values) = &self.values else { return Err(Error::NoForward) };
        let output = values.run(&self.bus, graph, &images, mode)?;
        *logits = self.bus.down(&output.logits)?;
        for batch in &output.statistics {
            batch.update_running(&self.bus, state)?;
        }
        self.pass = (mode != Mode::Evaluate).then_some(Pass { images, logits: output.logits, mode });
        Ok(())
    }

    fn takes_bytes(&self) -> bool {
        true
    }

    fn backward(&mut self, graph: &Graph, _state: &State, dlogits: &[f32], mut collect: Collect<'_>) -> Result<()> {
        let (Some(pass), Some(values)) = (&self.pass, &self.values) else { return Err(Error::NoForward) };
        let bus = &self.bus;
        collect.check(pass.mode)?;
        let dlogits = bus.up(dlogits, pass.logits.shape())?;
        if let Collect::Gradients { gradients, input } = collect {
            values.gradients((bus, graph), pass, &dlogits, input, gradients)?;
            self.pass = None;
            return Ok(());
        }
        // Statistics are constants in this mode, so a sample on its own gives the same result as in its batch.
        for sample in 0..pass.images.dim(0)? {
            let logits = values.run(bus, graph, &pass.images.narrow(0, sample, 1)?, pass.mode)?.logits;
            let store = (logits * dlogits.narrow(0, sample, 1)?)?.sum_all()?.backward()?;
            for (id, parameter) in values.parameters.iter().enumerate() {
                if let Some(gradient) = store.get(parameter.as_tensor()) {
                    collect.add_samples(id, sample, &bus.down::<f32>(gradient)?);
                }
            }
        }
        Ok(())
    }

    fn resident(&mut self) -> Option<&mut dyn Resident> {
        self.trains.then_some(self)
    }

    fn traffic(&self) -> Traffic {
        self.bus.traffic()
    }
}
