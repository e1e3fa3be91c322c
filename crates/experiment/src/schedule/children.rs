//! Computes several stages at a time, each in a child process with its share of the threads.
//!
//! A child gets the description of its stage as the first line of its standard input, and reports the outcome as a
//! line of JSON ([`Report`]) on its standard output. Its standard input stays open. When it ends, because the run
//! stops or this process is gone, the child saves its state and stops. So no child outlives its run.

use std::{
    collections::HashMap,
    ffi::OsString,
    io::{Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    thread::{self, JoinHandle, available_parallelism},
    time::{Duration, Instant},
};

use tracing::Level;
use unlearn_run_store::Store;

use super::{Children, PATIENCE, Queue, RunOptions, worker::Report};
use crate::{Error, PlannedStage, Result};

/// The program that computes the stage described on its standard input.
#[derive(Debug, Clone)]
pub struct StageCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Interval between checks whether a child has ended.
const TICK: Duration = Duration::from_millis(5);
/// The environment variable for the number of threads.
const THREADS: &str = "RAYON_NUM_THREADS";
/// The `tracing` target of messages from children.
const TARGET: &str = "unlearn";
/// Maximum bytes kept of a child's output.
const KEPT: usize = 1 << 16;

/// A running stage.
struct Running {
    stage: usize,
    child: Child,
    /// Open as long as the child may go on.
    stdin: Option<ChildStdin>,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    started: Instant,
    share: Share,
}

pub(super) fn compute(
    queue: &mut Queue<'_>,
    store: &Store,
    children: &Children,
    options: &RunOptions<'_>,
) -> Result<()> {
    let mut running: Vec<Running> = Vec::new();
    let result = supervise(queue, store, children, options, &mut running);
    if result.is_err() {
        // Every child that still runs saves its state and stops.
        for one in &mut running {
            one.stdin = None;
        }
        for mut one in running {
            drop(one.child.wait());
        }
    }
    result
}

fn supervise(
    queue: &mut Queue<'_>,
    store: &Store,
    children: &Children,
    options: &RunOptions<'_>,
    running: &mut Vec<Running>,
) -> Result<()> {
    let mut held: HashMap<usize, (Instant, String)> = HashMap::new();
    let mut told = None;
    while !queue.is_over() {
        queue.stop_if_interrupted(options)?;
        while let Some(at) = running.iter_mut().position(|one| !matches!(one.child.try_wait(), Ok(None))) {
            let one = running.swap_remove(at);
            let (stage, started) = (one.stage, one.started);
            match one.report(&queue.stages[stage].label) {
                Report::Done => queue.finished(stage, started, options),
                Report::Found => queue.reused(stage, options),
                Report::Held { by } => {
                    queue.put_back(stage);
                    held.insert(stage, (Instant::now(), by));
                }
                report => {
                    let error = error(report, &queue.stages[stage].label);
                    queue.failed(stage, error, options)?;
                }
            }
        }
        held.retain(|_, (since, _)| since.elapsed() < PATIENCE);
        for stage in queue.ready() {
            let PlannedStage { spec, key, .. } = &queue.stages[stage];
            if store.find(&spec.kind, key)?.is_some() {
                queue.reused(stage, options);
            }
        }
        if let Some((stage, share)) = next(queue, running, children, &held) {
            let one = start(stage, &queue.stages[stage], children, share)?;
            queue.started(stage);
            options.reporter.started(queue.at(stage), false);
            running.push(one);
            continue;
        }
        if let (true, Some((stage, (_, by)))) = (running.is_empty(), held.iter().next()) {
            queue.wait((*stage, by.clone()), &mut told, options)?;
        }
        thread::sleep(TICK);
    }
    Ok(())
}

/// A stage's share of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    threads: usize,
    /// Whether no other stage may run beside it.
    alone: bool,
}

/// The stage to start next, and its share.
fn next(
    queue: &Queue<'_>,
    running: &[Running],
    children: &Children,
    held: &HashMap<usize, (Instant, String)>,
) -> Option<(usize, Share)> {
    if running.len() >= children.jobs || running.iter().any(|one| one.share.alone) {
        return None;
    }
    let is_alone = |stage: &usize| !children.shared_timing && queue.is_timed(*stage);
    let ready = queue.ready().into_iter().filter(|stage| !held.contains_key(stage));
    let (timed, shared): (Vec<usize>, Vec<usize>) = ready.partition(is_alone);
    if let Some(stage) = shared.first() {
        let taken: usize = running.iter().map(|one| one.share.threads).sum();
        let starting = shared.len().min(children.jobs - running.len());
        return Some((*stage, Share { threads: threads_for(threads(), taken, starting), alone: false }));
    }
    let stage = timed.first().filter(|_| running.is_empty())?;
    Some((*stage, Share { threads: threads(), alone: true }))
}

/// The threads of the next stage to start: its part of those that no running stage has taken, if `starting` stages can
/// start now. One at least.
fn threads_for(all: usize, taken: usize, starting: usize) -> usize {
    (all.saturating_sub(taken) / starting).max(1)
}

/// Number of threads of this process.
fn threads() -> usize {
    let set = std::env::var(THREADS).ok().and_then(|threads| threads.parse().ok()).filter(|threads| *threads > 0);
    set.unwrap_or_else(|| available_parallelism().map_or(1, std::num::NonZero::get))
}

fn start(stage: usize, planned: &PlannedStage, children: &Children, share: Share) -> Result<Running> {
    let StageCommand { program, arguments } = &children.command;
    let failure = |error: std::io::Error| Error::Stage {
        stage: planned.label.clone(),
        reason: format!("{} did not start: {error}", program.display()),
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env(THREADS, share.threads.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failure)?;
    let (stdout, stderr) = (listen(child.stdout.take()), listen(child.stderr.take()));
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        // If the child has already ended, its standard error says why.
        drop(writeln!(stdin, "{}", planned.spec.to_json()).and_then(|()| stdin.flush()));
    }
    Ok(Running { stage, child, stdin, stdout, stderr, started: Instant::now(), share })
}

/// Reads a child's output, so that the child never blocks on a full pipe, and keeps the end of it.
fn listen(from: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let Some(mut from) = from else { return String::new() };
        let (mut said, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = from.read(&mut piece) {
            said.extend_from_slice(&piece[..count]);
            if said.len() > 2 * KEPT {
                said.drain(..said.len() - KEPT);
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    })
}

/// Maximum characters kept of a line.
const LONGEST_LINE: usize = 1000;

/// A line that a child wrote to its standard error.
struct Message {
    level: Level,
    text: String,
}

impl Message {
    /// Parses a line of JSON as `tracing` writes it. Any other line is a warning.
    fn of(line: &str) -> Self {
        let told = |line| {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            let level = value.get("level")?.as_str()?.parse().ok()?;
            Some(Self { level, text: value.get("fields")?.get("message")?.as_str()?.to_owned() })
        };
        let Self { level, text } = told(line).unwrap_or_else(|| Self { level: Level::WARN, text: line.to_owned() });
        Self { level, text: text.chars().take(LONGEST_LINE).collect() }
    }

    /// Repeats the message with the stage's label.
    fn relay(&self, label: &str) {
        let Self { level, text } = self;
        match *level {
            Level::ERROR => tracing::error!(target: TARGET, "{label}: {text}"),
            Level::WARN => tracing::warn!(target: TARGET, "{label}: {text}"),
            Level::INFO => tracing::info!(target: TARGET, "{label}: {text}"),
            _ => tracing::debug!(target: TARGET, "{label}: {text}"),
        }
    }
}

impl Running {
    /// The report of a child that has ended.
    fn report(mut self, label: &str) -> Report {
        drop(self.stdin);
        let status = self.child.wait();
        let said = self.stdout.join().unwrap_or_default();
        let warned = self.stderr.join().unwrap_or_default();
        let warned: Vec<Message> = warned.lines().map(Message::of).collect();
        for message in &warned {
            message.relay(label);
        }
        let report = said.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        report.unwrap_or_else(|| {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            let last = warned.last().map_or("it said nothing", |message| &message.text);
            Report::Failed { reason: format!("its process ended without a result ({status}): {last}") }
        })
    }
}

fn error(report: Report, label: &str) -> Error {
    let stage = label.to_owned();
    match report {
        Report::Interrupted => Error::Interrupted { stage },
        Report::Diverged { reason, kept } => Error::Diverged { stage, reason, kept },
        Report::Failed { reason } => Error::Stage { stage, reason },
        Report::Done | Report::Found | Report::Held { .. } => {
            Error::Stage { stage, reason: "it neither failed nor is done".into() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_share_the_threads_that_are_free_and_a_lone_stage_takes_them_all() {
        assert_eq!(threads_for(8, 0, 1), 8, "nothing else can start before it ends");
        // Four stages at most; three can start now.
        assert_eq!(threads_for(8, 0, 3), 2);
        assert_eq!(threads_for(8, 2, 2), 3);
        assert_eq!(threads_for(8, 5, 1), 3);
        assert_eq!(threads_for(2, 2, 3), 1, "a stage has one thread at least");
    }

    #[test]
    fn a_message_of_a_child_keeps_its_level_and_any_other_line_is_a_warning() {
        let line = r#"{"timestamp":"…","level":"INFO","fields":{"message":"half done"},"target":"unlearn"}"#;
        let message = Message::of(line);
        assert_eq!((message.level, message.text.as_str()), (Level::INFO, "half done"));
        for line in ["thread main panicked", r#"{"level":"INFO"}"#, "{"] {
            let message = Message::of(line);
            assert_eq!((message.level, message.text.as_str()), (Level::WARN, line));
        }
        assert_eq!(Message::of(&"x".repeat(1 << 20)).text.len(), LONGEST_LINE);
    }
}
