//! Suites on a real Slurm, which `start.sh` starts on this machine: two nodes on one store. Every test has a cluster of
//! its own, and only one cluster runs at a time.

#![cfg(target_os = "linux")]

mod cluster;
mod kills;
mod page;
mod states;

use std::{collections::BTreeSet, fs, time::Duration};

use cluster::{Cluster, SUITE, kill, until};

const RUN: [&str; 8] = ["run", "suite.toml", "--launcher", "slurm", "--out", "report", "--checkpoint-interval", "0.1"];

/// A suite whose first stage takes a while, on as many images.
fn long(epochs: usize) -> String {
    let short = SUITE.split("[[unlearn]]\nmethod = \"ft\"").next().unwrap();
    short.replace("epochs = 2", &format!("epochs = {epochs}"))
}

/// Waits until a task has saved the state of the first stage, and returns the task's node.
fn node_of_training(cluster: &Cluster) -> String {
    let mut node = String::new();
    let saved = || {
        cluster::files(&cluster.path("runs/train"), "safetensors")
            .iter()
            .any(|path| path.ends_with("checkpoint/state.safetensors"))
    };
    until(
        Duration::from_secs(40),
        || "no task saves the state of a training".into(),
        || {
            let running = cluster.tasks().into_iter().find(|task| task[2] == "RUNNING");
            node = running.map(|task| task[3].clone()).unwrap_or_default();
            !node.is_empty() && saved()
        },
    );
    node
}

#[test]
fn two_suites_on_two_nodes_and_one_store_have_the_rows_of_a_local_run_and_compute_each_stage_once() {
    let Some(cluster) = Cluster::start(SUITE) else { return };
    cluster.exits(0, &["run", "suite.toml", "--runs", "here", "--out", "local"]);
    fs::write(cluster.path("other.toml"), SUITE.replace("\"tiny\"", "\"other\"")).unwrap();
    let first = cluster.spawn(&[&RUN[..], &["--set", "launcher.slurm.kind.evaluate.pack=3"]].concat());
    let other = cluster.spawn(&["run", "other.toml", "--launcher", "slurm", "--out", "other"]);
    let said = first.expect(0);
    other.expect(0);
    assert!(said.contains("submitted 14 stages in 10 tasks of 4 arrays as tiny-"), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains(" done in ")).count(), 14, "{said}");
    assert_eq!(cluster.rows("report"), cluster.rows("local"));
    assert_eq!(cluster.rows("other"), cluster.rows("local"));
    assert!(cluster.models("runs") == cluster.models("here"), "a task left another model");
    let computed = cluster.computed("runs");
    assert_eq!((computed.len(), computed.values().max()), (14, Some(&1)), "{computed:?}");
    // A task that ended before it began has no node.
    let nodes = cluster.tasks().into_iter().map(|task| task[3].clone()).filter(|node| !node.is_empty());
    let nodes: BTreeSet<String> = nodes.collect();
    assert_eq!(nodes.len(), 2, "both nodes have computed");

    // A second time, nothing is submitted.
    let tasks = cluster.tasks().len();
    let said = cluster.exits(0, &RUN);
    assert!(said.contains("14 of 14 stages were done already") && !said.contains("submitted"), "{said}");
    assert_eq!(cluster.tasks().len(), tasks);
    let listed = cluster.exits(0, &["launches"]);
    assert_eq!(listed.lines().filter(|line| line.contains("  finished  ")).count(), 2, "{listed}");
    assert!(cluster.exits(0, &["runs", "verify"]).contains("14 finished stages are sound"));
}

#[test]
fn what_slurm_refuses_is_told_in_its_words_and_leaves_no_job() {
    let Some(cluster) = Cluster::start(SUITE) else { return };
    for (set, words) in [
        ("launcher.slurm.partition=nowhere", "invalid partition specified: nowhere"),
        ("launcher.slurm.kind.evaluate.partition=nowhere", "invalid partition specified: nowhere"),
        ("launcher.slurm.time=soon", "`launcher.slurm.time` is `soon`"),
    ] {
        let said = cluster.exits(2, &[&RUN[..], &["--set", set]].concat());
        assert!(said.contains(words), "{said}");
    }
    let left: Vec<_> = cluster.tasks().into_iter().filter(|task| task[2] != "CANCELLED").collect();
    assert!(left.is_empty(), "{left:?}");
    let said = cluster.exits(2, &[&RUN[..], &["--jobs", "2"]].concat());
    assert!(said.contains("--jobs is for `--launcher local`"), "{said}");
    let said = cluster.exits(2, &[&RUN[..], &["--set", "launcher.slurm.gpus=1"]].concat());
    assert!(said.contains("--device cuda:0"), "{said}");
    assert!(cluster.exits(2, &["launches", "cancel", "tinny"]).contains("did you mean `tiny-"));
}

/// The lock of the first training of a suite.
fn lock_of_training(cluster: &Cluster, suite: &str) -> fs::File {
    let planned = cluster.exits(0, &["run", suite, "--dry-run", "--json"]);
    let train = planned.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let train = train.into_iter().find(|stage| stage["stage"]["kind"] == "train").unwrap();
    fs::create_dir_all(cluster.path("runs/train")).unwrap();
    let lock = cluster.path(&format!("runs/train/{}.lock", train["key"].as_str().unwrap()));
    let lock = fs::File::options().write(true).create(true).truncate(true).open(lock).unwrap();
    lock.lock().unwrap();
    lock
}

#[test]
fn a_node_that_dies_and_a_time_limit_lose_no_stage_and_the_suites_complete() {
    let suite = long(40);
    let Some(cluster) = Cluster::start(&suite) else { return };
    let watcher = cluster.spawn(&RUN);
    let node = node_of_training(&cluster);
    // A stage that waits for another process until its task is stopped. Slurm looks at time limits twice a minute, and may
    // send its signal up to a minute early.
    fs::write(cluster.path("late.toml"), long(3).replace("\"tiny\"", "\"late\"").replace("seeds = [1]", "seeds = [2]"))
        .unwrap();
    let lock = lock_of_training(&cluster, "late.toml");
    let limits = ["--set", "launcher.slurm.time=1", "--set", "launcher.slurm.grace=57"];
    let other = if node == "n1" { "n2" } else { "n1" };
    let elsewhere = ["--set", &format!("launcher.slurm.lines=[\"--nodelist={other}\"]")];
    let late = cluster
        .spawn(&[&["run", "late.toml", "--launcher", "slurm", "--out", "late"][..], &limits, &elsewhere].concat());
    cluster.kill_node(&node);
    let said = watcher.expect(0);
    assert!(said.contains("train · seed 1 is submitted again"), "{said}");
    let computed = cluster.computed("runs");
    assert!(computed.values().all(|times| *times == 1), "{computed:?}");
    cluster.exits(0, &["run", "suite.toml", "--runs", "here", "--out", "local"]);
    assert_eq!(cluster.rows("report"), cluster.rows("local"));
    let here = cluster.models("here");
    assert!(
        cluster.models("runs").iter().filter(|(path, _)| here.contains_key(*path)).eq(&here),
        "a killed task left another model"
    );

    let submitted = |said: &str| said.lines().filter(|line| line.contains("submitted ")).count();
    until(Duration::from_secs(70), || late.said(), || submitted(&late.said()) > 1);
    drop(lock);
    late.expect(0);
    assert_eq!(cluster.rows("late").len(), 2);
    let computed = cluster.computed("runs");
    assert!(computed.len() == 12 && computed.values().all(|times| *times == 1), "{computed:?}");
}

#[test]
fn a_submission_is_cancelled_and_nothing_else_is() {
    let Some(cluster) = Cluster::start(&long(400)) else { return };
    let own = cluster.slurm("sbatch", &["--parsable", "--mem=10M", "--output=/dev/null", "--wrap", "sleep 60"]);
    let watcher = cluster.spawn(&RUN);
    node_of_training(&cluster);
    let said = cluster.exits(0, &["launches"]);
    assert!(said.contains("watched by process"), "{said}");
    assert!(cluster.exits(2, &["runs", "gc"]).contains("is not over"));
    let said = cluster.exits(1, &RUN[..]);
    assert!(said.contains(&format!("process {}", watcher.id())) && said.contains("already watches"), "{said}");
    let said = cluster.exits(0, &["launches", "cancel", "tiny"]);
    assert!(said.contains("tasks cancelled"), "{said}");
    let said = watcher.expect(1);
    assert!(said.contains("was cancelled"), "{said}");
    until(
        Duration::from_secs(10),
        || format!("{:?}", cluster.tasks()),
        || {
            let tasks = cluster.tasks();
            let goes_on: Vec<_> =
                tasks.iter().filter(|task| ["RUNNING", "PENDING"].contains(&task[2].as_str())).collect();
            goes_on.len() == 1 && goes_on[0][0] == own.trim()
        },
    );
    assert!(cluster.exits(0, &["launches", "cancel", "tiny"]).contains("nothing to cancel"));
    assert!(cluster.exits(0, &["launches"]).contains("  cancelled  "));
    // The stage was told to stop, and saved its state.
    assert!(
        cluster.path("runs/train").read_dir().unwrap().flatten().any(|entry| entry.path().join("checkpoint").is_dir())
    );
}

#[test]
fn a_watcher_that_is_stopped_or_killed_finds_its_jobs_again() {
    let Some(cluster) = Cluster::start(&long(30)) else { return };
    let mut watcher = cluster.spawn(&RUN);
    node_of_training(&cluster);
    let jobs = || cluster.tasks().into_iter().map(|task| (task[0].clone(), task[4].clone())).collect::<BTreeSet<_>>();
    let submitted = jobs();
    assert_eq!(submitted.len(), 4, "{submitted:?}");
    kill("INT", &[watcher.id()]);
    let status = watcher.end(Duration::from_secs(10));
    let said = watcher.said();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("go on in Slurm") && said.contains("`unlearn launches cancel tiny`"), "{said}");
    for _ in 0..2 {
        let mut watcher = cluster.spawn(&RUN);
        std::thread::sleep(Duration::from_millis(600));
        kill("KILL", &[watcher.id()]);
        watcher.end(Duration::from_secs(10));
    }
    let said = cluster.exits(0, &RUN);
    assert!(said.contains("watching the submission tiny-") && !said.contains("submitted"), "{said}");
    assert_eq!(jobs(), submitted, "nothing was submitted twice");
    assert!(cluster.computed("runs").values().all(|times| *times == 1));
}

#[test]
fn a_stage_that_is_told_to_stop_goes_on_in_another_task() {
    let suite = long(40);
    let Some(cluster) = Cluster::start(&suite) else { return };
    let watcher = cluster.spawn(&RUN);
    node_of_training(&cluster);
    // As Slurm does before a time limit, with `--signal=B:TERM`.
    let task = cluster.tasks().into_iter().find(|task| task[2] == "RUNNING").unwrap();
    cluster.slurm("scancel", &["--signal=TERM", "--batch", &format!("{}_{}", task[0], task[1])]);
    let said = watcher.expect(0);
    assert!(said.contains("was told to stop, and saved its state"), "{said}");
    assert!(cluster.computed("runs").values().all(|times| *times == 1));
    let log = cluster::files(&cluster.path("runs/launches"), "txt");
    assert!(log.iter().any(|log| fs::read_to_string(log).unwrap().contains("the state is saved")), "{log:?}");
    cluster.exits(0, &["run", "suite.toml", "--runs", "here", "--out", "local"]);
    assert_eq!(cluster.rows("report"), cluster.rows("local"));
}

#[test]
fn a_stage_that_fails_shows_its_error_and_takes_along_what_needs_it() {
    let suite = SUITE.replacen("\"ga\"\nepochs = 1", "\"ga\"\nlr = 1e30\nepochs = 5", 1);
    let Some(cluster) = Cluster::start(&suite) else { return };
    let said = cluster.exits(1, &RUN);
    assert!(said.contains("stage unlearn ga") && said.contains("(log: ") && said.contains("/logs/"), "{said}");
    let goes_on = || cluster.tasks().iter().any(|task| ["RUNNING", "PENDING"].contains(&task[2].as_str()));
    until(Duration::from_secs(10), || format!("{:?}", cluster.tasks()), || !goes_on());
    let said = cluster.exits(1, &[&RUN[..], &["--keep-going"]].concat());
    assert!(said.contains("failed: unlearn ga") && said.contains("2 of 14 stages failed, and 2 that"), "{said}");
    assert_eq!(cluster.rows("report").len(), 2 * 2);
    // A script that ends before its first stage.
    let broken =
        [&RUN[..], &["--runs", "other", "--set", "launcher.slurm.prologue=[\"echo no such module >&2; exit 3\"]"]]
            .concat();
    let said = cluster.exits(1, &broken);
    assert!(said.contains("before its first stage; its last line: no such module"), "{said}");
}

/// Variables that would hide tasks, ask before each cancellation, wait for the tasks, or change what they ask for.
#[test]
fn variables_of_the_user_do_not_mislead_the_launcher() {
    let Some(cluster) = Cluster::start(&long(400)) else { return };
    let prologue = "launcher.slurm.prologue=[\"echo threads=$RAYON_NUM_THREADS time=$(squeue --noheader --jobs=$SLURM_JOB_ID --format=%l)\"]";
    let mut command = cluster.command(&[&RUN[..], &["--set", "launcher.slurm.time=7", "--set", prologue]].concat());
    for (name, value) in [
        ("SQUEUE_USERS", "nobody"),
        ("SQUEUE_FORMAT2", "jobid"),
        ("SBATCH_WAIT", "1"),
        ("SBATCH_TIMELIMIT", "1"),
        ("SBATCH_SIGNAL", "INT@1"),
        ("SBATCH_OUTPUT", "/dev/null"),
        ("SLURM_CPUS_PER_TASK", "9"),
    ] {
        command.env(name, value);
    }
    let mut watcher = command.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap();
    node_of_training(&cluster);
    let log = cluster::files(&cluster.path("runs/launches"), "txt");
    let said = fs::read_to_string(&log[0]).unwrap();
    assert!(said.contains("threads=1 time=7:00"), "{said}");
    let cancel = cluster.command(&["launches", "cancel", "tiny"]).env("SCANCEL_INTERACTIVE", "1").output().unwrap();
    assert!(String::from_utf8_lossy(&cancel.stdout).contains("tasks cancelled"), "{cancel:?}");
    until(Duration::from_secs(15), || "the watcher goes on".into(), || watcher.try_wait().unwrap().is_some());
    assert_eq!(watcher.wait().unwrap().code(), Some(1));
}

#[test]
fn a_thousand_stages_are_submitted_in_half_a_minute() {
    let Some(cluster) = Cluster::start(SUITE) else { return };
    let start = std::time::Instant::now();
    let arguments = ["--seeds", "72", "--set", "launcher.slurm.lines=[\"--begin=now+1hour\"]"];
    let mut watcher = cluster.spawn(&[&RUN[..], &arguments].concat());
    until(Duration::from_mins(1), || watcher.said(), || watcher.said().contains("submitted 1008 stages"));
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("1008 stages were submitted in {seconds:.1} s: {}", watcher.said().trim());
    assert!(seconds < 30.0, "{seconds} s");
    kill("INT", &[watcher.id()]);
    assert_eq!(watcher.end(Duration::from_secs(10)).code(), Some(130));
    let start = std::time::Instant::now();
    let said = cluster.exits(0, &["launches", "cancel", "tiny"]);
    assert!(said.contains("1008 tasks cancelled"), "{said}");
    eprintln!("they were cancelled in {:.1} s", start.elapsed().as_secs_f64());
}
