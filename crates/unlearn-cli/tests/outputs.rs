//! What is written is not what is read, and no unfinished file is left.

use std::fs;

use crate::Place;

#[test]
fn an_output_that_is_read_or_named_twice_is_refused_and_stays() {
    let place = Place::new("");
    let files = ["m.safetensors", "k.safetensors", "s.npz", "x.csv", "b.toml", "data.npz", "trigger.png"];
    for file in files {
        fs::write(place.path(file), file).unwrap();
    }
    fs::create_dir(place.path("sub")).unwrap();
    fs::create_dir_all(place.path("shards")).unwrap();
    for file in ["shards/model-00001-of-00001.safetensors", "shards/model.safetensors.index.json"] {
        fs::write(place.path(file), file).unwrap();
    }
    #[cfg(unix)]
    for (link, to) in [("link", "m.safetensors"), ("new", "absent.json")] {
        std::os::unix::fs::symlink(to, place.path(link)).unwrap();
    }
    let mut cases = vec![
        ("evaluate s.npz --json a.j --html a.j", "`--json` and `--html` name the same file"),
        ("evaluate s.npz --json a.j --csv sub/../a.j", "`--json` and `--csv` name the same file"),
        ("evaluate s.npz --csv s.npz --replace", "`--csv` names"),
        ("evaluate --forget s.npz --retain x.csv --html x.csv --replace", "which is read as `--retain`"),
        ("evaluate m.safetensors --json m.safetensors --replace", "which is read as what is judged"),
        ("evaluate m.safetensors --retrain k.safetensors --json k.safetensors --replace", "read as `--retrain`"),
        ("predict m.safetensors --out m.safetensors --replace", "which is read as the model"),
        ("predict m.safetensors --samples x.csv --out x.csv --replace", "which is read as `--samples`"),
        ("predict m.safetensors --dataset npz:data.npz --out data.npz --replace", "which is read as the dataset"),
        ("predict shards --out shards/model-00001-of-00001.safetensors --replace", "which is read as the model"),
        ("tune b.toml --out b.toml --replace", "which is read as the suite"),
        ("convert m.safetensors m.safetensors", "which is read as the model"),
        ("convert m.safetensors k.safetensors --mask k.safetensors", "which is read as `--mask`"),
        (
            "convert shards/model.safetensors.index.json shards/model-00001-of-00001.safetensors",
            "which is read as the model",
        ),
        ("export m.safetensors m.safetensors --dense", "which is read as the model"),
        ("datasets export npz:data.npz --to data.npz --replace", "which is read as the dataset"),
        (
            "backdoors draw fashion-mnist-mini --trigger image:trigger.png --out trigger.png --replace",
            "which is read as the trigger's picture",
        ),
    ];
    if cfg!(unix) {
        cases.push(("convert link m.safetensors", "which is read as the model"));
        cases.push(("convert m.safetensors link", "which is read as the model"));
        cases.push(("evaluate s.npz --json new --html absent.json --replace", "name the same file"));
    }
    for (line, words) in cases {
        let message = place.refuse(2, &line.split(' ').collect::<Vec<_>>());
        assert!(message.contains(words), "{line}: {message}");
    }
    for file in files {
        assert_eq!(fs::read_to_string(place.path(file)).unwrap(), file);
    }
}

/// The export of a folder takes a second, in which the signal comes.
#[cfg(unix)]
#[test]
fn a_signal_ends_a_command_that_saves_no_state_and_nothing_unfinished_stays() {
    use std::{
        process::{Command, Stdio},
        time::{Duration, Instant},
    };
    for signal in ["INT", "TERM", "HUP"] {
        let place = Place::new("");
        let mut command = place.command(&["datasets", "export", "fashion-mnist-mini", "--to", "out"]);
        let child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let until = Instant::now() + Duration::from_mins(1);
        let train = place.path("out/.unlearn-export/train/0_t-shirt");
        let begun =
            || fs::read_dir(place.path("out/.unlearn-export/train")).is_ok_and(|mut found| found.next().is_some());
        while !begun() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let number = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &number]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(130), "{signal}, {}: {said}", train.display());
        assert!(said.contains("interrupted; no unfinished file is left") && said.lines().count() == 1, "{said}");
        assert_eq!(fs::read_dir(place.path("out")).unwrap().count(), 0, "{signal}");
    }
}
