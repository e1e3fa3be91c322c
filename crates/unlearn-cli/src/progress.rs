//! Progress as bars on a terminal, as plain lines elsewhere, or as lines of JSON if asked for.

use std::{
    cell::{Cell, RefCell},
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use serde_json::{Value, json};
use unlearn::training::{EpochRow, Position, Progress};
use unlearn_experiment::{Reporter, StageAt};

use crate::output::{self, Level};

const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Reports the progress of a run on standard error.
pub(crate) struct ConsoleReporter {
    /// Whether standard error is a terminal that can show a bar.
    terminal: bool,
    /// Whether several stages run at a time. Then no bar is shown.
    several: bool,
    bar: RefCell<Option<ProgressBar>>,
    last_line: Cell<Instant>,
    stage: RefCell<String>,
    reused: Cell<usize>,
}

impl ConsoleReporter {
    pub(crate) fn new(several: bool) -> Self {
        Self {
            terminal: io::stderr().is_terminal() && !output::is_json(),
            several,
            bar: RefCell::new(None),
            last_line: Cell::new(Instant::now()),
            stage: RefCell::new(String::new()),
            reused: Cell::new(0),
        }
    }

    /// Number of stages that were already in the store.
    pub(crate) fn reused(&self) -> usize {
        self.reused.get()
    }

    /// Tells of an event of a stage. `about` is an object with the numbers of the event.
    fn line(&self, event: &str, about: Value, text: &str) {
        match self.bar.borrow().as_ref() {
            Some(bar) => bar.println(output::message(Level::Info, text).trim_end()),
            None => output::event(event, about, text),
        }
    }
}

/// The terminal of standard error. Its failures are ignored, so that a run goes on after the terminal closes.
#[derive(Debug)]
struct Screen(Term);

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n).or(Ok(()))
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n).or(Ok(()))
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n).or(Ok(()))
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n).or(Ok(()))
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text).or(Ok(()))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text).or(Ok(()))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line().or(Ok(()))
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush().or(Ok(()))
    }
}

impl Reporter for ConsoleReporter {
    fn started(&self, at: StageAt<'_>, resumed: bool) {
        let again = if resumed { " (goes on)" } else { "" };
        let title = format!("{}{again}", title(at));
        self.last_line.set(Instant::now());
        if self.terminal && !self.several {
            // Until the first step reports the number of steps.
            let screen = ProgressDrawTarget::term_like_with_hz(Box::new(Screen(Term::buffered_stderr())), 20);
            let bar = ProgressBar::with_draw_target(Some(1), screen);
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(output::message(Level::Info, &title).trim_end().to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            *self.bar.borrow_mut() = Some(bar);
        }
        // A line of text at the start of every stage would say what the line at its end says again.
        if output::is_json() {
            let mut about = of(at);
            about["resumed"] = resumed.into();
            self.line("stage-started", about, &title);
        }
        *self.stage.borrow_mut() = title;
    }

    fn reused(&self, at: StageAt<'_>) {
        self.reused.set(self.reused.get() + 1);
        if output::is_json() {
            self.line("stage-reused", of(at), &format!("{} is in the store", title(at)));
        }
    }

    fn finished(&self, at: StageAt<'_>, seconds: f64) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
        // With one stage at a time, the title says whether it continues an earlier run.
        let title = if self.several { title(at) } else { self.stage.borrow().clone() };
        let mut about = of(at);
        about["seconds"] = seconds.into();
        self.line("stage-done", about, &format!("{title} done in {seconds:.1} s"));
    }

    fn waiting(&self, at: StageAt<'_>, holder: &str) {
        let mut about = of(at);
        about["holder"] = holder.into();
        self.line("stage-waits", about, &format!("{} waits for {holder}, which computes it", title(at)));
    }
}

/// The numbers of a stage in its plan.
fn of(StageAt { number, total, label }: StageAt<'_>) -> Value {
    json!({ "number": number, "total": total, "label": label })
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
            let text =
                format!("{stage}: epoch {}/{epochs}, batch {}/{batches}, loss {loss:.4}", at.epoch + 1, at.batch);
            let about = json!({
                "label": *stage, "epoch": at.epoch + 1, "epochs": epochs, "batch": at.batch, "batches": batches,
                "loss": loss
            });
            self.line("progress", about, &text);
        }
    }

    fn epoch(&self, row: &EpochRow, epochs: usize) {
        tracing::debug!(target: "unlearn", "epoch {}/{epochs}: {row:?}", row.epoch + 1);
    }
}
