//! `export`: the exported model computes the same outputs as the trained one.

use std::fs;

use crate::{Place, SUITE};

#[test]
fn a_pruned_stage_is_exported_in_three_forms() {
    let prune = "method = \"omp\"\ncriterion = \"l1-filter\"\nscope = \"layer\"";
    let suite = SUITE.replace("method = \"omp\"", prune);
    let place = Place::new(suite.split("[[unlearn]]\nmethod = \"retrain\"").next().unwrap());
    place.succeed(&["run", "suite.toml"]);
    let stage = fs::read_dir(place.path("runs/prune")).unwrap().next().unwrap().unwrap().path();
    let stage = stage.to_str().unwrap();
    let export = |form: &str, output: &str| place.succeed(&["export", stage, output, form]);
    let bytes = |name: &str| fs::metadata(place.path(name)).unwrap().len();

    let said = export("--dense", "dense.safetensors");
    assert!(said.contains("100.0 % of a dense checkpoint's"), "{said}");
    export("--sparse", "sparse.safetensors");
    let said = place.succeed(&["export", stage, "structured.safetensors", "--structured", "--measure"]);
    assert!(said.contains("images/s") && said.contains("logits differ by at most"), "{said}");
    assert!(bytes("sparse.safetensors") < bytes("dense.safetensors") / 4);
    assert!(bytes("structured.safetensors") < bytes("dense.safetensors") * 3 / 4);

    let inspected = place.succeed(&["inspect", "structured.safetensors"]);
    assert!(inspected.contains("resnet8s; 3 convolutions narrowed"), "{inspected}");
    // An exported model can be exported again, and nothing more is removed.
    place.succeed(&["export", "structured.safetensors", "again.safetensors", "--structured"]);
    assert_eq!(
        fs::read(place.path("again.safetensors")).unwrap(),
        fs::read(place.path("structured.safetensors")).unwrap()
    );
    place.succeed(&["export", "sparse.safetensors", "too.safetensors", "--structured"]);
    assert_eq!(
        fs::read(place.path("too.safetensors")).unwrap(),
        fs::read(place.path("structured.safetensors")).unwrap()
    );

    let message = place.refuse(2, &["export", "dense.safetensors", "out", "--sparse"]);
    assert!(message.contains("no mask") && message.contains("`--mask`"), "{message}");
    place.refuse(2, &["export", stage, "out"]);
    place.refuse(2, &["export", stage, "out", "--dense", "--sparse"]);
    place.refuse(2, &["export", "absent", "out", "--dense"]);
    assert!(!place.path("out").exists());
}
