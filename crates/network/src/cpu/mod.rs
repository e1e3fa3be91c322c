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
    pass::{Backward, Forward, Statistics},
    plan::Plan,
};
use crate::{Collect, Error, Executor, Graph, Kept, Mode, Result, State};

/// Runs graphs of convolutions, batch normalisation, ReLU, residual sums, option-A shortcuts, max-pooling, global
/// average pooling, fully connected layers, and every layer of transformers ([`crate::TokenOp`]). Tokens
/// `[tokens, features]` are the pixels of a map with `features` channels.
#[derive(Default)]
pub struct CpuExecutor {
    plan: Option<Plan>,
    buffers: Buffers,
    pass: Option<Pass>,
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
    pub(crate) fn arithmetic_name(self) -> &'static str {
        match (self, InstructionSet::in_use()) {
            (Self::Portable, _) => "cpu",
            (Self::Direct, _) => "cpu-direct",
            (Self::Native, InstructionSet::Scalar) => "cpu-native-scalar",
            (Self::Native, InstructionSet::Neon) => "cpu-native-neon",
            (Self::Native, InstructionSet::Avx2) => "cpu-native-avx2",
            (Self::Native, InstructionSet::Avx512) => "cpu-native-avx512",
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
struct Pass {
    batch: usize,
    mode: Mode,
    /// The value of each node. Nodes that are fused into another one have none.
    values: Vec<Option<Buffer>>,
    statistics: Statistics,
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
        Self { kernels: Kernels::Direct, ..Self::default() }
    }

    /// An executor that chooses algorithms by the table for the instruction set in use. It is the fastest, but its
    /// results have the same bits only on processors with the same instruction set.
    pub fn native() -> Self {
        Self { kernels: Kernels::Native, ..Self::default() }
    }

    /// Checks that this executor supports every layer of `graph`.
    ///
    /// # Errors
    /// The first layer that it does not support.
    pub fn supports(graph: &Graph) -> Result<()> {
        Plan::new(graph, &Kept::new(), Kernels::Portable).map(|_| ())
    }

    fn plan_for(&mut self, graph: &Graph) -> Result<()> {
        if self.plan.as_ref().is_none_or(|plan| plan.graph() != graph) {
            self.plan = Some(Plan::new(graph, &self.kept, self.kernels)?);
        }
        Ok(())
    }

    fn release(&mut self, pass: Pass) {
        pass.values.into_iter().flatten().for_each(|buffer| self.buffers.give(buffer));
    }
}

impl Executor for CpuExecutor {
    fn name(&self) -> &'static str {
        self.kernels.arithmetic_name()
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
            let mut values: Vec<Option<Buffer>> = vec![None; graph.nodes.len()];
            let mut statistics: Statistics = vec![None; graph.nodes.len()];

            let evaluated = (mode == Mode::Evaluate).then(|| state.generation());
            self.folded.keep_only(evaluated, graph.nodes.len(), &mut self.buffers);
            let maps = plan.maps(0, count);
            let mut input = self.buffers.take(maps.len());
            images_to_maps(images, &plan.mean, &plan.std, &mut input, &maps);
            values[plan.input] = Some(input);
            for (index, step) in plan.steps.iter().enumerate() {
                if mode == Mode::Evaluate && step.folded.is_some() {
                    continue;
                }
                let written = mode != Mode::Train || !step.unwritten;
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
                    buffers: &mut self.buffers,
                };
                step.layer.forward(step, &mut pass, &mut output);
                values[step.output] = written.then_some(output);
                if mode == Mode::Evaluate {
                    for node in plan.last_used_by(index) {
                        values[*node].take().into_iter().for_each(|buffer| self.buffers.give(buffer));
                    }
                }
            }
            let output = graph.nodes.len() - 1;
            logits.resize(count * graph.classes(), 0.0);
            if let Some(features) = &values[output] {
                maps_to_rows(features, logits, &plan.maps(output, count));
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
            let mut gradient = self.buffers.take(maps.len());
            rows_to_maps(dlogits, &mut gradient, &maps);
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
            back.arriving[output] = Some(gradient);
            for step in plan.steps.iter().rev() {
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
