//! How the binary writes and ends: closed pipes, full disks, colours, JSON, odd arguments, and signals.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{Place, SUITE};

/// One model, one request, one method.
fn small(name: &str) -> String {
    let (before, rest) = SUITE.split_once("[[prune]]").unwrap();
    let (_, rest) = rest.split_once("[[forget]]\nkind = \"random\"").unwrap();
    let (_, rest) = rest.split_once("[[unlearn]]").unwrap();
    let raw = rest.split("[[unlearn]]").next().unwrap();
    let class = "[[forget]]\nkind = \"class\"\nclass = 0\n\n";
    format!("{before}{class}[[unlearn]]{raw}")
        .replace("\"tiny\"", &format!("\"{name}\""))
        .replace("train-limit = 200", "train-limit = 400")
}

/// A place with a finished suite, a stage's description and a list of images.
fn filled() -> Place {
    let place = Place::new(&small("small"));
    place.succeed(&["run", "suite.toml"]);
    let printed = place.succeed(&["run", "suite.toml", "--dry-run", "--json"]);
    let first: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    fs::write(place.path("stage.json"), first["stage"].to_string()).unwrap();
    fs::write(place.path("ids.txt"), "0\n2\n3\n4\n").unwrap();
    place
}

/// Every command, each in a form that prints something and may be repeated.
fn commands(place: &Place) -> Vec<String> {
    let stage = fs::read_dir(place.path("runs/train")).unwrap().next().unwrap().unwrap().path();
    let stage = stage.strip_prefix(place.folder.path()).unwrap().to_str().unwrap();
    let key = stage.rsplit('/').next().unwrap();
    let forget =
        format!("forget --checkpoint {stage} --data fashion-mnist-mini --request ids.txt --method raw --out forgotten");
    let lines = "--help
        --version
        help run
        run --help
        run suite.toml
        run suite.toml --dry-run
        run suite.toml --dry-run --json
        train suite.toml
        prune suite.toml
        stage stage.json
        tune suite.toml --trials 1 --objective oracle-free --set unlearn.0.method=ft
        FORGET
        FORGET
        report small --out again
        report --compare small small
        evaluate small --out again
        evaluate STAGE --class 0 --attacks loss-threshold
        predict STAGE/model.safetensors --out predicted.npz --replace
        inspect STAGE
        inspect STAGE/model.safetensors
        convert STAGE/model.safetensors out.safetensors
        export STAGE out.safetensors --dense
        push STAGE hub:owner/name --dry-run card
        datasets
        datasets list
        datasets describe fashion-mnist-mini
        datasets fetch fashion-mnist-mini
        datasets verify fashion-mnist-mini
        datasets export fashion-mnist-mini --to out.npz --replace
        models
        models show resnet8s
        methods
        methods show ft --defaults
        methods show magnitude
        attacks
        attacks show entropy
        backdoors
        backdoors show patch
        backdoors draw fashion-mnist-mini --trigger sig --out triggers.png --replace
        attack suite.toml --pool 9 --dry-run
        figures
        figures show ua
        suite explain suite.toml
        launches
        runs list
        runs show KEY
        runs diff small small
        runs where KEY
        runs verify
        runs verify forgotten
        doctor
        completions bash
        manual --out pages";
    let filled = |line: &str| line.trim().replace("FORGET", &forget).replace("STAGE", stage).replace("KEY", key);
    lines.lines().map(filled).collect()
}

fn command(place: &Place, line: &str) -> Command {
    place.command(&line.split(' ').collect::<Vec<_>>())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn errors(output: &Output) -> Vec<String> {
    text(&output.stderr).lines().filter(|line| line.contains("error")).map(str::to_owned).collect()
}

#[test]
fn every_command_ends_well_whatever_becomes_of_its_output() {
    let place = filled();
    let commands = commands(&place);
    let help = place.succeed(&["--help"]);
    let (_, listed) = help.split_once("Commands:").unwrap();
    let names = listed
        .lines()
        .take_while(|line| !line.starts_with("Options"))
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for name in names.map(|line| line.split_whitespace().next().unwrap()) {
        assert!(commands.iter().any(|line| line.split(' ').next() == Some(name)), "`{name}` is tried");
    }
    for line in commands {
        let done = command(&place, &line).output().unwrap();
        assert!(done.status.success() && !done.stdout.is_empty(), "{line}: {}", text(&done.stderr));

        let full = command(&place, &line).stdout(File::create("/dev/full").unwrap()).output().unwrap();
        let expected = ["error: failed to write to standard output: No space left on device (os error 28)"];
        assert_eq!(
            (full.status.code(), errors(&full).as_slice()),
            (Some(1), &expected.map(str::to_owned)[..]),
            "{line}"
        );

        let mut child = command(&place, &line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let closed = child.wait_with_output().unwrap();
        assert_eq!((closed.status.code(), errors(&closed).len()), (Some(0), 0), "{line}: {}", text(&closed.stderr));

        let deaf = command(&place, &line).stderr(File::create("/dev/full").unwrap()).output().unwrap();
        assert_eq!(deaf.status.code(), Some(0), "{line}, with a full standard error");
    }
}

/// By default, the system ends a program that writes beyond `ulimit -f`, without a word.
#[test]
fn a_limit_on_the_size_of_files_is_an_error_like_a_full_disk() {
    fn leftovers(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        let temporary = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "tmp");
        files.into_iter().filter(temporary).chain(folders.iter().flat_map(|folder| leftovers(folder))).collect()
    }
    let place = Place::new(&small("small"));
    // Nothing can be written; no model; no manifest of a suite.
    for blocks in ["0", "1", "8", "64"] {
        let runs = format!("runs-{blocks}");
        let output = place.shell(&format!("ulimit -f {blocks}; exec unlearn run suite.toml --runs {runs}"));
        assert_eq!(output.status.code(), Some(1), "{blocks}: {}", text(&output.stderr));
        let [error] = &errors(&output)[..] else { panic!("{}", text(&output.stderr)) };
        for words in ["File too large", "ulimit -f", &runs] {
            assert!(error.contains(words), "`{words}` in: {error}");
        }
        assert_eq!(leftovers(&place.path(&runs)), [""; 0].map(PathBuf::from), "{blocks}");
        place.succeed(&["run", "suite.toml", "--runs", &runs]);
    }
    let printed = place.shell("ulimit -f 1; exec unlearn figures > figures.txt");
    let expected = ["error: failed to write to standard output: File too large (os error 27)"];
    assert_eq!((printed.status.code(), errors(&printed)), (Some(1), expected.map(str::to_owned).to_vec()));
    fs::write(place.path("out.npz"), "old").unwrap();
    let exported = place.shell("ulimit -f 64; exec unlearn datasets export fashion-mnist-mini --to out.npz --replace");
    assert_eq!((exported.status.code(), errors(&exported).len()), (Some(1), 1), "{}", text(&exported.stderr));
    assert!(text(&exported.stderr).contains("ulimit -f unlimited"), "{}", text(&exported.stderr));
    assert_eq!(fs::read(place.path("out.npz")).unwrap(), b"old");
    assert_eq!(leftovers(&place.path("")), [""; 0].map(PathBuf::from));
}

#[test]
fn a_standard_error_that_is_full_or_closed_stops_no_run() {
    for jobs in ["1", "2"] {
        let place = Place::new(SUITE);
        let run = ["run", "suite.toml", "--jobs", jobs];
        let full =
            place.command(&run).stdout(Stdio::null()).stderr(File::create("/dev/full").unwrap()).output().unwrap();
        assert_eq!(full.status.code(), Some(0));
        let mut child = place
            .command(&[&run[..], &["--set", "suite.seeds=[2]"]].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn colors_are_written_where_they_are_wanted_and_nowhere_else() {
    let place = Place::new(&SUITE.replace("arch = \"resnet8s\"", "arch = \"resnet8s\"\ninit = \"absent\""));
    let colored = |line: &str, variables: &[(&str, &str)]| {
        let mut command = command(&place, line);
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR"] {
            command.env_remove(name);
        }
        let Output { stdout, stderr, .. } = command.envs(variables.iter().copied()).output().unwrap();
        stdout.contains(&0x1b) || stderr.contains(&0x1b)
    };
    for line in ["--help", "run suite.toml", "--nonsense", "run --nonsense"] {
        assert!(!colored(line, &[]), "{line}: neither output is a terminal");
        assert!(colored(line, &[("CLICOLOR_FORCE", "1")]), "{line}");
        assert!(!colored(line, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), "{line}");
        assert!(colored(&format!("--color always {line}"), &[("NO_COLOR", "1")]), "{line}");
        assert!(!colored(&format!("--color=never {line}"), &[("CLICOLOR_FORCE", "1")]), "{line}");
    }
}

/// A suite with a stage that warns, because its method forgets whole classes only.
#[test]
fn what_stages_in_processes_of_their_own_say_has_no_colors_and_is_json_where_that_is_asked_for() {
    let place = Place::new(&SUITE.replace("method = \"ga\"\nepochs = 1", "method = \"ga\"\nlr = 1e30\nepochs = 5"));
    let run = "run suite.toml --jobs 2 --keep-going";
    let plain = command(&place, run).env_remove("CLICOLOR_FORCE").output().unwrap();
    assert!(plain.status.code() == Some(1) && !plain.stderr.contains(&0x1b), "{}", text(&plain.stderr));
    let reasons = text(&plain.stderr).lines().filter(|line| line.contains("failed: unlearn ga")).count();
    assert_eq!((reasons, text(&plain.stderr).contains("failed: evaluate")), (4, false), "{}", text(&plain.stderr));

    for line in [
        format!("--log-format json {run}"),
        "--log-format=json run absent.toml".into(),
        "--log-format json --nonsense".into(),
    ] {
        let said = command(&place, &line).output().unwrap();
        let lines: Vec<Value> = text(&said.stderr)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect();
        let last = lines.last().unwrap();
        assert_eq!(last["level"], "ERROR", "{last}");
        assert!(last["fields"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{last}");
        assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["target"].is_string()), "{lines:?}");
    }
}

#[test]
fn names_from_outside_tell_the_terminal_nothing() {
    let place = Place::new(
        &SUITE
            .replace("\"tiny\"", "\"tiny\"\ntitle = \"\\u001b[31mred\\u009b2J\"")
            .replace("kind = \"class\"", "name = \"a\\u001b]0;owned\\u0007\"\nkind = \"class\""),
    );
    for line in [
        "run suite.toml --dry-run",
        "run suite.toml --dry-run --json",
        "run suite.toml --out report",
        "report tiny --out report",
    ] {
        let output = command(&place, line).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&[output.stdout, output.stderr].concat());
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{line}: {}", said.escape_debug());
    }
    let message = place.refuse(2, &["datasets", "describe", "a\x1b[2Jb"]);
    assert!(message.contains(r"a\u{1b}[2Jb"), "{message}");
}

#[test]
fn an_error_is_short_whatever_it_speaks_of() {
    let place = Place::new(&format!("[suite]\nname = \"{}\n", "x".repeat(1 << 20)));
    assert!(place.refuse(2, &["run", "suite.toml"]).len() < 5_000);
    fs::write(
        place.path("suite.toml"),
        SUITE.replace("\"class\"", "\"indices\"").replace("class = 0", "path = \"ids\""),
    )
    .unwrap();
    fs::write(place.path("ids"), format!("1\n{}", "x".repeat(1 << 20))).unwrap();
    let message = place.refuse(2, &["run", "suite.toml"]);
    assert!(message.len() < 1_000 && message.contains("ids:2"), "{message}");
}

#[test]
fn arguments_that_are_not_utf_8_are_paths_or_bad_usage() {
    let place = Place::new(SUITE);
    let odd = OsStr::from_bytes(b"odd-\xff.toml");
    fs::copy(place.path("suite.toml"), place.folder.path().join(odd)).unwrap();
    let plan = place.command(&["train"]).arg(odd).arg("--runs").arg(OsStr::from_bytes(b"runs-\xfe")).output().unwrap();
    assert!(plan.status.success(), "{}", text(&plan.stderr));
    let report = place.command(&["run"]).arg(odd).arg("--out").arg(OsStr::from_bytes(b"report-\xfd")).output().unwrap();
    assert!(report.status.success(), "{}", text(&report.stderr));
    for arguments in [&["methods", "show"][..], &["run", "suite.toml", "--set"], &["run", "suite.toml", "--init"], &[]]
    {
        let refused = place.command(arguments).arg(OsStr::from_bytes(b"\xff")).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", text(&refused.stderr));
    }
}

#[test]
fn what_was_typed_wrongly_exits_2() {
    let place = filled();
    let stage = fs::read_dir(place.path("runs/train")).unwrap().next().unwrap().unwrap().path();
    let stage = stage.to_str().unwrap();
    fs::write(place.path("latin"), b"3\n\xe9\n").unwrap();
    fs::write(place.path("twice.json"), "{\"format\": 1, \"format\": 1}").unwrap();
    fs::write(
        place.path("line.json"),
        place.succeed(&["run", "suite.toml", "--dry-run", "--json"]).lines().next().unwrap(),
    )
    .unwrap();
    let forget = |checkpoint: &str, request: &str| {
        format!("forget --checkpoint {checkpoint} --data fashion-mnist-mini --request {request} --method raw --out f")
    };
    for (line, words) in [
        ("run absent.toml".to_owned(), "failed to read the suite absent.toml"),
        ("run runs".into(), "a folder"),
        ("train suite.toml --init absent".into(), "absent"),
        (forget("absent", "ids.txt"), "absent"),
        (forget(stage, "absent"), "absent"),
        (forget(stage, "latin"), "line 2"),
        (forget("/dev/zero", "ids.txt"), "a device"),
        (forget(stage, "/dev/zero"), "a device"),
        ("train suite.toml --init /dev/zero".into(), "a device"),
        ("run /dev/zero".into(), "a device"),
        ("stage /dev/zero".into(), "a device"),
        ("run suite.toml --set suite.tuned=suite.toml".into(), "suite.toml is not the result of a search"),
        ("stage absent.json".into(), "absent.json"),
        ("stage twice.json".into(), "stands twice"),
        ("stage line.json".into(), "under the key `stage`"),
        ("report absent --out x".into(), "holds no suite `absent`"),
        ("datasets describe absent".into(), "unknown dataset"),
        ("models show resnet9s".into(), "did you mean `resnet"),
        ("methods show magnitudes".into(), "did you mean `magnitude`"),
        ("figures show magnitude".into(), "`magnitude` is a pruning criterion; see `unlearn methods show magnitude`"),
        ("methods show mia-efficacy".into(), "`mia-efficacy` is an attack; see `unlearn attacks show mia-efficacy`"),
        (
            "run suite.toml --set seeds=[1]".into(),
            "--set seeds=[1]: `seeds` is not a section of a suite; did you mean `suite.seeds`?",
        ),
    ] {
        let message = place.refuse(2, &line.split(' ').collect::<Vec<_>>());
        assert!(message.contains(words), "{line}: {message}");
    }
    let fails = place.refuse(2, &["run", "suite.toml", "--dry-run", "--set", "train.epochs=0.5"]);
    assert!(!fails.contains("a dry run fetches nothing"), "{fails}");
}

/// A training that takes minutes.
fn long() -> Place {
    Place::new(&small("long").replace("epochs = 2", "epochs = 4000"))
}

fn start(place: &Place, line: &str) -> Child {
    command(place, line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
}

/// The exit code, or `None` if the child still runs after this time.
fn ended(child: &mut Child, within: Duration) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < within {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.code().expect("it was not killed"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Waits until a training has a working folder. From then on it listens to signals.
fn until_it_trains(place: &Place, store: &str) {
    let begun = Instant::now();
    let works = || fs::read_dir(place.path(store).join("train")).is_ok_and(|mut entries| entries.next().is_some());
    while !works() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the training never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn a_signal_that_is_ignored_at_the_start_stays_ignored() {
    let place = long();
    let binary = env!("CARGO_BIN_EXE_unlearn");
    for (ignored, others) in [("HUP", ["TERM", "INT"]), ("INT", ["HUP", "TERM"])] {
        let line = format!("trap '' {ignored}; exec {binary} run suite.toml --runs {ignored}");
        let mut shell = Command::new("sh");
        let mut child =
            shell.args(["-c", &line]).current_dir(place.folder.path()).stderr(Stdio::null()).spawn().unwrap();
        until_it_trains(&place, ignored);
        send(ignored, &child);
        send(ignored, &child);
        assert_eq!(ended(&mut child, Duration::from_secs(1)), None, "{ignored} is ignored");
        send(others[0], &child);
        assert_eq!(ended(&mut child, Duration::from_secs(30)), Some(130), "{}", others[0]);
    }
}

#[test]
fn a_process_that_waits_for_another_ends_at_the_first_signal() {
    let place = long();
    let mut holder = start(&place, "run suite.toml");
    until_it_trains(&place, "runs");
    for (signal, jobs) in [("INT", "1"), ("TERM", "1"), ("HUP", "1"), ("TERM", "2")] {
        let mut waiter = start(&place, &format!("run suite.toml --jobs {jobs}"));
        std::thread::sleep(Duration::from_millis(1500));
        send(signal, &waiter);
        assert_eq!(ended(&mut waiter, Duration::from_secs(2)), Some(130), "{signal}, {jobs} jobs");
        let said = waiter.wait_with_output().unwrap().stderr;
        assert!(text(&said).contains(&format!("process {}", holder.id())), "{}", text(&said));
    }
    send("TERM", &holder);
    assert_eq!(ended(&mut holder, Duration::from_secs(30)), Some(130));
}
