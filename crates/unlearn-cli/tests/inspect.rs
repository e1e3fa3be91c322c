//! `inspect`, and how a stage is named: on a store that holds more than one of everything.

use std::{fs, path::Path};

use unlearn::models::{ImportOptions, ModelFile};
use unlearn::torch_files::Written;

use crate::{
    Place, SUITE,
    pages::{commands, page},
};

fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` in: {text}");
    }
}

/// The keys of the stages of a kind.
fn keys(place: &Place, kind: &str) -> Vec<String> {
    let folders = fs::read_dir(place.path("runs").join(kind)).unwrap();
    let mut keys: Vec<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    keys.sort();
    keys
}

#[test]
fn every_folder_and_file_of_a_run_is_known_and_stages_are_named_by_label_or_key() {
    let place = Place::new(SUITE);
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let inspect = |paths: &[&str]| place.succeed(&[&["inspect"][..], paths].concat());

    contains(
        &inspect(&["runs"]),
        &["a run store", "1 `train`, 1 `prune`, 20 `unlearn`, 20 `evaluate`", "suites: tiny"],
    );
    contains(&inspect(&["runs/prune"]), &["the `prune` stages of the run store runs"]);
    contains(&inspect(&["runs/suites"]), &["unlearn report SUITE --runs runs"]);
    contains(&inspect(&["runs/suites/tiny.json"]), &["the index of the suite `tiny`, 20 rows", "unlearn report tiny"]);
    contains(&inspect(&["report"]), &["a report"]);
    contains(&inspect(&["report/results.json"]), &["results of the suite `tiny`, 20 rows"]);
    contains(&place.refuse(1, &["inspect", "suite.toml"]), &["this is a suite file, which `unlearn run suite.toml`"]);
    fs::create_dir(place.path("nothing")).unwrap();
    contains(&inspect(&["nothing"]), &["an empty folder"]);

    // A glob that several stages fit, and a stage by the beginning of its key.
    let several = place.shell("unlearn inspect runs/unlearn/*/manifest.json runs/prune/*/mask.safetensors");
    let several = String::from_utf8(several.stdout).unwrap();
    assert_eq!(several.matches("the manifest of a `unlearn` stage").count(), 20, "{several}");
    contains(&several, &["mask for resnet8s", "sparsity 90.00 %"]);
    let (prune, unlearned) = (&keys(&place, "prune")[0], keys(&place, "unlearn"));
    for address in
        [&format!("runs/prune/{}", &prune[..5]), &format!("prune:{}", &prune[..5]), "prune:omp 90 %", "prune:omp"]
    {
        contains(&inspect(&[address]), &["\"kind\": \"prune\"", prune]);
    }
    contains(&inspect(&[&format!("runs/prune/{}/mask.safetensors", &prune[..3])]), &["mask for resnet8s"]);
    let label = "unlearn:ft · class 0 · omp 90 % · seed 1";
    contains(&inspect(&[label]), &["\"method\": \"ft\""]);
    contains(&inspect(&["unlearn ft · class 0 · omp 90 % · seed 1"]), &["\"method\": \"ft\""]);

    // The same names wherever a model is wanted.
    let said = place.succeed(&["convert", label, "ft.safetensors"]);
    contains(&said, &["sparse checkpoint", "asked to forget"]);
    place.succeed(&["export", "unlearn:ga, class 0, dense", "ga.safetensors", "--dense"]);
    place.succeed(&["push", label, "hub:someone/model", "--dry-run", "card"]);
    assert!(place.path("card/mask.safetensors").exists());
    fs::write(place.path("ids.jsonl"), "3\n5\n8\n").unwrap();
    let forget = "--data fashion-mnist-mini --request ids.jsonl --method ft --set epochs=1 --out forgotten";
    let forget: Vec<&str> = ["forget", "--checkpoint", "prune:omp"].into_iter().chain(forget.split(' ')).collect();
    place.succeed(&forget);
    contains(
        &inspect(&["forgotten"]),
        &["the folder of a deletion", "unlearn runs verify forgotten", "asked to forget 3 images"],
    );
    contains(
        &inspect(&["forgotten/certificate.json"]),
        &["the certificate of a deletion", "unlearn runs verify forgotten"],
    );
    place.succeed(&["push", "forgotten", "hub:someone/model", "--dry-run", "certified"]);
    assert!(place.path("certified/certificate.json").exists());

    // Several, or none.
    let refused = |address: &str, words: &[&str]| {
        let message = place.refuse(2, &["convert", address, "out"]);
        contains(&message, words);
        assert!(!message.contains("delete"), "{message}");
    };
    refused(
        "unlearn:ft",
        &["4 stages fit", "unlearn ft · class 0 · dense · seed 1", &unlearned_short(&place, &unlearned)],
    );
    refused("unlearn:scrub", &["no finished stage `unlearn`", "these are there:", "and 12 more"]);
    refused("import:12", &["has no finished stage `import`"]);
    // No message about a folder advises to delete it.
    for folder in ["runs", "runs/prune", "report", "nothing"] {
        let message = place.refuse(2, &["convert", folder, "out"]);
        assert!(
            message.contains("neither a finished stage's nor a deletion's, but ") && !message.contains("delete"),
            "{message}"
        );
    }
}

/// The short key of one of the `ft` stages.
fn unlearned_short(place: &Place, keys: &[String]) -> String {
    let is_ft = |key: &&String| {
        let manifest = fs::read_to_string(place.path("runs/unlearn").join(key).join("manifest.json")).unwrap();
        manifest.contains("\"method\": \"ft\"")
    };
    keys.iter().find(is_ft).unwrap()[..8].to_owned()
}

#[test]
fn scores_are_known_for_what_they_are() {
    let place = Place::new(&SUITE.replace("[[unlearn]]\nmethod = \"ga\"\nepochs = 1\n", ""));
    place.succeed(&["run", "suite.toml"]);
    let scores = format!("runs/evaluate/{}/scores.safetensors", &keys(&place, "evaluate")[0]);
    let said = place.succeed(&["inspect", &scores]);
    contains(&said, &["scores of an `evaluate` stage", "forget.logits", "test.positions", "int64"]);
}

/// The commands of docs/sparse.md as they stand there, with two seeds and two prunings.
#[test]
fn the_commands_of_the_page_run_on_a_store_with_several_stages() {
    let page = page("docs/sparse.md");
    let suite = SUITE
        .replace("seeds = [1]", "seeds = [1, 2]")
        .replace("[[prune]]\nmethod = \"none\"\n", "[[prune]]\nmethod = \"omp\"\nsparsity = 0.5\nrewind-epoch = 1\n");
    let place = Place::new(&suite);
    for command in commands(&page) {
        let output = place.shell(command);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command}: {text}");
        assert!(!text.contains("WARN"), "{command}: {text}");
    }
    assert_eq!(keys(&place, "prune").len(), 4);
    let read = |name: &str| {
        let path = place.path(name);
        ModelFile::read(&fs::read(&path).unwrap(), &ImportOptions::default(), &path).unwrap()
    };
    let (again, sparse) = (read("again.safetensors"), read("sparse.safetensors"));
    assert_eq!((again.state.parameters(), again.mask), (sparse.state.parameters(), sparse.mask));
    assert_eq!(read("model.pth").state.parameters(), sparse.state.parameters());
}

/// A model from elsewhere, without its normalisation: `forget` judges it as the model that it was.
#[test]
fn a_foreign_model_is_judged_on_images_as_the_data_set_normalises_them() {
    let place = Place::new(SUITE);
    place.succeed(&["train", "suite.toml"]);
    let folder = place.path("runs/train").join(&keys(&place, "train")[0]);
    let path = folder.join("model.safetensors");
    let model = ModelFile::read(&fs::read(&path).unwrap(), &ImportOptions::default(), Path::new("m")).unwrap();
    let named: Vec<_> = model.state.named(&model.graph).collect();
    let written: Vec<_> = named.iter().map(|(name, shape, values)| Written { name, shape, values }).collect();
    fs::write(place.path("foreign.pth"), unlearn::torch_files::write(&written, &[]).unwrap()).unwrap();
    fs::write(place.path("ids.jsonl"), "3\n5\n8\n").unwrap();
    let measured = |checkpoint: &str, more: &str, out: &str| {
        let line = format!(
            "unlearn forget --checkpoint {checkpoint} --data fashion-mnist-mini --request ids.jsonl --method raw --out {out} {more}"
        );
        let output = place.shell(&line);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs::read_to_string(place.path(out).join("certificate.json")).unwrap();
        let certificate: serde_json::Value = serde_json::from_str(&text).unwrap();
        certificate["measured"]["before"]["ta"]["value"].as_f64().unwrap()
    };
    let own = measured("train:seed", "", "own");
    assert_eq!(measured("foreign.pth", "--suite suite.toml", "foreign"), own);
    // One that was converted for other images is refused, with the option that mends it.
    place.succeed(&["convert", "foreign.pth", "wide.safetensors", "--side", "32", "--mean", "0.5", "--std", "0.5"]);
    let message = place.refuse(
        2,
        &[
            "forget",
            "--checkpoint",
            "wide.safetensors",
            "--data",
            "fashion-mnist-mini",
            "--request",
            "ids.jsonl",
            "--method",
            "raw",
            "--suite",
            "suite.toml",
            "--out",
            "wide",
        ],
    );
    contains(&message, &["images [1, 32, 32]", "images [1, 28, 28]", "`unlearn convert --side 28`"]);
}
