//! Progress bars on a terminal, plain lines elsewhere.

use std::{
    cell::{Cell, RefCell},
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use unlearn_experiment::{Reporter, StageAt};
use unlearn_training::{EpochRow, Position, Progress};

const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Reports a run on standard error.
pub(crate) struct ConsoleReporter {
    terminal: bool,
    /// Whether several stages run at a time, so that no bar can stand for one.
    several: bool,
    bar: RefCell<Option<ProgressBar>>,
    last_line: Cell<Instant>,
    stage: RefCell<String>,
    reused: Cell<usize>,
}

impl ConsoleReporter {
    pub(crate) fn new(several: bool) -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            several,
            bar: RefCell::new(None),
            last_line: Cell::new(Instant::now()),
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
    fn started(&self, at: StageAt<'_>, resumed: bool) {
        let again = if resumed { " (goes on)" } else { "" };
        let title = format!("{}{again}", title(at));
        self.last_line.set(Instant::now());
        if self.terminal && !self.several {
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

    fn reused(&self, _: StageAt<'_>) {
        self.reused.set(self.reused.get() + 1);
    }

    fn finished(&self, at: StageAt<'_>, seconds: f64) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
        // With one stage at a time, the title says whether it went on from an earlier run.
        let title = if self.several { title(at) } else { self.stage.borrow().clone() };
        self.line(&format!("{title} done in {seconds:.1} s"));
    }

    fn waiting(&self, at: StageAt<'_>, holder: &str) {
        self.line(&format!("{} waits for {holder}, which computes it", title(at)));
    }
}

fn title(StageAt { number, total, label }: StageAt<'_>) -> String {
    format!("[{number}/{total}] {label}")
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
