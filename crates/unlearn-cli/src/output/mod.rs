//! All writing to standard output and standard error.
//!
//! - `say!` writes results to standard output. If the reader has gone, as in `unlearn methods | head -1`, the rest is
//!   dropped quietly and the command still runs to its end. Any other failure is kept and reported once at the end
//!   ([`finish`]).
//! - `note!` and `fault!` write messages to standard error. A closed or full standard error stops nothing.
//! - Control characters in text from outside are escaped, and in messages line ends too. Errors that are too long to read are cut.
//! - With `--log-format json`, each message is one line of JSON in the form that `tracing` uses.

mod color;
mod text;

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;
use unlearn_run_store::clock;

pub(crate) use color::{Color, Manner};
pub(crate) use text::counted;
use text::{Keep, cut, escape, escape_json, escape_line_ends, plain_types, shorten_quotes};

/// Writes a line of results to standard output. It is used like `println!`.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::say(format_args!($($text)*)) };
}

/// Writes a message to standard error. It is used like `eprintln!`.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::tell($crate::output::Level::Info, format_args!($($text)*)) };
}

/// Writes a fault to standard error. It is used like `eprintln!`.
macro_rules! fault {
    ($($text:tt)*) => { $crate::output::tell($crate::output::Level::Error, format_args!($($text)*)) };
}

/// Maximum characters of an error.
const LONGEST_ERROR: usize = 4_000;

/// The level of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Something that happened.
    Info,
    /// Something that went wrong.
    Error,
}

/// The state of standard output.
enum Stdout {
    Open,
    /// The reader has gone.
    Closed,
    Failed(io::Error),
}

static STDOUT: Mutex<Stdout> = Mutex::new(Stdout::Open);

/// Bits of the [`Manner`] in which the program writes.
static MANNER: AtomicU8 = AtomicU8::new(0);

/// Sets the manner of everything written after this call.
pub(crate) fn begin(manner: Manner) {
    MANNER.store(manner.to_bits(), Ordering::Relaxed);
}

fn manner() -> Manner {
    Manner::from_bits(MANNER.load(Ordering::Relaxed))
}

/// Whether messages are lines of JSON.
pub(crate) fn is_json() -> bool {
    manner().json
}

/// Whether messages have colours.
pub(crate) fn has_colors() -> bool {
    manner().color_err
}

/// Writes a line of results to standard output.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    let mut line = escape(&text.to_string(), Keep::Nothing).into_owned();
    line.push('\n');
    write_out(&line);
}

/// Writes JSON text and a line end to standard output.
pub(crate) fn say_json(json: &str) {
    let mut line = escape_json(json).into_owned();
    line.push('\n');
    write_out(&line);
}

fn write_out(text: &str) {
    let mut state = STDOUT.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*state, Stdout::Open) {
        note_failure(&mut state, io::stdout().lock().write_all(text.as_bytes()));
    }
}

fn note_failure(state: &mut Stdout, result: io::Result<()>) {
    match result {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => *state = Stdout::Closed,
        Err(error) => *state = Stdout::Failed(error),
    }
}

/// Flushes standard output, and says whether everything was written.
///
/// # Errors
/// The first failure to write, unless the reader had gone.
pub(crate) fn finish() -> io::Result<()> {
    let mut state = STDOUT.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*state, Stdout::Open) {
        note_failure(&mut state, io::stdout().lock().flush());
    }
    match std::mem::replace(&mut *state, Stdout::Closed) {
        Stdout::Failed(error) => Err(error),
        Stdout::Open | Stdout::Closed => Ok(()),
    }
}

/// Writes a message to standard error.
pub(crate) fn tell(level: Level, text: fmt::Arguments<'_>) {
    write_error(&message(level, &escape_line_ends(&text.to_string())));
}

/// Writes an event to standard error: a message with the name of the event and its numbers, for programs that read JSON.
pub(crate) fn event(name: &str, fields: Value, text: &str) {
    write_error(&event_line(Level::Info, name, fields, &escape_line_ends(text)));
}

/// A message for standard error, with its line end.
pub(crate) fn message(level: Level, text: &str) -> String {
    let name = match level {
        Level::Info => "note",
        Level::Error => "fault",
    };
    event_line(level, name, Value::Null, text)
}

/// A message about an event, with its line end. `fields` is an object, or `null` for none.
fn event_line(level: Level, name: &str, fields: Value, text: &str) -> String {
    let text = cut(text, LONGEST_ERROR);
    if is_json() {
        let level = match level {
            Level::Info => "INFO",
            Level::Error => "ERROR",
        };
        let mut about = json!({ "message": text, "event": name });
        if let (Value::Object(about), Value::Object(fields)) = (&mut about, fields) {
            about.extend(fields);
        }
        let line = json!({ "timestamp": clock::now(), "level": level, "fields": about, "target": "unlearn" });
        format!("{}\n", escape_json(&line.to_string()))
    } else {
        format!("{}\n", escape(&text, Keep::Nothing))
    }
}

/// Writes the error that ends the command.
pub(crate) fn error(text: &str) {
    write_last(&escape_line_ends(text));
}

/// Writes the error that ends the command, line by line as it is.
fn write_last(text: &str) {
    let line = event_line(Level::Error, "error", Value::Null, &shorten_quotes(&plain_types(text)));
    if is_json() {
        write_error(&line);
    } else {
        let prefix = if manner().color_err { "\x1b[1m\x1b[31merror:\x1b[0m" } else { "error:" };
        write_error(&format!("{prefix} {line}"));
    }
}

/// Writes the message of the argument parser: help and version to standard output, refusals to standard error.
/// Returns the exit code.
pub(crate) fn command_line(said: &clap::Error) -> u8 {
    let text = said.render();
    if said.use_stderr() {
        let plain = text.to_string();
        match plain.strip_prefix("error: ") {
            Some(reason) => write_last(reason.trim_end()),
            // Help is shown if there are no arguments.
            None => write_error(&message(Level::Error, plain.trim_end())),
        }
    } else if manner().color_out {
        write_out(&escape(&text.ansi().to_string(), Keep::Colors));
    } else {
        write_out(&escape(&text.to_string(), Keep::Nothing));
    }
    said.exit_code().try_into().unwrap_or(2)
}

/// After this call, a panic is told as one line of JSON, if messages are.
pub(crate) fn tell_panics() {
    if is_json() {
        std::panic::set_hook(Box::new(|panic| {
            let text = format!("internal error, please report it: {panic}");
            write_error(&event_line(Level::Error, "panic", Value::Null, &text));
        }));
    }
}

/// Writes to standard error. A failure cannot be reported anywhere.
fn write_error(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// The writer that `tracing` uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log;

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let Manner { json, color_err, .. } = manner();
        let keep = if color_err { Keep::Colors } else { Keep::Nothing };
        write_error(&if json { escape_json(&text) } else { escape(&text, keep) });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
