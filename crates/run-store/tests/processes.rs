//! Two processes and one stage: a killed process must not block the next one, and a running one must be waited for.
//!
//! Each test starts this test binary again as a second process, which runs only [`child`].

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use unlearn_run_store::{Begin, StageSpec, Store, saved};

const ROOT: &str = "RUN_STORE_TEST_ROOT";
const THEN: &str = "RUN_STORE_TEST_THEN";

fn spec() -> StageSpec {
    StageSpec::new("train", json!({ "epochs": 2 }), "data-v1", 1)
}

/// The second process: begins the stage, says so, then sleeps for ever or finishes after a while.
#[test]
fn child() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let store = Store::open(root).unwrap();
    let Begin::Run(mut writer) = store.begin(&spec()).unwrap() else { panic!("done already") };
    saved::save(&writer.checkpoint_dir().unwrap().join("weights"), b"after epoch 0").unwrap();
    writer.append_metrics(&json!({ "epoch": 0 })).unwrap();
    std::fs::write(store.root().join("begun"), b"").unwrap();
    if std::env::var(THEN).unwrap() == "sleep" {
        std::thread::sleep(Duration::from_secs(45));
    }
    std::thread::sleep(Duration::from_millis(300));
    writer.finish().unwrap();
}

fn start_child(root: &Path, then: &str) -> Child {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(ROOT, root)
        .env(THEN, then)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let before = Instant::now();
    while !root.join("begun").exists() {
        assert!(before.elapsed() < Duration::from_secs(30), "the second process did not begin the stage");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_killed_process_blocks_nobody_and_leaves_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut child = start_child(folder.path(), "sleep");
    assert!(!store.remove("train", &spec().key()).unwrap(), "the lock holds while the process lives");
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();

    let before = Instant::now();
    let Begin::Run(mut writer) = store.begin(&spec()).unwrap() else { panic!("nobody finished it") };
    assert!(before.elapsed() < Duration::from_secs(5), "the lock outlived its process");
    assert!(writer.resumed());
    assert_eq!(saved::load(&writer.checkpoint_dir().unwrap().join("weights")).unwrap().unwrap(), b"after epoch 0");
    writer.append_metrics(&json!({ "epoch": 1 })).unwrap();
    let stage = writer.finish().unwrap();
    assert_eq!(stage.metrics::<Value>().unwrap(), [json!({ "epoch": 0 }), json!({ "epoch": 1 })]);
}

#[test]
fn a_live_process_is_waited_for_and_its_stage_used() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut child = start_child(folder.path(), "finish");
    let Begin::Done(stage) = store.begin(&spec()).unwrap() else { panic!("the stage was computed twice") };
    assert_eq!(stage.metrics::<Value>().unwrap(), [json!({ "epoch": 0 })]);
    assert!(child.wait().unwrap().success());
}
