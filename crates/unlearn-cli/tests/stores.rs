//! Maintenance of a run store: damage is found and repaired, stages are removed and carried to another store, and
//! nothing is overwritten unasked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;

use crate::{Place, SUITE, models};

/// The dense model of [`SUITE`], one request, and three methods.
fn suite() -> String {
    let (head, rest) = SUITE.split_once("[[prune]]").unwrap();
    let random = "[[forget]]\nkind = \"random\"\nfraction = 0.1\n";
    let methods = rest.split_once("[[forget]]").unwrap().1.replace(random, "");
    let three = methods.split("[[unlearn]]\nmethod = \"ga\"").next().unwrap();
    format!("{head}[[forget]]{three}")
}

/// The only stage of a kind, or the one of a method.
fn stage(place: &Place, kind: &str, method: Option<&str>) -> PathBuf {
    let stages = fs::read_dir(place.path("runs").join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let is_methods = |stage: &PathBuf| method.is_none_or(|method| manifest(stage)["config"]["method"] == method);
    let [stage] = stages.filter(is_methods).collect::<Vec<_>>().try_into().unwrap();
    stage
}

fn manifest(stage: &Path) -> Value {
    serde_json::from_slice(&fs::read(stage.join("manifest.json")).unwrap()).unwrap()
}

/// Changes a bit in the middle of a file.
fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let half = bytes.len() / 2;
    bytes[half] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn short(stage: &Path) -> String {
    stage.file_name().unwrap().to_str().unwrap()[..8].to_owned()
}

/// Whether a folder of a kind is a stage's.
fn is_stage(entry: &fs::DirEntry) -> bool {
    entry.path().join("manifest.json").exists()
}

#[test]
fn damage_is_refused_wherever_it_is_read_and_one_command_repairs_it() {
    let place = Place::new(&suite());
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let (rows, whole) = (place.rows("report"), models(&place.path("runs")));
    let ft = stage(&place, "unlearn", Some("ft"));
    flip(&ft.join("model.safetensors"));
    let message = place.refuse(1, &["runs", "verify"]);
    assert!(message.contains("model.safetensors") && message.contains("runs repair"), "{message}");
    let judged = message.split("computed from it (evaluate/").nth(1).unwrap()[..8].to_owned();
    let planned = place.succeed(&["runs", "repair", "--dry-run"]);
    for words in [format!("would remove unlearn/{}: damaged", short(&ft)), format!("evaluate/{judged}: computed from")]
    {
        assert!(planned.contains(&words), "`{words}` in {planned}");
    }
    assert!(ft.exists());
    place.succeed(&["runs", "repair", "--remove-only"]);
    assert!(!ft.exists());
    assert!(place.succeed(&["runs", "repair"]).contains("nothing is damaged"));
    let message = place.refuse(1, &["report", "tiny", "--out", "report"]);
    assert!(message.contains("no finished stage"), "{message}");
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    assert_eq!(place.rows("report"), rows);
    assert!(models(&place.path("runs")) == whole, "a repaired store holds another model");

    // One command removes what is damaged and computes it again, the root of everything too.
    flip(&stage(&place, "train", None).join("model.safetensors"));
    let repaired = place.succeed(&["runs", "repair"]);
    let all = fs::read_dir(place.path("runs")).unwrap().flatten().filter(|kind| kind.file_name() != "suites");
    let all: usize =
        all.filter_map(|kind| Some(fs::read_dir(kind.path()).ok()?.flatten().filter(is_stage).count())).sum();
    assert!(
        repaired.contains(&format!("removed {all} stages and 0 damaged indices; computed {all} stages again")),
        "{repaired}"
    );
    place.succeed(&["runs", "verify"]);
    place.succeed(&["report", "tiny", "--out", "report"]);
    assert_eq!(place.rows("report"), rows);
    assert!(models(&place.path("runs")) == whole, "a repaired store holds another model");

    // What could not be computed is computed by the next call.
    flip(&ft.join("model.safetensors"));
    let message = place.refuse(1, &["runs", "repair", "--precision", "bf16"]);
    assert!(message.contains("2 stages could not be computed again"), "{message}");
    assert!(!ft.exists());
    assert!(
        place.succeed(&["runs", "repair"]).contains("removed 0 stages and 0 damaged indices; computed 2 stages again")
    );
    assert!(place.succeed(&["runs", "repair"]).contains("nothing is damaged"));
    assert!(models(&place.path("runs")) == whole, "a repaired store holds another model");

    // A damaged description can only come from the suite.
    fs::write(ft.join("manifest.json"), "{}").unwrap();
    let output = place.run(&["runs", "repair"]);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for words in
        [&format!("the description of unlearn/{} is damaged too", short(&ft)), "needs a stage that is not in the store"]
    {
        assert!(said.contains(words), "`{words}` in {said}");
    }
    assert!(output.status.success() && said.contains("run the suite again"), "{said}");
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    assert_eq!(place.rows("report"), rows);
    assert!(place.succeed(&["runs", "repair"]).contains("nothing is damaged"));

    // Scores are read when figures are computed again. Figures are read by a report.
    let judged = fs::read_dir(place.path("runs/evaluate")).unwrap().next().unwrap().unwrap().path();
    let scores = fs::read(judged.join("scores.safetensors")).unwrap();
    flip(&judged.join("scores.safetensors"));
    assert!(place.refuse(1, &["evaluate", "tiny", "--out", "again"]).contains("scores.safetensors"));
    fs::write(judged.join("scores.safetensors"), scores).unwrap();
    let figures = fs::read_to_string(judged.join("metrics.jsonl")).unwrap();
    let at = figures.find("\"ta\":{\"value\":").unwrap() + 14;
    let digit = if &figures[at..=at] == "1" { "2" } else { "1" };
    fs::write(judged.join("metrics.jsonl"), format!("{}{digit}{}", &figures[..at], &figures[at + 1..])).unwrap();
    assert!(place.refuse(1, &["report", "tiny", "--out", "report"]).contains("BLAKE3 differs"));
    fs::write(judged.join("metrics.jsonl"), figures).unwrap();

    // A row must rest on its own model, even in a sealed index.
    let index = place.path("runs/suites/tiny.json");
    let sealed = fs::read(&index).unwrap();
    let mut changed: Value = serde_json::from_slice(&sealed).unwrap();
    let (one, other) = (changed["rows"][0]["evaluate"].clone(), changed["rows"][2]["evaluate"].clone());
    (changed["rows"][0]["evaluate"], changed["rows"][2]["evaluate"]) = (other, one);
    let refused = |changed: &Value, words: &str| {
        fs::write(&index, changed.to_string()).unwrap();
        for arguments in [&["report", "tiny", "--out", "report"][..], &["runs", "verify"]] {
            let message = place.refuse(1, arguments);
            assert!(message.contains(words), "{message}");
        }
    };
    refused(&changed, "the seal differs");
    changed.as_object_mut().unwrap().remove("seal");
    refused(&changed, "did not judge the model");
    fs::write(&index, sealed).unwrap();
    place.succeed(&["runs", "verify"]);
}

#[test]
fn a_damaged_saved_state_leads_to_the_same_model() {
    let suite = suite().replace("epochs = 2", "epochs = 30");
    let undisturbed = Place::new(&suite);
    undisturbed.succeed(&["train", "suite.toml"]);
    let place = Place::new(&suite);
    let arguments = ["train", "suite.toml", "--checkpoint-interval", "0"];
    let state = || {
        let stages = fs::read_dir(place.path("runs/train")).ok()?;
        let states = stages.filter_map(|stage| Some(stage.ok()?.path().join("checkpoint/state.safetensors")));
        states.into_iter().find(|state| state.is_file())
    };
    // Damage in the seal, the header, the weights and the end, and a cut file.
    for (share, cut) in [(0, false), (1, false), (50, false), (100, false), (50, true)] {
        let mut child = place.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while state().is_none() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let state = state().unwrap();
        let mut bytes = fs::read(&state).unwrap();
        let at = (bytes.len() - 1) * share / 100;
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1;
        }
        fs::write(&state, bytes).unwrap();
    }
    let output = place.run(&["train", "suite.toml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("cannot be used") && said.contains("from its beginning"),
        "{said}"
    );
    assert!(models(&place.path("runs")) == models(&undisturbed.path("runs")), "a damaged state led to another model");
}

#[test]
fn stages_have_labels_and_are_removed_and_carried() {
    let place = Place::new(&suite());
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    place.succeed(&["train", "suite.toml", "--set", "suite.seeds=[2]"]);
    for arguments in [&["runs", "list", "--runs", "runs"][..], &["runs", "--runs", "runs", "list"]] {
        let listed = place.succeed(arguments);
        for label in [
            "train resnet8s · fashion-mnist-mini · seed 1 (tiny)",
            "unlearn ft · class 0 · dense · seed 1 (tiny)",
            "evaluate raw · class 0",
        ] {
            assert!(listed.contains(label), "`{label}` in {listed}");
        }
    }
    let raw = stage(&place, "unlearn", Some("raw"));
    let shown = place.succeed(&["runs", "show", "unlearn raw · class 0 · dense · seed 1"]);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["key"], raw.file_name().unwrap().to_str().unwrap());
    assert_eq!(place.succeed(&["runs", "show", "unlearn:raw"]), shown);
    assert!(place.refuse(2, &["runs", "show", "zz"]).contains("has this key or label; these are there:\n  evaluate:"));
    assert!(place.refuse(2, &["runs", "rm", "raw, dense"]).contains("2 stages fit"), "the model and its evaluation");

    // An archive of one suite holds the stages of its rows and nothing else.
    place.succeed(&["runs", "export", "tiny", "tiny.tar"]);
    assert!(place.refuse(2, &["runs", "export", "tiny", "tiny.tar"]).contains("already exists"));
    let imported = place.succeed(&["runs", "import", "tiny.tar", "--runs", "other"]);
    assert!(imported.contains("7 stages were imported, 0 existed already") && imported.contains("tiny"), "{imported}");
    assert!(place.succeed(&["runs", "verify", "--runs", "other"]).contains("7 finished stages"));
    place.succeed(&["report", "tiny", "--runs", "other", "--out", "again"]);
    assert_eq!(place.rows("again"), place.rows("report"));
    assert!(
        place.succeed(&["runs", "import", "tiny.tar", "--runs", "other"]).contains("0 stages were imported, 7 existed")
    );
    assert!(place.refuse(2, &["runs", "import", "absent.tar", "--runs", "none"]).contains("absent.tar"));
    assert!(!place.path("none").exists());

    // Stages that no index names are removed. Stages that one names stay.
    let dry = place.succeed(&["runs", "gc", "--dry-run"]);
    assert!(dry.contains("would remove 1 stage that") && dry.contains("train/"), "{dry}");
    place.succeed(&["runs", "gc"]);
    assert!(place.succeed(&["runs", "verify"]).contains("7 finished stages are sound"));
    let key = short(&raw);
    let message = place.refuse(2, &["runs", "rm", &key]);
    assert!(message.contains("evaluate/") && message.contains("--dependents"), "{message}");
    let removed = place.succeed(&["runs", "rm", &key, "--dependents"]);
    assert!(removed.contains("removed 2 stages"), "{removed}");
    assert!(place.refuse(1, &["runs", "verify"]).contains("no finished stage"));
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    place.succeed(&["runs", "verify"]);
}

#[test]
fn nothing_of_another_suite_or_program_is_lost() {
    let place = Place::new(&suite());
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    // Another file with the same name, which lacks two of the three rows.
    let other = suite().split("[[unlearn]]\nmethod = \"retrain\"").next().unwrap().to_owned();
    fs::create_dir(place.path("elsewhere")).unwrap();
    fs::write(place.path("elsewhere/suite.toml"), &other).unwrap();
    let message = place.refuse(2, &["run", "elsewhere/suite.toml", "--out", "other"]);
    assert!(message.contains("2 rows") && message.contains("suite.toml") && message.contains("--replace"), "{message}");
    place.succeed(&["run", "elsewhere/suite.toml", "--out", "other", "--replace"]);

    let fresh = other.replace("\"tiny\"", "\"fresh\"").replace("seeds = [1]", "seeds = [7]");
    fs::write(place.path("fresh.toml"), fresh).unwrap();
    fs::create_dir(place.path("foreign")).unwrap();
    fs::write(place.path("foreign/results.json"), r#"{"of": "another program"}"#).unwrap();
    fs::write(place.path("file"), "").unwrap();
    for (out, words) in [
        ("foreign", "results.json was not written by this program"),
        ("report", "belongs to the suite `tiny`"),
        ("file", "cannot be written"),
        ("/proc/report", "/proc/report"),
    ] {
        let message = place.refuse(2, &["run", "fresh.toml", "--out", out]);
        assert!(message.contains(words), "{message}");
    }
    let listed = place.succeed(&["runs", "list"]);
    let trained = listed.lines().filter(|line| line.starts_with("train ")).count();
    assert_eq!(trained, 1, "nothing was computed: {listed}");
    assert!(place.refuse(2, &["report", "tiny", "--out", "foreign"]).contains("--replace"));
    place.succeed(&["report", "tiny", "--out", "foreign", "--replace"]);
}

#[test]
fn a_false_gold_standard_is_refused_or_told() {
    let place = Place::new(&suite());
    place.succeed(&["train", "suite.toml"]);
    fs::copy(stage(&place, "train", None).join("model.safetensors"), place.path("mine.safetensors")).unwrap();
    let begun = ["run", "suite.toml", "--init", "mine.safetensors", "--out", "report"];
    let message = place.refuse(2, &[&begun[..], &["--set", "train.epochs=0"]].concat());
    for words in ["[[unlearn]] retrain", "`epochs = 0`", "may have seen", "1 or more"] {
        assert!(message.contains(words), "`{words}` in {message}");
    }
    let output = place.run(&begun);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("Retrain begins with") && said.contains("no gold standard"),
        "{said}"
    );
    let results: Value = serde_json::from_slice(&fs::read(place.path("report/results.json")).unwrap()).unwrap();
    let claims = results["claims"].as_array().unwrap();
    let s1 = claims.iter().find(|claim| claim["id"].as_str().unwrap().starts_with("S1")).unwrap()["statement"].as_str();
    assert!(s1.unwrap().contains("mine.safetensors, which may have seen the class"), "{s1:?}");
    assert!(!s1.unwrap().contains("never saw"), "{s1:?}");

    // A deletion that starts again with missing weights says so before anything is judged.
    let runs = fs::read_dir(place.path("runs/train")).unwrap().map(|entry| entry.unwrap().path());
    let trained = runs.max_by_key(|stage| manifest(stage)["config"]["init"].is_object()).unwrap();
    assert!(manifest(&trained)["config"]["init"].is_object());
    fs::remove_file(place.path("mine.safetensors")).unwrap();
    let trained = trained.to_str().unwrap();
    let forget = |method| {
        let arguments = ["forget", "--checkpoint", trained, "--data", "fashion-mnist-mini", "--request", "ids"];
        [&arguments[..], &["--mia", "confidence", "--draws", "1", "--out", "out", "--method", method]].concat()
    };
    // The first image that the model was trained on.
    let serves = |id: &u32| {
        fs::write(place.path("ids"), id.to_string()).unwrap();
        place.run(&forget("raw")).status.success()
    };
    assert!((0..400).any(|id| serves(&id)), "a method that begins nowhere serves the request");
    fs::remove_dir_all(place.path("out")).unwrap();
    let message = place.refuse(2, &forget("retrain"));
    assert!(message.contains("mine.safetensors") && message.contains("--method retrain"), "{message}");
    assert!(!place.path("out").exists());
}

/// Runs the binary as a user whose permissions count: the superuser reads everything. `None` if that is not possible here.
fn as_a_user(place: &Place, arguments: &[&str]) -> Option<(Option<i32>, String)> {
    use std::process::Command;
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let user = |arguments: &[&str]| {
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_unlearn")]);
            command
        } else {
            Command::new(env!("CARGO_BIN_EXE_unlearn"))
        };
        command.args(arguments).current_dir(place.path("")).output()
    };
    user(&["--version"]).ok().filter(|output| output.status.success())?;
    let output = user(arguments).unwrap();
    Some((output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()))
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_does_not_keep_the_rest_from_being_verified() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new(&suite());
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let permit = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    permit(&place.path(""), 0o755);
    let verify = || as_a_user(&place, &["runs", "verify"]);
    let Some((code, said)) = verify() else { return };
    assert_eq!(code, Some(0), "{said}");
    let raw = stage(&place, "unlearn", Some("raw"));
    let ft = stage(&place, "unlearn", Some("ft"));
    for (path, sound) in [(raw.clone(), 6), (raw.join("model.safetensors"), 6), (place.path("runs/evaluate"), 4)] {
        let before = fs::metadata(&path).unwrap().permissions().mode();
        permit(&path, 0);
        let (code, said) = verify().unwrap();
        permit(&path, before);
        assert_eq!(code, Some(1), "{said}");
        let place = path.strip_prefix(place.path("")).unwrap().to_str().unwrap();
        let sound = format!("1 stage, folder or index of the store cannot be read; {sound} finished stages are sound");
        for words in [place, "Permission denied", &sound] {
            assert!(said.contains(words), "`{words}` in: {said}");
        }
        assert!(!said.contains("runs repair"), "{said}");
    }
    // Beside what cannot be read, damage is found too.
    flip(&ft.join("model.safetensors"));
    permit(&raw, 0);
    let (code, said) = verify().unwrap();
    permit(&raw, 0o755);
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "Permission denied",
        "BLAKE3 differs",
        "1 stage or index of the store is damaged",
        "5 finished stages are sound",
        "1 stage, folder or index of the store cannot",
    ] {
        assert!(said.contains(words), "`{words}` in: {said}");
    }
}

#[test]
fn stages_without_an_index_are_no_fault_and_are_counted() {
    let place = Place::new(&suite());
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let verify = || {
        let output = place.run(&["runs", "verify"]);
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(verify(), "");
    fs::remove_file(place.path("runs/suites/tiny.json")).unwrap();
    let said = verify();
    for words in ["needs 7 of these stages", "an index that was removed", "`unlearn runs gc --dry-run`"] {
        assert!(said.contains(words), "`{words}` in: {said}");
    }
}
