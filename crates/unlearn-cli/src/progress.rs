//! Progress bars on a terminal, plain lines elsewhere.

use std::{
    cell::{Cell, RefCell},
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use unlearn_experiment::Reporter;
use unlearn_training::{EpochRow, Position, Progress};

const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Reports a run on standard error.
pub(crate) struct ConsoleReporter {
    terminal: bool,
    bar: RefCell<Option<ProgressBar>>,
    started: Cell<Instant>,
    last_line: Cell<Instant>,
    stage: RefCell<String>,
    reused: Cell<usize>,
}

impl ConsoleReporter {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            terminal: std::io::stderr().is_terminal(),
            bar: RefCell::new(None),
            started: Cell::new(now),
            last_line: Cell::new(now),
            stage: RefCell::new(String::new()),
            reused: Cell::new(0),
        }
    }

    /// How many stages were in the store already.
    pub(crate) fn reused(&self) -> usize {
        self.reused.get()
    }

    fn line(&self, text: &str) {
        match self.bar.borrow().as_ref() {
            Some(bar) => bar.println(text),
            // A closed standard error is no reason to stop a run.
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }
}

impl Reporter for ConsoleReporter {
    fn stage_started(&self, number: usize, total: usize, label: &str, resumed: bool) {
        let again = if resumed { " (goes on)" } else { "" };
        let title = format!("[{number}/{total}] {label}{again}");
        self.started.set(Instant::now());
        self.last_line.set(Instant::now());
        if self.terminal {
            // Until the first step tells how many there are.
            let bar = ProgressBar::new(1);
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(title.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
            *self.bar.borrow_mut() = Some(bar);
        }
        *self.stage.borrow_mut() = title;
    }

    fn stage_reused(&self, _: usize, _: usize, _: &str) {
        self.reused.set(self.reused.get() + 1);
    }

    fn stage_finished(&self, _: usize, _: usize, _: &str) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
        self.line(&format!("{} done in {:.1} s", self.stage.borrow(), self.started.get().elapsed().as_secs_f64()));
    }
}

impl Progress for ConsoleReporter {
    fn step(&self, at: Position, epochs: usize, batches: usize, loss: f64) {
        if let Some(bar) = self.bar.borrow().as_ref() {
            bar.set_length((epochs * batches) as u64);
            bar.set_position((at.epoch * batches + at.batch) as u64);
        } else if self.last_line.get().elapsed() >= LINE_INTERVAL {
            self.last_line.set(Instant::now());
            let stage = self.stage.borrow();
            self.line(&format!(
                "{stage}: epoch {}/{epochs}, batch {}/{batches}, loss {loss:.4}",
                at.epoch + 1,
                at.batch
            ));
        }
    }

    fn epoch(&self, row: &EpochRow, epochs: usize) {
        tracing::debug!(target: "unlearn", "epoch {}/{epochs}: {row:?}", row.epoch + 1);
    }
}
