//! The script of an array, and the files that its tasks read and write.

use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use unlearn_run_store::{Launch, StageKey};

use super::settings::{Resources, Settings};

/// The program that tasks run, and its options after the descriptions.
#[derive(Debug, Clone)]
pub struct TaskCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments after `stage FILE…`.
    pub arguments: Vec<OsString>,
}

/// The places of a submission's files.
#[derive(Debug, Clone)]
pub(super) struct Places {
    folder: PathBuf,
}

impl Places {
    pub(super) fn of(launch: &Launch) -> Self {
        let folder = launch.folder();
        // Tasks need not run in this process's folder.
        Self { folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf()) }
    }

    /// The folders to make.
    pub(super) fn folders(&self) -> [PathBuf; 4] {
        ["stages", "arrays", "logs", "outcomes"].map(|name| self.folder.join(name))
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.folder.join("ledger.json")
    }

    /// The description of a stage.
    pub(super) fn description(&self, stage: &StageKey) -> PathBuf {
        self.folder.join("stages").join(format!("{stage}.json"))
    }

    pub(super) fn script(&self, array: usize) -> PathBuf {
        self.folder.join("arrays").join(format!("{array}.sh"))
    }

    /// A line for each task, with the keys of its stages.
    pub(super) fn tasks(&self, array: usize) -> PathBuf {
        self.folder.join("arrays").join(format!("{array}.tasks"))
    }

    /// What a task wrote to its standard output and standard error.
    pub(super) fn log(&self, array: usize, task: usize) -> PathBuf {
        self.folder.join("logs").join(format!("{array}-{task}.txt"))
    }

    /// The same for Slurm, which replaces `%a`.
    pub(super) fn log_pattern(&self, array: usize) -> PathBuf {
        let folder = self.folder.join("logs");
        let folder = folder.to_string_lossy().replace('%', "%%");
        PathBuf::from(folder).join(format!("{array}-%a.txt"))
    }

    /// What became of each stage of a task.
    pub(super) fn outcomes(&self, array: usize, task: usize) -> PathBuf {
        self.folder.join("outcomes").join(format!("{array}-{task}.jsonl"))
    }
}

/// The beginning of the last line of a log whose script has failed by itself. A script that a signal ends says nothing.
pub(super) const SCRIPT_ENDED: &str = "error: the script ended with code";

/// Quotes text for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// The script of an array. Its tasks differ by the line that they read from the list of tasks.
pub(super) fn script(
    array: usize,
    places: &Places,
    resources: &Resources,
    settings: &Settings,
    command: &TaskCommand,
) -> String {
    let mut text = "#!/bin/bash\n".to_owned();
    for option in &resources.options {
        let _ = writeln!(text, "#SBATCH {option}");
    }
    // To the script itself, which the program has replaced by then.
    let _ = writeln!(text, "#SBATCH --signal=B:TERM@{}", settings.grace);
    text.push_str("set -eu\n");
    text.push_str("export RAYON_NUM_THREADS=\"${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}\"\n");
    let _ = writeln!(
        text,
        "trap 'code=$?; if [ $code -gt 0 ] && [ $code -lt 128 ]; then echo \"{SCRIPT_ENDED} $code\" >&2; fi' EXIT\ntrap 'exit 143' TERM"
    );
    // Modules and the like read variables that are not set.
    text.push_str("set +u\n");
    for line in &settings.prologue {
        let _ = writeln!(text, "{line}");
    }
    let program = settings.program.as_ref().map_or_else(|| shown(&command.program), |program| quoted(program));
    let arguments = command.arguments.iter().map(|argument| format!(" {}", quoted(&argument.to_string_lossy())));
    let _ = write!(
        text,
        "launch={}\n\
         keys=$(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" {})\n\
         set --\n\
         for key in $keys; do set -- \"$@\" \"$launch/stages/$key.json\"; done\n\
         command -v {program} >/dev/null || {{ echo \"this node lacks the program\" {program} >&2; exit 127; }}\n\
         exec {program} stage \"$@\" --outcomes \"$launch/outcomes/{array}-$SLURM_ARRAY_TASK_ID.jsonl\"{}\n",
        shown(&places.folder),
        shown(&places.tasks(array)),
        arguments.collect::<String>(),
    );
    text
}

#[cfg(test)]
mod tests {
    use unlearn_run_store::Store;

    use super::*;
    use crate::schedule::slurm::settings::SlurmSection;

    #[test]
    fn a_script_gives_the_program_the_descriptions_of_its_task() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("it's 100% a store")).unwrap();
        let places = Places::of(&store.new_launch("a").unwrap());
        for folder in places.folders() {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(places.tasks(2), "k0\nk1 k2\n").unwrap();
        let section: SlurmSection = toml::from_str("prologue = [\"export GREETING=hello\"]\ntime = 5").unwrap();
        let settings = Settings::of(section);
        let command =
            TaskCommand { program: "/usr/bin/printf".into(), arguments: vec!["--runs".into(), "it's".into()] };
        let text = script(2, &places, &settings.resources("train"), &settings, &command);
        assert!(
            text.starts_with("#!/bin/bash\n#SBATCH --ntasks=1\n#SBATCH --time=5\n#SBATCH --signal=B:TERM@60\n"),
            "{text}"
        );
        // The same script with a program that prints its arguments.
        let text = text.replace("exec '/usr/bin/printf'", "printf '%s\\n' \"$GREETING $RAYON_NUM_THREADS\"");
        let output = std::process::Command::new("bash")
            .args(["-c", &text])
            .env("SLURM_ARRAY_TASK_ID", "1")
            .env("SLURM_CPUS_PER_TASK", "3")
            .env_remove("RAYON_NUM_THREADS")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 8, "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(
            (lines[0], lines[1], lines[4], lines[6], lines[7]),
            ("hello 3", "stage", "--outcomes", "--runs", "it's")
        );
        assert_eq!(Path::new(lines[3]), places.description_named("k2"));
        assert_eq!(Path::new(lines[5]), places.outcomes(2, 1));
        // A line of the prologue that fails, and a program that is not there.
        let section: SlurmSection = toml::from_str("prologue = [\"false\"]").unwrap();
        let absent = TaskCommand { program: "/no/such/program".into(), ..command };
        for (settings, code) in [(Settings::of(section), 1), (settings, 127)] {
            let text = script(2, &places, &settings.resources("train"), &settings, &absent);
            let output = std::process::Command::new("bash")
                .args(["-c", &text])
                .env("SLURM_ARRAY_TASK_ID", "1")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(said.lines().last(), Some(format!("{SCRIPT_ENDED} {code}").as_str()), "{said}");
        }
        assert!(places.log_pattern(2).to_string_lossy().contains("100%% a store"));
    }

    impl Places {
        fn description_named(&self, key: &str) -> PathBuf {
            self.folder.join("stages").join(format!("{key}.json"))
        }
    }
}
