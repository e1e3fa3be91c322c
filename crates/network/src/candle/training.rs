//! Training with everything on the device ([`Resident`]).

use candle_core::{DType, Tensor};

use super::{
    CandleExecutor, Output, Pass, losses, steps,
    values::{UNSEEN, flat_parts, split},
};
use crate::{Descent, Error, Graph, Kept, Mode, Penalty, Pixels, Resident, Result, Slope, State, Trainable};

/// What a training has on the device besides the model's values.
#[derive(Default)]
pub(super) struct Training {
    /// The pruned weights that `kept` stands for.
    pruned: Kept,
    /// 1 for each kept weight. `None` if all are.
    kept: Option<Tensor>,
    /// 1 for each weight that may change. `None` if all may.
    moves: Option<Tensor>,
    memory: Vec<Tensor>,
    pass: Option<Pass>,
    gradient: Option<Tensor>,
    loss: Option<Tensor>,
    correct: Option<Tensor>,
    before: Option<(Tensor, Vec<Tensor>)>,
}

impl CandleExecutor {
    /// A vector of all weights from lists per parameter, as 0 and 1. A missing list is ones.
    fn bits(&self, graph: &Graph, lists: &Kept) -> Result<Option<Tensor>> {
        if lists.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut bits: Vec<u8> = Vec::with_capacity(graph.parameter_count());
        for (parameter, list) in graph.parameters.iter().zip(lists) {
            match list {
                Some(list) => bits.extend(list.iter().map(|bit| u8::from(*bit))),
                None => bits.resize(bits.len() + parameter.shape.iter().product::<usize>(), 1),
            }
        }
        Ok(Some(self.bus.up(&bits, bits.len())?))
    }

    fn take_gradient(&mut self) -> Result<Tensor> {
        self.training.gradient.take().ok_or(Error::NoForward)
    }
}

impl Resident for CandleExecutor {
    fn enter(&mut self, graph: &Graph, state: &State, kept: &Kept) -> Result<()> {
        self.upload(graph, state)?;
        if self.training.pruned != *kept {
            self.training.kept = self.bits(graph, kept)?;
            self.training.pruned.clone_from(kept);
        }
        Ok(())
    }

    fn remember(&mut self, graph: &Graph, memory: &[&[Vec<f32>]], trainable: Option<&Trainable>) -> Result<()> {
        let upload = |lists: &&[Vec<f32>]| {
            let all = lists.concat();
            if all.iter().all(|value| value.to_bits() == 0) {
                return Tensor::zeros(all.len(), DType::F32, self.bus.device());
            }
            self.bus.up(&all, all.len())
        };
        self.training.memory = memory.iter().map(upload).collect::<candle_core::Result<_>>()?;
        self.training.moves = trainable.map_or(Ok(None), |trainable| self.bits(graph, trainable))?;
        Ok(())
    }

    fn forward(&mut self, graph: &Graph, pixels: Pixels<'_>) -> Result<()> {
        let images = self.images(graph, pixels)?;
        // A single pass cannot go back through values that have changed.
        self.pass = None;
        let values = self.values.as_mut().ok_or(Error::NoForward)?;
        let Output { logits, statistics } = values.run(&self.bus, graph, &images, Mode::Train)?;
        for batch in &statistics {
            batch.update(&mut values.buffers)?;
        }
        values.generation = UNSEEN;
        self.training.pass = Some(Pass { images, logits, mode: Mode::Train });
        Ok(())
    }

    fn logits(&mut self) -> Result<Vec<f32>> {
        let pass = self.training.pass.as_ref().ok_or(Error::NoForward)?;
        Ok(self.bus.down(&pass.logits.detach())?)
    }

    fn backward(&mut self, graph: &Graph, slope: Slope<'_>) -> Result<()> {
        let training = &mut self.training;
        let (Some(pass), Some(values)) = (training.pass.take(), &self.values) else { return Err(Error::NoForward) };
        let logits = pass.logits.detach();
        let dlogits = match slope {
            Slope::Given(dlogits) => self.bus.up(dlogits, logits.shape())?,
            Slope::Terms { terms, labels } => {
                let truth = self.bus.up(labels, labels.len())?;
                let loss = losses::sum(&self.bus, terms, (labels, &truth), &logits)?;
                add(&mut training.loss, loss.value.reshape(1)?)?;
                add(&mut training.correct, losses::correct(&logits, &truth)?.reshape(1)?)?;
                loss.slope
            }
        };
        let gradient = values.flat_gradient(graph, &pass.logits, &dlogits)?;
        add(&mut training.gradient, steps::masked(training.kept.as_ref(), gradient)?)
    }

    fn penalise(&mut self, graph: &Graph, penalty: Penalty<'_>) -> Result<()> {
        let Some(values) = &self.values else { return Err(Error::NoForward) };
        let training = &mut self.training;
        let theta = values.flat();
        match penalty {
            Penalty::None => {}
            Penalty::L1 { gamma } => {
                add(&mut training.loss, steps::sum(&theta.abs()?)?.affine(gamma, 0.0)?)?;
                // Candle's sign of 0 is 0, so pruned weights stay 0.
                add(&mut training.gradient, theta.sign()?.affine(f64::from(gamma as f32), 0.0)?)?;
            }
            Penalty::SoftThreshold { gamma, over } => {
                for part in chosen(graph, theta, over) {
                    add(&mut training.loss, steps::sum(&part?.abs()?)?.affine(gamma, 0.0)?)?;
                }
            }
            Penalty::Own(_) => return Err(Error::OwnPenalty),
        }
        if let Some(gradient) = training.gradient.take() {
            training.gradient = Some(steps::masked(training.moves.as_ref(), gradient)?);
        }
        Ok(())
    }

    fn seen(&mut self) -> Result<(f64, usize)> {
        let (loss, correct) = (self.training.loss.take(), self.training.correct.take());
        let Some(known) = loss.as_ref().or(correct.as_ref()) else { return Ok((0.0, 0)) };
        let nothing = known.zeros_like()?;
        let both = [loss.as_ref().unwrap_or(&nothing), correct.as_ref().unwrap_or(&nothing)];
        let both = self.bus.down::<f32>(&Tensor::cat(&both, 0)?)?;
        Ok((both[0].into(), both[1] as usize))
    }

    fn forget_step(&mut self) {
        let training = &mut self.training;
        (training.pass, training.gradient, training.loss, training.correct) = (None, None, None, None);
    }

    fn ascend(&mut self, graph: &Graph, radius: f64) -> Result<()> {
        let gradient = self.take_gradient()?;
        let values = self.values.as_mut().ok_or(Error::NoForward)?;
        self.training.before = Some((values.flat().clone(), values.buffers.clone()));
        let scale = (steps::norm(&gradient)?.affine(1.0, 1e-12)?.recip()?).affine(radius, 0.0)?;
        let beside = (values.flat() + gradient.broadcast_mul(&scale)?)?;
        Ok(values.replace(graph, beside)?)
    }

    fn step_back(&mut self, graph: &Graph) -> Result<()> {
        let (Some((flat, buffers)), Some(values)) = (self.training.before.take(), &mut self.values) else {
            return Err(Error::NoForward);
        };
        values.replace(graph, flat)?;
        values.buffers = buffers;
        Ok(())
    }

    fn descend(&mut self, graph: &Graph, descent: Descent, at: (u64, f64), penalty: Penalty<'_>) -> Result<()> {
        let gradient = self.take_gradient()?;
        let Self { training, values: Some(values), .. } = self else { return Err(Error::NoForward) };
        let (theta, memory) = steps::step(descent, at, values.flat(), &training.memory, &gradient)?;
        let moves = training.moves.as_ref();
        let mut theta = steps::where_moving(moves, theta, values.flat())?;
        let memory = memory.into_iter().zip(&training.memory);
        training.memory =
            memory.map(|(new, old)| steps::where_moving(moves, new, old)).collect::<candle_core::Result<_>>()?;
        if let Penalty::SoftThreshold { gamma, over } = penalty {
            let mut parts = Vec::with_capacity(over.len());
            for (part, over) in flat_parts(graph, &theta).zip(over) {
                parts.push(if *over { steps::soft_threshold(&part?, at.1 * gamma)? } else { part? });
            }
            theta = Tensor::cat(&parts, 0)?;
        }
        Ok(values.replace(graph, theta)?)
    }

    fn state(&mut self, graph: &Graph) -> Result<State> {
        let values = self.values.as_mut().ok_or(Error::NoForward)?;
        Ok(values.download(&self.bus, graph)?)
    }

    fn memory(&mut self, graph: &Graph) -> Result<Vec<Vec<Vec<f32>>>> {
        let memory = &self.training.memory;
        let all = self.bus.down::<f32>(&Tensor::cat(memory, 0)?)?;
        let shapes = || graph.parameters.iter().map(|parameter| &parameter.shape[..]);
        Ok(all.chunks(graph.parameter_count().max(1)).map(|list| split(list, shapes())).collect())
    }
}

/// Adds to a sum that may not have begun.
fn add(sum: &mut Option<Tensor>, term: Tensor) -> Result<()> {
    *sum = Some(match sum.take() {
        Some(sum) => (sum + term)?,
        None => term,
    });
    Ok(())
}

/// The parts of the parameters that `over` chooses.
fn chosen<'a>(
    graph: &'a Graph,
    flat: &'a Tensor,
    over: &'a [bool],
) -> impl Iterator<Item = candle_core::Result<Tensor>> + 'a {
    flat_parts(graph, flat).zip(over).filter(|(_, over)| **over).map(|(part, _)| part)
}
