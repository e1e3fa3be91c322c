//! Submits the stages that no task of the queue computes.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use unlearn_run_store::Stage;

use super::{
    TARGET, Watcher,
    command::Refusal,
    ledger::{Array, Task},
    packing::{Group, Needed, Upstream, groups},
    sbatch::Submission,
    script,
};
use crate::{Error, Result};

/// Maximum number of finished stages of a kind that are looked at for their time.
const MOST_TIMED: usize = 200;

impl Watcher<'_, '_> {
    /// Submits every stage that is needed and that no open task computes.
    pub(super) fn submit(&mut self) -> Result<()> {
        let needed = self.needed();
        if needed.is_empty() {
            return Ok(());
        }
        let times = self.times(&needed);
        let stages: Vec<Needed<'_>> = needed
            .iter()
            .map(|at| Needed {
                stage: *at,
                kind: &self.queue.stages[*at].spec.kind,
                inputs: self.queue.inputs(*at),
                seconds: times.get(at).copied(),
            })
            .collect();
        let groups = groups(&stages, &self.slurm.settings);
        let (mut jobs, mut tasks) = (Vec::new(), 0);
        for group in &groups {
            match self.submit_array(group)? {
                Some(job) => {
                    jobs.push(job.to_string());
                    tasks += group.tasks.len();
                }
                None => break,
            }
        }
        if !jobs.is_empty() {
            let (count, arrays) = (needed.len(), jobs.len());
            tracing::info!(
                target: TARGET,
                "submitted {count} {} in {tasks} {} of {arrays} {} as {}: {} {}",
                if count == 1 { "stage" } else { "stages" },
                if tasks == 1 { "task" } else { "tasks" },
                if arrays == 1 { "array" } else { "arrays" },
                self.launch.name(),
                if arrays == 1 { "job" } else { "jobs" },
                jobs.join(", ")
            );
        }
        Ok(())
    }

    /// The stages to submit, in the order of the plan.
    fn needed(&self) -> Vec<usize> {
        let covered: HashSet<usize> = self
            .ledger
            .open_tasks()
            .flat_map(|(_, _, task)| &task.stages)
            .filter_map(|key| self.positions.get(key).copied())
            .collect();
        (0..self.queue.stages.len()).filter(|at| !self.queue.is_settled(*at) && !covered.contains(at)).collect()
    }

    /// Seconds that stages with the same settings took, as far as the store knows.
    fn times(&self, needed: &[usize]) -> HashMap<usize, f64> {
        if self.slurm.settings.minutes_per_task.is_none() {
            return HashMap::new();
        }
        // The longest time by kind and settings.
        let mut known: HashMap<(String, String), f64> = HashMap::new();
        let mut kinds: Vec<&str> = needed.iter().map(|at| self.queue.stages[*at].spec.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let entries = fs::read_dir(self.store.root().join(kind)).into_iter().flatten().flatten();
            let finished = entries.filter(|entry| entry.path().extension().is_none());
            for stage in finished.take(MOST_TIMED).filter_map(|entry| Stage::open(&entry.path()).ok()) {
                let manifest = stage.manifest();
                let seconds = known.entry((kind.to_owned(), manifest.config.to_string())).or_default();
                *seconds = seconds.max(manifest.wall_seconds);
            }
        }
        let time = |at: &usize| {
            let spec = &self.queue.stages[*at].spec;
            Some((*at, *known.get(&(spec.kind.clone(), spec.config.to_string()))?))
        };
        needed.iter().filter_map(time).collect()
    }

    /// What an array of these tasks waits for.
    fn upstream(&self, tasks: &[Vec<usize>]) -> Upstream {
        let mut places: HashMap<usize, (usize, usize)> = HashMap::new();
        for (array, task, it) in self.ledger.open_tasks() {
            places.extend(it.stages.iter().filter_map(|key| Some((*self.positions.get(key)?, (array, task)))));
        }
        let mut upstream = Upstream::default();
        for (own, stages) in tasks.iter().enumerate() {
            for input in stages.iter().flat_map(|at| self.queue.inputs(*at)) {
                if self.queue.is_settled(*input) {
                    continue;
                }
                let Some((array, task)) = places.get(input).copied() else { continue };
                let Some(id) = self.ledger.id(array, task) else { continue };
                let tasks = &self.ledger.arrays[array].tasks;
                upstream.add(own, id, tasks.len(), tasks.iter().all(|task| task.closed.is_none()));
            }
        }
        upstream
    }

    /// Submits an array. `None` if Slurm takes none at present.
    fn submit_array(&mut self, group: &Group) -> Result<Option<u64>> {
        let (number, places) = (self.ledger.arrays.len(), self.places.clone());
        for at in group.tasks.iter().flatten() {
            let planned = &self.queue.stages[*at];
            let file = places.description(&planned.key);
            if !file.exists() {
                write(&file, &planned.spec.to_json().to_string())?;
            }
        }
        let keys: Vec<Vec<_>> =
            group.tasks.iter().map(|task| task.iter().map(|at| self.queue.stages[*at].key.clone()).collect()).collect();
        let line = |task: &Vec<unlearn_run_store::StageKey>| {
            task.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ") + "\n"
        };
        write(&places.tasks(number), &keys.iter().map(line).collect::<String>())?;
        let script = places.script(number);
        let text = script::script(number, &places, &group.resources, &self.slurm.settings, &self.slurm.command);
        write(&script, &text)?;

        let name = format!("unlearn-{}-{number}", self.launch.name());
        let dependency = self.upstream(&group.tasks).dependency(group.tasks.len());
        let tasks = keys.into_iter().map(|stages| Task { stages, closed: None, in_vain: Vec::new() }).collect();
        let array = Array { name: name.clone(), job: None, dependency: dependency.clone(), tasks };
        self.ledger.arrays.push(array);
        self.changed = true;
        self.save()?;
        let submission = Submission {
            name: &name,
            comment: &format!("unlearn {}", self.launch.name()),
            tasks: group.tasks.len(),
            dependency: &dependency,
            script: &script,
            working: &self.slurm.working,
            output: &places.log_pattern(number),
            options: &group.resources.options,
        };
        // The lock lasts as long as the call, even if this process is killed. So no other watcher looks for the job before
        // Slurm has it.
        let result = submission.submit(self.lock.shared().ok());
        self.changed = true;
        match result {
            Ok(job) => {
                self.ledger.arrays[number].job = Some(job);
                self.save()?;
                Ok(Some(job))
            }
            // Slurm may have taken the array all the same. The next look at the queue tells.
            Err(Refusal::Unreachable(reason)) => {
                self.say_once(format!("Slurm does not answer, and is asked again: {reason}"));
                Ok(None)
            }
            Err(Refusal::Full(reason)) if self.ledger.open_tasks().any(|(array, _, _)| array != number) => {
                self.ledger.arrays.pop();
                self.save()?;
                self.say_once(format!("Slurm takes no more jobs at present, and is asked again: {reason}"));
                Ok(None)
            }
            Err(refusal) => {
                self.ledger.arrays.pop();
                self.save()?;
                self.is_refused = true;
                let reason = format!(
                    "Slurm refused an array of {} tasks: {}; see [launcher.slurm] and the script {}",
                    group.tasks.len(),
                    refusal.reason(),
                    script.display()
                );
                Err(Error::Launcher { reason, is_usage: true })
            }
        }
    }
}

/// Writes a file that nobody reads before its array is submitted.
fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).map_err(|source| Error::Io { action: "write", path: file.to_path_buf(), source })
}
