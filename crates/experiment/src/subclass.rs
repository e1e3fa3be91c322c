//! `kind = "subclass"`: the samples of a subclass within a class that the model was trained on, such as CIFAR-100's "rocket" within the
//! coarse class "vehicles 2".
//!
//! The dataset knows the subclass of each image, or a file lists them ([`unlearn_samples::subclass_list`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use unlearn_datasets::registry::DATASETS;
use unlearn_samples::{
    Dataset, Split,
    subclass_list::{self, ListedSubclass},
};

use crate::data::ClassChoice;

/// The subclasses to forget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Subclass {
    /// The subclasses, by name or number.
    pub classes: Vec<ClassChoice>,
    /// The file that says of which subclass each image is. If there is none, the dataset says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// The samples of subclasses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Members {
    /// Positions in the official training set, ascending.
    pub(crate) positions: Vec<u32>,
    /// `subclass rocket of vehicles_2`.
    pub(crate) label: String,
}

/// Most names in a label, and in a message.
const NAMED: usize = 3;
const LISTED: usize = 20;

/// Of which subclass each training image is.
struct Known {
    /// Position and number of the subclass.
    of: BTreeMap<u32, u32>,
    names: Vec<String>,
    /// Whether a file said so, and not the dataset.
    by_file: bool,
}

impl Subclass {
    /// The subclasses that texts name, as on a command line.
    pub fn of_texts(texts: &[String], path: Option<&Path>) -> Self {
        let choice = |text: &String| match text.parse() {
            Ok(number) => ClassChoice::Number(number),
            Err(_) => ClassChoice::Name(text.clone()),
        };
        Self { classes: texts.iter().map(choice).collect(), path: path.map(Path::to_path_buf) }
    }

    /// Those of the samples in `left` that are of the subclasses. `split` is the whole split, before anything was forgotten. The error
    /// is a reason for users.
    pub(crate) fn members(&self, dataset: &Dataset, split: &Split, left: &[u32]) -> Result<Members, String> {
        let known = self.known(dataset)?;
        let chosen = self.chosen(&known, dataset)?;
        let labels = &dataset.train.labels;
        let is_chosen = |position: &u32| known.of.get(position).is_some_and(|number| chosen.contains(number));
        for number in &chosen {
            let is_of = |position: &u32| known.of.get(position) == Some(number);
            let name = &known.names[*number as usize];
            if !split.train.iter().any(is_of) {
                return Err(format!("subclass `{name}` has no image in the training split of {}", dataset.name));
            }
            if !left.iter().any(is_of) {
                return Err(format!("subclass `{name}` has no image left: all were forgotten before"));
            }
        }
        let classes: BTreeSet<u32> =
            known.of.iter().filter(|(_, number)| chosen.contains(number)).map(|(at, _)| labels[*at as usize]).collect();
        // The label is the same for all seeds, so it does not depend on the split.
        let label = known.label(&chosen, &classes, dataset);
        let is_left_behind = |position: &u32| classes.contains(&labels[*position as usize]) && !is_chosen(position);
        if !split.train.iter().any(is_left_behind) {
            let numbered = |class: &u32| format!("{class} ({})", dataset.classes[*class as usize]);
            let classes: Vec<String> = classes.iter().map(numbered).collect();
            return Err(format!(
                "{label} is all of class {}; give `kind = \"class\"`, which leaves a class out of the test set too",
                classes.join(" and ")
            ));
        }
        Ok(Members { positions: left.iter().copied().filter(is_chosen).collect(), label })
    }

    /// Of which subclass each training image is, by the file or by the dataset.
    fn known(&self, dataset: &Dataset) -> Result<Known, String> {
        if let Some(path) = &self.path {
            return listed(path, dataset);
        }
        let Some(subclasses) = &dataset.subclasses else {
            let with: Vec<&str> =
                DATASETS.iter().filter(|entry| !entry.subclasses.is_empty()).map(|entry| entry.name).collect();
            return Err(format!(
                "{} does not know the subclasses of its images; take a dataset that does ({}), or list them in a file with the columns \
                 `id` and `subclass`: `path = \"subclasses.csv\"`",
                dataset.name,
                with.join(", ")
            ));
        };
        let of = (0..).zip(subclasses.train.iter().copied()).collect();
        Ok(Known { of, names: subclasses.names.clone(), by_file: false })
    }

    /// The numbers of the subclasses to forget.
    fn chosen(&self, known: &Known, dataset: &Dataset) -> Result<BTreeSet<u32>, String> {
        let mut chosen = BTreeSet::new();
        for choice in &self.classes {
            let text = match choice {
                ClassChoice::Number(number) => number.to_string(),
                ClassChoice::Name(name) => name.clone(),
            };
            let by_name = || known.names.iter().position(|name| *name == text).map(|number| number as u32);
            let found = match choice {
                // In a file, a number is a name like any other.
                ClassChoice::Number(number) if !known.by_file => {
                    Some(*number).filter(|number| (*number as usize) < known.names.len())
                }
                _ => by_name(),
            };
            let number = found.ok_or_else(|| {
                let suggestion = unlearn_names::suggestion(&text, known.names.iter().map(String::as_str));
                let place = self.path.as_ref().map_or(dataset.name.clone(), |path| path.display().to_string());
                format!("subclass `{text}` does not exist in {place}{suggestion}; valid subclasses: {}", known.listed())
            })?;
            if !chosen.insert(number) {
                return Err(format!("`classes` names subclass `{text}` twice; name each once"));
            }
        }
        if chosen.is_empty() {
            return Err(format!("`classes` is empty; name one subclass or more of: {}", known.listed()));
        }
        Ok(chosen)
    }
}

impl Known {
    /// `subclass rocket of vehicles_2`.
    fn label(&self, chosen: &BTreeSet<u32>, classes: &BTreeSet<u32>, dataset: &Dataset) -> String {
        let few = |names: Vec<&str>, what: &str| {
            let more = names.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more {what}") } else { String::new() };
            format!("{}{more}", names.into_iter().take(NAMED).collect::<Vec<_>>().join(", "))
        };
        let names = few(chosen.iter().map(|number| self.names[*number as usize].as_str()).collect(), "subclasses");
        let of = few(classes.iter().map(|class| dataset.classes[*class as usize].as_str()).collect(), "classes");
        format!("{} {names} of {of}", if chosen.len() == 1 { "subclass" } else { "subclasses" })
    }

    /// The first names, for messages.
    fn listed(&self) -> String {
        let named = (0..).zip(&self.names).take(LISTED);
        let named: Vec<String> = if self.by_file {
            named.map(|(_, name): (u32, &String)| name.clone()).collect()
        } else {
            named.map(|(number, name)| format!("{number} ({name})")).collect()
        };
        let more = if self.names.len() > LISTED { ", …" } else { "" };
        format!("{}{more}", named.join(", "))
    }
}

/// The subclasses that a file lists. Every image must be one of the training set.
fn listed(path: &Path, dataset: &Dataset) -> Result<Known, String> {
    let count = dataset.train.len();
    let mut known = Known { of: BTreeMap::new(), names: Vec::new(), by_file: true };
    let mut numbers = BTreeMap::new();
    for ListedSubclass { listed, subclass } in subclass_list::read(path).map_err(|error| error.to_string())? {
        let position = u32::try_from(listed.position).ok().filter(|position| (*position as usize) < count);
        let position = position.ok_or_else(|| {
            let (place, last) = (listed.place.in_file(path), count.saturating_sub(1));
            format!(
                "{place} names position {}, but the training set of {} has {count} images (0 to {last})",
                listed.position, dataset.name
            )
        })?;
        let number = *numbers.entry(subclass.clone()).or_insert_with(|| {
            known.names.push(subclass);
            known.names.len() as u32 - 1
        });
        known.of.insert(position, number);
    }
    if known.of.is_empty() {
        return Err(format!(
            "{} names no image; write a table with the columns `id` and `subclass`, one image a line",
            path.display()
        ));
    }
    Ok(known)
}

/// The subclasses of which nothing is left among the retained samples, of classes that are not forgotten whole. None for a dataset
/// that does not know its subclasses. Both lists are positions in the training set.
pub(crate) fn forgotten_whole(dataset: &Dataset, forget: &[u32], retain: &[u32], whole_classes: &[u32]) -> Vec<u32> {
    let Some(subclasses) = &dataset.subclasses else { return Vec::new() };
    let classes = dataset.classes_of_subclasses();
    let mut whole = unlearn_samples::forget::whole_classes(&subclasses.train, forget, retain);
    whole.retain(|number| classes[*number as usize].is_some_and(|class| !whole_classes.contains(&class)));
    whole
}

#[cfg(test)]
mod tests {
    use std::fs;

    use unlearn_samples::{Augmentation, ImageSet, Normalization, Subclasses};

    use super::*;

    /// Two classes of two subclasses: cat and dog are pets, bus and van are cars. The last sample is held out.
    fn place(with: bool) -> (Dataset, Split) {
        let set = |labels: &[u32]| ImageSet::new([1, 1, 1], vec![7; labels.len()], labels).unwrap();
        let normalization = Normalization { mean: vec![0.5], std: vec![0.5] };
        let classes = ["pet", "car"].map(String::from).into();
        let train = set(&[0, 0, 0, 1, 1, 1, 0, 1]);
        let dataset = Dataset::new("tiny", classes, normalization, Augmentation::NONE, train, set(&[0, 1]));
        let subclasses = Subclasses {
            names: ["cat", "dog", "bus", "van", "jet"].map(String::from).into(),
            train: vec![0, 1, 0, 2, 2, 3, 1, 3],
            test: vec![0, 2],
        };
        let dataset = if with { dataset.with_subclasses(subclasses).unwrap() } else { dataset };
        (dataset, Split { train: (0..7).collect(), validation: vec![7] })
    }

    fn asked(classes: &[&str], path: Option<&Path>) -> Subclass {
        let texts: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
        Subclass::of_texts(&texts, path)
    }

    fn members(classes: &[&str]) -> Result<(Vec<u32>, String), String> {
        let (dataset, split) = place(true);
        let found = asked(classes, None).members(&dataset, &split, &split.train)?;
        Ok((found.positions, found.label))
    }

    #[test]
    fn a_data_set_names_the_samples_by_name_or_number() {
        assert_eq!(members(&["dog"]), Ok((vec![1, 6], "subclass dog of pet".into())));
        assert_eq!(members(&["1"]), members(&["dog"]));
        assert_eq!(members(&["van", "cat"]), Ok((vec![0, 2, 5], "subclasses cat, van of pet, car".into())));
    }

    #[test]
    fn what_is_no_part_of_a_class_is_refused() {
        for (classes, words) in [
            (
                &["cart"][..],
                "subclass `cart` does not exist in tiny (did you mean `cat`?); valid subclasses: 0 (cat), 1 (dog)",
            ),
            (&["9"], "subclass `9` does not exist in tiny"),
            (&["jet"], "subclass `jet` has no image in the training split of tiny"),
            (&["dog", "1"], "names subclass `1` twice"),
            (&[], "`classes` is empty; name one subclass or more of: 0 (cat)"),
            (&["dog", "cat"], "subclasses cat, dog of pet is all of class 0 (pet); give `kind = \"class\"`"),
            (&["dog", "cat", "bus", "van"], "all of class 0 (pet) and 1 (car)"),
        ] {
            let reason = members(classes).unwrap_err();
            assert!(reason.contains(words), "{classes:?}: {reason}");
        }
        let (dataset, split) = place(false);
        let reason = asked(&["dog"], None).members(&dataset, &split, &split.train).unwrap_err();
        assert!(reason.contains("tiny does not know the subclasses") && reason.contains("(cifar20)"), "{reason}");
        assert!(reason.contains("`path = \"subclasses.csv\"`"), "{reason}");
        let (dataset, split) = place(true);
        let reason = asked(&["dog"], None).members(&dataset, &split, &[0, 2, 3]).unwrap_err();
        assert!(reason.contains("`dog` has no image left"), "{reason}");
    }

    #[test]
    fn a_file_names_the_samples_even_across_classes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subclasses.csv");
        let (dataset, split) = place(false);
        let of = |text: &str, classes: &[&str]| {
            fs::write(&path, text).unwrap();
            asked(classes, Some(&path)).members(&dataset, &split, &split.train)
        };
        let text = "id,subclass\r\n0,dark\r\n3,dark\r\n7,dark\r\n1,3\r\n";
        let found = of(text, &["dark"]).unwrap();
        assert_eq!((found.positions, found.label.as_str()), (vec![0, 3], "subclass dark of pet, car"), "7 is held out");
        let found = of(text, &["3"]).unwrap();
        assert_eq!((found.positions, found.label.as_str()), (vec![1], "subclass 3 of pet"));
        for (text, words) in [
            (
                "id,subclass\n0,dark\n8,dark\n",
                "subclasses.csv:3 names position 8, but the training set of tiny has 8 images (0 to 7)",
            ),
            ("id,subclass\n-1,dark\n", "subclasses.csv:2 names position -1"),
            ("id,subclass\n0,dark\n\n0,light\n", "subclasses.csv:4: position 0 is named in line 2 already"),
            ("id,subclass\n0,darc\n", "does not exist in "),
            ("id,subclass\n7,dark\n", "subclass `dark` has no image in the training split"),
            ("id,subclass\n", "names no image"),
            ("id,subclass\n0,dark\n1,dark\n2,dark\n6,dark", "is all of class 0 (pet)"),
        ] {
            let reason = of(text, &["dark"]).unwrap_err();
            assert!(reason.contains(words), "{text:?}: {reason}");
        }
    }

    #[test]
    fn a_subclass_is_forgotten_whole_if_nothing_of_it_is_left() {
        let (dataset, split) = place(true);
        let whole = |forget: &[u32], classes: &[u32]| {
            let retain: Vec<u32> = split.train.iter().copied().filter(|at| !forget.contains(at)).collect();
            forgotten_whole(&dataset, forget, &retain, classes)
        };
        assert_eq!((whole(&[1, 6], &[]), whole(&[1], &[]), whole(&[1, 2, 5, 6], &[])), (vec![1], vec![], vec![1, 3]));
        assert_eq!(whole(&[0, 1, 2, 6], &[0]), [0; 0], "the class left with it");
        assert_eq!(forgotten_whole(&place(false).0, &[1, 6], &[0], &[]), [0; 0]);
    }
}
