//! A Slurm of two nodes on this machine, and suites that run on it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// One cluster at a time.
static ONE: Mutex<()> = Mutex::new(());

/// The environment variable that demands a Slurm.
const DEMAND: &str = "UNLEARN_TEST_SLURM";

/// Two models, a request, three methods, on 200 images: 14 stages in four depths.
pub(crate) const SUITE: &str = r#"
[suite]
name = "tiny"
seeds = [1]

[data]
name = "fashion-mnist-mini"
train-limit = 200

[model]
arch = "resnet8s"

[train]
epochs = 2
batch-size = 32
schedule = "cosine"

[[prune]]
method = "none"

[[prune]]
method = "omp"
sparsity = 0.9
rewind-epoch = 1

[[forget]]
kind = "class"
class = 0

[[unlearn]]
method = "retrain"

[[unlearn]]
method = "ft"
epochs = 1

[[unlearn]]
method = "ga"
epochs = 1
"#;

/// What every test wants of the cluster, in a user's file.
const USER: &str = "[launcher.slurm]\npartition = \"main\"\ncpus = 1\nmemory = \"100M\"\npoll = 0.3\n";

/// A running cluster, and a folder in which the binary runs.
pub(crate) struct Cluster {
    place: TempDir,
    state: TempDir,
    script: Child,
    _one: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Starts a cluster. `None`, with a message, where Slurm is not installed, unless the environment demands it.
    pub(crate) fn start(suite: &str) -> Option<Self> {
        Self::start_with(suite, "")
    }

    /// The same, with lines of `slurm.conf` (see `start.sh`).
    pub(crate) fn start_with(suite: &str, settings: &str) -> Option<Self> {
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| {
            use std::os::unix::fs::MetadataExt as _;
            process.uid() == 0
        });
        let missing: Vec<&str> =
            ["slurmctld", "slurmd", "munged", "sbatch"].into_iter().filter(|program| !is_here(program)).collect();
        if !missing.is_empty() || !is_root {
            let reason = format!(
                "tests on Slurm need root and Debian's slurm-wlm and munge (root: {is_root}, missing: {missing:?})"
            );
            assert!(std::env::var_os(DEMAND).is_none(), "{reason}");
            eprintln!("left out: {reason}");
            return None;
        }
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(place.path().join("suite.toml"), suite).unwrap();
        fs::write(place.path().join("user.toml"), USER).unwrap();
        fs::write(place.path().join("settings"), settings).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/slurm/start.sh");
        let mut script = Command::new("bash")
            .arg(script)
            .arg(state.path())
            .arg(place.path().join("settings"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(script.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "ready", "Slurm did not start");
        Some(Self { place, state, script, _one: one })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn prepared(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.place.path()).env("SLURM_CONF", self.state.path().join("slurm.conf"));
        command
    }

    /// The binary, with a user's file.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.prepared(env!("CARGO_BIN_EXE_unlearn"));
        command.args(arguments).env("UNLEARN_CONFIG", self.path("user.toml"));
        command
    }

    /// Runs the binary, expects an exit code, and returns standard output and standard error.
    pub(crate) fn exits(&self, code: i32, arguments: &[&str]) -> String {
        expect(code, &self.command(arguments).output().unwrap(), arguments)
    }

    /// Starts the binary.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Watching {
        let log = self.path(&format!("watch-{}.txt", fs::read_dir(self.place.path()).unwrap().count()));
        let file = fs::File::create(&log).unwrap();
        let child = self.command(arguments).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Watching { child, log }
    }

    /// Standard output of one of Slurm's commands.
    pub(crate) fn slurm(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.prepared(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a line of a shell.
    pub(crate) fn shell(&self, line: &str) -> Output {
        self.prepared("bash").args(["-c", line]).env("UNLEARN_CONFIG", self.path("user.toml")).output().unwrap()
    }

    /// The tasks that Slurm knows, each with its array's job, its index, its state, its node and its name.
    pub(crate) fn tasks(&self) -> Vec<[String; 5]> {
        let listing = self.slurm("squeue", &["--noheader", "--array", "--states=all", "--format=%F|%K|%T|%N|%j"]);
        let task = |line: &str| {
            let fields: Vec<String> = line.splitn(5, '|').map(str::to_owned).collect();
            fields.try_into().unwrap()
        };
        listing.lines().map(task).collect()
    }

    /// Kills a node: its daemon and everything that it has started.
    pub(crate) fn kill_node(&self, node: &str) {
        let pid = fs::read_to_string(self.state.path().join(format!("{node}.pid"))).unwrap();
        kill("KILL", &[pid.trim().parse().unwrap()]);
        kill("KILL", &self.processes(Some(node)));
    }

    /// The processes of tasks, on one node or on both.
    pub(crate) fn processes(&self, node: Option<&str>) -> Vec<u32> {
        let own = format!("SLURM_CONF={}", self.state.path().join("slurm.conf").display());
        let node = node.map(|node| format!("SLURMD_NODENAME={node}"));
        let is_wanted = |pid: &u32| {
            let Ok(bytes) = fs::read(format!("/proc/{pid}/environ")) else { return false };
            let has = |wanted: &str| bytes.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
            has(&own)
                && node
                    .as_ref()
                    .map_or_else(|| bytes.windows(13).any(|text| text == b"SLURM_JOB_ID="), |node| has(node))
        };
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_wanted).collect()
    }

    /// The rows of a report, without seconds, which differ between runs.
    pub(crate) fn rows(&self, report: &str) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path(report).join("results.json")).unwrap();
        let results: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut rows = results["rows"].as_array().unwrap().clone();
        for row in &mut rows {
            row.as_object_mut().unwrap().remove("rte_seconds").unwrap();
            row["figures"].as_object_mut().unwrap().remove("rte_seconds").unwrap();
        }
        rows
    }

    /// How often each stage was computed to its end by a task, over all submissions of a store.
    pub(crate) fn computed(&self, store: &str) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for file in files(&self.path(store).join("launches"), "jsonl") {
            for line in fs::read_to_string(file).unwrap().lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                if line["event"]["over"]["outcome"] == "done" {
                    *times.entry(line["stage"].as_str().unwrap().to_owned()).or_default() += 1;
                }
            }
        }
        times
    }

    /// The bytes of every model and mask of a store, by their path.
    pub(crate) fn models(&self, store: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let root = self.path(store);
        let all = files(&root, "safetensors").into_iter();
        all.map(|path| (path.strip_prefix(&root).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            for path in files(self.place.path(), "txt").into_iter().chain(files(self.state.path(), "log")) {
                let text = fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                let last: Vec<&str> = text.lines().rev().take(25).collect();
                eprintln!("── {}", path.display());
                last.iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
        drop(self.script.stdin.take());
        drop(self.script.wait());
        // Whatever a task has started as well.
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(5) {
            let left = self.processes(None);
            if left.is_empty() {
                break;
            }
            kill("KILL", &left);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A running binary.
pub(crate) struct Watching {
    child: Child,
    log: PathBuf,
}

impl Watching {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it ends, with an exit code or by a signal.
    pub(crate) fn end(&mut self, most: Duration) -> ExitStatus {
        until(most, || format!("it goes on: {}", self.log.display()), || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }

    pub(crate) fn expect(mut self, code: i32) -> String {
        let status = self.end(Duration::from_secs(150));
        let said = self.said();
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn expect(code: i32, output: &Output, arguments: &[&str]) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// Sends a signal to processes, of which some may have ended.
pub(crate) fn kill(signal: &str, pids: &[u32]) {
    if !pids.is_empty() {
        let pids = pids.iter().map(ToString::to_string);
        drop(Command::new("kill").args(["-s", signal]).args(pids).stderr(Stdio::null()).status());
    }
}

/// Whether a program is installed.
pub(crate) fn is_here(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(program).exists())
}

/// Waits until something is so.
pub(crate) fn until(most: Duration, what: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < most, "{}", what());
        thread::sleep(Duration::from_millis(50));
    }
}

/// The files below a folder with an ending.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
