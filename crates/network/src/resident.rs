//! Training on an executor's own device, where values, gradients and an optimiser's memory stay for a whole run.

use crate::{Descent, Graph, Kept, LossTerm, Penalty, Pixels, Result, State};

/// What crossed the bus between host and device, since the executor was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes to the device.
    pub up: u64,
    /// Bytes from the device.
    pub down: u64,
    /// Number of transfers in either direction.
    pub transfers: u64,
}

impl std::ops::Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { up: self.up - earlier.up, down: self.down - earlier.down, transfers: self.transfers - earlier.transfers }
    }
}

/// ∂loss/∂logits of the last forward pass: the device computes it from the terms of a loss, or the host did.
#[derive(Debug, Clone, Copy)]
pub enum Slope<'a> {
    /// A loss that the device knows.
    Terms {
        /// The terms.
        terms: &'a [LossTerm<'a>],
        /// The true class of each sample, for the number of right answers.
        labels: &'a [u32],
    },
    /// ∂loss/∂logits `[count, classes]` of a loss that only the host knows.
    Given(&'a [f32]),
}

/// Values per parameter that an optimiser may change. `None` means all.
pub type Trainable = Vec<Option<Vec<bool>>>;

/// The side of an executor that trains on its device. [`crate::Residency`] is the way to it: it keeps account of where
/// the newest values are.
///
/// A step is: for each batch a forward and a backward pass, whose gradients add up; a penalty; what was seen; a
/// descent. Operations are queued where the device allows it; only `logits`, `seen`, `state` and `memory` wait.
pub trait Resident {
    /// Takes a state to the device, unless the device has these values. Afterwards, all of it is on the device.
    ///
    /// # Errors
    /// If the device fails, as for all functions.
    fn enter(&mut self, graph: &Graph, state: &State, kept: &Kept) -> Result<()>;

    /// Replaces the optimiser's memory, one entry for each name of [`Descent::memory`], and the values that it may change.
    ///
    /// # Errors
    /// If the device fails.
    fn remember(&mut self, graph: &Graph, memory: &[&[Vec<f32>]], trainable: Option<&Trainable>) -> Result<()>;

    /// Runs a forward pass in mode train. Logits stay on the device.
    ///
    /// # Errors
    /// If images have another shape.
    fn forward(&mut self, graph: &Graph, images: Pixels<'_>) -> Result<()>;

    /// Fetches the logits `[count, classes]` of the last forward pass.
    ///
    /// # Errors
    /// If there is no such pass.
    fn logits(&mut self) -> Result<Vec<f32>>;

    /// Runs the backward pass of the last forward pass. The gradient is added to that of the step's earlier batches.
    ///
    /// # Errors
    /// If there is no such pass, or shapes are wrong.
    fn backward(&mut self, graph: &Graph, slope: Slope<'_>) -> Result<()>;

    /// Adds a penalty's gradient and value. Weights that must not change lose their gradient.
    ///
    /// # Errors
    /// If the penalty is not known to the device.
    fn penalise(&mut self, graph: &Graph, penalty: Penalty<'_>) -> Result<()>;

    /// Fetches what the step has seen: the loss that the device computed, penalty included, and the number of right
    /// answers.
    ///
    /// # Errors
    /// If the device fails.
    fn seen(&mut self) -> Result<(f64, usize)>;

    /// Ends a step without a descent: pass, gradient and loss are forgotten.
    fn forget_step(&mut self);

    /// Moves the weights by `radius` along the gradient, which is then forgotten. [`Resident::step_back`] undoes it.
    ///
    /// # Errors
    /// If there is no gradient.
    fn ascend(&mut self, graph: &Graph, radius: f64) -> Result<()>;

    /// Puts weights and running statistics back to where they were before [`Resident::ascend`].
    ///
    /// # Errors
    /// If there was no such call.
    fn step_back(&mut self, graph: &Graph) -> Result<()>;

    /// Moves the weights: step number `t`, counted from 1, at learning rate `lr`, as `(t, lr)`; then the threshold of a
    /// penalty. The gradient is forgotten.
    ///
    /// # Errors
    /// If there is no gradient.
    fn descend(&mut self, graph: &Graph, descent: Descent, at: (u64, f64), penalty: Penalty<'_>) -> Result<()>;

    /// Fetches the values. The state's generation is then that of the device.
    ///
    /// # Errors
    /// If the device fails.
    fn state(&mut self, graph: &Graph) -> Result<State>;

    /// Fetches the optimiser's memory, as for [`Resident::remember`].
    ///
    /// # Errors
    /// If the device fails.
    fn memory(&mut self, graph: &Graph) -> Result<Vec<Vec<Vec<f32>>>>;
}
