//! A build without Candle: it has no backend, so the CPU executor runs every network.

use crate::{DeviceChoice, Executor, Result};

/// One of Candle's backends. There is none in this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {}

impl Backend {
    pub(crate) fn cpu() -> Option<Self> {
        None
    }

    pub(crate) fn cuda(_: usize) -> Option<Self> {
        None
    }

    pub(crate) fn metal() -> Option<Self> {
        None
    }

    pub(crate) fn first_gpu() -> Option<Self> {
        None
    }

    pub(crate) fn choice(self) -> DeviceChoice {
        match self {}
    }

    pub(crate) fn executor(self) -> Result<Box<dyn Executor>> {
        match self {}
    }

    pub(crate) fn revision(self) -> u32 {
        match self {}
    }

    pub(crate) fn name(self) -> &'static str {
        match self {}
    }
}
