//! What surrounds a run: who is told of progress, where state is saved, and whether to stop.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// One epoch's figures, a row of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Learning rate of the epoch's last step.
    pub lr: f64,
    /// Mean loss over the epoch's samples, penalty included.
    pub train_loss: f64,
    /// Accuracy on the (augmented) training batches as they came, in percent.
    pub train_accuracy: f64,
    /// Accuracy on the validation set after the epoch, in percent.
    pub validation_accuracy: Option<f64>,
}

/// Where training stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Batches of it that are done.
    pub batch: usize,
}

/// Is told how a run goes on.
pub trait Progress {
    /// A step is done: where, out of how many epochs and batches an epoch, and its loss.
    fn step(&self, _at: Position, _epochs: usize, _batches: usize, _loss: f64) {}
    /// An epoch is done.
    fn epoch(&self, _row: &EpochRow, _epochs: usize) {}
    /// Work goes on, and looks whether it is to stop: after every step, and again and again in phases that have no steps.
    fn pulse(&self) {}
}

/// Keeps the state of a run, so that a killed one can go on.
pub trait Checkpoints {
    /// The state saved last, if any.
    ///
    /// # Errors
    /// Unreadable storage.
    fn load(&self) -> io::Result<Option<Vec<u8>>>;

    /// Replaces the saved state atomically.
    ///
    /// # Errors
    /// Storage that is full or cannot be written.
    fn save(&self, state: &[u8]) -> io::Result<()>;

    /// Whether it is time to save again; asked after every step.
    fn due(&self) -> bool;
}

/// Says nothing and saves nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unattended;

impl Progress for Unattended {}

impl Checkpoints for Unattended {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn save(&self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn due(&self) -> bool {
        false
    }
}

/// What surrounds one run.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// Told of every step and epoch.
    pub progress: &'a dyn Progress,
    /// Keeps the state.
    pub checkpoints: &'a dyn Checkpoints,
    /// Set from outside to stop after the current step, with the state saved.
    pub interrupt: &'a AtomicBool,
}

static NEVER: AtomicBool = AtomicBool::new(false);

impl Session<'static> {
    /// Neither reports nor saves.
    pub fn unattended() -> Self {
        Self { progress: &Unattended, checkpoints: &Unattended, interrupt: &NEVER }
    }
}

impl Session<'_> {
    /// Whether the user asked to stop. The answer may change from one call to the next.
    pub fn interrupted(&self) -> bool {
        self.progress.pulse();
        self.interrupt.load(Ordering::Relaxed)
    }

    /// Goes on, unless the user asked to stop: for phases that are short enough to be done anew, and save nothing.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn go_on(&self) -> Result<()> {
        if self.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
