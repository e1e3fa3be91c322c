//! Tests of properties that every method has: names, keys, masks, repeatability, thread counts, and resuming after a
//! kill.

use std::{
    cell::{Cell, RefCell},
    time::Instant,
};

use serde_json::{Value, json};
use unlearn_models::{InputSpec, initialize};
use unlearn_network::{DeviceChoice, Graph, Network, ParameterKind, State};
use unlearn_samples::{Augmentation, ImageSet};
use unlearn_training::{CrossEntropy, Position, Progress, Recipe, Run, Session, Task, predict, testing::Killer, train};

use super::*;
use crate::{Method, Outcome, Parameter, Prospect, Pruned, Request, Search, fresh};

#[test]
fn every_method_is_documented_uniquely_named_and_refuses_unknown_keys() {
    for (i, method) in METHODS.iter().enumerate() {
        assert!(METHODS[..i].iter().all(|other| other.name != method.name), "{} twice", method.name);
        assert!(!method.summary.is_empty() && !method.source.is_empty(), "{}", method.name);
        let defaults = method.resolve(&json!({})).unwrap();
        assert_eq!(method.resolve(&defaults).unwrap(), defaults, "{}", method.name);
        let message = method.resolve(&json!({ "nonsense": 1 })).unwrap_err().to_string();
        assert!(message.contains(method.name) && message.contains("`nonsense`"), "{message}");
        for (key, value) in defaults.as_object().unwrap() {
            assert!(key.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}: `{key}`", method.name);
            // Every number has a range that excludes this value, and a message that names the range.
            if value.is_number() {
                let message = method.resolve(&json!({ key: -1 })).unwrap_err().to_string();
                let found = message.contains(&format!("`{key}`")) && message.contains("found -1");
                assert!(found || message.contains("integer `-1`"), "{message}");
            }
        }
    }
    assert!(find("l1sparse").err().unwrap().to_string().contains("did you mean `l1-sparse`"));
}

#[test]
fn every_key_is_explained_once_and_searched_where_it_may_be() {
    for method in METHODS {
        let defaults = method.resolve(&json!({})).unwrap();
        let mut keys: Vec<&str> = defaults.as_object().unwrap().keys().map(String::as_str).collect();
        let mut explained: Vec<&str> = method.parameters().map(|parameter| parameter.key).collect();
        if explained.contains(&"initial-weights") {
            assert!(!keys.contains(&"initial-weights"), "a description without it stays as it is");
            keys.push("initial-weights");
        }
        keys.sort_unstable();
        explained.sort_unstable();
        assert_eq!(explained, keys, "{}", method.name);
        for parameter in method.parameters() {
            let Parameter { key, meaning, search, .. } = parameter;
            assert!(!meaning.is_empty(), "{} {key}", method.name);
            assert!(
                !["epochs", "msteps"].contains(key) || search.is_none(),
                "{}: a search keeps the budget",
                method.name
            );
            let bounds = match *search {
                None => vec![],
                Some(Search::Log { low, high }) => {
                    assert!(0.0 < low && low < high, "{} {key}", method.name);
                    vec![json!(low), json!(high)]
                }
                Some(Search::Linear { low, high }) => vec![json!(low), json!(high)],
                Some(Search::Whole { low, high }) => vec![json!(low), json!(high)],
                Some(Search::OneOf(names)) => names.iter().map(|name| json!(name)).collect(),
            };
            for value in bounds {
                method.resolve(&json!({ *key: value })).unwrap();
            }
        }
    }
}

/// The seed of the weights of [`pruned_network`].
const ORIGINAL: u64 = 1;

/// A small model in which every second convolution weight is pruned.
fn pruned_network() -> Network {
    let input = InputSpec { shape: [1, 8, 8], classes: 4, mean: vec![0.5], std: vec![0.25] };
    let graph = unlearn_models::find("resnet8s").unwrap().graph(&input).unwrap();
    let mut network = Network::new(graph.clone(), initialize(&graph, ORIGINAL), DeviceChoice::Cpu).unwrap();
    let every_second =
        |kind, len: usize| (kind == ParameterKind::ConvWeight).then(|| (0..len).map(|i| i % 2 == 0).collect());
    let kept = graph.parameters.iter().map(|p| every_second(p.kind, p.shape.iter().product())).collect();
    network.prune(kept).unwrap();
    network
}

/// Positions among 24 images of 4 classes, which alternate.
struct Samples {
    forget: Vec<u32>,
    retain: Vec<u32>,
    validation: Vec<u32>,
}

impl Samples {
    /// A request to forget the first class as a whole.
    fn first_class() -> Self {
        let (forget, retain) = (0..20).partition(|i| i % 4 == 0);
        Self { forget, retain, validation: (20..24).collect() }
    }
}

fn images() -> ImageSet {
    let pixels: Vec<u8> = (0..24 * 64).map(|i| ((i * 31 + i * i / 5) % 256) as u8).collect();
    ImageSet::new([1, 8, 8], pixels, (0..24).map(|i| i % 4).collect::<Vec<u32>>()).unwrap()
}

/// Applies a method. The configuration differs from the defaults where the defaults would take long.
fn apply_to(samples: &Samples, method: &Entry, mut changes: Value, session: Session<'_>) -> Result<(Network, Outcome)> {
    let mut config = if method.name == "unsir" {
        json!({ "noise-samples": 6, "noise-copies": 2, "noise-steps": 3, "retain-per-class": 3, "batch-size": 4 })
    } else if method.name == "ssd" {
        // A quarter of the images is forgotten, and no weight can be ten times as important to a quarter as to all.
        json!({ "alpha": 1.5 })
    } else {
        json!({})
    };
    for (key, value) in changes.as_object_mut().unwrap() {
        config[key] = value.take();
    }
    let mut network = pruned_network();
    let (images, recipe) = (images(), Recipe { epochs: 2, batch_size: 8, ..Recipe::default() });
    let augmentation = Augmentation { crop_padding: 1, flip: true, ..Augmentation::NONE };
    // Pruning as the original was: every second weight is pruned, whatever its value.
    let prune_anew = |network: &mut Network, samples: &[u32], session: Session<'_>| {
        network.set_state(initialize(network.graph(), 5));
        let batches = recipe.batches(&images, samples, augmentation, 5)?;
        let trained = train(network, &mut CrossEntropy::default(), &Run::new(&recipe, &batches), session)?;
        Ok(Outcome { epochs: trained.epochs, seconds: trained.seconds })
    };
    let began_again = Cell::new(false);
    let initial = |graph: &Graph, seed| {
        began_again.set(true);
        fresh(graph, seed)
    };
    let mut request = Request::new(
        &mut network,
        Task {
            images: &images,
            validation: &samples.validation,
            recipe: &recipe,
            augmentation,
            device: DeviceChoice::Cpu,
            seed: 9,
            session,
        },
        &samples.forget,
        &samples.retain,
    )
    .prune_anew(&prune_anew)
    .initial(&initial)
    .initial_seed(Some(ORIGINAL));
    let outcome = method.run(&config, &mut request)?;
    // A method that learns its mask anew begins again in what prunes anew.
    let anew = method.name == "retrain-relearn";
    assert_eq!(began_again.get(), method.begins_again && !anew, "{}", method.name);
    Ok((network, outcome))
}

fn apply(method: &Entry, changes: Value, session: Session<'_>) -> Result<(Network, Outcome)> {
    apply_to(&Samples::first_class(), method, changes, session)
}

fn forget(method: &Entry, changes: Value) -> Network {
    apply(method, changes, Session::unattended()).unwrap().0
}

#[test]
fn every_method_runs_keeps_the_mask_and_repeats() {
    let untouched = pruned_network();
    for method in METHODS {
        let clock = Instant::now();
        let (network, outcome) = apply(method, json!({}), Session::unattended()).unwrap();
        assert!(outcome.seconds <= clock.elapsed().as_secs_f64(), "{}: its run time is part of it", method.name);
        assert_eq!(outcome.seconds > 0.0, method.name != "raw", "{}: {} s", method.name, outcome.seconds);
        let graph = network.graph().clone();
        assert_eq!(network.state().first_non_finite(&graph), None, "{}", method.name);
        let changed = network.state().parameters() != untouched.state().parameters();
        assert_eq!(changed, method.name != "raw", "{}", method.name);
        for (kept, values) in untouched.kept().iter().zip(network.state().parameters()) {
            for (value, _) in values.iter().zip(kept.iter().flatten()).filter(|(_, kept)| !**kept) {
                assert_eq!(value.to_bits(), 0, "{}: a pruned weight came back", method.name);
            }
        }
        let again = forget(method, json!({}));
        assert_eq!(again.state().parameters(), network.state().parameters(), "{}", method.name);
        assert_eq!(again.state().buffers(), network.state().buffers(), "{}", method.name);
    }
}

#[test]
fn no_method_depends_on_the_number_of_threads() {
    for method in METHODS {
        let has_epochs = method.resolve(&json!({})).unwrap().get("epochs").is_some();
        let changes = if has_epochs { json!({ "epochs": 3 }) } else { json!({}) };
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| forget(method, changes.clone()).state().clone())
        };
        let (one, three): (State, State) = (on(1), on(3));
        assert_eq!(one.parameters(), three.parameters(), "{}", method.name);
        assert_eq!(one.buffers(), three.buffers(), "{}", method.name);
    }
}

/// The cases to interrupt: every method, and some methods with settings that change their course.
fn cases() -> impl Iterator<Item = (&'static Entry, Value)> {
    let others = [
        ("scrub", json!({ "rewind": true })),
        ("salun", json!({ "over": "ga" })),
        ("ff", json!({ "estimator": "batch-mean" })),
        ("iu", json!({ "solver": "conjugate-gradients" })),
        ("iu", json!({ "solver": "wood-fisher" })),
    ];
    let others = others.map(|(name, changes)| (find(name).unwrap(), changes));
    METHODS.iter().map(|method| (method, json!({}))).chain(others)
}

/// Every method is interrupted at every check: after each step, and within each phase without steps.
#[test]
fn a_method_stopped_anywhere_ends_bit_identical() {
    for (method, mut changes) in cases() {
        let resolved = method.resolve(&json!({})).unwrap();
        // Few epochs and small batches keep the number of checks small.
        for (key, value) in [("epochs", 2), ("every", 1), ("batch-size", 4), ("msteps", 1), ("retain-batch-size", 8)] {
            if resolved.get(key).is_some() {
                changes[key] = json!(value);
            }
        }
        let (expected, undisturbed) = apply(method, changes.clone(), Session::unattended()).unwrap();
        let is_expected = |(network, outcome): (Network, Outcome), what: &str| {
            assert_eq!(network.state().parameters(), expected.state().parameters(), "{what}");
            assert_eq!(network.state().buffers(), expected.state().buffers(), "{what}");
            assert_eq!(network.kept(), expected.kept(), "{what}");
            assert_eq!(outcome.epochs, undisturbed.epochs, "{what}");
        };
        for look in 1.. {
            let what = format!("{} {changes} stopped at look {look}", method.name);
            // The run resumes with a state from the previous step, or from the last interrupt only.
            let killer = Killer::after(look);
            let killer = if look % 2 == 0 { killer.saving_each_step() } else { killer };
            let stopped = apply(method, changes.clone(), killer.session());
            if killer.relent() > 0 {
                is_expected(stopped.unwrap(), &what);
                assert!(look > places(method.name), "{what}: it was over");
                break;
            }
            assert!(stopped.is_err(), "{what}: it went on");
            is_expected(apply(method, changes.clone(), killer.session()).unwrap(), &what);
        }
    }
}

/// Least number of checks of a method: those of its steps, and those of its phases without steps.
fn places(method: &str) -> usize {
    match method {
        "raw" => 0,
        // There is one batch of samples per pass; `iu` also has the matrix.
        "ff" | "fisher-sample" => 1,
        // There is a batch for the labels or the saliency, and one per epoch.
        "iu" | "boundary-shrink" | "salun" => 3,
        // Steps of the noise, of the impairing epoch, and of the repairing one.
        "unsir" => 3 + 5 + 2,
        // Passes over D_f and D_r, and up to two states that are compared at the end.
        "scrub" => 2 + 3,
        _ => 2,
    }
}

fn parameters_that_moved(network: &Network) -> Vec<String> {
    let graph = network.graph();
    let untouched = pruned_network();
    let pairs = network.state().parameters().iter().zip(untouched.state().parameters());
    let moved = pairs.zip(&graph.parameters).filter(|((a, b), _)| a != b);
    moved.map(|(_, parameter)| parameter.name.clone()).collect()
}

#[test]
fn what_lies_before_the_last_stages_keeps_its_bits() {
    let untouched = pruned_network();
    for name in ["cf-k", "eu-k"] {
        let network = forget(find(name).unwrap(), json!({ "k": 1 }));
        let moved = parameters_that_moved(&network);
        let last = |name: &str| name.starts_with("layer3") || name.starts_with("fc");
        assert!(!moved.is_empty() && moved.iter().all(|name| last(name)), "{name}: {moved:?}");
        let buffers = network.state().buffers().iter().zip(untouched.state().buffers());
        for ((found, before), buffer) in buffers.zip(&network.graph().buffers) {
            assert_eq!(found != before, last(&buffer.name), "{name}: {}", buffer.name);
        }
    }
    let all = json!({ "k": 3 });
    let fine_tuned = forget(find("ft").unwrap(), json!({}));
    assert_eq!(forget(find("cf-k").unwrap(), all).state().parameters(), fine_tuned.state().parameters());
}

#[test]
fn only_salient_weights_move_and_all_of_them_are_the_method_itself() {
    let untouched = pruned_network();
    let moved = |share: f64, over: &str| {
        let network = forget(find("salun").unwrap(), json!({ "share": share, "over": over }));
        let pairs = network.state().parameters().iter().flatten().zip(untouched.state().parameters().iter().flatten());
        pairs.filter(|(a, b)| a.to_bits() != b.to_bits()).count()
    };
    let kept: usize = untouched
        .kept()
        .iter()
        .zip(untouched.state().parameters())
        .map(|(kept, values)| kept.as_ref().map_or(values.len(), |kept| kept.iter().filter(|kept| **kept).count()))
        .sum();
    for over in ["rl", "ga", "ft"] {
        let quarter = moved(0.25, over);
        assert!(quarter <= kept.div_ceil(4) && quarter > kept / 5, "{over}: {quarter} of {kept}");
        let all = forget(find("salun").unwrap(), json!({ "share": 1.0, "over": over, "epochs": 2, "lr": 0.01 }));
        let itself = forget(find(over).unwrap(), json!({ "epochs": 2, "lr": 0.01 }));
        assert_eq!(all.state().parameters(), itself.state().parameters(), "{over}");
    }
    assert_eq!(moved(0.0, "rl"), 0);
}

#[test]
fn limits_are_other_methods() {
    let same = |(name, changes): (&str, Value), (other, other_changes): (&str, Value)| {
        let (a, b) = (forget(find(name).unwrap(), changes), forget(find(other).unwrap(), other_changes));
        assert_eq!(a.state().parameters(), b.state().parameters(), "{name} and {other}");
    };
    same(("ga-l1", json!({ "gamma": 0.0 })), ("ga", json!({})));
    same(("l1-prox", json!({ "gamma": 0.0 })), ("ft", json!({})));
    same(("l1-sparse", json!({ "gamma": 0.0 })), ("ft", json!({})));
    same(("retrain-ls", json!({ "label-smoothing": 0.0 })), ("retrain", json!({})));
}

#[test]
fn the_proximal_methods_zeros_become_a_mask() {
    let network = forget(find("l1-prox").unwrap(), json!({ "gamma": 0.5 }));
    let before = pruned_network();
    let count = |network: &Network| network.kept().iter().flatten().flatten().filter(|kept| **kept).count();
    assert!(0 < count(&network) && count(&network) < count(&before), "{} of {}", count(&network), count(&before));
    for (kept, values) in network.kept().iter().zip(network.state().parameters()) {
        for (kept, value) in kept.iter().flatten().zip(values) {
            assert_eq!(*kept, value.to_bits() != 0);
        }
    }
}

/// Number of batches in each pass.
#[derive(Default)]
struct Passes(RefCell<Vec<usize>>);

impl Progress for Passes {
    fn step(&self, at: Position, _: usize, batches: usize, _: f64) {
        if at.batch == 1 {
            self.0.borrow_mut().push(batches);
        }
    }
}

#[test]
fn scrub_has_a_pass_over_each_set_in_its_first_epochs_and_one_in_the_others() {
    let changes = json!({ "epochs": 4, "msteps": 2, "forget-batch-size": 5, "retain-batch-size": 7 });
    let passes = Passes::default();
    let session = Session { progress: &passes, ..Session::unattended() };
    let (_, outcome) = apply(find("scrub").unwrap(), changes, session).unwrap();
    // There are 5 forget samples in one batch, and 15 retain samples in two.
    assert_eq!(*passes.0.borrow(), [1, 2, 1, 2, 2, 2]);
    assert_eq!(outcome.epochs.len(), 6);
}

#[test]
fn scrub_ends_with_the_epoch_that_forgets_as_much_as_was_never_learnt() {
    let (_, retain) = (0..24).partition::<Vec<u32>, _>(|i| i % 4 == 0);
    let samples = Samples { forget: vec![0, 4, 8], retain, validation: vec![12, 16, 20, 1] };
    let accuracy = |state: &State, positions: &[u32]| {
        let mut network = pruned_network();
        network.set_state(state.clone());
        predict(&mut network, &images(), positions).unwrap().accuracy()
    };
    for lr in [2e-3, 0.01] {
        let after = |epochs: usize, rewind: bool| {
            let config = json!({ "epochs": epochs, "msteps": epochs.min(2), "lr": lr, "rewind": rewind });
            let session = Session::unattended();
            apply_to(&samples, find("scrub").unwrap(), config, session).unwrap().0.state().clone()
        };
        // At a constant rate, a run with fewer epochs is the beginning of a longer one.
        let epochs: Vec<State> = (1..=4).map(|epochs| after(epochs, false)).collect();
        let wanted = accuracy(&epochs[3], &[12, 16, 20]);
        let distance = |state| (accuracy(state, &samples.forget) - wanted).abs();
        let distances: Vec<f64> = epochs.iter().map(distance).collect();
        let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
        let nearest = distances.iter().rposition(|distance| *distance == least).unwrap();
        assert_eq!(after(4, true).parameters(), epochs[nearest].parameters(), "lr {lr}: {distances:?}");
    }
}

#[test]
fn what_a_method_cannot_do_is_an_error_that_says_so() {
    let refuses = |samples: Samples, name: &str, changes: Value, what: &str| {
        let refused = apply_to(&samples, find(name).unwrap(), changes, Session::unattended());
        let message = refused.err().unwrap().to_string();
        assert!(message.contains(name) && message.contains(what), "{message}");
    };
    refuses(Samples::first_class(), "cf-k", json!({ "k": 4 }), "`k` must lie in 1..=3");
    refuses(Samples::first_class(), "eu-k", json!({ "k": 50 }), "found 50");
    refuses(
        Samples::first_class(),
        "scrub",
        json!({ "msteps": 11 }),
        "is 11 and must not exceed `epochs`, which is 10",
    );
    refuses(Samples::first_class(), "salun", json!({ "over": "scrub" }), "`scrub`");
    let others = Samples { validation: vec![21, 22, 23], ..Samples::first_class() };
    refuses(others, "scrub", json!({ "rewind": true }), "there are none");
    let part = Samples { forget: vec![0, 4], retain: vec![8, 1, 2, 3], validation: vec![] };
    refuses(part, "unsir", json!({}), "whole classes only");
    let none = Samples { validation: vec![], ..Samples::first_class() };
    refuses(none, "retrain", json!({}), "`select = \"best\"`");
}

#[test]
fn retraining_begins_with_fresh_weights_or_with_the_original_ones() {
    let original = pruned_network();
    for method in ["retrain", "retrain-ls", "retrain-sam"] {
        let distance = |changes: Value| {
            let retrained = forget(find(method).unwrap(), changes);
            let pairs =
                original.state().parameters().iter().flatten().zip(retrained.state().parameters().iter().flatten());
            pairs.map(|(one, other)| (one - other).powi(2)).sum::<f32>().sqrt()
        };
        // Training by this rate hardly moves a weight.
        let fresh = distance(json!({ "lr": 1e-9 }));
        assert!(fresh > 1.0, "{method} {fresh}");
        let same = distance(json!({ "lr": 1e-9, "initial-weights": "original" }));
        assert!(same < 1e-3, "{method} {same}");
    }
    let mut network = pruned_network();
    let (images, recipe) = (images(), Recipe::default());
    let task = Task {
        images: &images,
        validation: &[],
        recipe: &recipe,
        augmentation: Augmentation::NONE,
        device: DeviceChoice::Cpu,
        seed: 9,
        session: Session::unattended(),
    };
    let unknown = Request::new(&mut network, task, &[0], &[1]).initialize_as_before().unwrap_err().to_string();
    assert!(unknown.contains("`initial-weights = \"fresh\"`"), "{unknown}");
}

#[test]
fn every_method_says_before_there_is_a_model_what_it_needs() {
    let network = pruned_network();
    let (images, recipe) = (images(), Recipe::default());
    let Samples { forget, retain, validation } = Samples::first_class();
    let fine = Prospect {
        graph: network.graph(),
        pruned: Pruned::Repeatable,
        labels: &images.labels,
        forget: &forget,
        retain: &retain,
        validation: &validation,
        recipe: &recipe,
    };
    let refused = |prospect: &Prospect<'_>| -> Vec<&str> {
        let serves = |method: &&Entry| method.check(&json!({}), prospect).is_ok();
        METHODS.iter().filter(|method| !serves(method)).map(|method| method.name).collect()
    };
    // By default, SCRUB does not rewind.
    assert_eq!(refused(&fine), [""; 0]);
    assert_eq!(refused(&Prospect { pruned: Pruned::Unknown, ..fine }), ["retrain-relearn"]);
    assert_eq!(refused(&Prospect { pruned: Pruned::Dense, ..fine }), [""; 0]);
    let retraining = ["retrain", "retrain-relearn", "retrain-ls", "retrain-sam"];
    assert_eq!(refused(&Prospect { validation: &[], ..fine }), retraining);
    let nothing_left = refused(&Prospect { retain: &[], ..fine });
    let without = ["raw", "ga", "ga-l1", "rl", "salun", "bad-teacher", "boundary-shrink", "boundary-expand"];
    assert!(METHODS.iter().all(|method| nothing_left.contains(&method.name) != without.contains(&method.name)));
    assert_eq!(refused(&Prospect { forget: &retain[..3], retain: &retain[3..], ..fine }), ["unsir"]);
    let input = InputSpec { shape: [1, 8, 8], classes: 1, mean: vec![0.5], std: vec![0.25] };
    let one_class = unlearn_models::find("resnet8s").unwrap().graph(&input).unwrap();
    let wrong_labels = ["rl", "salun", "boundary-shrink"];
    assert_eq!(refused(&Prospect { graph: &one_class, ..fine }), wrong_labels);
    let scarce = find("ft-prune").unwrap().check(&json!({ "sparsity": 0.99999 }), &fine).unwrap_err().to_string();
    assert!(scarce.contains("`sparsity = 0.99999` leaves"), "{scarce}");
}

/// A method that is not in the standard registry.
struct Mine;

impl Method for Mine {
    const NAME: &'static str = "mine";
    const SUMMARY: &'static str = "moves nothing, and serves one request in two";
    const SOURCE: &'static str = "here";
    const PARAMETERS: &'static [&'static [Parameter]] = &[];
    type Config = Value;

    fn defaults() -> Value {
        json!({})
    }

    fn check(_: &Value) -> Result<(), String> {
        Ok(())
    }

    fn suits(_: &Value, prospect: &Prospect<'_>) -> Result<(), String> {
        if prospect.forget.len().is_multiple_of(2) { Ok(()) } else { Err("it forgets an even number of images".into()) }
    }

    fn run(_: &Value, _: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        Ok(Outcome::default())
    }
}

#[test]
fn a_method_from_outside_is_found_refuses_and_takes_the_place_of_one_of_its_name() {
    static MINE: Entry = entry::<Mine>();
    let methods = Methods::standard().with(&MINE).with(&MINE);
    assert_eq!(methods.iter().count(), METHODS.len() + 1);
    let mine = methods.find("mine").unwrap();
    assert!(std::ptr::eq(mine, &raw const MINE));
    assert!(Methods::default().find("mine").is_err());
    let message = methods.find("mime").unwrap_err().to_string();
    assert!(message.contains("did you mean `mine`"), "{message}");
    // There are five images of the first class.
    let refused = apply(mine, json!({}), Session::unattended()).err().unwrap().to_string();
    assert!(refused.contains("`mine`") && refused.contains("an even number"), "{refused}");
}

#[test]
fn a_model_that_answers_with_no_numbers_is_not_left_and_the_strong_settings_are_named() {
    let refused = |name: &str, changes: Value| {
        let refused = apply(find(name).unwrap(), changes, Session::unattended());
        refused.map(|_| ()).expect_err(name).to_string()
    };
    // Finite as 32-bit numbers, and so are the weights they leave, but not the sums of them.
    for (name, key, value) in [("iu", "alpha", 1e36), ("ff", "alpha", 1e38)] {
        let message = refused(name, json!({ key: value }));
        assert!(message.contains(name) && message.contains(&format!("`{key}`")), "{message}");
    }
    let message = refused("ga-l1", json!({ "gamma": 1e38 }));
    assert!(message.contains("`lr` or `gamma`"), "{message}");
    for (name, key, value) in [
        ("iu", "alpha", json!(9e300)),
        ("ft", "epochs", json!(i64::MAX)),
        ("ft", "lr", json!(1e-200)),
        ("ft", "batch-size", json!(u64::MAX)),
        ("retrain", "epochs", json!(i64::MAX)),
        ("iu", "samples", json!(u64::MAX)),
        ("iu", "memory-mib", json!(u64::MAX)),
        ("l1-sparse", "gamma", json!(1e300)),
    ] {
        let message = find(name).unwrap().resolve(&json!({ key: value })).unwrap_err().to_string();
        assert!(message.contains(&format!("`{key}` ")), "{message}");
    }
}
