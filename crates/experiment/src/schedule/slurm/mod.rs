//! Computes stages on a cluster: submits them to Slurm as job arrays with dependencies, watches the queue and the store,
//! and submits again what a node, a time limit or a pre-emption has stopped.
//!
//! Slurm is spoken to by its own commands. A task computes its stages by `unlearn stage`. The store on the shared file
//! system is the only coordination: a stage is done when it is in the store. The watcher may end at any time. The same
//! command finds its submission by the ledger, and its jobs by their names.

mod command;
mod ended;
mod launches;
mod ledger;
mod packing;
mod sbatch;
mod script;
mod settings;
mod squeue;
mod submit;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use unlearn_run_store::{Launch, Lock, StageKey, Store};

use super::{Queue, RunOptions};
use crate::{Error, Result, launcher};

pub use launches::{LaunchState, cancel_launch, launches};
pub use script::TaskCommand;
pub use settings::{KindSection, SlurmSection, Text};

use command::Refusal;
use ledger::Ledger;
use sbatch::TaskId;
use script::Places;
use settings::Settings;
use squeue::State;

/// The `tracing` target of messages for users.
const TARGET: &str = "unlearn";
/// How long a new watcher waits for one that runs on this machine.
const MOMENT: Duration = Duration::from_secs(1);
/// How long a new watcher waits for the last `sbatch` of a killed one.
const HANDOVER: Duration = Duration::from_secs(20);

/// Stages on a cluster with Slurm.
#[derive(Debug, Clone)]
pub struct Slurm {
    suite: String,
    command: TaskCommand,
    working: PathBuf,
    settings: Settings,
}

impl Slurm {
    /// Settings from `[launcher.slurm]` of a suite, with those of the user's file where the suite has none. `working` is
    /// the folder in which tasks run; the suite's name names the submission.
    ///
    /// # Errors
    /// If the user's file cannot be read or a setting is out of range.
    pub fn new(
        suite: &str,
        section: Option<&SlurmSection>,
        command: TaskCommand,
        working: impl Into<PathBuf>,
    ) -> Result<Self> {
        let user = launcher::of_user()?.slurm.unwrap_or_default();
        let section = section.cloned().unwrap_or_default().over(user);
        section.check().map_err(|reason| Error::Launcher { reason, is_usage: true })?;
        Ok(Self { suite: suite.to_owned(), command, working: working.into(), settings: Settings::of(section) })
    }

    /// Whether tasks ask for GPUs.
    pub fn asks_for_gpus(&self) -> bool {
        self.settings.asks_for_gpus()
    }
}

/// The watcher of a submission.
struct Watcher<'w, 'q> {
    queue: &'w mut Queue<'q>,
    store: &'w Store,
    slurm: &'w Slurm,
    options: &'w RunOptions<'w>,
    launch: Launch,
    lock: Lock,
    places: Places,
    ledger: Ledger,
    /// Whether the ledger differs from its file.
    changed: bool,
    positions: HashMap<StageKey, usize>,
    /// What was said already.
    told: HashSet<String>,
    /// Stages that were seen in a running task.
    running: HashSet<usize>,
    /// Stages that a task calls done, and since when the store lacks them.
    late: HashMap<usize, Instant>,
    /// Whether Slurm refused an array for good.
    is_refused: bool,
}

/// Computes the stages of a queue on the cluster.
pub(super) fn compute(queue: &mut Queue<'_>, store: &Store, slurm: &Slurm, options: &RunOptions<'_>) -> Result<()> {
    for stage in 0..queue.stages.len() {
        let planned = &queue.stages[stage];
        if store.find(&planned.spec.kind, &planned.key)?.is_some() {
            queue.reused(stage, options);
        }
    }
    let found = open_launch(store, &slurm.suite, options)?;
    if queue.is_over() && found.is_none() {
        return Ok(());
    }
    let (launch, lock) = if let Some(found) = found {
        found
    } else {
        // Before anything is written: is there a Slurm?
        if let Err(refusal) = squeue::Queue::ask() {
            let is_usage = matches!(refusal, Refusal::Absent(_));
            return Err(Error::Launcher { reason: refusal.reason().to_owned(), is_usage });
        }
        let launch = store.new_launch(&slurm.suite)?;
        let lock = launch.watch()?.map_err(|holder| watched(&launch, &holder))?;
        (launch, lock)
    };
    let places = Places::of(&launch);
    for folder in places.folders() {
        std::fs::create_dir_all(&folder).map_err(|source| Error::Io { action: "create", path: folder, source })?;
    }
    let ledger = match Ledger::read(&places.ledger())? {
        Some(ledger) => {
            tracing::info!(target: TARGET, "watching the submission {}", launch.name());
            ledger
        }
        None => Ledger::new(launch.name()),
    };
    let positions = queue.stages.iter().zip(0..).map(|(stage, at)| (stage.key.clone(), at)).collect();
    let mut watcher = Watcher {
        queue,
        store,
        slurm,
        options,
        launch,
        lock,
        places,
        ledger,
        changed: true,
        positions,
        told: HashSet::new(),
        running: HashSet::new(),
        late: HashMap::new(),
        is_refused: false,
    };
    let result = watcher.watch();
    let result = watcher.leave(result);
    drop(watcher.lock);
    result
}

/// The submission of a suite that is not over, if there is one, with the right to watch it.
fn open_launch(store: &Store, suite: &str, options: &RunOptions<'_>) -> Result<Option<(Launch, Lock)>> {
    for launch in store.launches()?.into_iter().filter(|launch| launch.suite() == suite) {
        let is_open =
            || Ok::<_, Error>(Ledger::read(&Places::of(&launch).ledger())?.is_none_or(|ledger| ledger.over.is_none()));
        if !is_open()? {
            continue;
        }
        let since = Instant::now();
        loop {
            match launch.watch()? {
                // Its watcher may have ended it meanwhile.
                Ok(lock) if is_open()? => return Ok(Some((launch, lock))),
                Ok(_) => break,
                Err(holder) => {
                    // Somebody who only looks holds the lock for a moment.
                    let most = if Lock::is_alive_here(&holder) { MOMENT } else { HANDOVER };
                    if since.elapsed() > most || options.interrupt.load(Ordering::Relaxed) {
                        return Err(watched(&launch, &holder));
                    }
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }
    Ok(None)
}

fn watched(launch: &Launch, holder: &str) -> Error {
    let reason = format!(
        "{holder} already watches the submission {}; let it go on, or end it and start this command again",
        launch.name()
    );
    Error::Launcher { reason, is_usage: false }
}

impl Watcher<'_, '_> {
    fn watch(&mut self) -> Result<()> {
        loop {
            self.arrivals()?;
            if launches::is_cancelled(&self.launch) {
                return Err(self.cancelled());
            }
            if self.queue.is_over() {
                return Ok(());
            }
            self.stop_if_left()?;
            if let Some(states) = self.ask()? {
                self.adopt(&states)?;
                self.judge(&states)?;
                self.save()?;
                if !self.queue.is_over() {
                    self.submit()?;
                }
            }
            self.save()?;
            self.pause()?;
        }
    }

    fn cancelled(&self) -> Error {
        Error::Launcher { reason: format!("the submission {} was cancelled", self.launch.name()), is_usage: false }
    }

    /// The end of the watch: cancels what must not go on, and closes the ledger.
    fn leave(&mut self, result: Result<()>) -> Result<()> {
        let over = match &result {
            Ok(()) => "finished",
            Err(Error::Left { .. }) => return result,
            Err(Error::Stage { .. } | Error::Diverged { .. }) => "failed",
            Err(_) if self.is_refused => "refused",
            Err(Error::Launcher { .. }) if launches::is_cancelled(&self.launch) => "cancelled",
            Err(_) => {
                tracing::warn!(target: TARGET, "the jobs of {} go on in Slurm; the same command watches them again", self.launch.name());
                return result;
            }
        };
        // A task whose stages are all done ends by itself.
        let is_done = |task: &ledger::Task| {
            let here = task.stages.iter().map(|key| self.positions.get(key));
            here.into_iter().all(|at| at.is_some_and(|at| self.queue.is_settled(*at) && !self.queue.has_failed(*at)))
        };
        let open = self.ledger.open_tasks().filter(|(_, _, task)| !is_done(task));
        let left: Vec<TaskId> = open.filter_map(|(array, task, _)| self.ledger.id(array, task)).collect();
        if !left.is_empty()
            && let Err(refusal) = sbatch::cancel(&left)
        {
            tracing::warn!(target: TARGET, "{} tasks of {} may be left in Slurm: {}", left.len(), self.launch.name(), refusal.reason());
        }
        self.ledger.over = Some(over.to_owned());
        let written = self.ledger.write(&self.places.ledger());
        result.and(written)
    }

    /// Notes the stages that are in the store.
    fn arrivals(&mut self) -> Result<()> {
        for at in 0..self.queue.stages.len() {
            if self.queue.is_settled(at) {
                continue;
            }
            let planned = &self.queue.stages[at];
            if let Some(stage) = self.store.find(&planned.spec.kind, &planned.key)? {
                self.queue.arrived(at, stage.manifest().wall_seconds, self.options);
            }
        }
        Ok(())
    }

    /// Stops watching if the user asks for it. The jobs go on.
    fn stop_if_left(&mut self) -> Result<()> {
        if !self.options.interrupt.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.save()?;
        Err(Error::Left { launch: self.launch.name().to_owned(), suite: self.slurm.suite.clone() })
    }

    /// Asks Slurm for the state of our tasks. `None` if it does not answer now.
    fn ask(&mut self) -> Result<Option<squeue::Queue>> {
        let mut states = match squeue::Queue::ask() {
            Ok(states) => states,
            Err(Refusal::Absent(reason)) => return Err(Error::Launcher { reason, is_usage: true }),
            Err(refusal) => {
                self.say_once(format!("Slurm does not answer, and is asked again: {}", refusal.reason()));
                return Ok(None);
            }
        };
        let ids = self.ledger.open_tasks().filter_map(|(array, task, _)| self.ledger.id(array, task));
        let mut unknown: Vec<u64> = ids.filter(|id| states.state(*id).is_none()).map(|(job, _)| job).collect();
        unknown.dedup();
        states.ask_accounts(&unknown);
        Ok(Some(states))
    }

    /// Finds the jobs of arrays whose `sbatch` was not seen to its end.
    fn adopt(&mut self, states: &squeue::Queue) -> Result<()> {
        for array in 0..self.ledger.arrays.len() {
            if self.ledger.arrays[array].job.is_some() {
                continue;
            }
            self.changed = true;
            match states.job(&self.ledger.arrays[array].name) {
                Some(job) => self.ledger.arrays[array].job = Some(job),
                None => {
                    for task in &mut self.ledger.arrays[array].tasks {
                        task.closed.get_or_insert_with(|| "not submitted".into());
                    }
                }
            }
        }
        self.save()
    }

    fn save(&mut self) -> Result<()> {
        if std::mem::take(&mut self.changed) {
            self.ledger.write(&self.places.ledger())?;
        }
        Ok(())
    }

    /// Waits until the next look at the queue.
    fn pause(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs_f64(self.slurm.settings.poll);
        while Instant::now() < until {
            self.stop_if_left()?;
            thread::sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    fn say_once(&mut self, text: String) {
        if !self.told.contains(&text) {
            tracing::info!(target: TARGET, "{text}");
            self.told.insert(text);
        }
    }

    /// The stages of a task that the plan has and that are not done.
    fn undone(&self, array: usize, task: usize) -> Vec<usize> {
        let stages = &self.ledger.arrays[array].tasks[task].stages;
        let here = stages.iter().filter_map(|key| self.positions.get(key).copied());
        here.filter(|at| !self.queue.is_settled(*at)).collect()
    }
}
