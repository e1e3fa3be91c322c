//! Compares triggers, positions and detectors with NumPy, Pillow, PyTorch and scikit-learn. The script in `tests/golden/backdoor` writes
//! the reference data.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};
use unlearn_backdoor::{DETECTORS, Features, Labels, Overlay, Poison, TRIGGERS, TriggerChoice};
use unlearn_samples::{Augmentation, Dataset, ImageSet, Normalization, Sampler, SplitOptions, split};

#[derive(Deserialize)]
struct Golden {
    triggered: Triggered,
    positions: Positions,
    detections: Detections,
}

#[derive(Deserialize)]
struct Triggered {
    shapes: Vec<[usize; 3]>,
    count: usize,
    pictures: BTreeMap<String, Picture>,
    cases: Vec<TriggerCase>,
}

#[derive(Deserialize)]
struct Picture {
    sides: [usize; 2],
    channels: usize,
    pixels: Vec<u8>,
}

#[derive(Deserialize)]
struct TriggerCase {
    trigger: String,
    settings: Map<String, Value>,
    picture: Option<String>,
    set: usize,
}

#[derive(Deserialize)]
struct Positions {
    images: u32,
    cases: Vec<Draw>,
}

#[derive(Deserialize)]
struct Draw {
    seed: u64,
    target: u32,
    labels: Labels,
    amount: BTreeMap<String, f64>,
    positions: Vec<u32>,
}

#[derive(Deserialize)]
struct Detections {
    dims: usize,
    labels: Vec<u32>,
    positions: Vec<u32>,
    poison: Vec<u32>,
    cases: Vec<DetectorCase>,
}

#[derive(Deserialize)]
struct DetectorCase {
    detector: String,
    settings: Map<String, Value>,
    suspicious: Vec<u32>,
    statistics: Vec<[f64; 2]>,
}

fn folder() -> PathBuf {
    unlearn_tests::golden::path("backdoor")
}

fn read() -> Golden {
    serde_json::from_slice(&fs::read(folder().join("backdoor.json")).unwrap()).unwrap()
}

#[test]
fn triggered_pixels_are_those_of_numpy_pillow_and_pytorch() {
    let Triggered { shapes, count, pictures, cases } = read().triggered;
    let images = fs::read(folder().join("images.u8")).unwrap();
    let expected = fs::read(folder().join("triggered.u8")).unwrap();
    let lengths: Vec<usize> = shapes.iter().map(|shape| count * shape.iter().product::<usize>()).collect();
    let mut expected = expected.as_slice();
    for TriggerCase { trigger, settings, picture, set } in &cases {
        let before: usize = lengths[..*set].iter().sum();
        let mut pixels = images[before..before + lengths[*set]].to_vec();
        let overlay = picture.as_ref().map(|name| {
            let Picture { sides, channels, pixels } = &pictures[name];
            Overlay::new(*sides, *channels, pixels).unwrap()
        });
        let choice = TriggerChoice { settings: settings.clone(), ..TriggerChoice::named(trigger) };
        let stamp = choice.prepare(shapes[*set], overlay.as_ref()).unwrap();
        pixels.chunks_exact_mut(lengths[*set] / count).for_each(|image| stamp.apply(image));
        let (these, rest) = expected.split_at(pixels.len());
        expected = rest;
        let wrong = pixels.iter().zip(these).filter(|(ours, theirs)| ours != theirs).count();
        let what = format!("{trigger} {settings:?} {picture:?} on {:?}", shapes[*set]);
        assert_eq!(wrong, 0, "{what}: {wrong} of {} values differ", pixels.len());
    }
    assert!(expected.is_empty());
    for entry in TRIGGERS {
        assert!(cases.iter().any(|case| case.trigger == entry.name), "no golden case of {}", entry.name);
    }
}

#[test]
fn positions_are_numpys() {
    let Positions { images, cases } = read().positions;
    let labels: Vec<u32> = (0..images).map(|i| (i * 7 + i / 13) % 10).collect();
    let pixels: Vec<u8> = (0..images * 64).map(|i| (i % 241) as u8).collect();
    let train = ImageSet::new([1, 8, 8], pixels, labels).unwrap();
    let test = ImageSet::new([1, 8, 8], vec![9; 128], vec![0, 1]).unwrap();
    let classes = ('a'..='j').map(String::from).collect();
    let normalization = Normalization { mean: vec![0.5], std: vec![0.5] };
    let dataset = Dataset::new("letters", classes, normalization, Augmentation::NONE, train, test);
    for Draw { seed, target, labels, amount, positions } in cases {
        let split = split::split(&dataset, &SplitOptions { seed, ..SplitOptions::default() }).unwrap();
        let poison = Poison {
            trigger: TriggerChoice::named("patch"),
            target,
            labels,
            count: amount.get("count").map(|count| *count as usize),
            fraction: amount.get("fraction").copied(),
            sampler: Sampler::NumpyLegacy,
            seed,
        };
        assert_eq!(poison.draw(&dataset, &split).unwrap(), positions, "{}", poison.label());
        assert_eq!(poison.apply(&dataset, &split, None).unwrap().positions, positions);
    }
}

#[test]
fn detectors_decide_as_scikit_learn_and_numpy() {
    let Detections { dims, labels, positions, poison, cases } = read().detections;
    let values: Vec<f32> = fs::read(folder().join("features.f32"))
        .unwrap()
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let features = Features::new(&values, dims, &labels, &positions).unwrap();
    for DetectorCase { detector, settings, suspicious, statistics } in &cases {
        let what = format!("{detector} {settings:?}");
        let entry = DETECTORS.iter().find(|entry| entry.name == detector).unwrap();
        let found = entry.detect(settings, &features).unwrap();
        assert_eq!(&found.suspicious, suspicious, "{what}");
        for (class, expected) in found.classes.iter().zip(statistics) {
            for ((name, value), expected) in class.statistics.iter().zip(expected) {
                assert!((value - expected).abs() <= 1e-9 * expected.abs(), "{what}: {name} {value}, not {expected}");
            }
        }
        assert_eq!(found.classes.len(), statistics.len());
    }
    for entry in DETECTORS {
        let found = entry.detect(&Map::new(), &features).unwrap();
        let recall = unlearn_backdoor::figures::recall(&found.suspicious, &poison).unwrap();
        assert!(recall > 60.0, "{}: {recall}", entry.name);
        assert!(cases.iter().any(|case| case.detector == entry.name), "no golden case of {}", entry.name);
    }
}
