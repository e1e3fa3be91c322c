//! `--log-format json`: every line on standard error is one JSON object, and the documentation names every event.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use serde_json::Value;

use crate::{Place, SUITE};

/// The lines of standard error, each of which must be a JSON object of the documented form.
fn events(stderr: &[u8]) -> Vec<Value> {
    let text = String::from_utf8(stderr.to_vec()).unwrap();
    let parsed = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    let lines: Vec<Value> = parsed.collect();
    for line in &lines {
        let fields = line["fields"].as_object().unwrap_or_else(|| panic!("{line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["target"].is_string(), "{line}");
        assert!(fields["message"].as_str().is_some_and(|message| !message.is_empty()), "{line}");
    }
    lines
}

fn named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events.iter().map(|event| &event["fields"]).filter(|fields| fields["event"] == name).collect()
}

#[test]
fn every_line_is_an_object_and_every_event_is_documented() {
    let place = Place::new(SUITE.split("[[unlearn]]\nmethod = \"ft\"").next().unwrap());
    let run = ["--log-format", "json", "run", "suite.toml"];
    let first = events(&place.run(&run).stderr);
    let (started, done) = (named(&first, "stage-started"), named(&first, "stage-done"));
    assert!(started.len() > 5 && started.len() == done.len(), "{first:?}");
    for event in &done {
        assert!(event["seconds"].is_number() && event["label"].is_string(), "{event}");
        assert_eq!(event["total"], started.len());
    }
    let again = events(&place.run(&run).stderr);
    assert_eq!((named(&again, "stage-reused").len(), named(&again, "stage-done").len()), (started.len(), 0));

    let mut all: Vec<Value> = [first, again].concat();
    for (code, arguments) in [
        (2, &["run", "absent.toml"][..]),
        (2, &["run", "--nonsense"]),
        (2, &["run", "suite.toml", "--set", "train.epoch=1"]),
        (2, &[]),
        (1, &["runs", "verify", "absent"]),
        (0, &["run", "suite.toml", "--jobs", "2", "--set", "suite.seeds=[2]"]),
        (0, &["runs", "verify"]),
    ] {
        let output = place.run(&[&["--log-format", "json"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let told = events(&output.stderr);
        assert!(code == 0 || told.last().unwrap()["level"] == "ERROR", "{arguments:?}: {told:?}");
        all.extend(told);
    }

    let long = ["--log-format", "json", "train", "suite.toml", "--set", "train.epochs=500", "--set", "suite.seeds=[3]"];
    let child = place.command(&long).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told = events(&output.stderr);
    assert!(told.last().unwrap()["fields"]["message"].as_str().unwrap().contains("interrupted"), "{told:?}");
    all.extend(told);

    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/stages.md")).unwrap();
    let names = all.iter().filter_map(|event| event["fields"]["event"].as_str());
    for name in names.collect::<BTreeSet<_>>() {
        assert!(page.contains(&format!("\n| `{name}` |")), "docs/stages.md names the event `{name}`");
    }
}
