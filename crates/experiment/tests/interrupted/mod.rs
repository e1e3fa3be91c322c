//! A stage that is interrupted again and again until it is done.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use unlearn_experiment::{Error, Plan, PlannedStage, Reporter, RunOptions, StageAt, work};
use unlearn_run_store::Store;
use unlearn_training::{Position, Progress};

/// Interrupts after a number of steps.
struct Impatient<'a> {
    left: AtomicUsize,
    interrupt: &'a AtomicBool,
}

impl Progress for Impatient<'_> {
    fn step(&self, _: Position, _: usize, _: usize, _: f64) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.interrupt.store(true, Ordering::Relaxed);
        }
    }
}

impl Reporter for Impatient<'_> {
    fn started(&self, _: StageAt<'_>, _: bool) {}
    fn reused(&self, _: StageAt<'_>) {}
    fn finished(&self, _: StageAt<'_>, _: f64) {}
    fn waiting(&self, _: StageAt<'_>, _: &str) {}
}

/// Computes a stage with an interruption after every `steps` steps, at least five in all.
pub(crate) fn compute(stage: &PlannedStage, plan: &Plan, store: &Store, steps: usize, checkpoint_interval: Duration) {
    let mut attempts = 0;
    loop {
        let interrupt = AtomicBool::new(false);
        let impatient = Impatient { left: AtomicUsize::new(steps), interrupt: &interrupt };
        let options = RunOptions {
            reporter: &impatient,
            interrupt: &interrupt,
            checkpoint_interval,
            ..RunOptions::unattended("test")
        };
        match work(stage.spec.clone(), store, &plan.materials, &options) {
            Ok(()) => break,
            Err(error) => assert!(matches!(error, Error::Interrupted { .. }), "{error}"),
        }
        attempts += 1;
        assert!(attempts < 20, "an attempt gained nothing");
    }
    assert!(attempts >= 5, "{attempts} interruptions");
}
