//! Judges tasks: which run, which have ended, and what follows for their stages.

use std::{
    collections::{BTreeSet, HashSet},
    time::Instant,
};

use unlearn_run_store::Store;

use super::{State, TARGET, TaskId, Watcher, sbatch, script::SCRIPT_ENDED, squeue};
use crate::{
    Error, Result,
    schedule::{
        Report,
        outcomes::{self, Event, LATENCY, Line},
    },
};

/// Reasons for which tasks wait as a rule. Any other is told, because somebody may have to act.
const USUAL: [&str; 10] = [
    "None",
    "Priority",
    "Resources",
    "Dependency",
    "BeginTime",
    "JobArrayTaskLimit",
    "Prolog",
    "Cleaning",
    "Reservation",
    "Licenses",
];

/// What a line of a log holds if it tells an error of the program or of the script.
const ERROR: &str = "error: ";
/// Maximum bytes that are read of a task's log.
const LONGEST_LOG: u64 = 1 << 24;
/// Maximum characters of a line of a log in a message.
const LONGEST_LINE: usize = 500;

/// What follows for a stage of a task that has ended.
enum Verdict {
    /// It is computed in another task. The second value says whether this counts against the limit.
    Again(String, bool),
    /// It cannot be computed.
    Failed(Error),
    /// The task calls it done, and the store does not show it yet.
    Late,
}

impl Watcher<'_, '_> {
    /// Looks at every open task.
    pub(super) fn judge(&mut self, states: &squeue::Queue) -> Result<()> {
        let open: Vec<(usize, usize)> = self.ledger.open_tasks().map(|(array, task, _)| (array, task)).collect();
        let mut hopeless: Vec<TaskId> = Vec::new();
        // Stages that are computed in another task.
        let mut lost: HashSet<usize> = HashSet::new();
        self.look_anew_at_ended(&open, states)?;
        for (array, task) in open {
            let Some(id) = self.ledger.id(array, task) else { continue };
            let undone = self.undone(array, task);
            let keys = &self.ledger.arrays[array].tasks[task].stages;
            let is_of_this_plan = keys.iter().any(|key| self.positions.contains_key(key));
            let state = states.state(id).cloned().unwrap_or_else(|| State::Ended("UNKNOWN".into()));
            if undone.is_empty() {
                let failed = keys.iter().filter_map(|key| self.positions.get(key)).any(|at| self.queue.has_failed(*at));
                match state {
                    State::Ended(state) => self.close(array, task, state),
                    State::Running | State::Pending(_) if failed => {
                        hopeless.push(id);
                        self.close(array, task, "its stages depend on a failed one");
                    }
                    State::Hopeless => {
                        hopeless.push(id);
                        self.close(array, task, "a task before it failed");
                    }
                    State::Running | State::Pending(_) if is_of_this_plan => {
                        self.close(array, task, "its stages are done");
                    }
                    State::Running | State::Pending(_) => self.say_once(format!(
                        "the submission {} has tasks with stages that this suite no longer has; they go on",
                        self.launch.name()
                    )),
                }
                continue;
            }
            match state {
                State::Pending(reason) => {
                    if !USUAL.contains(&reason.as_str()) {
                        self.say_once(format!("job {} waits: {reason}", id.0));
                    }
                }
                State::Hopeless => {
                    hopeless.push(id);
                    self.close(array, task, "a task before it failed");
                    lost.extend(undone);
                }
                State::Running => self.look_at_running(array, task, &undone)?,
                State::Ended(state) => {
                    lost.extend(self.look_at_ended((array, task), id, &undone, (&state, states.node(id)))?);
                }
            }
        }
        hopeless.extend(self.close_what_waits(lost, states));
        if !hopeless.is_empty() {
            self.save()?;
            if let Err(refusal) = sbatch::cancel(&hopeless) {
                self.say_once(format!("Slurm does not cancel tasks that cannot begin: {}", refusal.reason()));
            }
        }
        Ok(())
    }

    /// Makes this machine see what tasks that have ended without being done have left, before they are judged by it.
    fn look_anew_at_ended(&mut self, open: &[(usize, usize)], states: &squeue::Queue) -> Result<()> {
        let has_ended = |(array, task): &&(usize, usize)| {
            let id = self.ledger.id(*array, *task);
            id.is_some_and(|id| matches!(states.state(id), None | Some(State::Ended(_))))
        };
        let undone: Vec<usize> =
            open.iter().filter(has_ended).flat_map(|(array, task)| self.undone(*array, *task)).collect();
        if undone.is_empty() {
            return Ok(());
        }
        let kinds: BTreeSet<&str> = undone.iter().map(|at| self.queue.stages[*at].spec.kind.as_str()).collect();
        for kind in kinds {
            self.store.look_anew_for(kind);
        }
        for folder in self.places.folders() {
            Store::look_anew(&folder);
        }
        self.arrivals()
    }

    /// Closes the tasks that wait for these stages, and what waits for those. They cannot be left to Slurm: it lets a task
    /// begin if the task that it waits for was cancelled before it began.
    fn close_what_waits(&mut self, mut lost: HashSet<usize>, states: &squeue::Queue) -> Vec<TaskId> {
        let mut closed = Vec::new();
        while !lost.is_empty() {
            let waits = |(array, task, _): (usize, usize, &_)| {
                let id = self.ledger.id(array, task)?;
                let undone = self.undone(array, task);
                let is_waiting = matches!(states.state(id), Some(State::Pending(_) | State::Hopeless));
                let needs_lost =
                    undone.iter().any(|at| self.queue.inputs(*at).iter().any(|input| lost.contains(input)));
                (is_waiting && needs_lost).then_some((array, task, id, undone))
            };
            let found: Vec<_> = self.ledger.open_tasks().filter_map(waits).collect();
            lost.clear();
            for (array, task, id, undone) in found {
                self.close(array, task, "a task before it failed");
                closed.push(id);
                lost.extend(undone);
            }
        }
        closed
    }

    fn close(&mut self, array: usize, task: usize, reason: impl Into<String>) {
        self.ledger.close(array, task, reason);
        self.changed = true;
    }

    /// A stage may fail long before its task ends.
    fn look_at_running(&mut self, array: usize, task: usize, undone: &[usize]) -> Result<()> {
        for at in undone {
            if self.running.insert(*at) {
                self.options.reporter.started(self.queue.at(*at), false);
            }
        }
        let lines = outcomes::read(&self.places.outcomes(array, task));
        for at in undone {
            if let Some(error) = self.failure(*at, &lines, array, task) {
                self.queue.failed(*at, error, self.options)?;
            }
        }
        Ok(())
    }

    /// Returns the stages that are computed in another task.
    fn look_at_ended(
        &mut self,
        (array, task): (usize, usize),
        id: TaskId,
        undone: &[usize],
        ended: (&str, &str),
    ) -> Result<Vec<usize>> {
        let lines = outcomes::read(&self.places.outcomes(array, task));
        let verdicts: Vec<(usize, Verdict)> =
            undone.iter().map(|at| (*at, self.verdict(*at, &lines, (array, task), id, ended))).collect();
        if verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Late)) {
            return Ok(Vec::new());
        }
        self.close(array, task, ended.0);
        let (mut failures, mut again) = (Vec::new(), Vec::new());
        for (at, verdict) in verdicts {
            match verdict {
                Verdict::Late => {}
                Verdict::Failed(error) => failures.push((at, error)),
                Verdict::Again(reason, counts) => {
                    again.push(at);
                    let key = self.queue.stages[at].key.clone();
                    if counts {
                        self.ledger.arrays[array].tasks[task].in_vain.push(key.clone());
                    }
                    let (times, most) = (self.ledger.in_vain(&key), self.slurm.settings.resubmit as usize);
                    if times > most {
                        let advice = "give its kind more time (`launcher.slurm.time`), or let it go on more often (`launcher.slurm.resubmit`)";
                        failures.push((
                            at,
                            self.error(at, format!("its tasks ended {times} times without it: {reason}; {advice}")),
                        ));
                    } else if counts {
                        let named = self.queue.at(at);
                        tracing::info!(
                            target: TARGET,
                            "[{}/{}] {} is submitted again ({times} of at most {most} times): {reason}", named.number, named.total, named.label
                        );
                    }
                }
            }
        }
        // The ledger must know of the end before anything stops the watch.
        self.save()?;
        for (at, error) in failures {
            if !self.queue.is_settled(at) {
                self.queue.failed(at, error, self.options)?;
            }
        }
        Ok(again)
    }

    fn verdict(
        &mut self,
        at: usize,
        lines: &[Line],
        (array, task): (usize, usize),
        (job, index): TaskId,
        (state, node): (&str, &str),
    ) -> Verdict {
        if let Some(error) = self.failure(at, lines, array, task) {
            return Verdict::Failed(error);
        }
        let key = &self.queue.stages[at].key;
        let log = self.places.log(array, task);
        let said =
            || last_line(&log).map_or_else(|| "it said nothing".to_owned(), |line| format!("its last line: {line}"));
        let place = format!("log: {}", log.display());
        let event = lines.iter().rev().find(|line| line.stage == *key).map(|line| line.event.clone());
        // A task of which nothing is seen, and that has ended well, has written what is not seen yet.
        let is_unseen = lines.is_empty() && state == "COMPLETED";
        if is_unseen && self.late.entry(at).or_insert_with(Instant::now).elapsed() < LATENCY {
            return Verdict::Late;
        }
        if let Some(Event::Over(Report::Done | Report::Found)) = event {
            let since = *self.late.entry(at).or_insert_with(Instant::now);
            if since.elapsed() < LATENCY {
                return Verdict::Late;
            }
            let root = self.store.root().display().to_string();
            let reason = format!(
                "its task {job}_{index} has computed it, and the store {root} lacks it here; make sure that this path is the same folder on all \
                 nodes ({place})"
            );
            return Verdict::Failed(self.error(at, reason));
        }
        if event == Some(Event::Early) {
            let is_done = |input: &usize| self.queue.is_settled(*input) && !self.queue.has_failed(*input);
            if !self.queue.inputs(at).iter().all(is_done) {
                return Verdict::Again(
                    format!("task {job}_{index} began before the stages that it needs were done"),
                    true,
                );
            }
            let root = self.store.root().display();
            let reason = format!(
                "its task {job}_{index} did not see the stages that it needs in the store {root}, and they are in it; make sure that this \
                 path is the same folder on all nodes ({place})"
            );
            return Verdict::Failed(self.error(at, reason));
        }
        let is_begun = matches!(event, Some(Event::Begun | Event::Over(Report::Interrupted)));
        // Some clusters report a task whose memory did not suffice as failed. Its log tells.
        let state = if state == "FAILED" && lacked_memory(&log) { "OUT_OF_MEMORY" } else { state };
        // A task that began no stage at all ended in vain for all of them.
        let counts = is_begun || lines.is_empty();
        let again = |reason: String| Verdict::Again(format!("task {job}_{index} {reason}"), counts);
        match state {
            "TIMEOUT" => again("reached its time limit".into()),
            "PREEMPTED" => again("was pre-empted".into()),
            "NODE_FAIL" if node.is_empty() => again("lost its node".into()),
            "NODE_FAIL" => again(format!("lost its node {node}")),
            "BOOT_FAIL" => again("got a node that did not start".into()),
            "DEADLINE" => again("reached its deadline".into()),
            "REVOKED" => again("was revoked".into()),
            "UNKNOWN" => again("is no longer known to Slurm".into()),
            // The stage before it needed the memory.
            "OUT_OF_MEMORY" if !is_begun && !lines.is_empty() => again("ended before it".into()),
            "OUT_OF_MEMORY" => {
                let kind = &self.queue.stages[at].spec.kind;
                let reason = format!(
                    "its task {job}_{index} needed more memory than it had; raise `launcher.slurm.memory`, or \
                     `launcher.slurm.kind.{kind}.memory` ({place})"
                );
                Verdict::Failed(self.error(at, reason))
            }
            "CANCELLED" => Verdict::Failed(self.error(
                at,
                format!("its task {job}_{index} was cancelled in Slurm, and not by this run; the same command submits it again ({place})"),
            )),
            _ if matches!(event, Some(Event::Over(Report::Interrupted))) => again("was told to stop, and saved its state".into()),
            _ if is_begun => again(format!("ended in the middle of it; {}", said())),
            // Another stage of the task was the last.
            _ if !lines.is_empty() => again("ended before it".into()),
            state => match last_line(&log) {
                // The program, or the script, has told an error. Whatever was killed has not.
                Some(line) if line.contains(ERROR) || state == "COMPLETED" => Verdict::Failed(self.error(
                    at,
                    format!("its task {job}_{index} ended ({state}) before its first stage; its last line: {line} ({place})"),
                )),
                _ => again(format!("ended ({state}) before its first stage; {}", said())),
            },
        }
    }

    /// The failure of a stage that its task has told.
    fn failure(&self, at: usize, lines: &[Line], array: usize, task: usize) -> Option<Error> {
        let key = &self.queue.stages[at].key;
        let told = lines.iter().rev().find(|line| line.stage == *key)?;
        let log = self.places.log(array, task);
        match &told.event {
            Event::Over(Report::Failed { reason }) => {
                Some(self.error(at, format!("{reason} (log: {})", log.display())))
            }
            Event::Over(Report::Diverged { reason, kept }) => Some(Error::Diverged {
                stage: self.queue.stages[at].label.clone(),
                reason: format!("{reason} (log: {})", log.display()),
                kept: kept.clone(),
            }),
            _ => None,
        }
    }

    fn error(&self, at: usize, reason: String) -> Error {
        Error::Stage { stage: self.queue.stages[at].label.clone(), reason }
    }
}

/// Whether Slurm says in a task's log that it has killed the task, or a process of it, for want of memory.
fn lacked_memory(log: &std::path::Path) -> bool {
    let bytes = unlearn_files::read(log, LONGEST_LOG).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter(|line| line.starts_with("slurmstepd")).any(|line| {
        // By the limit that `OverMemoryKill` sets, and by a control group.
        ["exceeded memory limit", "Exceeded job memory limit", "oom-kill", "oom_kill"]
            .iter()
            .any(|said| line.contains(said))
    })
}

/// The last line of a log that says something, and the line before it if the last one is the script's.
fn last_line(log: &std::path::Path) -> Option<String> {
    let bytes = unlearn_files::read(log, LONGEST_LOG).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let cut = |line: &str| line.chars().take(LONGEST_LINE).collect::<String>();
    let last = cut(lines.next()?);
    match lines.next().filter(|_| last.starts_with(SCRIPT_ENDED)) {
        Some(before) => Some(format!("{} ({last})", cut(before))),
        None => Some(last),
    }
}
