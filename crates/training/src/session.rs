//! The surroundings of a run: reporting of progress, storage of the state, and interruption.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The figures of one epoch; a row of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Learning rate of the epoch's last step.
    pub lr: f64,
    /// Mean loss over the epoch's samples, penalty included.
    pub train_loss: f64,
    /// Accuracy on the training batches as they were used, with augmentation, in percent.
    pub train_accuracy: f64,
    /// Accuracy on the validation set after the epoch, in percent.
    pub validation_accuracy: Option<f64>,
}

/// A position in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Number of finished batches in that epoch.
    pub batch: usize,
}

/// Receives reports of a run's progress.
pub trait Progress {
    /// A step is finished. Arguments: position, number of epochs, number of batches per epoch, and the step's loss.
    fn step(&self, _at: Position, _epochs: usize, _batches: usize, _loss: f64) {}
    /// An epoch is finished.
    fn epoch(&self, _row: &EpochRow, _epochs: usize) {}
    /// Work is going on. Called whenever the run checks for an interrupt: after every step, and repeatedly in phases
    /// without steps.
    fn pulse(&self) {}
}

/// Stores the state of a run, so that a killed run can resume.
pub trait Checkpoints {
    /// The last saved state, if any.
    ///
    /// # Errors
    /// If the storage cannot be read.
    fn load(&self) -> io::Result<Option<Vec<u8>>>;

    /// Replaces the saved state atomically.
    ///
    /// # Errors
    /// If the storage is full or cannot be written.
    fn save(&self, state: &[u8]) -> io::Result<()>;

    /// Whether it is time to save again. Called after every step.
    fn due(&self) -> bool;
}

/// Reports nothing and saves nothing.
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

/// The surroundings of one run.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// Receives reports of every step and epoch.
    pub progress: &'a dyn Progress,
    /// Stores the state.
    pub checkpoints: &'a dyn Checkpoints,
    /// Set from outside to stop after the current step. The state is then saved.
    pub interrupt: &'a AtomicBool,
}

static NEVER: AtomicBool = AtomicBool::new(false);

impl Session<'static> {
    /// A session that neither reports nor saves.
    pub fn unattended() -> Self {
        Self { progress: &Unattended, checkpoints: &Unattended, interrupt: &NEVER }
    }
}

impl Session<'_> {
    /// Whether the user asked to stop. The answer may change between calls.
    pub fn interrupted(&self) -> bool {
        self.progress.pulse();
        self.interrupt.load(Ordering::Relaxed)
    }

    /// Returns an error if the user asked to stop. For phases that save nothing and are short enough to be repeated.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn go_on(&self) -> Result<()> {
        if self.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
