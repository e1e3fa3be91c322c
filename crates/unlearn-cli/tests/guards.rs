//! What the program must not replace, remove or pass over in silence: outputs that are no files, folders of the user,
//! damaged files named directly, and rows of an earlier run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Place;

/// One dense model, one request, one method, in seconds.
const SMALL: &str = "[suite]\nname = \"small\"\nseeds = [1]\n[data]\nname = \"fashion-mnist-mini\"\ntrain-limit = 200\n\
     [model]\narch = \"resnet8s\"\n[train]\nepochs = 1\nbatch-size = 64\nschedule = \"constant\"\n\
     [[forget]]\nkind = \"class\"\nclass = 0\n[[unlearn]]\nmethod = \"raw\"\n";

fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// The only stage of a kind.
fn stage(place: &Place, kind: &str) -> PathBuf {
    let stages = fs::read_dir(place.path("runs").join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let [stage] = stages.collect::<Vec<_>>().try_into().unwrap();
    stage
}

fn relative(place: &Place, path: &Path) -> String {
    path.strip_prefix(place.path("")).unwrap().to_str().unwrap().to_owned()
}

#[cfg(unix)]
#[test]
fn an_output_that_is_no_file_stays_what_it_is() {
    use std::os::unix::fs::FileTypeExt as _;
    let place = Place::new(SMALL);
    place.succeed(&["train", "suite.toml"]);
    fs::create_dir(place.path("folder")).unwrap();
    for name in ["pipe", "pipe.npz"] {
        assert!(std::process::Command::new("mkfifo").arg(place.path(name)).status().unwrap().success());
    }
    for (command, what) in [
        (&["convert", "train:", "pipe"][..], "a pipe"),
        (&["convert", "train:", "folder"], "a folder"),
        (&["export", "train:", "pipe", "--dense"], "a pipe"),
        (&["tune", "suite.toml", "--out", "pipe"], "a pipe"),
        (&["datasets", "export", "fashion-mnist-mini", "--to", "pipe.npz"], "a pipe"),
        (&["datasets", "export", "fashion-mnist-mini", "--to", "pipe.npz", "--replace"], "a pipe"),
        (&["runs", "export", "train:", "pipe"], "already exists"),
        (&["convert", "train:", "absent/out"], "no folder absent"),
    ] {
        let key = stage(&place, "train").file_name().unwrap().to_str().unwrap()[..8].to_owned();
        let command: Vec<String> = command.iter().map(|word| word.replace("train:", &format!("train:{key}"))).collect();
        contains(&place.refuse(2, &command.iter().map(String::as_str).collect::<Vec<_>>()), &[what]);
    }
    for name in ["pipe", "pipe.npz"] {
        assert!(fs::metadata(place.path(name)).unwrap().file_type().is_fifo());
    }
}

#[test]
fn maintenance_leaves_the_folders_of_users_alone() {
    let place = Place::new(SMALL);
    let picture = place.path("s/photos/d41d8cd98f00b204e9800998ecf8427e/cat.jpg");
    fs::create_dir_all(picture.parent().unwrap()).unwrap();
    fs::write(&picture, "a picture").unwrap();
    fs::create_dir(place.path("empty")).unwrap();
    for command in [&["list"][..], &["verify"], &["repair"], &["gc"], &["rm", "train:0"], &["show", "train:0"]] {
        for (folder, words) in [("s", "not a run store"), ("empty", "no run store"), ("absent", "no run store")] {
            let message = place.refuse(2, &[&["runs"], command, &["--runs", folder]].concat());
            contains(&message, &[folder, words]);
        }
    }
    place.succeed(&["train", "suite.toml", "--runs", "s"]);
    contains(&place.succeed(&["runs", "repair", "--runs", "s"]), &["1 finished stage is sound"]);
    contains(
        &place.succeed(&["runs", "gc", "--runs", "s"]),
        &["removed 1 stage ", "no suite, search or certificate names it"],
    );
    assert!(picture.is_file());
}

#[test]
fn a_damaged_file_of_a_stage_is_refused_under_its_own_name() {
    let place = Place::new(SMALL);
    place.succeed(&["train", "suite.toml"]);
    let folder = stage(&place, "train");
    let file = folder.join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.len() - 5;
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    let name = relative(&place, &file);
    for command in [
        &["convert", &name, "out.safetensors"][..],
        &["export", &name, "out.safetensors", "--dense"],
        &["inspect", &name],
        &["inspect", &relative(&place, &folder)],
        &["train", "suite.toml", "--init", &name, "--runs", "other"],
    ] {
        contains(&place.refuse(1, command), &["model.safetensors is damaged", "BLAKE3 differs"]);
    }
    assert!(!place.path("out.safetensors").exists());
}

#[test]
fn rows_that_a_run_drops_are_named_and_so_is_what_gc_removes() {
    let place = Place::new(SMALL);
    place.succeed(&["run", "suite.toml", "--seeds", "2", "--out", "report"]);
    let output = place.run(&["run", "suite.toml", "--out", "report"]);
    assert!(output.status.success());
    contains(&String::from_utf8_lossy(&output.stderr), &["`raw · class 0 · dense · seed 2`", "runs gc"]);
    let planned = place.succeed(&["runs", "gc", "--dry-run"]);
    contains(&planned, &["seed 2", "no suite, search or certificate names it", "would remove 3 stages"]);

    // A second suite with the same labels: its name tells the stages apart.
    fs::write(place.path("other.toml"), SMALL.replace("small", "other").replace("epochs = 1", "epochs = 2")).unwrap();
    place.succeed(&["run", "other.toml", "--out", "second"]);
    let message = place.refuse(2, &["convert", "train:seed 1", "out.safetensors"]);
    contains(&message, &["2 stages fit", "(small)", "(other)", "name of a suite"]);
    place.succeed(&["convert", "train:seed 1, other", "out.safetensors"]);
    contains(&place.succeed(&["runs", "show", "train:seed 1, small"]), &["\"kind\": \"train\""]);

    // After stages are removed, the index is whole but incomplete.
    place.succeed(&["runs", "rm", "train:seed 1, other", "--dependents"]);
    let message = place.refuse(1, &["runs", "verify"]);
    contains(&message, &["1 index is incomplete"]);
    assert!(!message.contains("damaged"), "{message}");
}

#[test]
fn an_existing_file_of_images_is_kept() {
    let place = Place::new(SMALL);
    fs::write(place.path("a.npz"), "mine").unwrap();
    let export = ["datasets", "export", "fashion-mnist-mini", "--to", "a.npz"];
    contains(&place.refuse(2, &export), &["a.npz", "exists already", "--replace"]);
    assert_eq!(fs::read(place.path("a.npz")).unwrap(), b"mine");
    fs::write(place.path("folder"), "mine").unwrap();
    contains(&place.refuse(2, &[&export[..4], &["folder"]].concat()), &["folder", "not a folder"]);
    place.succeed(&[&export[..], &["--replace"]].concat());
    assert!(fs::metadata(place.path("a.npz")).unwrap().len() > 1000);
}

#[test]
fn bad_usage_is_found_before_any_work() {
    let place = Place::new(SMALL);
    for (command, words) in [
        (&["--set", "train.cutout=100000"][..], &["cutout", "28×28"][..]),
        (&["--set", "train.rand-augment.operations=99999999"], &["1 to 64 operations"]),
        (&["--init", "hub:../x"], &["hub:../x", "names no repository"]),
        (&["--init", ""], &["the name is empty"]),
        (&["--set", "train.lr=-1e308"], &["-1e308"]),
    ] {
        contains(&place.refuse(2, &[&["run", "suite.toml"], command].concat()), words);
    }
    for side in ["0", "100000000"] {
        contains(&place.refuse(2, &["convert", "suite.toml", "out", "--side", side]), &["--side", "from 1 to 16384"]);
    }
    fs::write(place.path("ids.txt"), "1\n").unwrap();
    fs::write(place.path("file"), "").unwrap();
    place.succeed(&["train", "suite.toml"]);
    let model = relative(&place, &stage(&place, "train"));
    let forget = |out: &str, more: &[&str]| {
        let command = [
            "forget",
            "--checkpoint",
            &model,
            "--data",
            "fashion-mnist-mini",
            "--request",
            "ids.txt",
            "--method",
            "raw",
        ];
        place.refuse(2, &[&command[..], &["--out", out], more].concat())
    };
    contains(&forget("out", &["--sign", "absent.pem"]), &["--sign", "absent.pem"]);
    contains(&forget("file/out", &[]), &["file/out"]);
    contains(&place.refuse(2, &["runs", "verify", "folder", "--public-key", "absent.pem"]), &["--public-key"]);
    // Our own file says what it was trained on.
    let message = place.refuse(2, &["convert", &model, "out", "--dataset", "cifar10"]);
    contains(&message, &["--dataset contradicts the file", "fashion-mnist-mini"]);
}
