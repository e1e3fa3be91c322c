//! A network that learns: where its values and its optimiser's memory are, and how a step is made there.

use unlearn_network::{Network, Penalty, Residency, Slope};
use unlearn_samples::Batch;

use crate::{
    Objective, Result, Update,
    predict::count_correct,
    see::as_pixels,
    step::{At, Seen, Stepper},
    update::Optimizer,
};

/// A network that learns, on the host or on its executor's device.
pub(crate) struct Learner<'n> {
    place: Place<'n>,
    /// The host's copy of the optimiser's memory. On a device, it is as old as the last look at it.
    optimizer: Optimizer,
    /// The host may have changed the memory since the device last had it.
    touched: bool,
}

enum Place<'n> {
    /// The host runs losses and the optimiser, and the executor runs passes.
    Host(&'n mut Network, Stepper),
    Device(Residency<'n>),
}

impl<'n> Learner<'n> {
    /// Begins on the device, if the network's executor keeps a training there and the objective's penalty is known to
    /// it.
    pub(crate) fn new(network: &'n mut Network, optimizer: Optimizer, objective: &dyn Objective) -> Result<Self> {
        let known = !matches!(objective.penalty(0.0), Penalty::Own(_));
        let place = if known && network.resides() {
            Place::Device(network.reside(optimizer.descent(), optimizer.trainable())?)
        } else {
            Place::Host(network, Stepper::default())
        };
        Ok(Self { place, optimizer, touched: true })
    }

    /// Whether batches should be in bytes.
    pub(crate) fn takes_bytes(&self) -> bool {
        match &self.place {
            Place::Host(network, _) => network.takes_bytes(),
            Place::Device(_) => true,
        }
    }

    /// The network, with the newest values.
    pub(crate) fn network(&mut self) -> Result<&mut Network> {
        Ok(match &mut self.place {
            Place::Host(network, _) => network,
            Place::Device(residency) => residency.network()?,
        })
    }

    /// Network and optimiser, both with the newest values.
    pub(crate) fn newest(&mut self) -> Result<(&Network, &Optimizer)> {
        Ok(match &mut self.place {
            Place::Host(network, _) => (network, &self.optimizer),
            Place::Device(residency) => {
                if !self.touched {
                    self.optimizer.set_memory(residency.memory()?);
                }
                (residency.network()?, &self.optimizer)
            }
        })
    }

    /// The same, to change them.
    pub(crate) fn newest_mut(&mut self) -> Result<(&mut Network, &mut Optimizer)> {
        self.newest()?;
        self.touched = true;
        Ok(match &mut self.place {
            Place::Host(network, _) => (network, &mut self.optimizer),
            Place::Device(residency) => (residency.network()?, &mut self.optimizer),
        })
    }

    /// What has crossed between the host and the device.
    #[cfg(test)]
    pub(crate) fn traffic(&self) -> unlearn_network::Traffic {
        match &self.place {
            Place::Host(network, _) => network.traffic(),
            Place::Device(residency) => residency.traffic(),
        }
    }

    /// Ends the learning. The network has the newest values.
    pub(crate) fn finish(self) -> Result<()> {
        match self.place {
            Place::Host(..) => Ok(()),
            Place::Device(residency) => Ok(residency.finish()?),
        }
    }

    /// Runs one step. If the loss is not finite, there is no gradient and no weight changes.
    pub(crate) fn step(
        &mut self,
        objective: &mut dyn Objective,
        batches: &[Batch],
        at: At,
        update: &Update,
    ) -> Result<Seen> {
        let residency = match &mut self.place {
            Place::Host(network, stepper) => {
                return stepper.step(network, objective, batches, at, update, &mut self.optimizer);
            }
            Place::Device(residency) => residency,
        };
        if std::mem::take(&mut self.touched) {
            let memory = self.optimizer.memory();
            let memory: Vec<_> = memory.iter().map(|(_, lists)| *lists).collect();
            residency.remember(&memory, self.optimizer.trainable())?;
        }
        let seen = gradient(residency, objective, batches, at)?;
        if !seen.loss.is_finite() {
            residency.forget_step()?;
            return Ok(seen);
        }
        if let Some(radius) = update.sam {
            residency.ascend(radius)?;
            let beside = gradient(residency, objective, batches, at)?;
            residency.step_back()?;
            if !beside.loss.is_finite() {
                residency.forget_step()?;
                return Ok(beside);
            }
        }
        residency.descend((at.number, at.lr), objective.penalty(at.progress))?;
        Ok(seen)
    }
}

/// Leaves on the device the gradient of the losses of all batches and of the penalty.
fn gradient(residency: &mut Residency<'_>, objective: &mut dyn Objective, batches: &[Batch], at: At) -> Result<Seen> {
    let mut seen = Seen::default();
    for batch in batches {
        objective.prepare(at.epoch, batch)?;
        as_pixels(&batch.images, |pixels| residency.forward(pixels))?;
        seen.samples += batch.len();
        if let Some(terms) = objective.known_loss(batch) {
            residency.backward(Slope::Terms { terms: &terms, labels: &batch.labels })?;
            continue;
        }
        let logits = residency.logits()?;
        let mut dlogits = vec![0.0; logits.len()];
        seen.loss += objective.loss(batch, &logits, &mut dlogits);
        if !seen.loss.is_finite() {
            return Ok(seen);
        }
        seen.correct += count_correct(&logits, &batch.labels);
        residency.backward(Slope::Given(&dlogits))?;
    }
    residency.penalise(objective.penalty(at.progress))?;
    // Everything is queued by now, so the device works on while the host waits for these two numbers.
    let (loss, correct) = residency.seen()?;
    seen.loss += loss;
    seen.correct += correct;
    Ok(seen)
}
