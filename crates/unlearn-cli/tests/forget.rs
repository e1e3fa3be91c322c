//! `forget` and `runs verify`: the example of docs/forget.md, and every case that must be refused or found.

use std::{
    fs,
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Place, SUITE, models,
    pages::{blocks, commands, page},
};

/// The key pair of RFC 8410, section 10.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                       -----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                      -----END PUBLIC KEY-----\n";

/// The first block of docs/forget.md in that language.
fn block(language: &str) -> String {
    blocks(&page("docs/forget.md"), language)[0].to_owned()
}

/// A folder in the state that the example starts with.
fn example() -> Place {
    let place = Place::new(&block("toml"));
    for (name, text) in [("ids.jsonl", block("jsonl").as_str()), ("key.pem", PRIVATE), ("public.pem", PUBLIC)] {
        fs::write(place.path(name), text).unwrap();
    }
    place
}

/// Runs a line and expects an exit code and words, on either output.
fn expect(place: &Place, code: i32, line: &str, words: &[&str]) {
    let Output { status, stdout, stderr } = place.shell(line);
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(code), "{line}\n{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` in: {said}");
    }
}

fn certificate(place: &Place, folder: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(folder).join("certificate.json")).unwrap()).unwrap()
}

fn weights(place: &Place, model: &str) -> Vec<u8> {
    place.succeed(&["convert", model, "weights.safetensors", "--to", "torch"]);
    fs::read(place.path("weights.safetensors")).unwrap()
}

#[test]
fn the_example_of_the_page_runs_and_whatever_is_changed_afterwards_is_found() {
    let place = example();
    let page = page("docs/forget.md");
    let [run, forget, verify] = commands(&page)[..] else { panic!("three commands") };
    // An unrelated repository. If the program ran a command from its git configuration, that would leave a file.
    let foreign = "git init -q && git config core.fsmonitor 'touch ran; false' && git -c user.name=x -c user.email=x@y commit -q \
                   --allow-empty -m other";
    let has_git = place.shell(foreign).status.success();
    let _ = fs::remove_file(place.path("ran"));
    expect(&place, 0, run, &[]);
    expect(&place, 0, forget, &["before", "mia_efficacy.confidence", "ta >= 20: passed", "It does not claim"]);
    expect(&place, 0, verify, &["metric ua", "as wanted", "as the model itself says", "1 of 1 certificate holds"]);
    expect(&place, 0, forget, &["was done on"]);
    let drawn = &certificate(&place, "forgotten")["measured"];
    assert_eq!(drawn["attacks"]["draws"], 10);
    assert_eq!(drawn["after"]["mia_efficacy"]["draws"].as_array().unwrap().len(), 10);
    assert!(drawn["after"]["mia_efficacy"]["interval"][0].is_number(), "{drawn}");
    expect(
        &place,
        0,
        "unlearn inspect forgotten/model.safetensors",
        &["sparse checkpoint", "asked to forget 12 images"],
    );

    // The certified figures equal those of the suite.
    let suites = models(&place.path("runs")).into_iter().map(|(path, _)| path);
    let suites = suites.filter(|path| path.starts_with("unlearn") && path.ends_with("model.safetensors"));
    let [suites] = suites.collect::<Vec<_>>().try_into().unwrap();
    let forgotten = weights(&place, "forgotten/model.safetensors");
    assert!(weights(&place, &format!("runs/{}", suites.display())) == forgotten, "the suite's `ft` left another model");

    let whole = certificate(&place, "forgotten");
    if has_git {
        let head = String::from_utf8(place.shell("git rev-parse HEAD").stdout).unwrap();
        let stated = whole["code"]["commit"].as_str().unwrap_or("none");
        assert!(!head.starts_with(&stated[..stated.len().min(7)]), "{stated} is the commit of the folder it ran in");
        assert!(!place.path("ran").exists(), "the program ran what the folder's repository names");
    }
    assert_eq!(whole["request"]["ids"].as_array().unwrap().len(), 12);
    assert_eq!(whole["method"]["parameters"]["epochs"], 2);
    assert_eq!(whole["data"]["stated_by"], "checkpoint");
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut changed = whole.clone();
        edit(&mut changed);
        fs::write(place.path("forgotten/certificate.json"), changed.to_string()).unwrap();
    };
    let unsigned = |value: &mut Value| drop(value.as_object_mut().unwrap().remove("signature"));
    edited(&unsigned);
    let taken_out = ["anyone may have written", "not measured again", "FAILS  key", "a signature taken out"];
    expect(&place, 1, "unlearn runs verify forgotten", &taken_out);
    expect(&place, 1, verify, &["FAILS  signature: there is none"]);
    edited(&|value| value["measured"]["after"]["ra"]["value"] = json!(100.0));
    expect(&place, 1, "unlearn runs verify forgotten", &["FAILS  signature", "1 of 1 certificate does not hold"]);
    let measured_again = "unlearn runs verify forgotten --data fashion-mnist-mini";
    edited(&|value| {
        unsigned(value);
        value["measured"]["after"]["ua"]["value"] = json!(99.0);
    });
    expect(&place, 1, measured_again, &["FAILS  metric ua"]);
    edited(&|value| {
        unsigned(value);
        value["request"]["ids"].as_array_mut().unwrap().pop();
    });
    expect(&place, 1, "unlearn runs verify forgotten", &["FAILS  request: its ids have the hash"]);
    edited(&|_| {});
    let model = place.path("forgotten/model.safetensors");
    let bytes = fs::read(&model).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&model, flipped).unwrap();
    expect(&place, 1, "unlearn runs verify forgotten", &["FAILS  output model.safetensors"]);
    // A repeated request reports the failed thresholds again.
    expect(&place, 1, forget, &["model.safetensors was changed since"]);
    fs::write(&model, bytes).unwrap();

    // A folder without a certificate does not hide the others.
    expect(
        &place,
        1,
        "unlearn runs verify missing forgotten",
        &["missing/certificate.json", "forgotten: certificate of", "1 of 2 certificates do not hold"],
    );
    a_deletion_is_measured_against_a_retrain(&place);
    a_second_request_is_served_on_what_the_first_left(&place);
    what_cannot_be_forgotten_is_refused(&place);
}

/// A change of a certificate.
type Edit<'a> = &'a dyn Fn(&mut Value);

/// With a Retrain there are figures that need one. The reference code's single draw can be asked for.
fn a_deletion_is_measured_against_a_retrain(place: &Place) {
    let retrain = "unlearn forget --checkpoint runs/prune/* --data fashion-mnist-mini --request ids.jsonl --method retrain \
                   --set epochs=1 --mia confidence --draws 1 --out retrained";
    expect(place, 0, retrain, &["before"]);
    let line = "unlearn forget --checkpoint runs/prune/* --data fashion-mnist-mini --request ids.jsonl --method raw --mia confidence \
                --members first-rows --retrain retrained --threshold 'tow>=0' --threshold 'kl<=100' --out beside";
    expect(place, 0, line, &["Retrain", "avg_gap", "tow", "kl <= 100: passed"]);
    let certificate = certificate(place, "beside");
    let measured = &certificate["measured"];
    assert_eq!(measured["attacks"]["members"], "first-rows");
    assert_eq!(measured["after"]["mia_efficacy"]["draws"].as_array().unwrap().len(), 1);
    assert!(measured["after"]["tow"]["value"].as_f64().unwrap() <= 1.0);
    assert!(measured["retrain"]["ua"]["value"].is_number());
    assert!(certificate["input"]["retrain model"]["blake3"].is_string());
    let again = "unlearn runs verify beside --data fashion-mnist-mini";
    let holds =
        ["holds  key", "derived figures: ", "metric kl: it cannot be measured again", "1 of 1 certificate holds"];
    expect(place, 0, again, &holds);
    // The certificate is unsigned. Only its other fields and its model contradict a change.
    let whole = certificate.to_string();
    let edits: [(Edit<'_>, &str); 9] = [
        (&|value| value["measured"]["after"]["avg_gap"]["value"] = json!(0.0), "FAILS  figure avg_gap after"),
        (&|value| value["measured"]["after"]["tow"]["value"] = json!(1.0), "FAILS  figure tow after"),
        (&|value| drop(value["measured"].as_object_mut().unwrap().remove("retrain")), "FAILS  Retrain"),
        (
            &|value| drop(value["measured"]["after"]["mia_efficacy"].as_object_mut().unwrap().remove("draws")),
            "FAILS  draws of mia_efficacy after",
        ),
        (&|value| value["method"]["name"] = json!("nonsense"), "FAILS  method"),
        (&|value| value["method"]["parameters"] = json!({ "lr": 1 }), "FAILS  key"),
        (&|value| value["key"] = json!("0".repeat(32)), "FAILS  key"),
        (&|value| value["measured"]["thresholds"] = json!([]), "FAILS  key"),
        (&|value| value["started"] = json!("2100-01-01T00:00:00Z"), "FAILS  times"),
    ];
    for (edit, finding) in edits {
        let mut changed = certificate.clone();
        edit(&mut changed);
        fs::write(place.path("beside/certificate.json"), changed.to_string()).unwrap();
        expect(place, 1, "unlearn runs verify beside", &[finding]);
    }
    fs::write(place.path("beside/certificate.json"), whole).unwrap();
}

fn a_second_request_is_served_on_what_the_first_left(place: &Place) {
    let ids = block("jsonl");
    fs::write(place.path("again.jsonl"), ids.lines().next().unwrap()).unwrap();
    let second = "unlearn forget --checkpoint forgotten --data fashion-mnist-mini --method raw --out second --request";
    expect(place, 2, &format!("{second} again.jsonl"), &["again.jsonl:1", "asked to forget", "before"]);
    let trained = (0..400).map(|id: u32| id.to_string()).find(|id| {
        fs::write(place.path("more.jsonl"), id).unwrap();
        place.shell(&format!("{second} more.jsonl --threshold 'ua>=101'")).status.code() == Some(1)
    });
    assert_eq!(certificate(place, "second")["request"]["ids"], json!([trained.unwrap().parse::<u32>().unwrap()]));
    assert_eq!(certificate(place, "second")["request"]["before"], certificate(place, "forgotten")["request"]["ids"]);
    assert_eq!(certificate(place, "second")["measured"]["thresholds"][0]["passed"], false);
    assert_eq!(certificate(place, "second")["data"]["samples"]["forget"], 13);
    expect(place, 0, "unlearn runs verify forgotten second --data fashion-mnist-mini", &["2 of 2 certificates hold"]);
}

fn what_cannot_be_forgotten_is_refused(place: &Place) {
    let refused = |code, options: &str, words: &[&str]| {
        let line = "unlearn forget --checkpoint runs/prune/* --data fashion-mnist-mini --request ids.jsonl --method ft --out refused";
        // If an option is given twice, the last one counts.
        let given: Vec<&str> = options.split_whitespace().filter(|word| word.starts_with("--")).collect();
        let kept = line
            .split(" --")
            .filter(|part| !given.iter().any(|option| part.split_whitespace().next() == option.strip_prefix("--")));
        let line = kept.collect::<Vec<_>>().join(" --");
        expect(place, code, &format!("{line} {options}"), words);
        assert!(!place.path("refused").exists(), "{options}");
    };
    fs::write(place.path("empty.jsonl"), "\n").unwrap();
    refused(2, "--request empty.jsonl", &["empty.jsonl: names no image"]);
    refused(2, "--request absent.jsonl", &["absent.jsonl"]);
    refused(2, "--method ftt", &["--method", "did you mean `ft`"]);
    refused(2, "--set epoch=1", &["--set", "did you mean `epochs`"]);
    refused(2, "--method retrain-relearn", &["--method retrain-relearn", "only a suite says", "use `retrain`"]);
    refused(2, "--method cf-k --set k=50", &["--method cf-k", "`k` must lie in 1..=3", "found 50"]);
    refused(2, "--method unsir", &["--method unsir", "whole classes only"]);
    refused(2, "--threshold ua=1", &["--threshold", "FIGURE>=NUMBER"]);
    refused(2, "--threshold 'uaa>=1'", &["`uaa`", "valid names: ua, ", "FIGURE>=NUMBER"]);
    refused(2, "--threshold 'asr<=5'", &["--threshold", "`[data.poison]`", "these have none"]);
    refused(2, "--threshold 'kl<=1'", &["against a Retrain", "`--retrain`"]);
    refused(2, "--draws 0", &["--draws", "from 1 to 1000"]);
    refused(2, "--draws 2 --members first-rows", &["--draws", "`stratified`"]);
    refused(2, "--members first", &["did you mean `first-rows`"]);
    refused(2, "--threshold 'mia.x>=1'", &["`x` is not among", "confidence"]);
    refused(2, "--threshold 'loss_threshold_efficacy>=1'", &["it is not measured", "mia_efficacy.confidence"]);
    refused(2, "--mia prob", &["--mia", "`confidence`"]);
    // A model that is known not to be a Retrain.
    refused(2, "--retrain runs/prune/*", &["--retrain", "has the weights of the model"]);
    refused(2, "--retrain runs/train/*", &["--retrain", "was trained on image"]);
    refused(2, "--retrain forgotten", &["--retrain", "it was made by `ft`"]);
    refused(2, "--checkpoint runs", &["neither a finished stage's nor a deletion's"]);
    refused(2, "--data fashion-mnist", &["trained on `fashion-mnist-mini`"]);
    refused(2, "--suite suite.toml", &["itself says what it was trained on"]);
    refused(2, "--sign public.pem", &["public.pem", "openssl genpkey"]);
    refused(1, "--checkpoint suite.toml", &["suite.toml"]);
    // Another deletion's folder stays unchanged.
    expect(
        place,
        2,
        "unlearn forget --checkpoint runs/prune/* --data fashion-mnist-mini --request ids.jsonl --method ga --out forgotten",
        &["forgotten", "another deletion", "`--out`"],
    );
    // A model that does not say what it was trained on.
    place.succeed(&["convert", "forgotten/model.safetensors", "foreign.safetensors", "--to", "torch"]);
    place.succeed(&["convert", "foreign.safetensors", "silent.safetensors", "--side", "28"]);
    refused(2, "--checkpoint silent.safetensors", &["silent.safetensors", "does not say", "`--suite`"]);
    let stated = "unlearn forget --checkpoint silent.safetensors --suite suite.toml --data fashion-mnist-mini \
                  --request ids.jsonl --method raw --out stated";
    expect(place, 0, stated, &["the operator says so"]);
    assert_eq!(certificate(place, "stated")["data"]["stated_by"], "operator");
}

#[test]
fn a_deletion_that_was_killed_ends_with_the_same_model() {
    let place = example();
    let suite = block("toml").replace("epochs = 6", "epochs = 2");
    fs::write(place.path("suite.toml"), suite.split("[[prune]]").next().unwrap().to_owned() + &judged(&suite)).unwrap();
    place.succeed(&["run", "suite.toml"]);
    let train = fs::read_dir(place.path("runs/train")).unwrap().next().unwrap().unwrap().path();
    let arguments = |out: &'static str| {
        let options = ["--data", "fashion-mnist-mini", "--request", "ids.jsonl", "--method", "ft", "--set", "epochs=6"];
        let place = ["forget", "--checkpoint", train.to_str().unwrap(), "--out", out, "--checkpoint-interval", "0"];
        [&place[..], &options, &["--mia", "confidence"]].concat()
    };
    place.succeed(&arguments("undisturbed"));
    let saved = || {
        let stages = fs::read_dir(place.path("killed/partial/unlearn")).ok()?;
        let states = stages.map(|stage| stage.unwrap().path().join("checkpoint/state.safetensors"));
        states.filter_map(|state| fs::metadata(state).and_then(|state| state.modified()).ok()).max()
    };
    for _ in 0..3 {
        let before = saved();
        let mut child =
            place.command(&arguments("killed")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while saved() == before {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.succeed(&arguments("killed"));
    assert!(!place.path("killed/partial").exists());
    let read = |folder: &str| fs::read(place.path(folder).join("model.safetensors")).unwrap();
    assert!(read("killed") == read("undisturbed"), "a killed deletion left another model");
    let after = |folder: &str| {
        let mut after = certificate(&place, folder)["measured"]["after"].clone();
        assert!(after.as_object_mut().unwrap().remove("rte_seconds").is_some(), "only the run time may differ");
        after
    };
    assert_eq!(after("killed"), after("undisturbed"));
}

/// The tables that a suite must have besides training.
fn judged(suite: &str) -> String {
    format!("[[forget]]{}", suite.split_once("[[forget]]").unwrap().1.replace("\"ft\"\nepochs = 2", "\"raw\""))
}

#[test]
fn a_method_that_diverges_leaves_the_last_finite_weights_and_no_certificate() {
    let place = example();
    let suite = SUITE.split("[[prune]]").next().unwrap().to_owned();
    let diverging =
        "[[forget]]\nkind = \"indices\"\npath = \"ids.jsonl\"\n\n[[unlearn]]\nmethod = \"ga\"\nlr = 1e30\nepochs = 5\n";
    let suite = suite.replace("train-limit = 200", "train-limit = 400").replace("epochs = 2", "epochs = 1") + diverging;
    fs::write(place.path("suite.toml"), suite).unwrap();
    // In a suite, the weights are kept in the stage's working folder.
    expect(&place, 1, "unlearn run suite.toml", &["unlearn ga", "epoch", "lower `lr`", "last-finite.safetensors"]);
    expect(&place, 0, "unlearn inspect runs/unlearn/*.partial/last-finite.safetensors", &["dense checkpoint"]);
    let forget = "unlearn forget --checkpoint runs/train/* --data fashion-mnist-mini --request ids.jsonl --method ga \
                  --set epochs=5 --mia confidence --out out";
    expect(&place, 1, &format!("{forget} --set lr=1e30"), &["epoch", "lower `lr`", "out/last-finite.safetensors"]);
    expect(&place, 0, "unlearn inspect out/last-finite.safetensors", &["dense checkpoint"]);
    let names: Vec<_> = fs::read_dir(place.path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["last-finite.safetensors"]);
    expect(&place, 0, &format!("{forget} --set lr=1e-4"), &["before"]);
    assert!(!place.path("out/last-finite.safetensors").exists());
}
