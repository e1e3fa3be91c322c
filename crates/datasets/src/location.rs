//! Datasets outside of the registry, by form and path: `folder:PATH`, `npz:PATH`, `parquet:PATH`; repositories of the
//! Hub, `hub:owner/name`, which are fetched; and the registry's own forms with any number of images: `idx:PATH`,
//! `cifar:PATH`, `mat:PATH`.
//!
//! `?size=N` after the path gives all pictures one size: the shorter side is resized to N pixels, and the middle N ×
//! N is taken. `?stream=N` is for sets too large for memory, such as ImageNet. Pictures stay on disk. Training sees
//! random parts of them, resized to N × N. Evaluation sees the middle N × N after the shorter side was resized to N ·
//! 256 / 224. `cifar:PATH?labels=coarse` opens CIFAR-100's files with the coarse labels, and the fine ones as subclasses. The name as typed is the dataset's name, so checkpoints and certificates name their data.

use std::path::{Path, PathBuf};

use unlearn_samples::Dataset;

use crate::error::{Error, Result};
use crate::formats::{cifar, idx_folder, image_folder, npz, parquet};
use crate::hub_files;
use crate::options::OpenOptions;
use crate::place::Place;
use crate::svhn;

/// Maximum `size`.
const SIZE_LIMIT: usize = 1024;

/// The text after the `?` that asks for CIFAR-100's coarse labels.
const COARSE: &str = "labels=coarse";

/// The text after the `?` that gives pictures a size.
fn sizes() -> String {
    format!("`size=N` or `stream=N`, N from 1 to {SIZE_LIMIT}")
}

/// A form of datasets that are named by path.
#[derive(Debug, Clone, Copy)]
pub struct PathForm {
    /// The part of a name before the colon.
    pub name: &'static str,
    /// The required content, in a sentence.
    pub summary: &'static str,
    /// Whether it may be a file.
    is_file: bool,
    find: fn(&Place, &OpenOptions) -> Result<PathBuf>,
    open: fn(&Place) -> Result<Dataset>,
}

/// All forms.
pub static FORMS: &[PathForm] = &[
    PathForm {
        name: "folder",
        summary: "a folder `train` and a folder `test` or `val`, with a folder of pictures for each class",
        is_file: false,
        find: find_here,
        open: image_folder::open_place,
    },
    PathForm {
        name: "npz",
        summary: "an .npz archive of the arrays x_train, y_train, x_test and y_test, images as unsigned bytes",
        is_file: true,
        find: find_here,
        open: npz::open_place,
    },
    PathForm {
        name: "parquet",
        summary: "a folder of parquet files with pictures and labels, as on the Hugging Face Hub",
        is_file: false,
        find: find_here,
        open: parquet::open_place,
    },
    PathForm {
        name: "hub",
        summary: "a dataset repository of the Hugging Face Hub, owner/name or owner/name@revision, with such files",
        is_file: false,
        find: hub_files::find,
        open: parquet::open_place,
    },
    PathForm {
        name: "idx",
        summary: "a folder of MNIST's four IDX files, plain or .gz, with any number of grey images of any size",
        is_file: false,
        find: find_here,
        open: idx_folder::open_place,
    },
    PathForm {
        name: "cifar",
        summary: "a folder, or a .tar.gz, of the files of CIFAR-10 or CIFAR-100, binary or pickled, with any number of images",
        is_file: true,
        find: find_here,
        open: cifar::open_place,
    },
    PathForm {
        name: "mat",
        summary: "a folder of train_32x32.mat and test_32x32.mat as SVHN has them, with any number of images of any size",
        is_file: false,
        find: find_here,
        open: svhn::open_place,
    },
];

/// The path of a location: relative to the current folder, or else to the folders of datasets.
fn find_here(place: &Place, options: &OpenOptions) -> Result<PathBuf> {
    let places = || {
        let here = std::iter::once(place.path.clone());
        here.chain(options.roots().map(|root| root.join(&place.path)))
    };
    places().find(|path| path.exists()).ok_or_else(|| {
        let looked: Vec<_> = places().map(|path| path.display().to_string()).collect();
        Error::Location { name: place.name.clone(), problem: format!("nothing was found at {}", looked.join(", ")) }
    })
}

/// A parsed name of a dataset.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    form: &'static PathForm,
    place: Place,
}

impl Location {
    /// The location in `name`. `None` if it does not begin like one.
    ///
    /// # Errors
    /// If the rest is not a valid location.
    pub(crate) fn parse(name: &str) -> Result<Option<Self>> {
        let Some((form, rest)) = name.split_once(':') else { return Ok(None) };
        let Some(form) = FORMS.iter().find(|known| known.name == form) else {
            // A letter before a colon is a drive of Windows.
            let is_form = form.len() > 1 && form.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_form {
                return Ok(None);
            }
            let names = || FORMS.iter().map(|known| known.name);
            let suggestion = unlearn_names::suggestion(form, names());
            let valid = names().collect::<Vec<_>>().join(", ");
            let problem = format!("unknown form `{form}`{suggestion}; valid forms: {valid}");
            return Err(Error::Location { name: name.into(), problem });
        };
        let refuse = |problem: &str| Error::Location { name: name.into(), problem: problem.into() };
        // The name of a folder may hold a question mark too.
        let divided = if Path::new(rest).exists() { None } else { rest.rsplit_once('?') };
        let (path, option) = divided.map_or((rest, None), |(path, option)| (path, Some(option)));
        if path.is_empty() {
            return Err(refuse("the path is missing"));
        }
        if form.name == "hub" {
            hub_files::check(path).map_err(|problem| refuse(&problem))?;
        }
        let (mut size, mut stream) = (None, false);
        let coarse = option == Some(COARSE);
        if coarse && form.name != "cifar" {
            return Err(refuse(&format!("`{COARSE}` is for CIFAR-100, as `cifar:PATH?{COARSE}`; leave it out")));
        }
        if let Some(option) = option.filter(|_| !coarse) {
            if let Some((key @ ("size" | "stream"), value)) = option.split_once('=') {
                stream = key == "stream";
                size = value.parse().ok().filter(|size| (1..=SIZE_LIMIT).contains(size));
            }
            if size.is_none() {
                let only = if form.name == "cifar" { format!("`{COARSE}`") } else { sizes() };
                return Err(refuse(&format!("`{option}` is not {only}")));
            }
        }
        Ok(Some(Self { form, place: Place { name: name.into(), path: path.into(), size, stream, coarse } }))
    }

    /// Opens the dataset.
    ///
    /// # Errors
    /// If there is nothing, or not what the form requires.
    pub(crate) fn open(mut self, options: &OpenOptions) -> Result<Dataset> {
        self.place.path = (self.form.find)(&self.place, options)?;
        let path = &self.place.path;
        if path.is_file() && !self.form.is_file {
            let problem = format!("{} is a file; name the folder that it lies in", path.display());
            return Err(Error::Location { name: self.place.name, problem });
        }
        (self.form.open)(&self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_forms_paths_and_sizes() {
        let Location { place, .. } = Location::parse("parquet:a folder/with:colons?size=64").unwrap().unwrap();
        assert_eq!((place.path, place.size), ("a folder/with:colons".into(), Some(64)));
        let Location { place, .. } = Location::parse("folder:x?stream=224").unwrap().unwrap();
        assert_eq!((place.size, place.stream), (Some(224), true));
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("what?");
        std::fs::create_dir(&odd).unwrap();
        for (option, size) in [("", None), ("?size=64", Some(64))] {
            let Location { place, .. } =
                Location::parse(&format!("folder:{}{option}", odd.display())).unwrap().unwrap();
            assert_eq!((place.path, place.size), (odd.clone(), size));
        }
        for other in ["cifar10", "C:\\data"] {
            assert!(Location::parse(other).unwrap().is_none(), "{other}");
        }
        for (name, problem) in [
            ("hubs:owner/name", "unknown form `hubs` (did you mean `hub`?); valid forms: folder, npz,"),
            ("parquet:", "the path is missing"),
            ("parquet:x?size=0", "`size=0` is not `size=N` or `stream=N`, N from 1 to 1024"),
            ("parquet:x?crop", "`crop` is not `size=N` or"),
            ("cifar:x?labels=fine", "`labels=fine` is not `labels=coarse`"),
            ("folder:x?labels=coarse", "`labels=coarse` is for CIFAR-100"),
        ] {
            let error = Location::parse(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{name}` names no dataset: {problem}")), "{error}");
        }
    }

    #[test]
    fn a_place_that_is_not_there_says_where_it_was_looked_for() {
        let options = OpenOptions { data_dir: Some("some/where".into()), ..OpenOptions::default() };
        let error = Location::parse("parquet:no/such").unwrap().unwrap().open(&options).unwrap_err().to_string();
        assert!(
            error.starts_with("`parquet:no/such` names no dataset: nothing was found at no/such, some/where/no/such")
        );
    }
}
