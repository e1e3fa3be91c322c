//! `sbatch`: submits one array. `scancel`: cancels tasks.

use std::{ffi::OsString, fs::File, path::Path};

use super::command::{Refusal, call};

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
}

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

    /// Submits the array and returns its job. `held` is a lock that lasts until the call is over, even if this process
    /// ends before.
    pub(super) fn submit(&self, held: Option<File>) -> Result<JobId, Refusal> {
        let said = call("sbatch", self.arguments(), held)?;
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
pub(super) fn cancel(tasks: &[TaskId]) -> Result<(), Refusal> {
    for some in tasks.chunks(AT_ONCE) {
        let named = some.iter().map(|(job, task)| format!("{job}_{task}"));
        match call("scancel", ["--quiet".to_owned()].into_iter().chain(named), None) {
            // `scancel` fails if a task among them has ended long ago.
            Ok(_) | Err(Refusal::Refused(_)) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(())
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
}
