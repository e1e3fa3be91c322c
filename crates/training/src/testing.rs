//! Helpers for tests of resuming, for this crate and the crates that train.

use std::{
    cell::{Cell, RefCell},
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{Checkpoints, Progress, Session};

/// Stores the last saved state, and interrupts the run at a given check for an interrupt. A run checks once after
/// each step, and at any points in phases without steps.
pub struct Killer {
    state: RefCell<Option<Vec<u8>>>,
    left: Cell<usize>,
    stop: AtomicBool,
    always_due: bool,
}

impl Killer {
    /// Interrupts at this check, counted from 1. In training, that is after this number of steps.
    pub fn after(looks: usize) -> Self {
        Self { state: RefCell::default(), left: Cell::new(looks), stop: AtomicBool::new(false), always_due: false }
    }

    /// The same, but saves the state after every step. A phase without steps is then interrupted with a state from
    /// before the phase.
    #[must_use]
    pub fn saving_each_step(self) -> Self {
        Self { always_due: true, ..self }
    }

    /// Never interrupts, and has this saved state.
    pub fn never(state: &[u8]) -> Self {
        let killer = Self::after(usize::MAX);
        killer.state.replace(Some(state.to_vec()));
        killer
    }

    /// The session of a run that is to be interrupted, and of the run that resumes it.
    pub fn session(&self) -> Session<'_> {
        Session { progress: self, checkpoints: self, interrupt: &self.stop }
    }

    /// Stops interrupting. Returns the number of checks that remained until the interrupt.
    pub fn relent(&self) -> usize {
        self.stop.store(false, Ordering::Relaxed);
        self.left.replace(usize::MAX)
    }
}

impl Progress for Killer {
    fn pulse(&self) {
        self.left.set(self.left.get().saturating_sub(1));
        self.stop.store(self.left.get() == 0, Ordering::Relaxed);
    }
}

impl Checkpoints for Killer {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state.borrow().clone())
    }

    fn save(&self, state: &[u8]) -> io::Result<()> {
        self.state.replace(Some(state.to_vec()));
        Ok(())
    }

    fn due(&self) -> bool {
        self.always_due
    }
}
