//! Hard forget sets: refusals before the first stage, mislabelled images are found, and a killed ranking goes on.

mod interrupted;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use unlearn_datasets::{npz, registry};
use unlearn_experiment::{Environment, Error, Finished, OpenedModel, Plan, RunOptions, Suite, run, work};
use unlearn_models::ImportOptions;
use unlearn_network::DeviceChoice;
use unlearn_run_store::Store;
use unlearn_samples::{Dataset, ImageSet};

const SUITE: &str = r#"
    prune = [{ method = "none" }, { method = "omp", sparsity = 0.9, rewind-epoch = 1 }]
    forget = [
        { kind = "hard", by = "memorisation", count = 40 },
        { kind = "hard", by = "memorisation", fraction = 0.1, end = "easiest" },
        { kind = "hard", by = "entanglement", count = 40 },
        { kind = "hard", by = "worst-case", count = 40 },
    ]
    unlearn = [{ method = "raw" }, { method = "retrain" }]
    [suite]
    name = "tiny"
    seeds = [1]
    [data]
    name = "fashion-mnist-mini"
    classes = [0, 1, 7]
    train-limit = 400
    [model]
    arch = "resnet8s"
    [train]
    epochs = 5
    batch-size = 32
    lr = 0.05
    augment = false
    [evaluate]
    draws = 1
"#;

fn plan(text: &str) -> Result<Plan, Box<Error>> {
    let environment = Environment { device: DeviceChoice::Cpu, offline: true, ..Environment::default() };
    let suite = Suite::parse(text, Path::new("suite.toml"), &[]);
    suite.map_err(Box::new).and_then(|suite| Plan::resolve(&suite, &environment).map_err(Box::new))
}

#[test]
fn what_cannot_be_ranked_is_refused_before_the_first_stage() {
    for (from, to, words) in [
        ("by = \"memorisation\"", "by = \"memorization\"", "did you mean `memorisation`"),
        ("end = \"easiest\"", "end = \"easyest\"", "did you mean `easiest`"),
        ("fraction = 0.1", "fraction = 1.0", "`fraction` must lie between 0 and 1"),
        ("count = 40", "count = 0", "asks for 0 of 360 training samples; give 1 to 359"),
        ("count = 40", "count = 360", "asks for 360 of 360"),
        ("count = 40", "count = 4, fraction = 0.1", "not both"),
        (", count = 40", "", "give `fraction`"),
        ("count = 40", "number = 40", "unknown field `number`"),
        ("by = \"entanglement\"", "rounds = 3, by = \"entanglement\"", "`rounds` is for `by = \"worst-case\"`"),
        ("by = \"worst-case\"", "by = \"worst-case\", rounds = 0", "`rounds` must be 1 to 10000, found 0"),
        ("by = \"worst-case\"", "by = \"worst-case\", lr = -1.0", "`lr` must be a positive number"),
        ("by = \"worst-case\"", "by = \"worst-case\", end = \"easiest\"", "no easiest end"),
        ("epochs = 5", "epochs = 0", "`train.epochs` is 0"),
        (
            "{ kind = \"hard\", by = \"entanglement\", count = 40 }",
            "{ kind = \"sequence\", requests = [{ kind = \"hard\", by = \"entanglement\", count = 40 }] }",
            "a sequence cannot hold",
        ),
    ] {
        let text = SUITE.replacen(from, to, 1);
        assert_ne!(text, SUITE);
        let error = plan(&text).map(|_| ()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn requests_by_one_score_share_a_ranking_and_change_no_other_stage() {
    let keys = |text: &str| plan(text).unwrap().stages.into_iter().map(|stage| stage.key).collect::<Vec<_>>();
    let own = plan(SUITE).unwrap();
    let rankings = own.stages.iter().filter(|stage| stage.spec.kind == "rank-samples").count();
    assert_eq!((rankings, own.index.rows.len()), (3, 16));
    let scenarios = own.index.rows.iter().filter(|row| row.scenario == "hard").count();
    assert_eq!(scenarios, 16);
    let without = keys(
        &SUITE.replace("{ kind = \"hard\", by = \"memorisation\", count = 40 }", "{ kind = \"random\", count = 40 }"),
    );
    let shared = keys(SUITE).into_iter().filter(|key| without.contains(key)).count();
    assert_eq!(shared, 2 + 3 + 2 * 2 * 2 * 3, "two models, three rankings, and the stages of three requests");
}

/// The subset of fashion-mnist-mini of the suite, with every twelfth label of the training set wrong.
fn mislabelled(folder: &Path) -> (String, Vec<u32>) {
    let whole = registry::open("fashion-mnist-mini", &registry::OpenOptions::default()).unwrap();
    let three = whole.of_classes(&[0, 1, 7]).unwrap();
    let mut labels = three.train.labels.to_vec();
    let mut wrong = Vec::new();
    for (at, label) in labels.iter_mut().enumerate().step_by(12) {
        *label = (*label + 1) % 3;
        wrong.push(at as u32);
    }
    let shape = [three.train.channels, three.train.height, three.train.width];
    let pixels: Vec<u8> = (0..three.train.len()).flat_map(|at| three.train.image(at).unwrap().to_vec()).collect();
    let train = ImageSet::new(shape, pixels, labels).unwrap();
    let file = folder.join("wrong.npz");
    npz::write(&Dataset { train, ..three }, &file).unwrap();
    let name = format!("name = 'npz:{}'", file.display());
    (SUITE.replace("name = \"fashion-mnist-mini\"\n    classes = [0, 1, 7]", &name), wrong)
}

#[test]
fn mislabelled_images_are_memorised_and_entangled() {
    let folder = tempfile::tempdir().unwrap();
    let (text, wrong) = mislabelled(folder.path());
    let store = Store::open(folder.path().join("runs")).unwrap();
    let plan = plan(&text).unwrap();
    let Finished { index, .. } = run(&plan, &store, &RunOptions::unattended("test")).unwrap();
    let forgotten = |label: &str, pruning: &str| {
        let row = index
            .rows
            .iter()
            .find(|row| row.forget == label && row.method == "retrain" && row.pruning == pruning)
            .unwrap();
        let stage = store.find("unlearn", &row.unlearn).unwrap().unwrap();
        let opened = OpenedModel::of_stage(stage, &ImportOptions::default()).unwrap();
        opened.model.info.training.unwrap().forgotten
    };
    let share = |forgotten: &[u32]| {
        forgotten.iter().filter(|position| wrong.contains(position)).count() as f64 / forgotten.len() as f64
    };
    // A random set would hold a twelfth of wrong labels.
    for (label, count) in [("hardest 40 by memorisation", 40), ("hardest 40 by entanglement", 40)] {
        let found = forgotten(label, "none");
        assert_eq!(found.len(), count);
        assert!(share(&found) > 0.5, "{label}: {} of them are mislabelled", share(&found));
        assert_eq!(found, forgotten(label, "omp"), "all models forget the same");
    }
    // What unlearning leaves easy to predict has a right label.
    let worst = forgotten("worst case of 40", "none");
    assert_eq!((worst.len(), share(&worst)), (40, 0.0));
    let easiest = forgotten("easiest 10 % by memorisation", "none");
    assert_eq!((easiest.len(), share(&easiest)), (36, 0.0));
}

#[test]
fn a_ranking_that_is_killed_goes_on_and_ends_with_the_same_scores() {
    let folder = tempfile::tempdir().unwrap();
    let stores = ["undisturbed", "killed"].map(|name| Store::open(folder.path().join(name)).unwrap());
    let plan = plan(SUITE).unwrap();
    let ranking = plan.stages.iter().find(|stage| stage.spec.kind == "rank-samples").unwrap();
    let train = plan.stages.iter().find(|stage| stage.key == ranking.spec.inputs["model"]).unwrap();
    for store in &stores {
        work(train.spec.clone(), store, &plan.materials, &RunOptions::unattended("test")).unwrap();
    }
    let read = |store: &Store| -> Value {
        let stage = store.find("rank-samples", &ranking.key).unwrap().unwrap();
        serde_json::from_slice(&stage.read("samples.json").unwrap()).unwrap()
    };
    let [undisturbed, killed] = &stores;
    work(ranking.spec.clone(), undisturbed, &plan.materials, &RunOptions::unattended("test")).unwrap();
    // An epoch has 12 steps, so some attempts end within one and some after one. Only the interrupt saves, so that a part of an epoch is
    // repeated.
    interrupted::compute(ranking, &plan, killed, 7, Duration::from_hours(1));
    let (expected, found) = (read(undisturbed), read(killed));
    assert_eq!(expected["scores"].as_array().unwrap().len(), 360);
    assert_eq!(expected, found);
}
