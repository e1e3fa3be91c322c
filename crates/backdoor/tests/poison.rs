//! Poisoned sets: which parts change, which never do, and which requests are refused.

use unlearn_backdoor::{Error, Labels, Overlay, Poison, TriggerChoice};
use unlearn_samples::{
    Augmentation, Dataset, ForgetSpec, ImageSet, Normalization, Picture, PictureError, Pictures, Sampler, Sides, Split,
    SplitOptions, forget, split,
};

const CLASSES: u32 = 4;

fn images(count: u32, from: u32) -> ImageSet {
    let pixels = (0..count * 2 * 8 * 9).map(|i| ((i + from) * 31 % 253 + 1) as u8).collect::<Vec<_>>();
    ImageSet::new([2, 8, 9], pixels, (0..count).map(|i| (i * 3 + i / 7) % CLASSES).collect::<Vec<_>>()).unwrap()
}

fn dataset_of(train: ImageSet, test: ImageSet) -> Dataset {
    let classes = ["ant", "bee", "cat", "dog"].map(String::from).to_vec();
    let normalization = Normalization { mean: vec![0.5; 2], std: vec![0.25; 2] };
    Dataset::new("animals", classes, normalization, Augmentation::NONE, train, test)
}

fn clean() -> (Dataset, Split) {
    let dataset = dataset_of(images(200, 0), images(40, 77));
    let split = split::split(&dataset, &SplitOptions::default()).unwrap();
    (dataset, split)
}

fn patch() -> Poison {
    Poison {
        trigger: TriggerChoice::named("patch"),
        target: 2,
        labels: Labels::Dirty,
        count: Some(30),
        fraction: None,
        sampler: Sampler::Seeded,
        seed: 5,
    }
}

#[test]
fn only_the_poison_changes_and_it_lies_in_the_training_split() {
    let (dataset, split) = clean();
    for (labels, sampler) in [
        (Labels::Dirty, Sampler::Seeded),
        (Labels::Dirty, Sampler::NumpyLegacy),
        (Labels::Clean, Sampler::Seeded),
        (Labels::DirtyCompat, Sampler::Seeded),
    ] {
        let poison = Poison { labels, sampler, ..patch() };
        let poisoned = poison.apply(&dataset, &split, None).unwrap();
        assert_eq!(poisoned.positions.len(), 30);
        assert!(poisoned.positions.is_sorted());
        assert_eq!((&poisoned.split, &poisoned.dataset.test), (&split, &dataset.test));
        let stamp = poison.trigger.prepare([2, 8, 9], None).unwrap();
        let mut true_classes = Vec::new();
        for i in 0..200 {
            let [before, after] = [&dataset, &poisoned.dataset].map(|set| set.train.image(i).unwrap().into_owned());
            let [was, is] = [&dataset, &poisoned.dataset].map(|set| set.train.labels[i]);
            if poisoned.positions.binary_search(&(i as u32)).is_ok() {
                assert!(split.train.binary_search(&(i as u32)).is_ok(), "{i} is not trained on");
                let mut expected = before.clone();
                stamp.apply(&mut expected);
                assert_eq!((&after, is), (&expected, 2));
                assert_ne!(after, before);
                match labels {
                    Labels::Dirty => assert_ne!(was, 2),
                    Labels::Clean => assert_eq!(was, 2),
                    Labels::DirtyCompat => {}
                }
                true_classes.push(was);
            } else {
                assert_eq!((after, is), (before, was));
            }
        }
        assert_eq!(poisoned.true_classes, true_classes);
        assert!(poisoned.unchanged.is_empty() && poisoned.warning().is_none());
    }
}

#[test]
fn a_poisoned_set_has_a_fingerprint_of_its_own_and_equal_poison_has_equal_ones() {
    let (dataset, split) = clean();
    let fingerprint = |poison: Poison| poison.apply(&dataset, &split, None).unwrap().dataset.fingerprint;
    let reference = fingerprint(patch());
    assert_eq!(reference, fingerprint(patch()));
    assert_ne!(reference, dataset.fingerprint);
    for other in [
        Poison { seed: 6, ..patch() },
        Poison { target: 1, ..patch() },
        Poison { count: Some(31), ..patch() },
        Poison { labels: Labels::DirtyCompat, ..patch() },
        Poison { trigger: patch().trigger.with("value", 1), ..patch() },
    ] {
        assert_ne!(reference, fingerprint(other));
    }
}

#[test]
fn the_poison_can_be_forgotten_and_the_split_goes_with_the_set() {
    let (dataset, split) = clean();
    let poisoned = patch().apply(&dataset, &split, None).unwrap();
    let request = poisoned.forget();
    assert_eq!(request, ForgetSpec::Positions { positions: poisoned.positions.clone() });
    let parts = forget::resolve(&request, &poisoned.dataset, &poisoned.split, Sampler::Seeded, 1).unwrap();
    assert_eq!(parts.forget, poisoned.positions);
    let error = split::split(&poisoned.dataset, &SplitOptions::default()).unwrap_err().to_string();
    assert!(error.contains("was changed by the trigger `patch`"), "{error}");
}

#[test]
fn the_triggered_test_set_keeps_true_classes_and_says_which_images_count() {
    let (dataset, split) = clean();
    let test = patch().triggered_test(&dataset, None).unwrap();
    assert_eq!((test.true_classes(), test.target()), (&*dataset.test.labels, 2));
    let others: Vec<u32> = (0..40).filter(|&i| dataset.test.labels[i as usize] != 2).collect();
    assert_eq!(test.positions(), others);
    for i in 0..40 {
        assert_ne!(test.images().image(i).unwrap(), dataset.test.image(i).unwrap());
    }
    // The test set of a poisoned data set is clean, so it gives the same result.
    let poisoned = patch().apply(&dataset, &split, None).unwrap();
    assert_eq!(patch().triggered_test(&poisoned.dataset, None).unwrap(), test);
    let as_training = dataset_of(test.images().clone(), dataset.test.clone());
    let split = Split { train: (0..40).collect(), validation: vec![] };
    let error = patch().draw(&as_training, &split).unwrap_err().to_string();
    assert!(error.contains("the training set of animals was changed by the trigger `patch` already"), "{error}");
}

#[test]
fn a_fraction_is_of_the_training_split_whatever_is_poisoned() {
    let (dataset, split) = clean();
    for labels in [Labels::Dirty, Labels::Clean] {
        let poison = Poison { count: None, fraction: Some(0.1), labels, ..patch() };
        let expected = (split.train.len() as f64 * 0.1).round() as usize;
        assert_eq!(poison.draw(&dataset, &split).unwrap().len(), expected);
    }
    assert_eq!(Poison { count: None, fraction: Some(0.07), ..patch() }.label(), "patch, 7 % to class 2, dirty-label");
    assert_eq!(patch().label(), "patch, 30 to class 2, dirty-label");
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, message: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(message), "{error:?} does not contain {message:?}");
}

#[test]
fn impossible_poison_is_refused() {
    let (dataset, split) = clean();
    let refuses = |poison: Poison, message: &str| {
        refused(poison.check(&dataset, &split, None), message);
        refused(poison.apply(&dataset, &split, None), message);
    };
    refuses(
        Poison { target: 4, ..patch() },
        "target class 4 does not exist in animals; valid classes: 0 (ant), 1 (bee), 2 (cat), 3 (dog)",
    );
    refuses(Poison { count: Some(0), ..patch() }, "the poison (count 0) is no image at all");
    refuses(Poison { count: Some(181), ..patch() }, "cannot poison 181 of ");
    refuses(
        Poison { count: Some(181), labels: Labels::Clean, ..patch() },
        "(images of the target class in the training split)",
    );
    refuses(Poison { count: None, ..patch() }, "either `count` or `fraction`, found neither");
    refuses(Poison { fraction: Some(0.1), ..patch() }, "found both");
    for fraction in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
        refuses(Poison { count: None, fraction: Some(fraction), ..patch() }, "is not above 0 and at most 1");
    }
    refuses(Poison { count: None, fraction: Some(0.001), ..patch() }, "fraction 0.001 of 1");
    refuses(Poison { trigger: TriggerChoice::named("pach"), ..patch() }, "did you mean `patch`");
    refuses(Poison { trigger: patch().trigger.with("size", 7), ..patch() }, "take 9×9 pixels, but images have 8×9");
    refuses(Poison { trigger: patch().trigger.with("sizes", 7), ..patch() }, "unknown key `sizes`");
    for seed in [0, (1 << 32) + 1] {
        refuses(Poison { sampler: Sampler::NumpyLegacy, seed, ..patch() }, "cannot draw poison with sampler");
        assert!(Poison { seed, ..patch() }.draw(&dataset, &split).is_ok());
    }
    let whole = Poison { count: None, fraction: Some(1.0), labels: Labels::DirtyCompat, ..patch() };
    assert_eq!(whole.draw(&dataset, &split).unwrap(), split.train);
}

#[test]
fn sets_that_must_not_be_poisoned_are_refused() {
    let (dataset, split) = clean();
    let poisoned = patch().apply(&dataset, &split, None).unwrap();
    refused(
        patch().apply(&poisoned.dataset, &split, None),
        "the training set of animals + patch was changed by the trigger `patch` already",
    );
    let swapped = dataset_of(dataset.test.clone(), dataset.test.clone());
    let of_test = Split { train: (0..40).collect(), validation: vec![] };
    refused(patch().apply(&swapped, &of_test, None), "the training set of animals is its test set");
    let test = patch().triggered_test(&dataset, None).unwrap();
    let twice = dataset_of(dataset.train.clone(), test.images().clone());
    refused(patch().triggered_test(&twice, None), "the test set of animals was changed by");
    let one_class = ImageSet::new([2, 8, 9], vec![1; 3 * 144], vec![2; 3]).unwrap();
    let unmeasurable = dataset_of(dataset.train.clone(), one_class);
    refused(patch().triggered_test(&unmeasurable, None), "no test image of another class than the target");
    refused(patch().check(&unmeasurable, &split, None), "no test image of another class than the target");
}

#[test]
fn a_split_of_another_set_is_refused() {
    let (dataset, _) = clean();
    let refuses = |train: Vec<u32>, validation: Vec<u32>, message: &str| {
        refused(patch().draw(&dataset, &Split { train, validation }), message);
    };
    refuses((0..201).collect(), vec![], "training position 200 is outside the training set of 200 images");
    refuses((0..100).collect(), vec![500], "validation position 500 is outside");
    refuses((0..100).collect(), vec![99], "position 99 is in both the training and the validation part");
    refuses(vec![3, 2], vec![], "training positions must ascend, but 2 follows 3");
}

#[test]
fn a_trigger_that_cannot_be_seen_is_reported_or_refused() {
    // The lower right corner is black in half of the images.
    let pixels = (0..200_u32).flat_map(|i| [if i % 2 == 0 { 0 } else { 9 }; 144]).collect::<Vec<_>>();
    let half = ImageSet::new([2, 8, 9], pixels, (0..200).map(|i| i % CLASSES).collect::<Vec<_>>()).unwrap();
    let dataset = dataset_of(half, images(40, 3));
    let split = split::split(&dataset, &SplitOptions::default()).unwrap();
    let poisoned = patch().apply(&dataset, &split, None).unwrap();
    let even: Vec<u32> = poisoned.positions.iter().copied().filter(|position| position % 2 == 0).collect();
    assert!(!even.is_empty() && poisoned.unchanged == even);
    let warning = poisoned.warning().unwrap();
    assert!(warning.contains(&format!("changes no pixel of {} of 30 poisoned images", even.len())), "{warning}");
    let tested = dataset_of(dataset.test.clone(), dataset.train.clone());
    let test = patch().triggered_test(&tested, None).unwrap();
    assert_eq!(test.unchanged().len(), 100);
    assert!(test.warning().unwrap().contains("changes no pixel of 100 of 200 test images"));

    let black =
        dataset_of(ImageSet::new([2, 8, 9], vec![0; 200 * 144], dataset.train.labels.clone()).unwrap(), images(4, 0));
    refused(patch().apply(&black, &split, None), "trigger `patch` changes no pixel of any of the 30 poisoned images");
    let dark = dataset_of(images(200, 0), ImageSet::new([2, 8, 9], vec![0; 3 * 144], vec![0, 1, 2]).unwrap());
    refused(patch().triggered_test(&dark, None), "changes no pixel of any of the 3 test images");
}

#[derive(Debug)]
struct Streamed(usize);

impl Pictures for Streamed {
    fn count(&self) -> usize {
        self.0
    }

    fn identity(&self, i: usize) -> Result<(String, u64), PictureError> {
        Ok((i.to_string(), 1))
    }

    fn picture(&self, _: usize) -> Result<Picture, PictureError> {
        Ok(Picture { sides: Sides { channels: 1, height: 8, width: 8 }, pixels: vec![7; 64] })
    }
}

#[test]
fn streamed_images_are_refused_by_name() {
    let labels = |count: u32| (0..count).map(|i| i % CLASSES).collect::<Vec<_>>();
    let streamed = |count: u32| ImageSet::streamed(Streamed(count as usize), labels(count), 8).unwrap();
    let dataset = dataset_of(streamed(200), streamed(8));
    let split = split::split(&dataset, &SplitOptions::default()).unwrap();
    let message = "the training images of animals are decoded when they are needed";
    refused(patch().apply(&dataset, &split, None), message);
    refused(patch().check(&dataset, &split, None), message);
    refused(patch().triggered_test(&dataset, None), "the test images of animals are decoded");
}

#[test]
fn a_description_survives_its_file_format_and_resolves_to_one_form() {
    let poison = Poison { count: None, fraction: Some(0.1), ..patch() };
    let text = serde_json::to_string(&poison).unwrap();
    assert_eq!(serde_json::from_str::<Poison>(&text).unwrap(), poison);
    let short = r#"{ "trigger": { "name": "patch" }, "target": 2, "fraction": 0.1, "sampler": "seeded", "seed": 5 }"#;
    assert_eq!(serde_json::from_str::<Poison>(short).unwrap(), poison);
    assert!(serde_json::from_str::<Poison>(&short.replace("fraction", "share")).is_err());

    let resolved = poison.resolved(None).unwrap();
    assert_eq!(
        resolved,
        Poison { trigger: poison.trigger.clone().with("value", 0), ..poison.clone() }.resolved(None).unwrap()
    );
    let (dataset, split) = clean();
    assert_eq!(
        resolved.apply(&dataset, &split, None).unwrap().dataset.fingerprint,
        poison.apply(&dataset, &split, None).unwrap().dataset.fingerprint
    );
    refused(Poison { fraction: None, ..poison.clone() }.resolved(None), "found neither");
    refused(Poison { count: Some(0), fraction: None, ..poison.clone() }.resolved(None), "no image at all");
    refused(Poison { seed: 0, sampler: Sampler::NumpyLegacy, ..poison }.resolved(None), "cannot draw poison");
}

#[test]
fn a_picture_is_passed_in_decoded() {
    let (dataset, split) = clean();
    let picture = Overlay::new([2, 2], 1, &[0, 0, 0, 0]).unwrap();
    let poison = Poison { trigger: TriggerChoice::parse("image:sticker.png").unwrap(), ..patch() };
    let resolved = poison.resolved(Some(&picture)).unwrap();
    let poisoned = resolved.apply(&dataset, &split, Some(&picture)).unwrap();
    let last = poisoned.positions[0] as usize;
    let image = poisoned.dataset.train.image(last).unwrap().into_owned();
    assert_eq!(image[4 * 9 + 5..4 * 9 + 7], [0, 0]);
    refused(resolved.apply(&dataset, &split, None), "open the file and pass the decoded picture");
    let other = Overlay::new([2, 2], 1, &[1, 0, 0, 0]).unwrap();
    refused(resolved.apply(&dataset, &split, Some(&other)), "is another one than was described");
}
