//! A dataset, its split, and requests to forget parts of it.

use std::{path::Path, sync::Arc};

use serde_json::{Value, json};
use unlearn_datasets::registry::{self, OpenOptions};
use unlearn_samples::{
    Augmentation, Dataset, ForgetSpec, ImageSet, Normalization, Split, SplitOptions, forget, positions, split,
};

use crate::{Error, Result};

/// A dataset, and the split of its training set into images to train on and images held out for validation.
#[derive(Debug, Clone)]
pub struct Data {
    dataset: Arc<Dataset>,
    split: Split,
    options: SplitOptions,
}

/// Training images that a model is asked to forget, as positions in the official training set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    positions: Vec<u32>,
}

impl Asked {
    /// The positions, ascending.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }
}

impl Data {
    /// Opens a dataset by its name (`unlearn datasets` lists them), or by a form and a path such as `folder:PATH`. The
    /// split is that of [`SplitOptions::default`].
    ///
    /// # Errors
    /// If the name is unknown, or the files are missing or damaged.
    pub fn open(name: &str) -> Result<Self> {
        Self::of(Arc::new(registry::open(name, &OpenOptions::default())?), SplitOptions::default())
    }

    /// The same, searching a folder before the usual places.
    ///
    /// # Errors
    /// As [`Data::open`].
    pub fn open_in(name: &str, folder: &Path) -> Result<Self> {
        let options = OpenOptions { data_dir: Some(folder.into()), ..OpenOptions::default() };
        Self::of(Arc::new(registry::open(name, &options)?), SplitOptions::default())
    }

    /// One's own images. Classes are named by their numbers, and the normalisation is measured on the training images.
    /// Training images are not augmented.
    ///
    /// ```
    /// use unlearn::{Data, ImageSet};
    ///
    /// // 40 grey images of 8×8 pixels, in two classes.
    /// let images = |count: usize| ImageSet::new([1, 8, 8], vec![7; 64 * count], (0..count as u32).map(|i| i % 2).collect::<Vec<_>>());
    /// let data = Data::from_images(images(40)?, images(10)?)?;
    /// assert_eq!((data.training().len(), data.validation().len()), (36, 4));
    /// # Ok::<(), unlearn::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the two sets have images of different shapes, or either is empty.
    pub fn from_images(train: ImageSet, test: ImageSet) -> Result<Self> {
        let shape = |set: &ImageSet| [set.channels, set.height, set.width];
        if shape(&train) != shape(&test) {
            let (train, test) = (shape(&train), shape(&test));
            return Err(Error::Fit(format!("training images have the shape {train:?}, test images {test:?}")));
        }
        if train.is_empty() || test.is_empty() {
            return Err(Error::Fit("a dataset needs at least one training image and one test image".into()));
        }
        let count = train.labels.iter().chain(test.labels.iter()).max().map_or(0, |most| *most as usize + 1);
        let classes = (0..count).map(|class| class.to_string()).collect();
        let (normalization, _) = Normalization::of(&train)?.without_zeros();
        let dataset = Dataset::new("images", classes, normalization, Augmentation::NONE, train, test);
        Self::of(Arc::new(dataset), SplitOptions::default())
    }

    /// A dataset with another split.
    ///
    /// # Errors
    /// If the options do not suit the dataset.
    pub fn of(dataset: Arc<Dataset>, options: SplitOptions) -> Result<Self> {
        let split = split::split(&dataset, &options)?;
        Ok(Self { dataset, split, options })
    }

    /// The same with at most `images` training images: the first ones of each class, equally many per class.
    ///
    /// # Errors
    /// If a class has fewer.
    pub fn limited_to(self, images: usize) -> Result<Self> {
        let options = SplitOptions { train_limit: Some(images), ..self.options };
        Self::of(self.dataset, options)
    }

    /// The dataset.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Positions of the images to train on, ascending.
    pub fn training(&self) -> &[u32] {
        &self.split.train
    }

    /// Positions of the held-out training images, ascending.
    pub fn validation(&self) -> &[u32] {
        &self.split.validation
    }

    /// Asks to forget every training image of a class.
    ///
    /// # Errors
    /// If the split has none.
    pub fn class(&self, class: u32) -> Result<Asked> {
        self.asked(&ForgetSpec::Class { class, count: None })
    }

    /// Asks to forget a random share of the training images, in (0, 1). The draw is that of a suite.
    ///
    /// # Errors
    /// If the share is outside (0, 1) or rounds to no image.
    pub fn random(&self, share: f64) -> Result<Asked> {
        self.asked(&ForgetSpec::Random { fraction: Some(share), count: None })
    }

    /// Asks to forget these images, given as positions in the official training set.
    ///
    /// # Errors
    /// If a position is not in the training split, or stands twice.
    pub fn positions(&self, positions: impl Into<Vec<u32>>) -> Result<Asked> {
        self.asked(&ForgetSpec::Positions { positions: positions.into() })
    }

    /// Asks to forget the images that a file lists: text, JSON, a table or `.npy`.
    ///
    /// # Errors
    /// If the file cannot be read, or as [`Data::positions`].
    pub fn listed(&self, path: &Path) -> Result<Asked> {
        positions::read(path)?;
        self.asked(&ForgetSpec::Indices { path: path.into() })
    }

    fn asked(&self, spec: &ForgetSpec) -> Result<Asked> {
        let parts = forget::resolve(spec, &self.dataset, &self.split, self.options.sampler, self.options.seed)?;
        Ok(Asked { positions: parts.forget })
    }

    pub(crate) fn shared(&self) -> Arc<Dataset> {
        Arc::clone(&self.dataset)
    }

    pub(crate) fn shared_split(&self) -> &Split {
        &self.split
    }

    /// The section `data` of a suite that describes these data.
    pub(crate) fn statement(&self) -> Value {
        let SplitOptions { sampler, seed, validation_fraction, train_limit } = &self.options;
        let name = &self.dataset.name;
        json!({ "name": name, "train-limit": train_limit, "validation": validation_fraction, "sampler": sampler, "seed": seed })
    }
}
