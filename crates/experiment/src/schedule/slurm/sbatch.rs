//! `sbatch`: submits one array. `scancel`: cancels tasks.

use std::{collections::BTreeMap, ffi::OsString, fs::File, path::Path};

use super::command::{Refusal, call, call_with};

/// The number of a job.
pub(super) type JobId = u64;

/// A task of an array: its job and its index.
pub(super) type TaskId = (JobId, usize);

/// One call of `sbatch`.
pub(super) struct Submission<'a> {
    /// Name of the job, by which it is found again.
    pub(super) name: &'a str,
    /// The submission, for people who look at the queue.
    pub(super) comment: &'a str,
    /// Number of tasks.
    pub(super) tasks: usize,
    /// The argument of `--dependency`. Empty: none.
    pub(super) dependency: &'a str,
    /// The script.
    pub(super) script: &'a Path,
    /// The folder in which tasks run.
    pub(super) working: &'a Path,
    /// The files of the tasks' output, with Slurm's placeholders.
    pub(super) output: &'a Path,
    /// The options in the script.
    pub(super) options: &'a [String],
}

/// Variables of `sbatch` for options that the launcher sets itself, or that would keep `sbatch` from answering.
const OWN: [&str; 12] = [
    "SBATCH_ARRAY_INX",
    "SBATCH_BATCH",
    "SBATCH_DEPENDENCY",
    "SBATCH_ERROR",
    "SBATCH_INPUT",
    "SBATCH_JOB_NAME",
    "SBATCH_NO_REQUEUE",
    "SBATCH_OPEN_MODE",
    "SBATCH_OUTPUT",
    "SBATCH_REQUEUE",
    "SBATCH_SIGNAL",
    "SBATCH_WAIT",
];

impl Submission<'_> {
    fn arguments(&self) -> Vec<OsString> {
        let with = |name: &str, path: &Path| {
            let mut argument = OsString::from(name);
            argument.push(path);
            argument
        };
        let mut arguments: Vec<OsString> = vec![
            "--parsable".into(),
            format!("--array=0-{}", self.tasks - 1).into(),
            format!("--job-name={}", self.name).into(),
            format!("--comment={}", self.comment).into(),
            with("--chdir=", self.working),
            with("--output=", self.output),
            "--open-mode=append".into(),
            // The watcher decides what is submitted again, and with which dependencies.
            "--no-requeue".into(),
            "--kill-on-invalid-dep=no".into(),
        ];
        if !self.dependency.is_empty() {
            arguments.push(format!("--dependency={}", self.dependency).into());
        }
        arguments.push(self.script.into());
        arguments
    }

    /// Whether a variable of `sbatch` gives an option that neither the launcher nor the script gives. A variable would come
    /// before the script.
    fn leaves_open(&self, variable: &str) -> bool {
        let Some(name) = variable.strip_prefix("SBATCH_") else { return false };
        let is_given = self.options.iter().any(|option| {
            let given = option.split(['=', ' ']).next().unwrap_or_default();
            match given {
                "--time" | "-t" => name == "TIMELIMIT",
                "--mem" | "--mem-per-cpu" | "--mem-per-gpu" => name.starts_with("MEM_PER_"),
                "--partition" | "-p" => name == "PARTITION",
                "--account" | "-A" => name == "ACCOUNT",
                "--qos" | "-q" => name == "QOS",
                "--gpus" | "-G" => name == "GPUS",
                "--constraint" | "-C" => name == "CONSTRAINT",
                _ => given.strip_prefix("--").is_some_and(|given| given.replace('-', "_").eq_ignore_ascii_case(name)),
            }
        });
        !OWN.contains(&variable) && !is_given
    }

    /// Submits the array and returns its job. `held` is a lock that lasts until the call is over, even if this process
    /// ends before.
    pub(super) fn submit(&self, held: Option<File>) -> Result<JobId, Refusal> {
        let said = call_with("sbatch", self.arguments(), held, |variable| self.leaves_open(variable))?;
        // `JOB` or `JOB;CLUSTER`.
        let job = said.trim().split(';').next().and_then(|job| job.trim().parse().ok());
        job.ok_or_else(|| {
            Refusal::Refused(format!("`sbatch --parsable` printed `{}` instead of a job's number", said.trim()))
        })
    }
}

/// Maximum number of tasks in one call.
const AT_ONCE: usize = 500;

/// Cancels tasks. Tasks that have ended are no error.
///
/// A job is cancelled before those that were submitted earlier, which it may wait for. Slurm lets a task begin if the task that it
/// waits for was cancelled before it began.
pub(super) fn cancel(tasks: &[TaskId]) -> Result<(), Refusal> {
    for some in calls(tasks) {
        let named = some.iter().map(|(job, task)| format!("{job}_{task}"));
        match call("scancel", ["--quiet".to_owned()].into_iter().chain(named), None) {
            // `scancel` fails if a task among them has ended long ago.
            Ok(_) | Err(Refusal::Refused(_)) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(())
}

/// The tasks of each call, the latest job first. Within one call, `scancel` keeps no order.
fn calls(tasks: &[TaskId]) -> Vec<Vec<TaskId>> {
    let mut jobs: BTreeMap<JobId, Vec<TaskId>> = BTreeMap::new();
    for task in tasks {
        jobs.entry(task.0).or_default().push(*task);
    }
    jobs.into_values().rev().flat_map(|tasks| tasks.chunks(AT_ONCE).map(<[_]>::to_vec).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_arguments_so_that_paths_may_hold_anything() {
        let submission = Submission {
            name: "unlearn-a-1",
            comment: "a",
            tasks: 3,
            dependency: "afterok:7:8,aftercorr:9",
            script: Path::new("/a folder/1.sh"),
            working: Path::new("/w o"),
            output: Path::new("/o/%a.txt"),
            options: &[],
        };
        let arguments = submission.arguments();
        for expected in [
            "--array=0-2",
            "--chdir=/w o",
            "--output=/o/%a.txt",
            "--dependency=afterok:7:8,aftercorr:9",
            "/a folder/1.sh",
        ] {
            assert!(arguments.iter().any(|argument| argument == expected), "{arguments:?}");
        }
        let free = Submission { dependency: "", ..submission }.arguments();
        assert!(!free.iter().any(|argument| argument.to_string_lossy().contains("dependency")));
    }

    #[test]
    fn what_waits_is_cancelled_before_what_it_waits_for() {
        let many: Vec<TaskId> = (0..=AT_ONCE).map(|task| (9, task)).collect();
        let all: Vec<TaskId> = [(8, 0), (10, 4)].into_iter().chain(many).chain([(8, 1)]).collect();
        let jobs: Vec<(JobId, usize)> = calls(&all).iter().map(|some| (some[0].0, some.len())).collect();
        assert_eq!(jobs, [(10, 1), (9, AT_ONCE), (9, 1), (8, 2)]);
    }

    #[test]
    fn a_variable_of_the_user_counts_for_what_no_setting_gives() {
        let options = ["--time=5", "--mem=1G", "--cpus-per-gpu=2", "-C avx512"].map(str::to_owned);
        let submission = Submission {
            name: "",
            comment: "",
            tasks: 1,
            dependency: "",
            script: Path::new(""),
            working: Path::new(""),
            output: Path::new(""),
            options: &options,
        };
        for variable in ["SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_RESERVATION"] {
            assert!(submission.leaves_open(variable), "{variable}");
        }
        for variable in [
            "SBATCH_TIMELIMIT",
            "SBATCH_MEM_PER_CPU",
            "SBATCH_CPUS_PER_GPU",
            "SBATCH_CONSTRAINT",
            "SBATCH_WAIT",
            "SBATCH_SIGNAL",
            "SLURM_CPUS_PER_TASK",
        ] {
            assert!(!submission.leaves_open(variable), "{variable}");
        }
    }
}
