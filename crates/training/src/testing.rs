//! What tests of resuming need, here and in the crates that train (feature `testing`).

use std::{
    cell::{Cell, RefCell},
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{Checkpoints, Progress, Session};

/// Remembers the last state that was saved, and stops the run when it has looked so many times whether it is to stop: once after each
/// step, and in phases that have none wherever it pleases.
pub struct Killer {
    state: RefCell<Option<Vec<u8>>>,
    left: Cell<usize>,
    stop: AtomicBool,
    always_due: bool,
}

impl Killer {
    /// Stops at the look of that number, counted from 1: in training, after so many steps.
    pub fn after(looks: usize) -> Self {
        Self { state: RefCell::default(), left: Cell::new(looks), stop: AtomicBool::new(false), always_due: false }
    }

    /// The same, and state is saved after every step, so that a phase without steps is stopped with a state from before it.
    #[must_use]
    pub fn saving_each_step(self) -> Self {
        Self { always_due: true, ..self }
    }

    /// Never stops, and has this state to go on from.
    pub fn never(state: &[u8]) -> Self {
        let killer = Self::after(usize::MAX);
        killer.state.replace(Some(state.to_vec()));
        killer
    }

    /// The session of a run that is to be stopped, and then of the one that goes on.
    pub fn session(&self) -> Session<'_> {
        Session { progress: self, checkpoints: self, interrupt: &self.stop }
    }

    /// Stops no more. Gives the looks that were not taken before the run was over.
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
