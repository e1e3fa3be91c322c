//! A suite with a target task: refusals before the first stage, and a run whose transferred models are opened again.

mod interrupted;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use unlearn_datasets::{npz, registry};
use unlearn_experiment::{Environment, Error, Finished, OpenedModel, Plan, RunOptions, Suite, run, work};
use unlearn_models::ImportOptions;
use unlearn_network::{DeviceChoice, Network};
use unlearn_run_store::{Evaluation, Stage, StageSpec, Store};
use unlearn_samples::{Dataset, ImageSet};
use unlearn_training::{apply_mask, predict};

const SUITE: &str = r#"
    prune = [{ method = "none" }, { method = "omp", sparsity = 0.9, rewind-epoch = 1 }]
    forget = [{ kind = "ranked", by = "gradient", count = 1 }, { kind = "ranked", by = "removal", count = 2 }]
    unlearn = [{ method = "raw" }, { method = "ft", epochs = 1 }]
    [suite]
    name = "tiny"
    seeds = [1]
    [data]
    name = "fashion-mnist-mini"
    classes = ["Sandal", 0, 2, 3]
    train-limit = 160
    [model]
    arch = "resnet8s"
    [train]
    epochs = 2
    batch-size = 32
    [evaluate]
    draws = 1
    [transfer.data]
    name = "fashion-mnist-mini"
    classes = [8, 9, 1]
    train-limit = 120
    validation = 0.5
    [transfer.train]
    epochs = 1
    batch-size = 16
    lr = 0.02
"#;

fn environment() -> Environment {
    Environment { device: DeviceChoice::Cpu, offline: true, ..Environment::default() }
}

fn plan(text: &str) -> Result<Plan, Box<Error>> {
    let suite = Suite::parse(text, Path::new("suite.toml"), &[]);
    suite.map_err(Box::new).and_then(|suite| Plan::resolve(&suite, &environment()).map_err(Box::new))
}

fn refusal(text: &str) -> String {
    let error = plan(text).map(|_| ()).unwrap_err();
    assert!(error.is_usage(), "{error}");
    error.to_string()
}

fn digits() -> String {
    format!("npz:{}/../../configs/data/digits.npz", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn what_cannot_be_transferred_is_refused_before_the_first_stage() {
    let target = "[transfer.data]\n    name = \"fashion-mnist-mini\"\n    classes = [8, 9, 1]";
    for (from, to, words) in [
        ("classes = [8, 9, 1]", "classes = [8]", "1 class of fashion-mnist-mini"),
        ("classes = [8, 9, 1]", "classes = [8, 9, 8]", "class 8 of fashion-mnist-mini twice"),
        ("classes = [8, 9, 1]", "classes = [8, \"Snaeker\"]", "did you mean `Sneaker`"),
        ("classes = [8, 9, 1]", "classes = [8, 10]", "class 10 does not exist"),
        ("classes = [\"Sandal\", 0, 2, 3]", "classes = [4]", "[data]: 1 class"),
        ("count = 1", "count = 4", "give 1 to 3"),
        ("count = 1", "count = 0", "give 1 to 3"),
        ("validation = 0.5", "validation = 0.0", "or say `select = \"last\"`"),
        (
            "validation = 0.5\n    [transfer.train]",
            "validation = 0.0\n    [transfer.train]\n    select = \"last\"",
            "a ranking of classes is judged on validation images",
        ),
        ("[transfer.data]", "[transfer.probe]\n    c = 0.0\n    [transfer.data]", "`c` must be a positive number"),
        ("[transfer.data]", "[transfer]\n    modes = []\n    [transfer.data]", "`modes` is empty"),
        (
            "[transfer.data]",
            "[transfer]\n    modes = [\"linear-prob\"]\n    [transfer.data]",
            "did you mean `linear-probe`",
        ),
        ("train-limit = 120", "convert = [2, 28, 28]", "1 or 3 channels"),
        ("train-limit = 120", "poison = { trigger = \"patch\", target = 0, count = 9 }", "cannot be poisoned"),
        ("lr = 0.02", "lr = 0.0", "[transfer.train]: "),
    ] {
        assert!(SUITE.contains(from), "{from}");
        // The last occurrence, so that `[transfer.train] lr` is meant and not another.
        let at = SUITE.rfind(from).unwrap();
        let at = if from == "count = 1" || from.contains("Sandal") { SUITE.find(from).unwrap() } else { at };
        let text = format!("{}{to}{}", &SUITE[..at], &SUITE[at + from.len()..]);
        let error = refusal(&text);
        assert!(error.contains(words), "{to}: {error}");
    }
    let without = SUITE.split("[transfer.data]").next().unwrap();
    assert!(refusal(without).contains("add a section [transfer]"));

    let other = |more: &str| SUITE.replace(target, &format!("[transfer.data]\n    name = '{}'\n    {more}", digits()));
    let error = refusal(&other(""));
    assert!(error.contains("[1, 8, 8]") && error.contains("say `convert = [1, 28, 28]`"), "{error}");
    assert!(refusal(&other("convert = [3, 28, 28]")).contains("say `convert = [1, 28, 28]`"));
    plan(&other("convert = [1, 28, 28]")).unwrap();
}

#[test]
fn an_empty_target_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = registry::open("fashion-mnist-mini", &registry::OpenOptions::default()).unwrap();
    let test = ImageSet::new([1, 28, 28], vec![], vec![]).unwrap();
    let file = folder.path().join("empty.npz");
    npz::write(&Dataset { test, ..whole }, &file).unwrap();
    let at = SUITE.find("[transfer.data]").unwrap();
    let text = format!("{}[transfer.data]\nname = 'npz:{}'\ntrain-limit = 100", &SUITE[..at], file.display());
    let error = refusal(&text);
    assert!(error.contains("has no test images, so nothing can be transferred to it"), "{error}");
}

/// The network of a stage's model, pruned by its mask.
fn network(stage: Stage) -> (Network, OpenedModel) {
    let opened = OpenedModel::of_stage(stage, &ImportOptions::default()).unwrap();
    let mut network = Network::new(opened.model.graph.clone(), opened.model.state.clone(), DeviceChoice::Cpu).unwrap();
    if let Some(mask) = &opened.model.mask {
        apply_mask(&mut network, mask).unwrap();
    }
    (network, opened)
}

#[test]
fn every_row_has_the_target_accuracies_of_its_own_model() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let plan = plan(SUITE).unwrap();
    let Finished { index, .. } = run(&plan, &store, &RunOptions::unattended("test")).unwrap();
    assert_eq!(index.rows.len(), 2 * 2 * 2);
    let whole = registry::open("fashion-mnist-mini", &registry::OpenOptions::default()).unwrap();
    let target = whole.of_classes(&[8, 9, 1]).unwrap();
    let all: Vec<u32> = (0..target.test.len() as u32).collect();
    for row in &index.rows {
        assert_eq!(row.dataset, "fashion-mnist-mini, 4 classes (Sandal 0 2 3)");
        let evaluate = store.stage("evaluate", &row.evaluate).unwrap();
        let figures = Evaluation::of(&evaluate).unwrap().figures;
        let source = network(store.stage("unlearn", &row.unlearn).unwrap()).0;
        for (role, figure) in [("linear-probe", "target_probe"), ("fine-tune", "target_finetune")] {
            let stage = store.stage("transfer", &evaluate.manifest().inputs[role]).unwrap();
            assert_eq!(stage.manifest().inputs["model"], row.unlearn);
            let (mut own, opened) = network(stage);
            assert_eq!(
                (opened.model.info.classes, opened.model.info.mean.clone()),
                (3, whole.normalization.mean.clone())
            );
            let training = opened.model.info.training.as_ref().unwrap();
            assert_eq!(training.fingerprint, target.fingerprint);
            assert_eq!(training.init.as_ref().unwrap().source, format!("stage unlearn/{}", row.unlearn));
            let accuracy = predict(&mut own, &target.test, &all).unwrap().accuracy();
            assert_eq!(figures[figure].value, accuracy, "{}", row.label());
            // Everything before the head is the source's: its values with a probe, and its mask in both ways.
            let shared = 0..own.kept().len() - 2;
            assert_eq!(own.kept()[shared.clone()], source.kept()[shared.clone()]);
            let same = own.state().parameters()[shared.clone()] == source.state().parameters()[shared];
            assert_eq!(same, role == "linear-probe");
        }
        let (_, opened) = network(store.stage("unlearn", &row.unlearn).unwrap());
        if row.method == "ft" {
            ranked(&store, &row.unlearn, &opened.model.info.training.unwrap().forgotten, &whole);
        }
    }
    a_transfer_of_another_model_is_refused(&plan, &store);
}

/// The forgotten samples are those of the classes that the ranking puts last.
fn ranked(store: &Store, unlearn: &unlearn_run_store::StageKey, forgotten: &[u32], whole: &Dataset) {
    let stage = store.stage("unlearn", unlearn).unwrap();
    let count = stage.manifest().config["ranked"]["count"].as_u64().unwrap() as usize;
    let ranking = store.stage("rank", &stage.manifest().inputs["found"]).unwrap();
    let ranking: Value = serde_json::from_slice(&ranking.read("ranking.json").unwrap()).unwrap();
    assert_eq!(ranking["classes"].as_array().unwrap()[0], "Sandal");
    let influence: Vec<f64> = serde_json::from_value(ranking["influence"].clone()).unwrap();
    let mut order: Vec<usize> = (0..4).collect();
    order.sort_by(|a, b| influence[*a].total_cmp(&influence[*b]));
    let source = whole.of_classes(&[5, 0, 2, 3]).unwrap();
    let mut found: Vec<usize> =
        forgotten.iter().map(|position| source.train.labels[*position as usize] as usize).collect();
    found.sort_unstable();
    found.dedup();
    let mut least = order[..count].to_vec();
    least.sort_unstable();
    assert_eq!((found, forgotten.len()), (least, 36 * count), "36 training images of each class");
}

fn a_transfer_of_another_model_is_refused(plan: &Plan, store: &Store) {
    let of_kind = |kind: &str| plan.stages.iter().filter(|stage| stage.spec.kind == kind).collect::<Vec<_>>();
    let evaluate = of_kind("evaluate")[0];
    let own = &evaluate.spec.inputs["linear-probe"];
    let transfers = of_kind("transfer");
    for other in [
        transfers.iter().find(|stage| stage.spec.inputs["model"] != evaluate.spec.inputs["model"]).unwrap(),
        transfers.iter().find(|stage| stage.key != *own && stage.spec.config["mode"] == "fine-tune").unwrap(),
    ] {
        let mut spec: StageSpec = evaluate.spec.clone();
        spec.inputs.insert("linear-probe".into(), other.key.clone());
        let error = work(spec, store, &plan.materials, &RunOptions::unattended("test")).unwrap_err().to_string();
        assert!(error.contains("its input `linear-probe` is"), "{error}");
    }
}

#[test]
fn a_ranking_by_removal_goes_on_where_it_was_interrupted() {
    let plan = plan(SUITE).unwrap();
    let of_kind = |kind: &str, by: Option<&str>| {
        let fits = |config: &Value| by.is_none_or(|by| config["by"] == by);
        plan.stages.iter().find(|stage| stage.spec.kind == kind && fits(&stage.spec.config)).unwrap()
    };
    let (train, rank) = (of_kind("train", None), of_kind("rank", Some("removal")));
    let whole = tempfile::tempdir().unwrap();
    let ranking = |root: &Path| {
        let stage = Store::open(root).unwrap().stage("rank", &rank.key).unwrap();
        stage.read("ranking.json").unwrap()
    };
    let store = Store::open(whole.path()).unwrap();
    for stage in [train, rank] {
        work(stage.spec.clone(), &store, &plan.materials, &RunOptions::unattended("test")).unwrap();
    }

    let parts = tempfile::tempdir().unwrap();
    let store = Store::open(parts.path()).unwrap();
    work(train.spec.clone(), &store, &plan.materials, &RunOptions::unattended("test")).unwrap();
    // Four models are trained, with eight steps each. The attempts end at different points of a training.
    interrupted::compute(rank, &plan, &store, 5, Duration::ZERO);
    assert!(ranking(whole.path()) == ranking(parts.path()), "an interrupted ranking is another");
}
