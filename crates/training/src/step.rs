//! One step on the host: the gradient over the step's batches, at the weights or at the perturbed weights of SAM, and the
//! optimiser's update.

use rayon::prelude::*;
use tracing::trace_span;
use unlearn_network::{Mode, Network};
use unlearn_samples::Batch;

use crate::{Objective, Result, Update, penalty, predict::count_correct, see, update::Optimizer};

/// Position of a step in the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    /// Epoch, counted from 0.
    pub(crate) epoch: usize,
    /// Number of the step in the run, counted from 1.
    pub(crate) number: u64,
    /// Share of the epochs that is complete.
    pub(crate) progress: f64,
    /// Learning rate.
    pub(crate) lr: f64,
}

/// Results of a step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) samples: usize,
    pub(crate) correct: usize,
    pub(crate) loss: f64,
}

/// Working memory of steps.
#[derive(Default)]
pub(crate) struct Stepper {
    logits: Vec<f32>,
    dlogits: Vec<f32>,
    /// Sum of the gradients of a step's batches except the last.
    earlier: Vec<Vec<f32>>,
}

impl Stepper {
    /// Runs one step. If the loss is not finite, there is no gradient and nothing changes.
    pub(crate) fn step(
        &mut self,
        network: &mut Network,
        objective: &mut dyn Objective,
        batches: &[Batch],
        at: At,
        update: &Update,
        optimizer: &mut Optimizer,
    ) -> Result<Seen> {
        let seen = self.gradient(network, objective, batches, at, update)?;
        if !seen.loss.is_finite() {
            return Ok(seen);
        }
        if let Some(radius) = update.sam {
            let before = network.state().clone();
            ascend(network, radius);
            let beside = self.gradient(network, objective, batches, at, update)?;
            network.set_state(before);
            if !beside.loss.is_finite() {
                return Ok(beside);
            }
        }
        let (parameters, gradients) = network.parameters_and_gradients();
        trace_span!("update").in_scope(|| optimizer.step(at.number, at.lr, parameters, &gradients.parameters));
        penalty::soften(objective.penalty(at.progress), at.lr, parameters);
        Ok(seen)
    }

    /// Leaves in the network the gradient of the losses of all batches and of the penalty.
    fn gradient(
        &mut self,
        network: &mut Network,
        objective: &mut dyn Objective,
        batches: &[Batch],
        at: At,
        update: &Update,
    ) -> Result<Seen> {
        let mut seen = Seen::default();
        for (number, batch) in batches.iter().enumerate() {
            objective.prepare(at.epoch, batch)?;
            see(network, batch, Mode::Train, &mut self.logits)?;
            self.dlogits.resize(self.logits.len(), 0.0);
            seen.loss += objective.loss(batch, &self.logits, &mut self.dlogits);
            if !seen.loss.is_finite() {
                return Ok(seen);
            }
            seen.samples += batch.len();
            seen.correct += count_correct(&self.logits, &batch.labels);
            let gradients = network.backward(&self.dlogits)?;
            if number + 1 == batches.len() {
                break;
            }
            if number == 0 {
                self.earlier.clone_from(&gradients.parameters);
            } else {
                add(&mut self.earlier, &gradients.parameters);
            }
        }
        let (parameters, gradients) = network.parameters_and_gradients();
        if batches.len() > 1 {
            add(&mut gradients.parameters, &self.earlier);
        }
        seen.loss += penalty::add(objective.penalty(at.progress), parameters, &mut gradients.parameters);
        for (gradient, moves) in gradients.parameters.iter_mut().zip(update.trainable.iter().flatten()) {
            let fixed = gradient.iter_mut().zip(moves.iter().flatten()).filter(|(_, moves)| !**moves);
            fixed.for_each(|(g, _)| *g = 0.0);
        }
        Ok(seen)
    }
}

fn add(sums: &mut [Vec<f32>], gradients: &[Vec<f32>]) {
    for (sum, gradient) in sums.iter_mut().zip(gradients) {
        sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
    }
}

/// Moves the weights by `radius` along the gradient.
fn ascend(network: &mut Network, radius: f64) {
    let (parameters, gradients) = network.parameters_and_gradients();
    let square = |gradient: &Vec<f32>| gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
    // The squares are collected before they are added, so that the order of the sum does not depend on threads.
    let squares: Vec<f64> = gradients.parameters.par_iter().map(square).collect();
    let norm = squares.iter().sum::<f64>().sqrt();
    let scale = (radius / (norm + 1e-12)) as f32;
    for (parameter, gradient) in parameters.iter_mut().zip(&gradients.parameters) {
        parameter.iter_mut().zip(gradient).for_each(|(theta, g)| *theta += scale * g);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unlearn_network::{DeviceChoice, GraphBuilder, State};

    use super::*;
    use crate::{CrossEntropy, Recipe};

    const AT: At = At { epoch: 0, number: 1, progress: 0.0, lr: 0.1 };

    /// A network with two logits from two pixels.
    fn network() -> Network {
        let (mut graph, images) = GraphBuilder::new("linear", [2, 1, 1]);
        let pooled = graph.global_avg_pool("pool", images);
        graph.linear("fc", pooled, 2);
        let graph = Arc::new(graph.finish());
        let mut state = State::zeros(&graph);
        state.parameters_mut()[0].copy_from_slice(&[0.5, -0.2, 0.1, 0.3]);
        Network::new(graph, state, DeviceChoice::Cpu).unwrap()
    }

    fn batch(images: &[f32], labels: &[u32]) -> Batch {
        Batch { images: images.to_vec().into(), labels: labels.to_vec(), indices: vec![0; labels.len()], mixed: None }
    }

    fn gradient(network: &mut Network, batches: &[Batch], update: &Update) -> Vec<Vec<f32>> {
        Stepper::default().gradient(network, &mut CrossEntropy::default(), batches, AT, update).unwrap();
        network.gradients().parameters.clone()
    }

    #[test]
    fn gradients_of_a_steps_batches_add_up() {
        let batches = [batch(&[0.1, 0.9, 0.4, 0.2], &[0, 1]), batch(&[0.7, 0.3], &[1]), batch(&[0.5, 0.8], &[0])];
        let together = gradient(&mut network(), &batches, &Update::default());
        for (tensor, values) in together.iter().enumerate() {
            for (i, value) in values.iter().enumerate() {
                let alone = |batch: &Batch| {
                    gradient(&mut network(), std::slice::from_ref(batch), &Update::default())[tensor][i]
                };
                let sum: f32 = batches.iter().map(alone).sum();
                assert!((sum - value).abs() < 1e-6, "{sum} {value}");
            }
        }
    }

    #[test]
    fn sam_steps_along_the_gradient_at_the_point_beside() {
        let batches = [batch(&[0.1, 0.9, 0.4, 0.2], &[0, 1])];
        let update = Update { sam: Some(0.5), ..Update::default() };
        let recipe = Recipe { momentum: 0.0, weight_decay: 0.0, ..Recipe::default() };
        let mut stepped = network();
        let mut optimizer = Optimizer::new(&recipe, &update, stepped.state().parameters());
        let mut objective = CrossEntropy::default();
        Stepper::default().step(&mut stepped, &mut objective, &batches, AT, &update, &mut optimizer).unwrap();

        let mut beside = network();
        let before = gradient(&mut beside, &batches, &update);
        let norm = before.iter().flatten().map(|g| g * g).sum::<f32>().sqrt();
        let mut state = beside.state().clone();
        let moved = state.parameters_mut().iter_mut().flatten().zip(before.iter().flatten());
        moved.for_each(|(theta, g)| *theta += 0.5 * g / norm);
        beside.set_state(state);
        let sharp = gradient(&mut beside, &batches, &update);
        let start = network();
        let start = start.state().parameters().iter().flatten();
        for ((theta, start), g) in stepped.state().parameters().iter().flatten().zip(start).zip(sharp.iter().flatten())
        {
            assert!((theta - (start - 0.1 * g)).abs() < 1e-6, "{theta}, from {start} along {g}");
        }
        assert_ne!(before, sharp);
    }

    #[test]
    fn what_is_not_trainable_has_no_gradient() {
        let update = Update { trainable: Some(vec![Some(vec![true, false, true, true]), None]), ..Update::default() };
        let found = gradient(&mut network(), &[batch(&[0.1, 0.9], &[0])], &update);
        assert!(found[0][1] == 0.0 && found[0][0] != 0.0 && found[1][0] != 0.0, "{found:?}");
    }
}
