//! The hardware and the software of a benchmark.

use std::{fs, path::Path, process::Command};

/// The machine, the tools and the date.
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) rustc: String,
    /// Short hash of the commit, followed by `-dirty` if the checkout differs from it.
    pub(super) commit: String,
    pub(super) date: String,
}

impl Machine {
    /// This machine, now. A value that the system does not provide is `unknown`.
    pub(super) fn this(root: &Path) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            cpu: cpu(&cpuinfo).unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            rustc: ask(root, "rustc", &["--version"]),
            commit: ask(root, "git", &["describe", "--always", "--dirty", "--exclude=*"]),
            date: ask(root, "date", &["-u", "+%Y-%m-%d"]),
        }
    }
}

/// The model's name in Linux's `/proc/cpuinfo`.
fn cpu(cpuinfo: &str) -> Option<&str> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then_some(value.trim())
    })
}

/// The first line of a program's output.
fn ask(root: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(root).output().ok().filter(|o| o.status.success());
    let line =
        output.and_then(|output| Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned()));
    line.filter(|line| !line.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_the_first_one_named() {
        assert_eq!(cpu("processor\t: 0\nmodel name\t: A: fast one\nmodel name\t: B\n"), Some("A: fast one"));
        assert_eq!(cpu("processor\t: 0\n"), None);
    }

    #[test]
    fn programs_that_do_not_answer_are_unknown() {
        let here = Path::new(".");
        assert_eq!(ask(here, "echo", &["1.95 \n2"]), "1.95");
        for (program, args) in [("false", &[][..]), ("true", &[]), ("no-such-program-here", &[])] {
            assert_eq!(ask(here, program, args), "unknown", "{program}");
        }
    }
}
