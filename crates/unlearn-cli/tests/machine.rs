//! What the program says about the machine, the arithmetic that follows from it, and what shells and `man` get.

use std::{fs, process::Output};

use crate::{Place, SUITE};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn the_doctor_names_what_there_is_and_what_hinders_a_run() {
    let place = Place::new(SUITE);
    let found = place.succeed(&["doctor"]);
    for part in
        ["processor ", "kernels ", "portable: `cpu ", "native: `cpu-native-", "memory ", "gpu ", "hub ", "GiB free"]
    {
        assert!(found.contains(part), "`{part}` in {found}");
    }
    assert!(found.contains("runs: not there yet") && found.ends_with("nothing hinders a run\n"), "{found}");

    let sick = place.command(&["doctor", "--data-dir", "nowhere"]).env("UNLEARN_SIMD", "mmx").output().unwrap();
    refused(&sick, 1, &["2 problems found"]);
    let said = text(&sick.stdout);
    assert!(said.contains("unknown instruction set `mmx`") && said.contains("`nowhere`, which is no folder"), "{said}");
}

#[test]
fn an_arithmetic_is_part_of_every_key_and_a_choice_of_the_cpu_kernels() {
    let place = Place::new(SUITE);
    let keys = |words: &[&str]| {
        let printed =
            place.succeed(&[&["run", "suite.toml", "--dry-run", "--json", "--device", "cpu"], words].concat());
        printed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (portable, native) = (keys(&["--arithmetic", "portable"]), keys(&["--arithmetic", "native"]));
    assert_eq!(portable, keys(&[]));
    assert!(portable.len() == native.len() && portable[0] != native[0]);
    assert!(native[0].contains("cpu-native-") && !portable[0].contains("native"), "{}", native[0]);
    let half = keys(&["--precision", "bf16"]);
    assert!(half.len() == portable.len() && half[0].contains("cpu-bf16") && half[0] != portable[0], "{}", half[0]);
    let both = keys(&["--precision", "bf16", "--arithmetic", "native"]);
    assert!(both[0].contains("cpu-native-") && both[0].contains("-bf16"), "{}", both[0]);
    let words = ["run", "suite.toml", "--precision", "bf16", "--device", "cpu-direct"];
    refused(&place.command(&words).output().unwrap(), 2, &["--precision bf16", "--device cpu-direct", "leave one"]);

    // Child processes compute with the same arithmetic.
    let small = ["--arithmetic", "native", "--device", "cpu"];
    place.succeed(&[&["train", "suite.toml"], &small[..]].concat());
    let plan = place.succeed(&[&["run", "suite.toml", "--dry-run"], &small[..]].concat());
    assert!(plan.contains(" done") && !plan.contains(" 0 done"), "{plan}");

    let words = ["run", "suite.toml", "--arithmetic", "native", "--device", "candle-cpu"];
    refused(&place.command(&words).output().unwrap(), 2, &["--arithmetic native", "--device candle-cpu", "leave one"]);
    assert!(!place.path("runs").join("evaluate").exists());
}

#[test]
fn shells_and_man_know_every_command() {
    let place = Place::new(SUITE);
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef unlearn"), ("fish", "complete -c unlearn")] {
        let script = place.succeed(&["completions", shell]);
        assert!(script.contains(word) && script.contains("doctor"), "{shell}");
    }
    refused(&place.command(&["completions", "dos"]).output().unwrap(), 2, &["dos", "bash"]);

    place.succeed(&["manual", "--out", "pages"]);
    for page in ["unlearn", "unlearn-run", "unlearn-runs-gc", "unlearn-doctor"] {
        let text = fs::read_to_string(place.path(&format!("pages/{page}.1"))).unwrap();
        assert!(text.starts_with(".ie") || text.contains(".TH"), "{page}");
    }
}
