//! Every combination on tiny data: exact counts, nested masks, permanent zeros, and runs that survive a kill.

use serde_json::{Value, json};
use unlearn_masks::Mask;
use unlearn_network::{DeviceChoice, Network};
use unlearn_samples::Augmentation;
use unlearn_training::{Recipe, Schedule as LearningRate, Select, Session, Task, testing::Killer};

use super::*;
use crate::{
    CRITERIA, Outcome, Request, SCOPES, Settings, Subject, prune_to,
    tests::{images, network, weights},
};

/// Runs end with the last weights. Restoring the best ones would zero pruned weights that training had moved.
fn recipe() -> Recipe {
    let schedule = LearningRate::Cosine;
    Recipe { epochs: 3, batch_size: 8, lr: 0.02, schedule, select: Select::Last, ..Recipe::default() }
}

fn run(method: &PruningMethod, config: &Value, session: Session<'_>) -> Result<(Network, Outcome)> {
    let images = images();
    let mut network = network();
    let mut request = Request {
        network: &mut network,
        initial: weights(2),
        snapshot: &|epoch| (epoch == 1).then(|| weights(3)),
        task: Task {
            images: &images,
            validation: &(20..24).collect::<Vec<_>>(),
            recipe: &recipe(),
            augmentation: Augmentation::NONE,
            device: DeviceChoice::Cpu,
            seed: 5,
            session,
        },
        train: &(0..20).collect::<Vec<_>>(),
    };
    let config = method.resolve(config)?;
    method.plan(&config, request.task.recipe)?;
    let outcome = method.run(&config, &mut request)?;
    Ok((network, outcome))
}

fn prune(method: &str, config: &Value) -> Result<(Network, Outcome)> {
    run(find(method)?, config, Session::unattended())
}

/// Checks that exactly the mask's weights are 0, and that the number of kept weights matches the sparsity.
fn check(what: &str, network: &Network, mask: &Mask, sparsity: f64) {
    assert_eq!(mask.kept(), mask.len() - (sparsity * mask.len() as f64).round_ties_even() as usize, "{what}");
    let graph = network.graph();
    assert_eq!(network.state().first_non_finite(graph), None, "{what}");
    for (parameter, values) in graph.parameters.iter().zip(network.state().parameters()) {
        let Some(bits) = mask.get(&parameter.name) else { continue };
        for (kept, value) in bits.iter().zip(values) {
            assert!(if kept { *value != 0.0 } else { value.to_bits() == 0 }, "{what}: {}", parameter.name);
        }
    }
}

#[test]
fn every_schedule_is_documented_uniquely_named_and_refuses_unknown_keys() {
    for (i, method) in METHODS.iter().enumerate() {
        assert!(METHODS[..i].iter().all(|other| other.name != method.name), "{} twice", method.name);
        assert!(!method.summary.is_empty() && !method.source.is_empty(), "{}", method.name);
        let defaults = method.resolve(&json!({})).unwrap();
        assert_eq!(method.resolve(&defaults).unwrap(), defaults, "{}", method.name);
        assert!(method.plan(&defaults, &Recipe::default()).is_ok(), "{}", method.name);
        let message = method.resolve(&json!({ "nonsense": 1 })).unwrap_err().to_string();
        assert!(message.contains(method.name) && message.contains("`nonsense`"), "{message}");
    }
}

#[test]
fn every_combination_gives_the_sparsity_asked_for_and_zeros_that_stay() {
    for method in METHODS {
        for criterion in CRITERIA {
            for scope in SCOPES {
                let mut config = json!({
                    "criterion": criterion.name, "scope": scope.name, "sparsity": 0.75, "rewind-epoch": 1,
                    "allow-collapse": true,
                });
                if method.name == "reg" {
                    config["epochs"] = 3.into();
                    config["every"] = 1.into();
                }
                let what = format!("{} {config}", method.name);
                let (network, outcome) = run(method, &config, Session::unattended()).unwrap();
                check(&what, &network, &outcome.mask, 0.75);
                assert!(!outcome.epochs.is_empty(), "{what}");
            }
        }
    }
}

#[test]
fn every_rewinding_trains_its_epochs() {
    for (method, rewind, epochs) in [
        ("omp", "lt", 3),
        ("omp", "rewind-lt", 2),
        ("omp", "pt", 3),
        ("imp", "lt", 6),
        ("imp", "rewind-lt", 4),
        ("imp", "pt", 6),
        ("gradual", "lt", 3),
        ("gradual", "rewind-lt", 2),
        ("gradual", "pt", 3),
    ] {
        let mut config = json!({ "rewind": rewind, "rewind-epoch": 1, "sparsity": 0.4, "include-classifier": true });
        if method == "gradual" {
            config["end"] = 1.into();
        }
        let (network, outcome) = prune(method, &config).unwrap();
        check(&format!("{method} {rewind}"), &network, &outcome.mask, 0.4);
        assert_eq!(outcome.epochs.len(), epochs, "{method} {rewind}");
        assert!(outcome.mask.get("fc.weight").is_some());
    }
}

#[test]
fn what_cannot_be_pruned_says_why() {
    for (method, config, expected) in [
        ("omp", json!({ "sparsity": 0.9999, "rewind-epoch": 1 }), "layer collapse"),
        ("omp", json!({ "sparsity": 0.5, "rewind-epoch": 3 }), "`rewind-epoch` is 3, but [train] has only 3 epochs"),
        ("omp", json!({ "sparsity": 0.5, "rewind-epoch": 2 }), "kept no weights of that epoch"),
        ("omp", json!({ "sparsity": 1.5 }), "`sparsity`"),
        ("omp", json!({ "criterion": "magnitud" }), "did you mean `magnitude`"),
        ("omp", json!({ "scope": "locale" }), "valid names: global, layer, erk"),
        ("omp", json!({ "sparsty": 0.5 }), "`sparsty` (did you mean `sparsity`?)"),
        ("omp", json!({ "rate": 0.2 }), "`rate`"),
        ("imp", json!({ "rate": 1.0 }), "`rate`"),
        ("gradual", json!({ "begin": 0.5 }), "`begin`"),
        ("gradual", json!({ "every": 0 }), "`every`"),
        ("gradual", json!({ "end": 0.1 }), "no pruning takes place"),
        ("gradual", json!({ "rewind": "rewind-lt", "rewind-epoch": 2 }), "no pruning takes place"),
        ("at-init", json!({ "rewind": "pt" }), "pruning at initialisation has the initial weights"),
        ("reg", json!({ "rewind": "lt" }), "it fine-tunes the trained weights"),
        ("reg", json!({ "every": 10 }), "`every`"),
    ] {
        let message = prune(method, &config).err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert!(find("opm").err().unwrap().to_string().contains("none, omp"));
    let message = find("none").err().unwrap().to_string();
    assert!(message.contains("is the dense model") && !message.contains("did you mean"), "{message}");
}

#[test]
fn a_run_stopped_at_any_step_ends_bit_identical() {
    for method in METHODS {
        let mut config = json!({ "sparsity": 0.5, "rewind-epoch": 1, "criterion": "snip" });
        if method.name == "reg" {
            config["epochs"] = 3.into();
            config["every"] = 1.into();
        }
        let (expected, undisturbed) = run(method, &config, Session::unattended()).unwrap();
        let steps = 3 * undisturbed.epochs.len();
        for stop_after in 1..=steps {
            let killer = Killer::after(stop_after);
            let what = format!("{} stopped after step {stop_after}", method.name);
            assert!(run(method, &config, killer.session()).is_err(), "{what}");
            killer.relent();
            let (found, resumed) = run(method, &config, killer.session()).unwrap();
            assert_eq!(found.state().parameters(), expected.state().parameters(), "{what}");
            assert_eq!(found.state().buffers(), expected.state().buffers(), "{what}");
            assert_eq!((resumed.mask, &resumed.epochs), (undisturbed.mask.clone(), &undisturbed.epochs), "{what}");
        }
    }
}

#[test]
fn masks_nest_along_a_schedule() {
    /// Prunes a network in the steps of a schedule, with changes of its weights in between.
    fn steps(criterion: &str, scope: &str) -> Vec<Mask> {
        let settings =
            Settings { criterion: criterion.into(), scope: scope.into(), allow_collapse: true, ..Settings::default() };
        let (mut network, images) = (network(), images());
        let train: Vec<u32> = (0..24).collect();
        let sparsities = [0.1, 0.101, 0.3, 0.3, 0.8, 0.97];
        let mut masks = Vec::new();
        for (step, sparsity) in sparsities.into_iter().enumerate() {
            network.set_state(weights(step + 1));
            let mut subject = Subject { network: &mut network, images: &images, train: &train, seed: 1 };
            masks.push(prune_to(&mut subject, &settings, sparsity).unwrap());
            check(&format!("{criterion} {scope}"), &network, &masks[step], sparsity);
        }
        masks
    }
    for criterion in CRITERIA {
        for scope in SCOPES {
            for pair in steps(criterion.name, scope.name).windows(2) {
                assert!(pair[1].is_subset_of(&pair[0]).unwrap(), "{} {}", criterion.name, scope.name);
            }
        }
    }
}
