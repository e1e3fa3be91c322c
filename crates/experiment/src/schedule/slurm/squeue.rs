//! `squeue` and `sacct`: what Slurm says of our tasks.
//!
//! `squeue` also lists tasks that have ended, for some minutes (`MinJobAge`). What it no longer lists, `sacct` knows if
//! the cluster keeps accounts. If neither knows a task, the task's own record and the store decide.
//!
//! `sacct` lists tasks that share a record on one line, as `17_[0-3,7]`. Its option `--array`, which gives each task a
//! line, is missing in Slurm 22.05, so it is not used.

use std::collections::HashMap;

use super::{
    command::{Refusal, call},
    sbatch::{JobId, TaskId},
};

/// Slurm's own limit on the index of a task.
const MOST_TASKS: usize = 4_000_001;

/// The state of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It waits, for this reason of Slurm's.
    Pending(String),
    /// It runs, or is about to end.
    Running,
    /// It waits for other tasks, one of which has failed.
    Hopeless,
    /// It has ended in this state of Slurm's.
    Ended(String),
}

/// What Slurm says of the tasks of one user.
#[derive(Debug, Default)]
pub(super) struct Queue {
    tasks: HashMap<TaskId, (State, String)>,
    /// Arrays that Slurm lists as a whole, as it does if they were cancelled before their first task began.
    whole: HashMap<JobId, (State, String)>,
    /// The jobs, by the names under which they were submitted.
    names: HashMap<String, JobId>,
}

impl Queue {
    /// Asks `squeue`.
    pub(super) fn ask() -> Result<Self, Refusal> {
        let arguments =
            ["--noheader", "--array", "--states=all", "--me", "--format=%F|%K|%T|%r|%N|%j"].map(str::to_owned);
        Ok(Self::of(&call("squeue", arguments, None)?))
    }

    fn of(listing: &str) -> Self {
        let mut queue = Self::default();
        for line in listing.lines() {
            let fields: Vec<&str> = line.trim().splitn(6, '|').collect();
            let [job, index, state, reason, node, name] = fields[..] else { continue };
            let Ok(job) = job.parse() else { continue };
            queue.names.insert(name.to_owned(), job);
            let told = (state_of(state, reason), node.to_owned());
            match index.parse() {
                Ok(index) => drop(queue.tasks.insert((job, index), told)),
                Err(_) => drop(queue.whole.insert(job, told)),
            }
        }
        queue
    }

    /// Adds what `sacct` knows of the jobs that `squeue` no longer lists. A cluster without accounts adds nothing.
    pub(super) fn ask_accounts(&mut self, jobs: &[JobId]) {
        if jobs.is_empty() {
            return;
        }
        let jobs = jobs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let arguments = ["--noheader", "--parsable2", "--allocations", "--format=JobID,State,NodeList", "--jobs"];
        match call("sacct", arguments.map(str::to_owned).into_iter().chain([jobs]), None) {
            Ok(listing) => self.add_accounts(&listing),
            // The cluster keeps no accounts, or their daemon does not answer.
            Err(refusal) => tracing::debug!("sacct tells nothing: {}", refusal.reason()),
        }
    }

    fn add_accounts(&mut self, listing: &str) {
        for line in listing.lines() {
            let fields: Vec<&str> = line.trim().split('|').collect();
            let [id, state, node] = fields[..] else { continue };
            let Some((job, indices)) = id.split_once('_') else { continue };
            let Ok(job) = job.parse() else { continue };
            // `CANCELLED by 1000`
            let state = state.split_whitespace().next().unwrap_or_default();
            let node = if node == "None assigned" { "" } else { node };
            for index in indices_of(indices) {
                self.tasks.entry((job, index)).or_insert_with(|| (state_of(state, ""), node.to_owned()));
            }
        }
    }

    /// The state of a task, if Slurm knows it.
    pub(super) fn state(&self, task: TaskId) -> Option<&State> {
        self.found(task).map(|(state, _)| state)
    }

    /// The node of a task, or an empty text.
    pub(super) fn node(&self, task: TaskId) -> &str {
        self.found(task).map_or("", |(_, node)| node)
    }

    fn found(&self, task: TaskId) -> Option<&(State, String)> {
        self.tasks.get(&task).or_else(|| self.whole.get(&task.0))
    }

    /// The job that was submitted under a name.
    pub(super) fn job(&self, name: &str) -> Option<JobId> {
        self.names.get(name).copied()
    }
}

/// The indices in `3` or `[0-3,7,10-30:10%4]`: numbers and ranges, perhaps with a step, and a limit of tasks at a time.
fn indices_of(text: &str) -> Vec<usize> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    let text = text.split('%').next().unwrap_or_default();
    let range = |part: &str| {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last, step) = (first.parse().ok()?, last.parse::<usize>().ok()?, step.parse().ok()?);
        let is_sound = step > 0 && last < MOST_TASKS;
        is_sound.then(|| (first..=last).step_by(step))
    };
    text.split(',').filter_map(range).flatten().collect()
}

fn state_of(state: &str, reason: &str) -> State {
    match state {
        "PENDING" if reason == "DependencyNeverSatisfied" => State::Hopeless,
        "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => {
            State::Pending(reason.to_owned())
        }
        "RUNNING" | "COMPLETING" | "CONFIGURING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "RESIZING" | "STAGE_OUT" => {
            State::Running
        }
        ended => State::Ended(ended.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_of_squeue_is_read_and_sacct_adds_to_it() {
        let mut queue = Queue::of(
            "12|0|RUNNING|None|n1|unlearn-a-0123-0\n12|1|PENDING|Resources||unlearn-a-0123-0\n13|0|PENDING|DependencyNeverSatisfied||unlearn-a-0123-1\n\
             13|1|NODE_FAIL|NodeDown|n2|unlearn-a-0123-1\n14|N/A|RUNNING|None|n2|own|job\n15|N/A|CANCELLED|Dependency||x\nnoise\n",
        );
        assert_eq!(queue.state((12, 0)), Some(&State::Running));
        assert_eq!(queue.state((12, 1)), Some(&State::Pending("Resources".into())));
        assert_eq!(queue.state((13, 0)), Some(&State::Hopeless));
        assert_eq!((queue.state((13, 1)), queue.node((13, 1))), (Some(&State::Ended("NODE_FAIL".into())), "n2"));
        assert_eq!(
            (queue.job("unlearn-a-0123-1"), queue.job("own|job"), queue.job("x")),
            (Some(13), Some(14), Some(15))
        );
        assert_eq!(queue.job("unlearn-a-0123"), None);
        assert_eq!(queue.state((15, 3)), Some(&State::Ended("CANCELLED".into())));
        queue.add_accounts("12_0|COMPLETED|n1\n9_3|CANCELLED by 0|n1\n9_[4-5]|PENDING|None assigned\n");
        assert_eq!(queue.state((12, 0)), Some(&State::Running), "squeue knows better");
        assert_eq!(queue.state((9, 3)), Some(&State::Ended("CANCELLED".into())));
        assert_eq!(queue.state((9, 4)), Some(&State::Pending(String::new())));
    }

    /// What `sacct` of Slurm 22.05 printed, with accounts in a database, of an array whose tasks were pre-empted, of arrays that were
    /// cancelled before they began and that wait, of tasks that ended in other ways, and of a job of somebody else's.
    const ACCOUNTS: &str = "1_0|PREEMPTED|n1
1_1|PREEMPTED|n1
1_2|PREEMPTED|n2
2_[0,2,5,8,11,14,17,20,23,26,29,32,35,38,50-80%4]|CANCELLED by 0|None assigned
3_[0-30:3%4]|PENDING|None assigned
6|COMPLETED|n[1-2]
7_0|COMPLETED|n1
7_1|FAILED|n1
7_3|CANCELLED by 0|n2
";

    #[test]
    fn what_sacct_lists_on_one_line_is_known_of_each_task() {
        let mut queue = Queue::default();
        queue.add_accounts(ACCOUNTS);
        let ended = |job, index| match queue.state((job, index)) {
            Some(State::Ended(state)) => state.as_str(),
            Some(_) => "waits",
            None => "",
        };
        assert_eq!(
            ["1_2", "2_0", "2_5", "2_80", "7_0", "7_1", "7_3"].map(|id| {
                let (job, index) = id.split_once('_').unwrap();
                ended(job.parse().unwrap(), index.parse().unwrap())
            }),
            ["PREEMPTED", "CANCELLED", "CANCELLED", "CANCELLED", "COMPLETED", "FAILED", "CANCELLED"]
        );
        assert_eq!((ended(2, 1), ended(2, 81), ended(3, 1), ended(6, 0)), ("", "", "", ""));
        assert_eq!((ended(3, 30), ended(3, 27)), ("waits", "waits"));
        assert_eq!((queue.node((1, 2)), queue.node((2, 0))), ("n2", ""));
    }

    #[test]
    fn indices_are_numbers_and_ranges() {
        for (text, expected) in [
            ("3", &[3][..]),
            ("[3]", &[3]),
            ("[0-2,7]", &[0, 1, 2, 7]),
            ("[0-10:5%2]", &[0, 5, 10]),
            ("[4-2]", &[]),
            ("[1-99999999999]", &[]),
            ("[0-4:0]", &[]),
            ("N/A", &[]),
            ("", &[]),
        ] {
            assert_eq!(indices_of(text), expected, "{text}");
        }
    }
}
