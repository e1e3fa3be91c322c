//! A training that lives on the device of a network's executor.

use crate::{
    Descent, Error, Network, Penalty, Pixels, Resident, Result, Slope, Traffic, Trainable,
    network::{check_finite, pass},
    state::check_len,
};

/// A network whose values, gradients and optimiser's memory live on its executor's device.
///
/// It borrows the network, so nobody can read values of the host that are out of date. [`Residency::network`] gives
/// the network back for as long as the host needs it, with the newest values, and [`Residency::finish`] for good. What
/// the host changes in between goes to the device before the next pass.
pub struct Residency<'n> {
    network: &'n mut Network,
    descent: Descent,
    /// The host may have changed values or pruned weights since the device last had them.
    touched: bool,
    /// The device has newer values than the host.
    ahead: bool,
    /// Samples of the forward pass in flight.
    count: Option<usize>,
}

impl Network {
    /// Whether the executor keeps a training on a device ([`Network::reside`]). If not, the host trains, with passes.
    pub fn resides(&mut self) -> bool {
        self.executor.resident().is_some()
    }

    /// Begins a training on the device, with an optimiser that remembers nothing yet.
    ///
    /// # Errors
    /// If the executor keeps no training on a device, `trainable` does not fit the graph, or the device fails.
    pub fn reside(&mut self, descent: Descent, trainable: Option<&Trainable>) -> Result<Residency<'_>> {
        if !self.resides() {
            return Err(Error::NotResident { executor: self.executor.name() });
        }
        if let Some(trainable) = trainable {
            self.check_lists("trainable values", trainable)?;
        }
        let zeros: Vec<Vec<f32>> = self.state.parameters().iter().map(|values| vec![0.0; values.len()]).collect();
        let mut residency = Residency { network: self, descent, touched: true, ahead: false, count: None };
        residency.remember(&vec![&zeros[..]; descent.memory().len()], trainable)?;
        Ok(residency)
    }
}

impl Residency<'_> {
    /// The network, with the newest values. A step that is not complete is forgotten.
    ///
    /// # Errors
    /// If the device fails.
    pub fn network(&mut self) -> Result<&mut Network> {
        self.synchronise()?;
        self.touched = true;
        Ok(self.network)
    }

    /// Ends the training on the device. The network has the newest values.
    ///
    /// # Errors
    /// If the device fails.
    pub fn finish(mut self) -> Result<()> {
        self.synchronise()
    }

    fn synchronise(&mut self) -> Result<()> {
        self.count = None;
        self.device()?.forget_step();
        if self.ahead {
            let graph = self.network.graph.clone();
            self.network.state = self.device()?.state(&graph)?;
            self.ahead = false;
        }
        Ok(())
    }

    fn device(&mut self) -> Result<&mut dyn Resident> {
        let executor = self.network.executor.name();
        self.network.executor.resident().ok_or(Error::NotResident { executor })
    }

    /// The optimiser's memory: one entry for each name of [`Descent::memory`], each with a list per parameter.
    ///
    /// # Errors
    /// If the device fails.
    pub fn memory(&mut self) -> Result<Vec<Vec<Vec<f32>>>> {
        let graph = self.network.graph.clone();
        self.device()?.memory(&graph)
    }

    /// Replaces the optimiser's memory and the values that it may change.
    ///
    /// # Errors
    /// If the device fails, or a list does not fit its parameter.
    pub fn remember(&mut self, memory: &[&[Vec<f32>]], trainable: Option<&Trainable>) -> Result<()> {
        check_len(|| "the optimiser's memory".into(), &[self.descent.memory().len()], memory.len())?;
        memory.iter().try_for_each(|lists| self.network.check_tensors("the optimiser's memory", lists))?;
        let graph = self.network.graph.clone();
        self.device()?.remember(&graph, memory, trainable)
    }

    /// Runs a forward pass in mode train. It stays in flight until [`Residency::backward`].
    ///
    /// # Errors
    /// If the images have another shape, the values belong to another graph, or the device fails.
    pub fn forward(&mut self, images: Pixels<'_>) -> Result<()> {
        let network = &mut *self.network;
        let shape = network.graph.batch_shape(images)?;
        if let Pixels::Floats(values) = images {
            check_finite("images", &shape, values)?;
        }
        let executor = network.executor.name();
        let device = network.executor.resident().ok_or(Error::NotResident { executor })?;
        if self.touched {
            network.state.check_against(&network.graph)?;
            device.enter(&network.graph, &network.state, &network.kept)?;
            self.touched = false;
        }
        // Values on the device change from here on, so a pass of the network itself has ended.
        network.last_count = None;
        self.ahead = true;
        let _pass = pass();
        device.forward(&network.graph, images)?;
        self.count = Some(shape[0]);
        Ok(())
    }

    /// Fetches the logits `[count, classes]` of the forward pass, for a loss that only the host knows.
    ///
    /// # Errors
    /// If there is no forward pass, or the device fails.
    pub fn logits(&mut self) -> Result<Vec<f32>> {
        self.device()?.logits()
    }

    /// Runs the backward pass. Its gradient is added to that of the step's earlier batches.
    ///
    /// # Errors
    /// If there is no forward pass, shapes are wrong, or the device fails.
    pub fn backward(&mut self, slope: Slope<'_>) -> Result<()> {
        let count = self.count.take().ok_or(Error::NoForward)?;
        let shape = [count, self.network.graph.classes()];
        match slope {
            Slope::Given(dlogits) => {
                check_len(|| "∂loss/∂logits".into(), &shape, dlogits.len())?;
                check_finite("∂loss/∂logits", &shape, dlogits)?;
            }
            Slope::Terms { terms, labels } => {
                check_len(|| "labels".into(), &[count], labels.len())?;
                terms.iter().try_for_each(|term| term.check(shape))?;
            }
        }
        let graph = self.network.graph.clone();
        let _pass = pass();
        self.device()?.backward(&graph, slope)
    }

    /// Adds a penalty to loss and gradient, and takes the gradient from what must not change. Each step needs it once,
    /// after its last backward pass.
    ///
    /// # Errors
    /// If only the host knows the penalty, it is over another number of parameters, or the device fails.
    pub fn penalise(&mut self, penalty: Penalty<'_>) -> Result<()> {
        if let Penalty::SoftThreshold { over, .. } = penalty {
            check_len(|| "penalised parameters".into(), &[self.network.graph.parameters.len()], over.len())?;
        }
        let graph = self.network.graph.clone();
        self.device()?.penalise(&graph, penalty)
    }

    /// Fetches the step's loss, as far as the device computed it, and the number of right answers.
    ///
    /// # Errors
    /// If the device fails.
    pub fn seen(&mut self) -> Result<(f64, usize)> {
        self.device()?.seen()
    }

    /// Moves the weights by `radius` along the gradient, for the second gradient of sharpness-aware minimisation.
    ///
    /// # Errors
    /// If there is no gradient, or the device fails.
    pub fn ascend(&mut self, radius: f64) -> Result<()> {
        let graph = self.network.graph.clone();
        self.device()?.ascend(&graph, radius)
    }

    /// Undoes [`Residency::ascend`] for weights and running statistics. The gradient stays.
    ///
    /// # Errors
    /// If there is nothing to undo, or the device fails.
    pub fn step_back(&mut self) -> Result<()> {
        let graph = self.network.graph.clone();
        self.device()?.step_back(&graph)
    }

    /// Moves the weights against the gradient: step number `t`, counted from 1, at learning rate `lr`, as `(t, lr)`.
    ///
    /// # Errors
    /// If there is no gradient, or the device fails.
    pub fn descend(&mut self, at: (u64, f64), penalty: Penalty<'_>) -> Result<()> {
        let (graph, descent) = (self.network.graph.clone(), self.descent);
        self.device()?.descend(&graph, descent, at, penalty)
    }

    /// What has crossed between the host and the executor's device. It does not end a step.
    pub fn traffic(&self) -> Traffic {
        self.network.traffic()
    }

    /// Ends a step without moving the weights.
    ///
    /// # Errors
    /// None in practice.
    pub fn forget_step(&mut self) -> Result<()> {
        self.count = None;
        self.device()?.forget_step();
        Ok(())
    }
}

impl Drop for Residency<'_> {
    /// An error ended the training: the network still gets the newest values, if the device still gives them.
    fn drop(&mut self) {
        if let Err(error) = self.synchronise() {
            tracing::error!("the network keeps older values, because the device failed to give the newest: {error}");
        }
    }
}
