//! The facade against the stages of a suite, and its refusals.

use std::{fs, path::Path};

use unlearn::{Data, ImageSet, ImportOptions, Method, Model, Recipe, SplitOptions};
use unlearn_experiment::{Environment, OpenedModel, Plan, RunOptions, Suite, run};
use unlearn_run_store::Store;

const SUITE: &str = r#"
[suite]
name = "facade"
seeds = [1]
[data]
name = "fashion-mnist-mini"
train-limit = 200
[model]
arch = "resnet8s"
[train]
epochs = 2
batch-size = 32
[[prune]]
method = "omp"
sparsity = 0.9
rewind-epoch = 1
[[forget]]
kind = "random"
fraction = 0.1
[[unlearn]]
method = "retrain"
[[unlearn]]
method = "ft"
epochs = 1
"#;

fn recipe() -> Recipe {
    Recipe { epochs: 2, batch_size: 32, ..Recipe::default() }
}

#[test]
fn the_facade_gives_the_bits_of_a_suite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("facade.toml");
    fs::write(&path, SUITE).unwrap();
    let suite = Suite::load(&path, &[]).unwrap();
    let plan = Plan::resolve(&suite, &Environment::default()).unwrap();
    let store = Store::open(folder.path().join("runs")).unwrap();
    run(&plan, &store, &RunOptions::unattended("facade")).unwrap();

    let data = Data::open("fashion-mnist-mini").unwrap().limited_to(200).unwrap();
    let mut model = Model::fresh("resnet8s", &data, 1).unwrap();
    model.train_keeping(&data, &recipe(), &[1]).unwrap();
    let omp = Method::named("omp").set("sparsity", 0.9).set("rewind-epoch", 1);
    let shares = model.prune(&data, &omp).unwrap();
    assert!((shares.total.kept_parameters as f64 / shares.total.parameters as f64 - 0.1).abs() < 1e-3);
    let asked = data.random(0.1).unwrap();
    assert!(model.forget(&data, &asked, &Method::named("ft").set("epochs", 1)).unwrap() > 0.0);

    let stages = fs::read_dir(folder.path().join("runs/unlearn")).unwrap();
    let models =
        stages.map(|stage| OpenedModel::open(&stage.unwrap().path(), None, &ImportOptions::default()).unwrap());
    let same = |opened: &OpenedModel| opened.model.state.parameters() == model.state().parameters();
    assert_eq!(models.filter(same).count(), 1, "one stage of the suite made the same model");

    // What is saved says what it has forgotten, and is opened as it was.
    let file = folder.path().join("forgotten.safetensors");
    model.save(&data, &file).unwrap();
    let mut opened = Model::open(&file).unwrap();
    assert_eq!(opened.forgotten(), asked.positions());
    assert_eq!(opened.state().parameters(), model.state().parameters());
    assert_eq!(opened.kept().unwrap(), model.kept().unwrap());
    assert_eq!(opened.evaluate(&data, &asked).unwrap()["ua"], model.evaluate(&data, &asked).unwrap()["ua"]);
    let again = opened.forget(&data, &asked, &Method::named("ft")).unwrap_err().to_string();
    assert!(again.ends_with("which the model was asked to forget before"), "{again}");
}

fn images(count: usize, side: usize) -> ImageSet {
    let pixels: Vec<u8> = (0..count * side * side).map(|i| (i % 251) as u8).collect();
    ImageSet::new([1, side, side], pixels, (0..count as u32).map(|i| i % 2).collect::<Vec<_>>()).unwrap()
}

#[test]
fn what_does_not_fit_is_refused() {
    let data = Data::from_images(images(60, 8), images(20, 8)).unwrap();
    let other = Data::from_images(images(60, 12), images(20, 12)).unwrap();
    let mut model = Model::fresh("resnet8s", &data, 1).unwrap();
    let said = |result: unlearn::Result<Vec<_>>| result.unwrap_err().to_string();
    assert!(said(model.train(&other, &recipe())).starts_with("the model is for images [1, 8, 8] of 2 classes, but"));
    assert!(Data::from_images(images(4, 8), images(4, 12)).unwrap_err().to_string().contains("have the shape"));
    model.train(&data, &recipe()).unwrap();

    let method = |name: &str| Method::named(name);
    let said = |result: unlearn::Result<f64>| result.unwrap_err().to_string();
    let asked = data.class(0).unwrap();
    assert!(said(model.forget(&data, &asked, &method("retrian"))).contains("did you mean `retrain`?"));
    assert!(said(model.forget(&data, &asked, &method("ft").set("epoch", 1))).contains("`epochs`"));
    let prune = model.prune(&data, &method("omp").set("sparsity", 0.5).set("rewind-epoch", 1)).unwrap_err().to_string();
    assert!(prune.contains("rewinds to the weights after epoch 1"), "{prune}");

    // A model of other images of the same shape.
    let changed = Data::from_images(images(62, 8), images(20, 8)).unwrap();
    let asked = changed.class(0).unwrap();
    assert!(said(model.forget(&changed, &asked, &method("ft"))).contains("fingerprint"));
    assert!(model.save(&changed, Path::new("never.safetensors")).is_err());
    let missing = Model::open("no/such.safetensors").err().unwrap().to_string();
    assert!(missing.contains("no/such.safetensors"), "{missing}");
}

#[test]
fn another_split_of_the_same_images_is_noticed_by_what_was_forgotten() {
    let data = Data::from_images(images(60, 8), images(20, 8)).unwrap();
    let mut model = Model::fresh("resnet8s", &data, 1).unwrap();
    model.train(&data, &recipe()).unwrap();
    let asked = data.positions(&data.training()[..4]).unwrap();
    model.forget(&data, &asked, &Method::named("ft").set("epochs", 1)).unwrap();
    let options = SplitOptions { validation_fraction: 0.5, seed: 7, ..SplitOptions::default() };
    let split = Data::of(data.dataset().clone().into(), options).unwrap();
    let others = split.positions(&split.training()[..2]).unwrap();
    let said = model.forget(&split, &others, &Method::named("ft")).unwrap_err().to_string();
    assert!(said.contains("another split"), "{said}");
}
