//! Pretrained weights from a Hub on the loopback device, a suite that uses them, and a push of the result.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use unlearn::models::{
    Anew, ImportOptions, InputSpec, ModelFile, Pretrained, Source, Target, checkpoint::CheckpointInfo, find, initialize,
};
use unlearn_tests::{HubServer, TOKEN};

use crate::{
    Place, SUITE,
    pages::{blocks, commands, page},
};

const MODEL: &str = "model.safetensors";

/// A model in the form that PyTorch users upload, and the bytes of its file.
fn pretrained(arch: &str, shape: [usize; 3], classes: usize) -> Vec<u8> {
    let input = InputSpec { shape, classes, mean: vec![0.5; shape[0]], std: vec![0.25; shape[0]] };
    let graph = find(arch).unwrap().graph(&input).unwrap();
    let info = CheckpointInfo::new(arch, input, "imagenet");
    let state = initialize(&graph, 7);
    ModelFile { source: Source::Dense, graph, state, mask: None, info }.to_bytes(Target::Torch).unwrap()
}

/// Runs a line as a shell does, with `unlearn` on the path and a Hub in the environment.
fn shell(place: &Place, server: &HubServer, line: &str) -> Output {
    let binaries = Path::new(env!("CARGO_BIN_EXE_unlearn")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(place.path("")).env("PATH", path);
    command.env("HF_ENDPOINT", server.endpoint()).env("HF_HOME", place.path("hf")).env("HF_TOKEN", TOKEN);
    for other in
        ["HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN_PATH", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    {
        command.env_remove(other);
    }
    command.output().unwrap()
}

/// Runs a line, expects an exit code, and returns both outputs.
fn said(place: &Place, server: &HubServer, code: i32, line: &str) -> String {
    let Output { status, stdout, stderr } = shell(place, server, line);
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(code), "{line}\n{said}");
    assert!(!said.contains("panicked") && !said.contains(TOKEN), "{said}");
    said
}

fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` in: {text}");
    }
}

/// The only stage of a kind.
fn stage(place: &Place, kind: &str) -> std::path::PathBuf {
    let mut folders = fs::read_dir(place.path("runs").join(kind)).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    assert!(folders.next().is_none(), "one {kind} stage");
    folder
}

fn read(path: &Path) -> ModelFile {
    ModelFile::read(&fs::read(path).unwrap(), &ImportOptions::default(), path).unwrap()
}

/// Two models with equal values, except in tensors with certain names.
fn same(one: &ModelFile, other: &ModelFile, but: &[Anew]) {
    let (one, other) = (one.state.named(&one.graph), other.state.named(&other.graph));
    for ((name, _, values), (_, _, others)) in one.zip(other) {
        assert_eq!(values == others, !but.iter().any(|tensor| tensor.name == *name), "{name}");
    }
}

/// The same of a model that was trained by steps too small to move a weight: biases that were 0 and running statistics did move.
fn begun_with(one: &ModelFile, other: &ModelFile, but: &[Anew]) {
    let (one, other) = (one.state.named(&one.graph), other.state.named(&other.graph));
    for ((name, _, values), (_, _, others)) in one.zip(other).filter(|((name, ..), _)| name.ends_with(".weight")) {
        assert_eq!(values == others, !but.iter().any(|tensor| tensor.name == *name), "{name}");
    }
}

/// What trains by such steps.
const UNMOVED: &str = "--set epochs=1 --set lr=1e-30";

/// The suite of SUITE's head with other tables after `[train]`.
fn suite(tables: &str) -> String {
    format!("{}{tables}", SUITE.split("[[prune]]").next().unwrap())
}

const FORGET: &str = "[[forget]]\nkind = \"class\"\nclass = 0\n\n";

/// The commands of docs/hub.md, on a ResNet-18 with ImageNet's shapes.
#[test]
fn the_example_of_the_page_runs_and_its_outcome_is_on_the_hub() {
    let page = page("docs/hub.md");
    let server = HubServer::start();
    let weights = pretrained("resnet18", [3, 224, 224], 1000);
    let commit = server.commit("timm/resnet18.a1_in1k", &[(MODEL, &weights)]);
    let place = Place::new(blocks(&page, "toml")[0]);
    let source = format!("hub:timm/resnet18.a1_in1k@{commit}");
    let [run, dry_run, card, push, train] = commands(&page)[..] else { panic!("five commands") };

    let output = said(&place, &server, 0, run);
    contains(&output, &["initialised anew: `conv1.weight`, [64, 3, 7, 7] in the file and [64, 1, 3, 3] here"]);
    contains(&output, &["anew: `fc.weight`, [1000, 512]", "anew: `fc.bias`"]);
    server.requests();
    contains(&said(&place, &server, 0, dry_run), &["4 stages, 4 done"]);
    assert_eq!(server.requests(), Vec::<String>::new());
    let report = fs::read_to_string(place.path("runs/reports/pretrained/report.html")).unwrap();
    contains(&report, &[&source, "<code>conv1.weight</code>, <code>fc.weight</code>, <code>fc.bias</code> anew"]);

    contains(&said(&place, &server, 0, card), &["nothing was uploaded"]);
    assert_eq!(server.requests(), Vec::<String>::new());
    contains(&said(&place, &server, 0, push), &["mask.safetensors", "/someone/resnet18-that-forgot/commit/"]);
    let unlearned = stage(&place, "unlearn");
    for name in [MODEL, "mask.safetensors"] {
        let pushed = server.file("someone/resnet18-that-forgot", name).unwrap();
        assert_eq!(pushed, fs::read(unlearned.join(name)).unwrap(), "{name}");
    }
    let card = String::from_utf8(server.file("someone/resnet18-that-forgot", "README.md").unwrap()).unwrap();
    assert_eq!(card, fs::read_to_string(place.path("card/README.md")).unwrap());
    let row = &fs::read_to_string(stage(&place, "evaluate").join("metrics.jsonl")).unwrap();
    let row: serde_json::Value = serde_json::from_str(row.trim()).unwrap();
    let accuracy =
        format!("| TA: accuracy on the test set, % | {:.2} |", row["figures"]["ta"]["value"].as_f64().unwrap());
    contains(&card, &["---\n", "- machine-unlearning", "- pruning", &source, &accuracy, "\"method\":\"ft\""]);

    let again = said(&place, &server, 0, train);
    assert!(!again.contains("anew") && again.contains("again/train/"), "{again}");
}

#[test]
fn retrain_begins_where_the_model_did() {
    let tables =
        format!("[[prune]]\nmethod = \"none\"\n\n{FORGET}[[unlearn]]\nmethod = \"retrain\"\nepochs = 1\nlr = 1e-30\n");
    let run = "unlearn run suite.toml --set train.epochs=0 --init pretrained.safetensors";
    let server = HubServer::start();
    let begun = |shape, classes| {
        let place = Place::new(&suite(&tables));
        let weights = pretrained("resnet8s", shape, classes);
        fs::write(place.path("pretrained.safetensors"), &weights).unwrap();
        said(&place, &server, 0, run);
        let [trained, retrained] = ["train", "unlearn"].map(|kind| read(&stage(&place, kind).join(MODEL)));
        let path = Path::new("pretrained");
        let anew = Pretrained::read(&weights, path, None).unwrap().anew(&trained.graph).unwrap();
        (trained, retrained, ModelFile::read(&weights, &ImportOptions::default(), path).unwrap(), anew)
    };
    // Without a step of training that moves anything, all are the pretrained model itself.
    let (trained, retrained, original, anew) = begun([1, 32, 32], 10);
    assert_eq!(anew, []);
    same(&trained, &original, &[]);
    begun_with(&retrained, &original, &[]);
    let (trained, retrained, original, anew) = begun([3, 32, 32], 100);
    assert_eq!(anew.len(), 3);
    same(&trained, &original, &anew);
    begun_with(&retrained, &trained, &anew);
}

#[test]
fn weights_are_part_of_the_key_and_a_moved_branch_is_other_weights() {
    let place = Place::new(&suite("").replace("[model]", "[model]\ninit = \"hub:someone/small\""));
    let server = HubServer::start();
    let commit = server.commit("someone/small", &[(MODEL, &pretrained("resnet8s", [3, 32, 32], 10))]);
    said(&place, &server, 0, "unlearn train suite.toml");
    let manifest = fs::read_to_string(stage(&place, "train").join("manifest.json")).unwrap();
    contains(&manifest, &[&format!("hub:someone/small@{commit}"), "\"blake3\""]);
    said(&place, &server, 0, "unlearn train suite.toml");
    stage(&place, "train");
    server.commit("someone/small", &[("README.md", b"moved")]);
    said(&place, &server, 0, "unlearn train suite.toml");
    assert_eq!(fs::read_dir(place.path("runs/train")).unwrap().count(), 2);
    said(&place, &server, 0, &format!("unlearn train suite.toml --init hub:someone/small@{commit}"));
    assert_eq!(fs::read_dir(place.path("runs/train")).unwrap().count(), 2, "the commit is pinned");
}

/// A repository that has nothing but shards and their index.
#[test]
fn shards_are_fetched_with_their_index() {
    let place = Place::new(&suite(""));
    let server = HubServer::start();
    let whole = pretrained("resnet8s", [1, 32, 32], 10);
    let tensors = safetensors::SafeTensors::deserialize(&whole).unwrap();
    let (mut shards, mut map) = ([Vec::new(), Vec::new()], serde_json::Map::new());
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    for (position, (name, view)) in tensors.tensors().into_iter().enumerate() {
        map.insert(name.clone(), names[position % 2].into());
        shards[position % 2].push((name, view));
    }
    let shards = shards.map(|views| safetensors::serialize(views, None).unwrap());
    let index = serde_json::json!({ "metadata": {}, "weight_map": map }).to_string();
    let index = ("model.safetensors.index.json", index.as_bytes());
    server.commit("someone/sharded", &[index, (names[0], &shards[0]), (names[1], &shards[1])]);
    server.commit("someone/cut", &[index, (names[0], &shards[0])]);
    let train = |init: &str| format!("unlearn train suite.toml --set train.epochs=0 --init {init}");
    said(&place, &server, 0, &train("hub:someone/sharded"));
    fs::write(place.path("whole.safetensors"), &whole).unwrap();
    let original = read(&place.path("whole.safetensors"));
    same(&read(&stage(&place, "train").join(MODEL)), &original, &[]);
    // Once here, no network is needed.
    server.requests();
    said(&place, &server, 0, &format!("HF_HUB_OFFLINE=1 {}", train("hub:someone/sharded")));
    assert_eq!(server.requests(), Vec::<String>::new());
    contains(&said(&place, &server, 1, &train("hub:someone/cut")), &["someone/cut", names[1]]);
}

#[test]
fn weights_that_cannot_be_had_or_do_not_fit_are_refused_by_name() {
    let place = Place::new(&suite(""));
    let server = HubServer::start();
    server.commit("someone/large", &[(MODEL, &pretrained("resnet20s", [3, 32, 32], 10))]);
    server.commit("someone/empty", &[("README.md", b"nothing")]);
    let refused = |init: &str| said(&place, &server, 1, &format!("unlearn train suite.toml --init {init}"));
    contains(&refused("hub:someone/large"), &["`hub:someone/large@", "a resnet8s cannot begin", "`layer1.1.bn1.bias`"]);
    contains(&refused("hub:someone/absent"), &["no model `someone/absent`", "HF_TOKEN"]);
    contains(&refused("hub:someone/empty"), &["no file `model.safetensors`", "`README.md`"]);
    let mistyped = said(&place, &server, 2, "unlearn train suite.toml --init hub:../../etc");
    contains(&mistyped, &["names no repository"]);
    let absent = said(&place, &server, 2, "unlearn train suite.toml --init absent.safetensors");
    contains(&absent, &["failed to read", "absent.safetensors"]);
    contains(&refused("suite.toml"), &["suite.toml"]);
    let offline = "HF_HUB_OFFLINE=1 unlearn train suite.toml --init hub:someone/large";
    assert!(said(&place, &server, 1, offline).contains("cannot begin"), "it is in the cache");
    let absent = "HF_HUB_OFFLINE=1 unlearn train suite.toml --init hub:someone/else";
    contains(&said(&place, &server, 1, absent), &["hf download someone/else model.safetensors"]);
    assert!(!place.path("runs/train").exists());
    let push = |what: &str| said(&place, &server, 1, &format!("unlearn push {what} hub:someone/new"));
    contains(&said(&place, &server, 2, "unlearn push absent hub:someone/new"), &["absent"]);
    fs::write(place.path("foreign.safetensors"), pretrained("resnet8s", [3, 32, 32], 10)).unwrap();
    contains(&push("foreign.safetensors"), &["does not say which model it holds", "unlearn convert"]);
    said(&place, &server, 2, "unlearn push suite.toml someone/new");
    assert_eq!(server.file("someone/new", "README.md"), None);
}

#[test]
fn a_deletion_looks_for_what_training_began_with() {
    let place = Place::new(&suite(""));
    let server = HubServer::start();
    fs::write(place.path("begin.safetensors"), pretrained("resnet8s", [1, 32, 32], 10)).unwrap();
    said(&place, &server, 0, "unlearn train suite.toml --set train.epochs=0 --init begin.safetensors");
    fs::write(place.path("ids.jsonl"), "3\n5\n8\n").unwrap();
    let forget = |method: &str| {
        let data = "--data fashion-mnist-mini --request ids.jsonl";
        format!("unlearn forget --checkpoint runs/train/* {data} --method {method} --out {method}")
    };
    contains(
        &said(&place, &server, 2, &format!("{} --set epochs=0", forget("retrain"))),
        &["`epochs = 0`", "1 or more"],
    );
    said(&place, &server, 0, &format!("{} {UNMOVED}", forget("retrain")));
    begun_with(&read(&place.path("retrain/model.safetensors")), &read(&stage(&place, "train").join(MODEL)), &[]);
    contains(&said(&place, &server, 0, "unlearn push retrain hub:someone/certified"), &["certificate.json"]);
    let card = String::from_utf8(server.file("someone/certified", "README.md").unwrap()).unwrap();
    contains(
        &card,
        &[
            "It does not claim",
            "| MIA-efficacy: share of the forget set that an attack on the confidence takes for unseen, % |",
            "begin.safetensors",
            "forget 3 of the images",
        ],
    );

    fs::write(place.path("begin.safetensors"), pretrained("resnet8s", [3, 32, 32], 10)).unwrap();
    contains(
        &said(&place, &server, 2, &format!("{} {UNMOVED}", forget("retrain-ls"))),
        &["began with", "begin.safetensors", "there now has BLAKE3"],
    );
    fs::remove_file(place.path("begin.safetensors")).unwrap();
    let gone = said(&place, &server, 2, &format!("{} {UNMOVED}", forget("retrain-sam")));
    contains(&gone, &["begin.safetensors", "failed to read"]);
    assert!(!place.path("retrain-sam").exists());
    said(&place, &server, 0, &format!("{} --set epochs=1", forget("ft")));
}

/// Commits tiny parquet files of the golden data as a dataset of the Hub.
fn commit_dataset(server: &HubServer, id: &str, golden: &str, names: &[&str]) {
    let folder = unlearn_tests::golden::path("datasets/pictures").join(golden);
    let files: Vec<_> = names.iter().map(|name| (*name, fs::read(folder.join(name)).unwrap())).collect();
    let files = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).chain([("README.md", &b"A card."[..])]);
    server.commit(&format!("datasets/{id}"), &files.collect::<Vec<_>>());
}

#[test]
fn a_dataset_is_fetched_once_and_then_needs_no_network() {
    let server = HubServer::start();
    commit_dataset(
        &server,
        "someone/tiny",
        "unknown",
        &["default/train/0000.parquet", "default/validation/0000.parquet"],
    );
    let place = Place::new(SUITE);
    let fetch = "unlearn datasets fetch hub:someone/tiny";
    let first = said(&place, &server, 0, fetch);
    contains(&first, &["hub:someone/tiny is here: ", " training and "]);
    let requests = server.requests();
    let gets = |name: &str| requests.iter().filter(|r| r.starts_with("GET") && r.contains(name)).count();
    assert_eq!(
        (gets("train/0000.parquet"), gets("validation/0000.parquet"), gets("README.md")),
        (1, 1, 0),
        "{requests:?}"
    );

    let result = |text: &str| text.lines().find(|line| line.contains(" is here: ")).map(str::to_owned);
    assert_eq!(result(&said(&place, &server, 0, &format!("HF_HUB_OFFLINE=1 {fetch}"))), result(&first));
    assert_eq!(server.requests(), [""; 0], "offline");
    let described = said(&place, &server, 0, "HF_HUB_OFFLINE=1 unlearn datasets describe hub:someone/tiny");
    contains(&described, &["fingerprint: "]);
}

#[test]
fn a_dataset_that_the_hub_does_not_give_says_what_to_do() {
    let server = HubServer::start();
    server.commit("datasets/someone/scripts", &[("scripts.py", b"...")]);
    server.commit("datasets/someone/cut", &[("data/train-00000-of-00001.parquet", b"PAR1, and no more")]);
    let place = Place::new(SUITE);
    let refused = |name: &str| said(&place, &server, 1, &format!("unlearn datasets fetch {name}"));
    contains(&refused("hub:someone/scripts"), &["no parquet files", "scripts.py", "@refs/convert/parquet"]);
    contains(&refused("hub:someone/cut"), &["train-00000-of-00001.parquet"]);
    let misnamed = said(&place, &server, 2, "unlearn datasets fetch hub:../etc/passwd");
    contains(&misnamed, &["hub:../etc/passwd"]);
    contains(&refused("cifar10"), &["cifar10 is in no local folder", "uoft-cs/cifar10"]);
    contains(&refused("kmnist"), &["kmnist was not found"]);
}

/// Its pictures stay in the files of the cache. The test set (13 GB) has no labels.
#[test]
fn imagenet_is_fetched_without_its_test_set_and_read_where_it_lies() {
    let server = HubServer::start();
    let repository = "ILSVRC/imagenet-1k";
    let splits =
        ["train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00002", "validation-00001-of-00002"];
    let files = [&splits[..], &["test-00000-of-00001"]].concat();
    let files: Vec<_> = files.iter().map(|file| format!("data/{file}.parquet")).collect();
    commit_dataset(&server, repository, "imagenet", &files.iter().map(String::as_str).collect::<Vec<_>>());
    let place = Place::new(SUITE);
    server.gate(&format!("datasets/{repository}"));
    let refused = said(&place, &server, 1, "env -u HF_TOKEN unlearn datasets fetch imagenet");
    contains(&refused, &["is gated: accept its licence on ", &format!("/datasets/{repository}")]);
    server.requests();
    // It holds two of a thousand classes.
    let refused = said(&place, &server, 1, "unlearn datasets fetch imagenet");
    contains(
        &refused,
        &["its 2 classes (tench, Tinca tinca, goldfish, Carassius auratus, …) are not those of imagenet"],
    );
    let requests = server.requests();
    let gets = |file: &str| requests.iter().filter(|r| r.starts_with("GET") && r.contains(file)).count();
    assert_eq!((splits.map(gets), gets("data/test")), ([1; 4], 0), "{requests:?}");

    let described = said(&place, &server, 0, &format!("unlearn datasets describe 'hub:{repository}?stream=28'"));
    contains(
        &described,
        &["images [3, 28, 28]", "16 training images: 8 of each class", "6 test images: 3 of each class"],
    );
}

#[test]
fn a_name_that_no_repository_has_is_bad_usage_everywhere_and_what_is_not_cached_is_said_plainly() {
    let place = Place::new("");
    let server = HubServer::start();
    for name in ["hub:x/y/z", "hub:/y", "hub:../..", "hub:x/y@", "hub:x/y@a b"] {
        for line in [
            format!("unlearn datasets describe '{name}'"),
            format!("unlearn datasets export '{name}' --to out"),
            format!("unlearn predict '{name}' --out x.npz"),
            format!("unlearn predict m.safetensors --dataset '{name}' --out x.npz"),
        ] {
            contains(&said(&place, &server, 2, &line), &["error: ", name]);
        }
    }
    let said = said(&place, &server, 1, "HF_HUB_OFFLINE=1 unlearn datasets describe 'hub:x/y@it'\\''s'");
    contains(&said, &["`x/y` at `it's` is not in the cache", r"--revision 'it'\''s' --repo-type dataset"]);
}
