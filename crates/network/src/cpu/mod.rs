//! The CPU executor: explicit forward and backward passes over the kernels of `unlearn-kernels`.
//!
//! A graph is planned once into steps. Normalisation, residual sum and ReLU are fused where the graph allows. Buffers
//! come from a pool and return to it, so that a step in steady state allocates nothing.

mod folded;
mod layers;
mod pass;
mod plan;

use unlearn_kernels::{
    Arithmetic, Buffer, Buffers, InstructionSet, Maps, images_to_maps, in_pool, maps_to_images, maps_to_rows,
    rows_to_maps,
};

use self::{
    folded::FoldedLayers,
    layers::Format,
    pass::{Backward, Forward, Statistics},
    plan::Plan,
};
use crate::{Collect, Error, Executor, Graph, Kept, Mode, Precision, Result, State};

/// Runs graphs of convolutions, batch normalisation, ReLU, residual sums, option-A shortcuts, max-pooling, global
/// average pooling, fully connected layers, and every layer of transformers ([`crate::TokenOp`]). Tokens
/// `[tokens, features]` are the pixels of a map with `features` channels.
pub struct CpuExecutor<E = f32> {
    plan: Option<Plan<E>>,
    buffers: Buffers<E>,
    /// The logits, or their gradient, as maps.
    logits: Buffer,
    pass: Option<Pass<E>>,
    folded: FoldedLayers,
    kernels: Kernels,
    kept: Kept,
}

/// How the algorithms of the convolutions are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kernels {
    /// Alike on every processor.
    #[default]
    Portable,
    /// As measured for the instruction set in use.
    Native,
    /// Direct, or sparse; without Winograd's transforms.
    Direct,
}

impl Kernels {
    /// Name of the arithmetic.
    pub(crate) fn arithmetic_name(self, precision: Precision) -> &'static str {
        let [full, half] = match (self, InstructionSet::in_use()) {
            (Self::Portable, _) => ["cpu", "cpu-bf16"],
            (Self::Direct, _) => ["cpu-direct", "cpu-direct-bf16"],
            (Self::Native, InstructionSet::Scalar) => ["cpu-native-scalar", "cpu-native-scalar-bf16"],
            (Self::Native, InstructionSet::Neon) => ["cpu-native-neon", "cpu-native-neon-bf16"],
            (Self::Native, InstructionSet::Avx2) => ["cpu-native-avx2", "cpu-native-avx2-bf16"],
            (Self::Native, InstructionSet::Avx512) => ["cpu-native-avx512", "cpu-native-avx512-bf16"],
        };
        match precision {
            Precision::F32 => full,
            Precision::Bf16 => half,
        }
    }

    /// Revision of the arithmetic. A native one contains a digest of the table of thresholds.
    pub(crate) fn revision(self) -> u32 {
        match self {
            Self::Portable | Self::Direct => CpuExecutor::REVISION,
            Self::Native => CpuExecutor::REVISION * 100_000 + Arithmetic::Native.fingerprint() % 100_000,
        }
    }
}

/// Data that a forward pass keeps for the backward pass.
struct Pass<E> {
    batch: usize,
    mode: Mode,
    /// The value of each node. Nodes that are fused into another one have none.
    values: Vec<Option<Buffer<E>>>,
    statistics: Statistics,
}

impl<E: Format> Default for CpuExecutor<E> {
    fn default() -> Self {
        Self::with(Kernels::default())
    }
}

impl CpuExecutor {
    /// Revision 1: samples innermost, direct. 2: Winograd and sparse. 3: Winograd's kernels transformed in vectors.
    /// 4: sparse bands of at least four rows. 5: the bits of AVX-512 on every instruction set.
    pub(crate) const REVISION: u32 = 5;

    /// An executor without working memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// An executor whose convolutions all use the direct algorithm or the sparse one, without Winograd's transforms.
    /// It is slower, and its rounding differs.
    pub fn direct() -> Self {
        Self::with(Kernels::Direct)
    }

    /// An executor that chooses algorithms by the table for the instruction set in use. It is the fastest, but its
    /// results have the same bits only on processors with the same instruction set.
    pub fn native() -> Self {
        Self::with(Kernels::Native)
    }

    /// Checks that this executor supports every layer of `graph`.
    ///
    /// # Errors
    /// The first layer that it does not support.
    pub fn supports(graph: &Graph) -> Result<()> {
        Self::runs(graph)
    }
}

#[expect(private_bounds, reason = "nobody outside adds a format")]
impl<E: Format> CpuExecutor<E> {
    /// Checks that this format has every layer of `graph`.
    pub(crate) fn runs(graph: &Graph) -> Result<()> {
        Plan::<E>::new(graph, &Kept::new(), Kernels::Portable).map(|_| ())
    }

    /// An executor whose convolutions choose their algorithms in this way.
    pub(crate) fn with(kernels: Kernels) -> Self {
        Self {
            plan: None,
            buffers: Buffers::default(),
            logits: Buffer::default(),
            pass: None,
            folded: FoldedLayers::default(),
            kernels,
            kept: Kept::default(),
        }
    }

    fn plan_for(&mut self, graph: &Graph) -> Result<()> {
        if self.plan.as_ref().is_none_or(|plan| plan.graph() != graph) {
            self.plan = Some(Plan::new(graph, &self.kept, self.kernels)?);
        }
        Ok(())
    }

    fn release(&mut self, pass: Pass<E>) {
        pass.values.into_iter().flatten().for_each(|buffer| self.buffers.give(buffer));
    }
}

impl<E: Format> Executor for CpuExecutor<E> {
    fn name(&self) -> &'static str {
        self.kernels.arithmetic_name(E::PRECISION)
    }

    fn revision(&self) -> u32 {
        self.kernels.revision()
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
        in_pool(|| {
            self.plan_for(graph)?;
            if let Some(pass) = self.pass.take() {
                self.release(pass);
            }
            let Some(plan) = &self.plan else { return Err(Error::NoForward) };
            let mut values: Vec<Option<Buffer<E>>> = vec![None; graph.nodes.len()];
            let mut statistics: Statistics = vec![None; graph.nodes.len()];

            let evaluated = (mode == Mode::Evaluate).then(|| state.generation());
            self.folded.keep_only(evaluated, graph.nodes.len());
            let output_node = graph.nodes.len() - 1;
            logits.resize(count * graph.classes(), 0.0);
            let maps = plan.maps(0, count);
            let mut input = self.buffers.take(maps.len());
            images_to_maps(images, &plan.mean, &plan.std, &mut input, &maps);
            values[plan.input] = Some(input);
            for (index, step) in plan.steps.iter().enumerate() {
                if mode == Mode::Evaluate && step.folded.is_some() {
                    continue;
                }
                let last = step.layer.as_linear().filter(|_| step.output == output_node);
                let written = last.is_none() && (mode != Mode::Train || !step.unwritten);
                let mut output =
                    if written { self.buffers.take(plan.maps(step.output, count).len()) } else { Buffer::default() };
                let mut pass = Forward {
                    plan,
                    batch: count,
                    mode,
                    values: &values,
                    state: &mut *state,
                    statistics: &mut statistics,
                    folded: &mut self.folded,
                };
                match last {
                    Some(linear) => {
                        let maps = plan.maps(step.output, count);
                        let out = at_least(&mut self.logits, maps.len());
                        linear.write(step, &pass, out);
                        maps_to_rows(out, logits, &maps);
                    }
                    None => step.layer.forward(step, &mut pass, &mut output),
                }
                values[step.output] = written.then_some(output);
                if mode == Mode::Evaluate {
                    for node in plan.last_used_by(index) {
                        values[*node].take().into_iter().for_each(|buffer| self.buffers.give(buffer));
                    }
                }
            }
            if let Some(features) = &values[output_node] {
                maps_to_rows(features, logits, &plan.maps(output_node, count));
            }
            let pass = Pass { batch: count, mode, values, statistics };
            if mode == Mode::Evaluate {
                self.release(pass);
            } else {
                self.pass = Some(pass);
            }
            Ok(())
        })
    }

    fn set_kept(&mut self, kept: &Kept) {
        if self.kept != *kept {
            self.kept.clone_from(kept);
            self.plan = None;
            self.folded = FoldedLayers::default();
        }
    }

    fn backward(&mut self, graph: &Graph, state: &State, dlogits: &[f32], mut collect: Collect<'_>) -> Result<()> {
        in_pool(|| {
            let (Some(pass), Some(plan)) = (&self.pass, &self.plan) else { return Err(Error::NoForward) };
            collect.check(pass.mode)?;
            let output = graph.nodes.len() - 1;
            let maps = plan.maps(output, pass.batch);
            let mut back = Backward {
                plan,
                batch: pass.batch,
                mode: pass.mode,
                values: &pass.values,
                statistics: &pass.statistics,
                state,
                arriving: vec![None; graph.nodes.len()],
                reduced: vec![None; graph.nodes.len()],
                unfinished: vec![None; graph.nodes.len()],
                buffers: &mut self.buffers,
                collect: &mut collect,
            };
            for step in plan.steps.iter().rev() {
                if step.output == output {
                    if let Some(linear) = step.layer.as_linear() {
                        let gradient = at_least(&mut self.logits, maps.len());
                        rows_to_maps(dlogits, gradient, &maps);
                        linear.read_gradient(step, &mut back, gradient);
                        continue;
                    }
                    let mut gradient = back.buffers.take(maps.len());
                    rows_to_maps(dlogits, &mut gradient, &maps);
                    back.arriving[output] = Some(gradient);
                }
                if let Some(gradient) = back.arriving[step.output].take() {
                    step.layer.backward(step, &mut back, gradient);
                }
            }
            let arriving = back.arriving;
            if let Collect::Gradients { gradients, input } = &mut collect {
                gradients.input.clear();
                if *input {
                    let maps: Maps = plan.maps(0, pass.batch);
                    gradients.input.resize(pass.batch * maps.channels * maps.height * maps.width, 0.0);
                    if let Some(gradient) = &arriving[plan.input] {
                        maps_to_images(gradient, &plan.std, &mut gradients.input, &maps);
                    }
                }
            }
            arriving.into_iter().flatten().for_each(|buffer| self.buffers.give(buffer));
            if !collect.by_sample() {
                self.pass.take().into_iter().for_each(|pass| self.release(pass));
            }
            Ok(())
        })
    }
}

/// A buffer of at least `len` values, whose content is unspecified.
fn at_least(buffer: &mut Buffer, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        *buffer = Buffer::new(len);
    }
    buffer
}
