//! The facade gives the bits of a suite, because both stand on the same parts.

use std::fs;

use unlearn::{Data, ImportOptions, Method, Model, Recipe};
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
    let recipe = Recipe { epochs: 2, batch_size: 32, ..Recipe::default() };
    let mut model = Model::fresh("resnet8s", &data, 1).unwrap();
    model.train_keeping(&data, &recipe, &[1]).unwrap();
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
}
