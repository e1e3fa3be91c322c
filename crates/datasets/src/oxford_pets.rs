//! Oxford-IIIT Pets: 7,349 colour pictures of cats and dogs, of many sizes, 37 breeds.
//!
//! Parkhi, Vedaldi, Zisserman and Jawahar, "Cats and Dogs", CVPR 2012. The official lists `annotations/trainval.txt` and
//! `annotations/test.txt` say which pictures belong to which set, in this order. A line is a picture's name, its class from 1, its
//! species and its breed within the species. The class is named by the picture's name without its number. Pictures that no list names
//! are not read. Pictures stay on disk and are decoded on demand, as ImageNet's are.

use std::path::Path;

use unlearn_samples::Dataset;

use crate::entry::Entry;
use crate::error::{Result, damaged};
use crate::formats::image_folder;
use crate::formats::packed::{Packed, PackedSet};
use crate::options::OpenOptions;

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "oxford-pets",
    summary: "7,349 colour pictures of cats and dogs, seen at 224×224, 37 breeds",
    source: "https://www.robots.ox.ac.uk/~vgg/data/pets (Parkhi et al., CVPR 2012)",
    licence: "CC BY-SA 4.0",
    needs: "`images` and `annotations`, unpacked, in a folder `oxford-pets` or `oxford-iiit-pet` in --data-dir or $UNLEARN_DATA",
    classes: &[],
    subclasses: &[],
    files_of: None,
    class_count: 37,
    shape: [3, 224, 224],
    train: 3680,
    test: 3669,
    mean: crate::imagenet::ENTRY.mean,
    std: crate::imagenet::ENTRY.std,
    augmentation: crate::imagenet::ENTRY.augmentation,
    hub: None,
    files: &[],
    open,
};

/// The folder's name in torchvision.
const FOLDER: &str = "oxford-iiit-pet";
const LISTS: [&str; 2] = ["annotations/trainval.txt", "annotations/test.txt"];

fn open(entry: &Entry, options: &OpenOptions) -> Result<Dataset> {
    let roots = options.folders(entry.name, &[]);
    let folders = roots.iter().flat_map(|root| [root.join(FOLDER), root.clone()]);
    match entry.first_with(folders, |folder| folder.join(LISTS[0]).is_file() && folder.join("images").is_dir()) {
        Some(folder) => open_folder(entry, &folder),
        None => Err(entry.not_found(&roots)),
    }
}

/// Opens the dataset of `entry` from its unpacked folder.
pub(crate) fn open_folder(entry: &Entry, folder: &Path) -> Result<Dataset> {
    let mut classes = vec![None; entry.class_count];
    let mut read = |list: &str| listed(&folder.join(list), &folder.join("images"), &mut classes);
    let (train, test) = (read(LISTS[0])?, read(LISTS[1])?);
    let named = classes.iter().flatten().count();
    let counts = [(named, entry.class_count), (train.labels.len(), entry.train), (test.labels.len(), entry.test)];
    for ((found, expected), what) in counts.into_iter().zip(["classes", "training images", "test images"]) {
        entry.check_count((folder, what), found, expected, ("folder", folder))?;
    }
    let classes = classes.into_iter().flatten().collect();
    Ok(entry.dataset_of(classes, entry.images(train)?, entry.images(test)?))
}

/// The pictures of a list. `classes` collects the names of classes by their numbers.
fn listed(list: &Path, images: &Path, classes: &mut [Option<String>]) -> Result<PackedSet> {
    let text = image_folder::read_text(list)?;
    let mut set = PackedSet::default();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let fail = |problem: &str| damaged(list, format!("line {number}: {problem}"));
        let mut fields = line.split_ascii_whitespace();
        let (Some(name), Some(class)) = (fields.next(), fields.next()) else {
            return Err(fail("it has no picture and class"));
        };
        if !image_folder::is_file_name(name) {
            return Err(fail(&format!("`{name}` is not the name of a file")));
        }
        let breed = name.rsplit_once('_').map(|(breed, _)| breed);
        let breed = breed.ok_or_else(|| fail(&format!("`{name}` has no `_` between its breed and its number")))?;
        let label = class.parse::<usize>().ok().and_then(|class| class.checked_sub(1));
        let Some((label, known)) = label.and_then(|label| Some((label, classes.get_mut(label)?))) else {
            return Err(fail(&format!("class `{class}` is none of 1 to {}", classes.len())));
        };
        match known {
            Some(other) if other != breed => {
                return Err(fail(&format!("class {class} is `{breed}` here and `{other}` before")));
            }
            Some(_) => {}
            None => *known = Some(breed.to_owned()),
        }
        set.pictures.push(Packed::File(images.join(format!("{name}.jpg"))));
        set.labels.push(label as u32);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use unlearn_samples::{Picture, Sides};

    use super::*;

    const TRAIN: &str = "Abyssinian_100 1 1 1\nbeagle_5 2 2 1\nAbyssinian_7 1 1 1\n";

    fn folder(train: &str, test: &str) -> (tempfile::TempDir, Entry) {
        let root = tempfile::tempdir().unwrap();
        for folder in ["images", "annotations"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        for (number, name) in ["Abyssinian_100", "beagle_5", "Abyssinian_7", "beagle_9", "beagle_10"].iter().enumerate()
        {
            let sides = Sides { channels: 3, height: 20 + number, width: 30 };
            let pixels = vec![number as u8 * 20; sides.height * 90];
            let file = crate::formats::picture::encode(&Picture { sides, pixels }).unwrap();
            fs::write(root.path().join(format!("images/{name}.jpg")), file).unwrap();
        }
        fs::write(root.path().join(LISTS[0]), train).unwrap();
        fs::write(root.path().join(LISTS[1]), test).unwrap();
        (root, Entry { class_count: 2, train: 3, test: 1, shape: [3, 14, 14], ..ENTRY })
    }

    #[test]
    fn the_official_lists_say_what_belongs_where_and_in_which_order() {
        let (root, entry) = folder(TRAIN, "# a remark\nbeagle_9 2 2 1\n");
        let dataset = open_folder(&entry, root.path()).unwrap();
        assert_eq!(dataset.classes, ["Abyssinian", "beagle"]);
        assert_eq!((dataset.train.labels.to_vec(), dataset.test.labels.to_vec()), (vec![0, 1, 0], vec![1]));
        let first = |set: &unlearn_samples::ImageSet, i| set.image(i).unwrap()[0];
        assert_eq!((first(&dataset.train, 1), first(&dataset.train, 2), first(&dataset.test, 0)), (20, 40, 60));
        let options = OpenOptions { data_dir: Some(root.path().into()), ..OpenOptions::default() };
        let error = crate::registry::open("oxford-pets", &options).unwrap_err().to_string();
        assert!(error.contains("37") && error.contains("classes"), "{error}");
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (train, words) in [
            ("Abyssinian_100\n", "line 1: it has no picture and class"),
            ("Abyssinian_100 1 1 1\nbeagle_5 1 2 1\n", "line 2: class 1 is `beagle` here and `Abyssinian` before"),
            ("beagle_5 3 2 1\n", "class `3` is none of 1 to 2"),
            ("beagle_5 0 2 1\n", "class `0` is none of 1 to 2"),
            ("beagle_5 x 2 1\n", "class `x` is none of"),
            ("../x_1 1 1 1\n", "`../x_1` is not the name of a file"),
            ("beagle 1 1 1\n", "has no `_`"),
            ("Abyssinian_100 1 1 1\n", "training images"),
            ("Abyssinian_100 1 1 1\nbeagle_5 2 2 1\nAbyssinian_8 1 1 1\n", "Abyssinian_8.jpg"),
        ] {
            let (root, entry) = folder(train, "beagle_9 2 2 1\n");
            let error = open_folder(&entry, root.path()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
