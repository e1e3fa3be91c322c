//! What stages are made from that does not lie in the store: data sets and pretrained weights. Each is opened once a process.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use unlearn_datasets::{registry, registry::OpenOptions};
use unlearn_mia_eval::Registry;
use unlearn_models::{InputSpec, Origin};
use unlearn_network::DeviceChoice;
use unlearn_samples::Dataset;
use unlearn_unlearning::Methods;

use crate::initial::Initial;

/// Where stages run and where their data lies: what is not part of a result.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Folder with datasets, before the usual places.
    pub data_dir: Option<PathBuf>,
    /// Device for every stage.
    pub device: DeviceChoice,
    /// Whether nothing may be fetched, be it data or weights.
    pub offline: bool,
    /// The figures and attacks there are.
    pub registry: Registry,
    /// The unlearning methods there are.
    pub methods: Methods,
}

/// What is known of the images of a registered dataset without opening it.
pub fn known_images(dataset: &str) -> Option<InputSpec> {
    let entry = registry::find(dataset).ok()?;
    let (shape, classes) = (entry.shape, entry.class_count);
    Some(InputSpec { shape, classes, mean: entry.mean.to_vec(), std: entry.std.to_vec() })
}

/// Data sets and pretrained weights, each opened when a stage first asks for it.
#[derive(Debug, Default)]
pub struct Materials {
    environment: Environment,
    datasets: RefCell<BTreeMap<String, Arc<Dataset>>>,
    initials: RefCell<BTreeMap<String, Arc<Initial>>>,
}

impl Materials {
    /// Nothing is opened yet.
    pub fn new(environment: Environment) -> Self {
        Self { environment, ..Self::default() }
    }

    /// Where stages run and data lies.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The device of every stage.
    pub(crate) fn device(&self) -> DeviceChoice {
        self.environment.device
    }

    /// The dataset of a name, as [`registry::open`] knows it.
    pub(crate) fn dataset(&self, name: &str) -> unlearn_datasets::Result<Arc<Dataset>> {
        if let Some(dataset) = self.datasets.borrow().get(name) {
            return Ok(Arc::clone(dataset));
        }
        let options = OpenOptions { data_dir: self.environment.data_dir.clone(), fetch: !self.environment.offline };
        let dataset = Arc::new(registry::open(name, &options)?);
        self.datasets.borrow_mut().insert(name.to_owned(), Arc::clone(&dataset));
        Ok(dataset)
    }

    /// What training began with, by what a model or a stage says of it. The error is a reason for people.
    pub(crate) fn initial(&self, origin: Option<&Origin>) -> Result<Arc<Initial>, String> {
        let Some(origin) = origin else { return Ok(Arc::default()) };
        if let Some(initial) = self.initials.borrow().get(&origin.blake3) {
            return Ok(Arc::clone(initial));
        }
        let initial = Arc::new(Initial::reopen(origin, self.environment.offline)?);
        self.keep_initial(&initial);
        Ok(initial)
    }

    /// Opens what `[model] init` of a suite says; a path is relative to `folder`.
    pub(crate) fn open_initial(&self, init: Option<&str>, folder: &Path) -> crate::Result<Arc<Initial>> {
        let initial = Arc::new(Initial::open(init, folder, self.environment.offline)?);
        self.keep_initial(&initial);
        Ok(initial)
    }

    fn keep_initial(&self, initial: &Arc<Initial>) {
        if let Some(origin) = initial.origin() {
            self.initials.borrow_mut().insert(origin.blake3.clone(), Arc::clone(initial));
        }
    }
}
