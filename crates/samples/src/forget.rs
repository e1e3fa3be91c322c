//! Requests to forget: a class, a random part, or a list of images.
//!
//! A [`ForgetSpec`] is a request, and [`resolve`] turns it into positions. With [`Sampler::NumpyLegacy`] the draws
//! are those of arXiv 2304.04934's published code: `RandomState(seed − 1).choice(candidates, n, replace=False)`. The
//! candidates are the ascending positions in the training split, without the validation images.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use unlearn_random::choice;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::positions;
use crate::sampler::Sampler;
use crate::split::Split;

/// A request to forget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ForgetSpec {
    /// A whole class, or `count` of its images at random.
    Class {
        /// The class number.
        class: u32,
        /// Number of its images. All if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<usize>,
    },
    /// Images drawn from all classes. Exactly one of the two fields is set.
    Random {
        /// Share of the training split, in (0, 1), rounded to whole images.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fraction: Option<f64>,
        /// Number of images.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<usize>,
    },
    /// The images listed in a file, as positions in the official training set (see [`positions`]).
    Indices {
        /// The file.
        path: PathBuf,
    },
    /// These images, as positions in the official training set.
    Positions {
        /// Each position once, in any order.
        positions: Vec<u32>,
    },
}

impl ForgetSpec {
    /// Label in reports: `class 0`, `450 of class 0`, `random 10 %`, `random 450`, `indices`.
    pub fn label(&self) -> String {
        match self {
            Self::Class { class, count: None } => format!("class {class}"),
            Self::Class { class, count: Some(count) } => format!("{count} of class {class}"),
            // Rounded to a millionth of a percent, so that 0.07 gives 7 and not 7.000000000000001.
            Self::Random { fraction: Some(fraction), count: None } => {
                format!("random {} %", (fraction * 1e8).round() / 1e6)
            }
            Self::Random { count: Some(count), .. } => format!("random {count}"),
            Self::Random { .. } => "random".into(),
            Self::Indices { .. } | Self::Positions { .. } => "indices".into(),
        }
    }

    /// The kind of forgetting: `class`, `random` or `indices`.
    pub fn scenario(&self) -> &'static str {
        match self {
            Self::Class { .. } => "class",
            Self::Random { .. } => "random",
            Self::Indices { .. } | Self::Positions { .. } => "indices",
        }
    }
}

/// Classes with samples in `forget` and none in `retain`, ascending. They are forgotten completely, whatever the
/// request was. The test set for reported accuracies omits them too. Both lists are positions into `labels`.
pub fn whole_classes(labels: &[u32], forget: &[u32], retain: &[u32]) -> Vec<u32> {
    let classes =
        |positions: &[u32]| -> BTreeSet<u32> { positions.iter().map(|position| labels[*position as usize]).collect() };
    classes(forget).difference(&classes(retain)).copied().collect()
}

/// The divided training split: positions in the official training set, both lists ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetSplit {
    /// Images to forget, `D_f`.
    pub forget: Vec<u32>,
    /// Images to retain, `D_r`.
    pub retain: Vec<u32>,
}

/// Divides `split.train` into samples to forget and to retain.
///
/// # Errors
/// If the request asks for something that the dataset or the split does not have, if either part would be empty, if
/// its file cannot be read, or if a random draw's seed does not fit the sampler (`numpy-legacy` draws with
/// `seed − 1`, so seed 0 is refused).
pub fn resolve(
    spec: &ForgetSpec,
    dataset: &Dataset,
    split: &Split,
    sampler: Sampler,
    seed: u64,
) -> Result<ForgetSplit> {
    let chosen = match *spec {
        ForgetSpec::Class { class, count } => {
            let members = members(dataset, split, class)?;
            match count {
                None => members,
                Some(count) => draw(spec, &members, count, sampler, seed)?,
            }
        }
        ForgetSpec::Random { fraction, count } => {
            let count = random_count(fraction, count, split.train.len())?;
            draw(spec, &split.train, count, sampler, seed)?
        }
        ForgetSpec::Indices { ref path } => {
            let listed = positions::read(path)?;
            check(listed.iter().map(|listed| (listed.position, listed.place.in_file(path))), dataset, split)?
        }
        ForgetSpec::Positions { ref positions } => {
            check(positions.iter().map(|position| (i64::from(*position), "`positions`".to_owned())), dataset, split)?
        }
    };
    if chosen.is_empty() {
        return Err(Error::EmptyForgetSet { what: spec.label() });
    }

    let mut forgotten = vec![false; dataset.train.len()];
    for position in chosen {
        forgotten[position as usize] = true;
    }
    let (forget, retain): (_, Vec<u32>) = split.train.iter().partition(|&&position| forgotten[position as usize]);
    if retain.is_empty() {
        return Err(Error::EmptyRetainSet { what: spec.label(), count: split.train.len() });
    }
    Ok(ForgetSplit { forget, retain })
}

/// Serves requests one after the other. Each is drawn from the retain set of the previous one. All use the same seed.
///
/// # Errors
/// As [`resolve`], where "the training split" means its remaining part.
pub fn resolve_in_turn(
    specs: &[ForgetSpec],
    dataset: &Dataset,
    split: &Split,
    sampler: Sampler,
    seed: u64,
) -> Result<Vec<ForgetSplit>> {
    let mut left = split.clone();
    let mut drawn = Vec::with_capacity(specs.len());
    for spec in specs {
        let request = resolve(spec, dataset, &left, sampler, seed)?;
        left.train.clone_from(&request.retain);
        drawn.push(request);
    }
    Ok(drawn)
}

/// The images of `class` in the training split.
fn members(dataset: &Dataset, split: &Split, class: u32) -> Result<Vec<u32>> {
    let Some(name) = dataset.classes.get(class as usize) else {
        let valid = dataset.numbered_classes();
        return Err(Error::ClassOutOfRange { class, dataset: dataset.name.clone(), valid });
    };
    let labels = &dataset.train.labels;
    let members: Vec<u32> = split.train.iter().copied().filter(|&i| labels[i as usize] == class).collect();
    if members.is_empty() {
        return Err(Error::ClassAbsent { class, name: name.clone(), dataset: dataset.name.clone() });
    }
    Ok(members)
}

fn random_count(fraction: Option<f64>, count: Option<usize>, available: usize) -> Result<usize> {
    match (fraction, count) {
        (None, Some(count)) => Ok(count),
        (Some(fraction), None) if fraction > 0.0 && fraction < 1.0 => {
            Ok((fraction * available as f64).round() as usize)
        }
        (Some(fraction), None) => Err(Error::ForgetFraction { fraction }),
        (Some(_), Some(_)) => Err(Error::FractionOrCount { found: "both" }),
        (None, None) => Err(Error::FractionOrCount { found: "neither" }),
    }
}

fn draw(spec: &ForgetSpec, candidates: &[u32], count: usize, sampler: Sampler, seed: u64) -> Result<Vec<u32>> {
    let available = candidates.len();
    if count > available {
        return Err(Error::ForgetCount { count, available, what: spec.label() });
    }
    Ok(choice(&mut *sampler.forget(seed)?, candidates, count))
}

/// Checks that listed positions, each with its place for messages, are in the training split and occur once.
fn check(listed: impl Iterator<Item = (i64, String)>, dataset: &Dataset, split: &Split) -> Result<Vec<u32>> {
    let count = dataset.train.len();
    let mut seen = vec![false; count];
    listed
        .map(|(index, place)| {
            let Some(position) = u32::try_from(index).ok().filter(|&position| (position as usize) < count) else {
                return Err(Error::IndexOutOfRange { place, index, count });
            };
            if std::mem::replace(&mut seen[position as usize], true) {
                return Err(Error::IndexDuplicate { place, index: position });
            }
            if split.train.binary_search(&position).is_err() {
                let held_out = split.validation.binary_search(&position).is_ok();
                let reason = if held_out {
                    "in the validation split"
                } else {
                    "left out by the train limit or forgotten already"
                };
                return Err(Error::IndexNotTrained { place, index: position, reason });
            }
            Ok(position)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use unlearn_tests::numpy_legacy;

    use super::*;
    use crate::split::tests::{labelled, protocol_dataset};
    use crate::split::{SplitOptions, split};

    const LEGACY: Sampler = Sampler::NumpyLegacy;

    fn class(class: u32, count: Option<usize>) -> ForgetSpec {
        ForgetSpec::Class { class, count }
    }

    fn random(fraction: Option<f64>, count: Option<usize>) -> ForgetSpec {
        ForgetSpec::Random { fraction, count }
    }

    /// 200 images, 20 per class (none of class 9), 18 of which are trained on.
    fn small() -> (Dataset, Split) {
        let dataset = labelled((0..180).map(|i| i % 9).collect());
        let split = split(&dataset, &SplitOptions::default()).unwrap();
        (dataset, split)
    }

    fn refuses(spec: &ForgetSpec, message: &str) {
        let (dataset, split) = small();
        let error = resolve(spec, &dataset, &split, LEGACY, 2).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} does not contain {message:?}");
    }

    fn file(text: &str) -> (tempfile::TempDir, ForgetSpec) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("forget.txt");
        std::fs::write(&path, text).unwrap();
        (folder, ForgetSpec::Indices { path })
    }

    #[test]
    fn legacy_draws_are_numpys() {
        let dataset = protocol_dataset();
        for protocol in numpy_legacy::read().protocol {
            let options = SplitOptions { seed: protocol.seed, ..SplitOptions::default() };
            let split = split(&dataset, &options).unwrap();
            let forget = |spec| resolve(&spec, &dataset, &split, LEGACY, protocol.seed).unwrap().forget;
            protocol.class_3_of_100.check(&forget(class(3, Some(100))), "100 of class 3");
            protocol.random_450.check(&forget(random(None, Some(450))), "random 450");
        }
    }

    #[test]
    fn forget_and_retain_divide_the_training_split() {
        let (dataset, split) = small();
        let (_folder, listed) = file(&format!("{}\n{}\n", split.train[5], split.train[2]));
        for (spec, count) in [
            (class(4, None), 18),
            (class(4, Some(7)), 7),
            (random(Some(0.1), None), 16),
            (random(None, Some(161)), 161),
            (listed, 2),
        ] {
            for sampler in [LEGACY, Sampler::Seeded] {
                let ForgetSplit { forget, retain } = resolve(&spec, &dataset, &split, sampler, 2).unwrap();
                assert_eq!(forget.len(), count, "{spec:?}");
                assert!(forget.is_sorted() && retain.is_sorted(), "{spec:?}");
                let mut all = [forget, retain].concat();
                all.sort_unstable();
                assert_eq!(all, split.train, "{spec:?}");
            }
        }
    }

    #[test]
    fn a_class_is_forgotten_whole() {
        let (dataset, split) = small();
        let parts = resolve(&class(4, None), &dataset, &split, LEGACY, 0).unwrap();
        assert!(parts.forget.iter().all(|&i| dataset.train.labels[i as usize] == 4));
        assert!(parts.retain.iter().all(|&i| dataset.train.labels[i as usize] != 4));
    }

    #[test]
    fn what_the_dataset_does_not_have_is_refused() {
        refuses(&class(10, None), "class 10 does not exist in letters; valid classes: 0 (a), 1 (b), 2 (c)");
        refuses(&class(9, None), "class 9 (j) has no image in the training split of letters");
        refuses(&class(4, Some(19)), "cannot forget 19 of 18 images (19 of class 4)");
        refuses(&random(None, Some(163)), "cannot forget 163 of 162 images (random 163)");
    }

    #[test]
    fn an_empty_part_is_refused() {
        refuses(&class(4, Some(0)), "the forget set (0 of class 4) is empty");
        refuses(&random(Some(0.001), None), "the forget set (random 0.1 %) is empty");
        refuses(&random(None, Some(162)), "is the whole training split of 162 images");
        let (_folder, empty) = file("# nothing\n");
        refuses(&empty, "the forget set (indices) is empty");
        let one_class = labelled(vec![0; 20]);
        let split = split(&one_class, &SplitOptions::default()).unwrap();
        let error = resolve(&class(0, None), &one_class, &split, LEGACY, 2).unwrap_err().to_string();
        assert!(error.contains("(class 0) is the whole training split of 18 images"), "{error}");
    }

    #[test]
    fn fraction_and_count_are_said_once_and_in_range() {
        refuses(&random(None, None), "found neither");
        refuses(&random(Some(0.1), Some(3)), "found both");
        for fraction in [0.0, 1.0, -0.5, f64::NAN] {
            refuses(&random(Some(fraction), None), "outside (0, 1)");
        }
    }

    #[test]
    fn listed_positions_are_checked() {
        let (_, split) = small();
        let lists = |text: &str, message: &str| {
            let (_folder, spec) = file(text);
            refuses(&spec, message);
        };
        let (trained, held_out) = (split.train[0], split.validation[0]);
        lists("180", "forget.txt:1 names position 180, but the training set has 180 images (0 to 179)");
        lists("# one\n\n-1", "forget.txt:3 names position -1");
        lists(
            &format!("{trained}\n{trained}"),
            &format!("forget.txt:2: position {trained} is named in line 1 already"),
        );
        lists(&format!("{{\"id\": {held_out}}}"), "forget.txt:1 names position");
        lists(&held_out.to_string(), "which is in the validation split");
        refuses(&ForgetSpec::Positions { positions: vec![trained, trained] }, "`positions` names position");

        let dataset = labelled((0..200).map(|i| i % 10).collect());
        let options = SplitOptions { train_limit: Some(100), ..SplitOptions::default() };
        let limited = crate::split::split(&dataset, &options).unwrap();
        let (_folder, spec) = file("150");
        let error = resolve(&spec, &dataset, &limited, LEGACY, 2).unwrap_err().to_string();
        assert!(error.contains("which is left out by the train limit or forgotten already"), "{error}");
    }

    #[test]
    fn requests_in_turn_are_drawn_from_what_is_left() {
        let (dataset, split) = small();
        let specs = [class(4, Some(6)), class(4, None), random(Some(0.5), None)];
        let drawn = resolve_in_turn(&specs, &dataset, &split, LEGACY, 2).unwrap();
        let counts: Vec<_> = drawn.iter().map(|request| (request.forget.len(), request.retain.len())).collect();
        assert_eq!(counts, [(6, 156), (12, 144), (72, 72)]);
        assert_eq!(drawn[0], resolve(&specs[0], &dataset, &split, LEGACY, 2).unwrap(), "the first is as if alone");
        let mut all: Vec<u32> = drawn.iter().flat_map(|request| request.forget.clone()).collect();
        all.extend(&drawn[2].retain);
        all.sort_unstable();
        assert_eq!(all, split.train, "nothing is forgotten twice");

        let refused =
            |specs: &[ForgetSpec]| resolve_in_turn(specs, &dataset, &split, LEGACY, 2).unwrap_err().to_string();
        let error = refused(&[class(4, None), class(4, None)]);
        assert!(error.contains("class 4 (e) has no image in the training split"), "{error}");
        let (_folder, list) = file(&drawn[1].forget[0].to_string());
        let error = refused(&[class(4, None), list]);
        assert!(error.contains("forgotten already"), "{error}");
    }

    #[test]
    fn seed_zero_is_refused_where_the_legacy_sampler_draws() {
        let (dataset, split) = small();
        let error = resolve(&random(Some(0.1), None), &dataset, &split, LEGACY, 0).unwrap_err();
        assert!(matches!(error, Error::LegacyForgetSeedZero));
        assert!(resolve(&random(Some(0.1), None), &dataset, &split, Sampler::Seeded, 0).is_ok());
    }

    #[test]
    fn a_class_is_forgotten_whole_when_nothing_of_it_is_left_however_it_was_asked_for() {
        let (dataset, split) = small();
        let labels = &dataset.train.labels;
        let of_class: Vec<u32> = split.train.iter().copied().filter(|i| labels[*i as usize] == 1).collect();
        let whole = |spec: ForgetSpec| {
            let ForgetSplit { forget, retain } = resolve(&spec, &dataset, &split, LEGACY, 2).unwrap();
            whole_classes(labels, &forget, &retain)
        };
        assert_eq!(whole(class(1, None)), [1]);
        assert_eq!(whole(ForgetSpec::Positions { positions: of_class.clone() }), [1]);
        assert_eq!(whole(ForgetSpec::Positions { positions: of_class[1..].to_vec() }), [0; 0]);
    }

    #[test]
    fn labels_and_scenarios() {
        let indices = ForgetSpec::Indices { path: "list.npy".into() };
        for (spec, label, scenario) in [
            (class(0, None), "class 0", "class"),
            (class(3, Some(450)), "450 of class 3", "class"),
            (random(Some(0.1), None), "random 10 %", "random"),
            (random(Some(0.07), None), "random 7 %", "random"),
            (random(Some(0.005), None), "random 0.5 %", "random"),
            (random(None, Some(450)), "random 450", "random"),
            (indices, "indices", "indices"),
            (ForgetSpec::Positions { positions: vec![5] }, "indices", "indices"),
        ] {
            assert_eq!((spec.label().as_str(), spec.scenario()), (label, scenario));
        }
    }

    #[test]
    fn written_and_read_as_tagged_tables() {
        let json = r#"{"kind":"random","fraction":0.1}"#;
        let spec: ForgetSpec = serde_json::from_str(json).unwrap();
        assert_eq!(spec, random(Some(0.1), None));
        assert_eq!(serde_json::to_string(&spec).unwrap(), json);
        let error = serde_json::from_str::<ForgetSpec>(r#"{"kind":"class","clas":3}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `clas`"), "{error}");
    }
}
