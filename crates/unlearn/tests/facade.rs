//! The facade: what is saved is opened as it was, and what does not fit is refused. `crates/experiment/tests/facade.rs` compares its bits
//! with those of a suite.

use std::{fs, path::Path};

use unlearn::{Data, ImageSet, Method, Model, Recipe, SplitOptions, models::ModelFile};

fn recipe() -> Recipe {
    Recipe { epochs: 2, batch_size: 32, ..Recipe::default() }
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

/// A pruned model that has forgotten something, and its data.
fn forgetful() -> (Data, Model, unlearn::Asked) {
    let data = Data::from_images(images(120, 8), images(40, 8)).unwrap();
    let mut model = Model::fresh("resnet8s", &data, 1).unwrap();
    model.train_keeping(&data, &recipe(), &[1]).unwrap();
    model.prune(&data, &Method::named("omp").set("sparsity", 0.9).set("rewind-epoch", 1)).unwrap();
    let asked = data.positions(&data.training()[..20]).unwrap();
    model.forget(&data, &asked, &Method::named("ft").set("epochs", 1)).unwrap();
    (data, model, asked)
}

#[test]
fn what_is_saved_says_what_was_forgotten_and_is_opened_as_it_was() {
    let (data, mut model, asked) = forgetful();
    let folder = tempfile::tempdir().unwrap();
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

/// Positions are looked up by bisection, so a list in another order would be read wrongly.
#[test]
fn a_file_whose_list_of_forgotten_images_is_not_ascending_is_refused_by_name() {
    let (data, model, _) = forgetful();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.safetensors");
    model.save(&data, &path).unwrap();
    let mut file = ModelFile::read(&fs::read(&path).unwrap(), &unlearn::ImportOptions::default(), &path).unwrap();
    file.info.training.as_mut().unwrap().forgotten.reverse();
    fs::write(&path, file.to_bytes(unlearn::models::Target::Sparse).unwrap()).unwrap();
    let said = Model::open(&path).err().unwrap().to_string();
    assert!(said.contains("damaged.safetensors") && said.contains("`forgotten` does not list"), "{said}");
}
