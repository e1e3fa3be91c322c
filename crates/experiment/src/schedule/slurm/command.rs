//! Calls one of Slurm's own commands.

use std::{
    ffi::OsStr,
    fs::File,
    io::ErrorKind,
    process::{Command, Stdio},
};

/// Why a command of Slurm's gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The program is not on this machine.
    Absent(String),
    /// The controller did not answer. It may answer later.
    Unreachable(String),
    /// Limits allow no more jobs at present.
    Full(String),
    /// Anything else, in Slurm's words.
    Refused(String),
}

impl Refusal {
    /// The reason for users.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Absent(reason) | Self::Unreachable(reason) | Self::Full(reason) | Self::Refused(reason) => reason,
        }
    }
}

/// What Slurm says if its controller does not answer.
const UNREACHABLE: [&str; 7] = [
    "unable to contact slurm controller",
    "socket timed out",
    "connection refused",
    "connection timed out",
    "resource temporarily unavailable",
    "zero bytes were transmitted",
    "transport endpoint is not connected",
];
/// What Slurm says if a limit on the number of jobs is reached.
const FULL: [&str; 5] = [
    "maxsubmitjob",
    "max submit job",
    "job submit limit",
    "slurm temporarily unable to accept job",
    "requested node configuration is not available at present",
];

/// What Slurm's variables begin with. Each gives an option of one of its commands, or describes a job.
const VARIABLES: [&str; 5] = ["SQUEUE_", "SACCT_", "SCANCEL_", "SBATCH_", "SLURM_"];
/// The variables that say which Slurm it is and who asks.
const KEPT: [&str; 9] = [
    "SLURM_CONF",
    "SLURM_CONF_SERVER",
    "SLURM_CLUSTERS",
    "SLURM_JWT",
    "SLURM_SACK_KEY",
    "SLURM_SACK_JWKS",
    "SLURM_DEBUG_FLAGS",
    "SLURM_UMASK",
    "SLURM_EXIT_ERROR",
];

/// Standard output of a command. `held` becomes its standard input: its locks last as long as the command.
///
/// The user's variables for Slurm's commands are not passed on: `SQUEUE_USERS` would hide our tasks, `SBATCH_WAIT` would
/// wait for them, and `SLURM_CPUS_PER_TASK` of a job in which this process runs would set their threads.
pub(super) fn call(
    program: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    held: Option<File>,
) -> Result<String, Refusal> {
    call_with(program, arguments, held, |_| false)
}

/// The same, with the user's variables for which `is_wanted` is true.
pub(super) fn call_with(
    program: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    held: Option<File>,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<String, Refusal> {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if VARIABLES.iter().any(|begin| name.starts_with(begin)) && !KEPT.contains(&name) && !is_wanted(name) {
            command.env_remove(name);
        }
    }
    let output = command
        .args(arguments)
        // Lists of tasks are cut after 64 characters otherwise.
        .env("SLURM_BITSTR_LEN", "0")
        .stdin(held.map_or_else(Stdio::null, Stdio::from))
        .output();
    let output = output.map_err(|error| {
        let advice = if error.kind() == ErrorKind::NotFound {
            "; run this where Slurm's commands are, such as a login node of the cluster, or leave `--launcher slurm` out"
        } else {
            ""
        };
        Refusal::Absent(format!("`{program}` did not start: {error}{advice}"))
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(refusal(program, &String::from_utf8_lossy(&output.stderr)))
}

/// The meaning of what a command wrote to its standard error.
fn refusal(program: &str, said: &str) -> Refusal {
    let told: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let told = if told.is_empty() { format!("`{program}` failed without a word") } else { told.join("; ") };
    let lower = told.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&FULL) {
        Refusal::Full(told)
    } else if says(&UNREACHABLE) {
        Refusal::Unreachable(told)
    } else {
        Refusal::Refused(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slurm_says_tells_whether_to_try_again() {
        let of = |said| refusal("sbatch", said);
        assert!(matches!(
            of("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"),
            Refusal::Unreachable(_)
        ));
        assert!(matches!(
            of(
                "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy"
            ),
            Refusal::Full(_)
        ));
        let refused =
            of("sbatch: error: invalid partition specified: x\n\nsbatch: error: Batch job submission failed\n");
        assert_eq!(
            refused,
            Refusal::Refused(
                "sbatch: error: invalid partition specified: x; sbatch: error: Batch job submission failed".into()
            )
        );
        assert_eq!(of("").reason(), "`sbatch` failed without a word");
        let absent = call("no-such-command-of-slurm", ["a"], None).unwrap_err();
        assert!(matches!(&absent, Refusal::Absent(reason) if reason.contains("login node")), "{absent:?}");
    }
}
