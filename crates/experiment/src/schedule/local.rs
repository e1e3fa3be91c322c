//! Computes stages in this process, one after the other.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use unlearn_run_store::{Attempt, Store};

use super::{PATIENCE, Queue, RunOptions};
use crate::{Error, PlannedStage, Result, materials::Materials, stages};

pub(super) fn compute(
    queue: &mut Queue<'_>,
    store: &Store,
    materials: &Materials,
    options: &RunOptions<'_>,
) -> Result<()> {
    let mut told = None;
    while !queue.is_over() {
        let mut held = None;
        let mut moved = false;
        for stage in queue.ready() {
            queue.stop_if_interrupted(options)?;
            let PlannedStage { spec, label, .. } = &queue.stages[stage];
            match store.try_begin(spec)? {
                Attempt::Done(_) => queue.reused(stage, options),
                Attempt::Held(holder) => {
                    held.get_or_insert((stage, holder));
                    continue;
                }
                Attempt::Run(writer) => {
                    let started = Instant::now();
                    options.reporter.started(queue.at(stage), writer.resumed());
                    match stages::compute((spec, label), writer, store, materials, options) {
                        Ok(()) => queue.finished(stage, started, options),
                        Err(error) => queue.failed(stage, error, options)?,
                    }
                }
            }
            moved = true;
            break; // What follows from this stage comes first, so that an interrupted run leaves whole rows.
        }
        if let (false, Some(held)) = (moved, held) {
            queue.wait(held, &mut told, options)?;
        }
    }
    Ok(())
}

impl Queue<'_> {
    pub(super) fn stop_if_interrupted(&self, options: &RunOptions<'_>) -> Result<()> {
        if options.interrupt.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { stage: self.next_label().to_owned() });
        }
        Ok(())
    }

    /// Waits a little for a stage that another process computes. Each stage and holder is reported once.
    pub(super) fn wait(
        &self,
        (stage, holder): (usize, String),
        told: &mut Option<(usize, String)>,
        options: &RunOptions<'_>,
    ) -> Result<()> {
        let held = (stage, holder);
        if told.as_ref() != Some(&held) {
            options.reporter.waiting(self.at(stage), &held.1);
            *told = Some(held);
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.stop_if_interrupted(options)?;
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
