//! States in which tasks end on clusters with other settings: pre-empted, requeued, out of memory, and what the accounts
//! say of tasks that the queue no longer lists.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use crate::{
    RUN,
    cluster::{Cluster, is_here, kill, until},
    long, node_of_training,
};

#[test]
fn a_pre_empted_stage_is_submitted_again_and_leaves_the_same_model() {
    let settings = "PreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\n\
                    PartitionName=urgent Nodes=n1,n2 PriorityTier=10 State=UP OverSubscribe=NO\n";
    let Some(cluster) = Cluster::start_with(&long(40), settings) else { return };
    let watcher = cluster.spawn(&RUN);
    node_of_training(&cluster);
    let urgent = ["--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 1"];
    cluster.slurm("sbatch", &urgent);
    let said = watcher.expect(0);
    assert!(said.contains("train · seed 1 is submitted again (1 of at most 10 times)"), "{said}");
    assert_eq!(said.matches("was pre-empted").count(), 1, "{said}");
    assert!(cluster.computed("runs").values().all(|times| *times == 1));
    cluster.exits(0, &["run", "suite.toml", "--runs", "here", "--out", "local"]);
    assert_eq!(cluster.rows("report"), cluster.rows("local"));
    let here = cluster.models("here");
    assert!(cluster.models("runs").iter().filter(|(path, _)| here.contains_key(*path)).eq(&here), "another model");
}

/// The launcher asks for `--no-requeue`. An administrator may requeue a task all the same.
#[test]
fn a_task_that_slurm_requeues_itself_is_watched_and_not_submitted_twice() {
    // A task is requeued when its old credentials have expired, which takes two minutes otherwise.
    let settings = "AuthInfo=socket=FOLDER/munge/socket,cred_expire=6\n";
    let Some(cluster) = Cluster::start_with(&long(40), settings) else { return };
    let watcher = cluster.spawn(&RUN);
    node_of_training(&cluster);
    let task = cluster.tasks().into_iter().find(|task| task[2] == "RUNNING").unwrap();
    let id = format!("{}_{}", task[0], task[1]);
    cluster.slurm("scontrol", &["update", &format!("JobId={id}"), "Requeue=1"]);
    cluster.slurm("scontrol", &["requeue", &id]);
    let said = watcher.expect(0);
    assert!(!said.contains("submitted again") && said.matches("submitted ").count() == 1, "{said}");
    assert!(cluster.computed("runs").values().all(|times| *times == 1));
}

/// A stage that needs more memory than its task has fails at once, with the key to raise.
fn fails_for_want_of_memory(settings: &str) {
    let Some(cluster) = Cluster::start_with(&long(400), settings) else { return };
    let memory = ["--set", "launcher.slurm.kind.train.memory=\"10M\""];
    let said = cluster.exits(1, &[&RUN[..], &memory].concat());
    let words = ["stage train · seed 1 failed", "needed more memory than it had", "`launcher.slurm.kind.train.memory`"];
    assert!(words.iter().all(|words| said.contains(words)) && !said.contains("submitted again"), "{said}");
    let is_over = || !cluster.tasks().iter().any(|task| ["RUNNING", "PENDING"].contains(&task[2].as_str()));
    until(Duration::from_secs(10), || format!("{:?}", cluster.tasks()), is_over);
    assert!(cluster.exits(0, &["launches"]).contains("  failed  "));
}

/// Slurm calls such a task `FAILED`, and says in its log why.
#[test]
fn a_stage_over_the_memory_that_slurm_measures_fails_with_advice() {
    fails_for_want_of_memory(
        "JobAcctGatherType=jobacct_gather/linux\nJobAcctGatherParams=OverMemoryKill\nJobAcctGatherFrequency=1\n\
         SelectTypeParameters=CR_Core_Memory\n",
    );
}

/// Slurm calls such a task `OUT_OF_MEMORY`.
#[test]
fn a_stage_over_the_memory_of_its_control_group_fails_with_advice() {
    if !Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists() {
        eprintln!("left out: this test needs control groups of version 1, which this machine has not mounted");
        return;
    }
    fails_for_want_of_memory("TaskPlugin=task/cgroup\nSelectTypeParameters=CR_Core_Memory\n");
}

/// A cluster whose `squeue` forgets tasks as soon as they have ended.
fn forgetful(settings: &str) -> Option<Cluster> {
    let cluster = Cluster::start_with(&long(400), settings)?;
    fs::create_dir(cluster.path("bin")).unwrap();
    let squeue = cluster.path("bin/squeue");
    let text =
        "#!/bin/bash\nexec /usr/bin/squeue \"${@/--states=all/--states=PENDING,RUNNING,COMPLETING,CONFIGURING}\"\n";
    fs::write(&squeue, text).unwrap();
    fs::set_permissions(&squeue, fs::Permissions::from_mode(0o755)).unwrap();
    Some(cluster)
}

/// Cancels the task of a training while nobody watches. Returns its name in Slurm.
fn cancel_unwatched(cluster: &Cluster) -> String {
    let mut watcher = cluster.spawn(&RUN);
    node_of_training(cluster);
    kill("INT", &[watcher.id()]);
    assert_eq!(watcher.end(Duration::from_secs(20)).code(), Some(130), "{}", watcher.said());
    let task = cluster.tasks().into_iter().find(|task| task[2] == "RUNNING").unwrap();
    let id = format!("{}_{}", task[0], task[1]);
    cluster.slurm("scancel", &[&id]);
    let is_over = || !cluster.tasks().iter().any(|task| task[2] == "RUNNING");
    until(Duration::from_secs(20), || format!("{:?}", cluster.tasks()), is_over);
    id
}

/// Watches the submission again, with the forgetful `squeue`, until the watcher says something.
fn watch_again(cluster: &Cluster, words: &str) -> String {
    let log = cluster.path("again.txt");
    let path = format!("{}:{}", cluster.path("bin").display(), std::env::var("PATH").unwrap());
    let mut watcher = cluster.command(&RUN).env("PATH", path).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    until(Duration::from_secs(40), said, || said().contains(words) || watcher.try_wait().unwrap().is_some());
    drop(watcher.kill());
    watcher.wait().unwrap();
    said()
}

#[test]
fn accounts_tell_how_a_task_ended_that_the_queue_has_forgotten() {
    if !["slurmdbd", "mariadbd", "sacctmgr"].into_iter().all(is_here) {
        eprintln!("left out: accounts of Slurm need Debian's slurmdbd and mariadb-server");
        return;
    }
    let Some(cluster) = forgetful("AccountingStorageType=accounting_storage/slurmdbd\n") else { return };
    let id = cancel_unwatched(&cluster);
    let listing = || cluster.slurm("sacct", &["--noheader", "--parsable2", "--allocations", "--format=JobID,State"]);
    until(Duration::from_secs(30), listing, || listing().contains(&format!("{id}|CANCELLED by 0")));
    let said = watch_again(&cluster, "was cancelled in Slurm");
    assert!(
        said.contains("train · seed 1") && said.contains(&format!("its task {id} was cancelled in Slurm")),
        "{said}"
    );
    assert!(!said.contains("submitted again"), "{said}");
}

#[test]
fn without_accounts_a_task_that_the_queue_has_forgotten_is_submitted_again() {
    let Some(cluster) = forgetful("") else { return };
    let id = cancel_unwatched(&cluster);
    let said = watch_again(&cluster, "submitted again");
    assert!(said.contains(&format!("task {id} is no longer known to Slurm")), "{said}");
    assert!(cluster.exits(0, &["launches", "cancel", "tiny"]).contains("cancelled"));
}
