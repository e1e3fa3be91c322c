//! Inputs of stages that are not in the store: data sets and pretrained weights. Each is opened once per process.

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

use crate::{
    Error, Suite,
    data::{Data, DataSection},
    initial::Initial,
    suite::ModelSection,
};

/// Where stages run and where their data are. None of this is part of a result.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Folder with datasets, searched before the usual places.
    pub data_dir: Option<PathBuf>,
    /// Device for every stage.
    pub device: DeviceChoice,
    /// Whether fetching data and weights is forbidden.
    pub offline: bool,
    /// The available figures and attacks.
    pub registry: Registry,
    /// The available unlearning methods.
    pub methods: Methods,
}

/// What is known of the images of a registered dataset without opening it.
pub fn known_images(dataset: &str) -> Option<InputSpec> {
    let entry = registry::find(dataset).ok()?;
    let (shape, classes) = (entry.shape, entry.class_count);
    Some(InputSpec { shape, classes, mean: entry.mean.to_vec(), std: entry.std.to_vec() })
}

/// Data sets and pretrained weights. Each is opened when a stage first asks for it.
#[derive(Debug, Default)]
pub struct Materials {
    environment: Environment,
    datasets: RefCell<BTreeMap<String, Arc<Dataset>>>,
    /// Datasets of some classes or with converted images, by what describes them.
    derived: RefCell<BTreeMap<String, Arc<Dataset>>>,
    /// The poisoned data that were asked for last, by their description. Each is a copy of the training set, so only one is kept.
    poisoned: RefCell<Option<(String, Data)>>,
    initials: RefCell<BTreeMap<Content, Arc<Initial>>>,
}

impl Materials {
    /// Creates the materials without opening any.
    pub fn new(environment: Environment) -> Self {
        Self { environment, ..Self::default() }
    }

    /// Where stages run and where their data are.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The device of every stage.
    pub(crate) fn device(&self) -> DeviceChoice {
        self.environment.device
    }

    /// The dataset with this name, as in [`registry::open`].
    pub(crate) fn dataset(&self, name: &str) -> unlearn_datasets::Result<Arc<Dataset>> {
        if let Some(dataset) = self.datasets.borrow().get(name) {
            return Ok(Arc::clone(dataset));
        }
        let options = OpenOptions { data_dir: self.environment.data_dir.clone(), fetch: !self.environment.offline };
        let dataset = Arc::new(registry::open(name, &options)?);
        self.datasets.borrow_mut().insert(name.to_owned(), Arc::clone(&dataset));
        Ok(dataset)
    }

    /// The dataset that a section describes, without its poison: the whole one, or some classes, or with converted images. The error is
    /// a reason for users.
    pub(crate) fn images(&self, section: &DataSection) -> Result<Arc<Dataset>, String> {
        let whole = self.dataset(&section.name).map_err(|error| error.to_string())?;
        if section.takes_all() {
            return Ok(whole);
        }
        let described = serde_json::to_string(&(&section.name, &section.classes, section.convert));
        let described = described.map_err(|error| error.to_string())?;
        if let Some(known) = self.derived.borrow().get(&described) {
            return Ok(Arc::clone(known));
        }
        let derived = Arc::new(section.derived(&whole)?);
        self.derived.borrow_mut().insert(described, Arc::clone(&derived));
        Ok(derived)
    }

    /// The data that a section describes, with its poison if it has any. The error is a reason for users.
    pub(crate) fn data(&self, section: &DataSection) -> Result<Data, String> {
        let clean = || self.images(section);
        if section.poison.is_none() {
            return Data::of(section, clean()?);
        }
        let described = serde_json::to_string(section).map_err(|error| error.to_string())?;
        if let Some((known, data)) = &*self.poisoned.borrow()
            && *known == described
        {
            return Ok(data.clone());
        }
        self.poisoned.replace(None); // Before the next copy is made.
        let data = Data::of(section, clean()?)?;
        self.poisoned.replace(Some((described, data.clone())));
        Ok(data)
    }

    /// The initial weights of a training, by the origin that a model or a stage names. The error is a reason for
    /// users.
    pub(crate) fn initial(&self, origin: Option<&Origin>) -> Result<Arc<Initial>, String> {
        let Some(origin) = origin else { return Ok(Arc::default()) };
        if let Some(initial) = self.initials.borrow().get(&content(origin)) {
            return Ok(Arc::clone(initial));
        }
        let initial = Arc::new(Initial::reopen(origin, self.environment.offline)?);
        self.keep_initial(&initial);
        Ok(initial)
    }

    /// Opens the weights that `[model]` of a suite names. A path is relative to the suite's folder.
    pub(crate) fn open_initial(&self, suite: &Suite) -> crate::Result<Arc<Initial>> {
        let ModelSection { init, init_key, .. } = &suite.model;
        if let (None, Some(key)) = (init, init_key) {
            let reason = format!(
                "`model.init-key` is `{}`, and no `model.init` names the file in which it chooses; give both or neither",
                key.escape_debug()
            );
            return Err(Error::Suite { path: suite.path.clone(), reason });
        }
        let folder = suite.path.parent().unwrap_or(Path::new(""));
        let initial = Initial::open(init.as_deref(), init_key.as_deref(), folder, self.environment.offline)?;
        let initial = Arc::new(initial);
        self.keep_initial(&initial);
        Ok(initial)
    }

    fn keep_initial(&self, initial: &Arc<Initial>) {
        if let Some(origin) = initial.origin() {
            self.initials.borrow_mut().insert(content(origin), Arc::clone(initial));
        }
    }
}

/// What decides the weights of an origin: the hash of the file, and the key of the dictionary in it.
type Content = (String, Option<String>);

fn content(origin: &Origin) -> Content {
    (origin.blake3.clone(), origin.key.clone())
}

#[cfg(test)]
mod tests {
    use unlearn_models::{find, initialize};
    use unlearn_tests::{Tensors, saved};

    use super::*;

    #[test]
    fn two_dictionaries_of_a_file_are_two_beginnings() {
        let input = InputSpec { shape: [1, 28, 28], classes: 10, mean: vec![0.5], std: vec![0.25] };
        let graph = find("resnet8s").unwrap().graph(&input).unwrap();
        let states = [1, 2].map(|seed| initialize(&graph, seed));
        let [a, b] = [0, 1].map(|which: usize| -> Tensors {
            let named = states[which].named(&graph);
            named.map(|(name, shape, values)| (name.to_owned(), shape.to_vec(), values.to_vec())).collect()
        });
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = (folder.path().join("both.pth"), saved(&[("a", &a), ("b", &b)]));
        std::fs::write(&path, &bytes).unwrap();
        let materials = Materials::default();
        let blake3 = blake3::hash(&bytes).to_hex().to_string();
        for (key, state) in ["a", "b", "a"].into_iter().zip([&states[0], &states[1], &states[0]]) {
            let source = path.to_str().unwrap().to_owned();
            let origin = Origin { source, blake3: blake3.clone(), key: Some(key.to_owned()) };
            let initial = materials.initial(Some(&origin)).unwrap();
            assert_eq!(initial.state(&graph, 9).unwrap().parameters(), state.parameters(), "{key}");
        }
    }
}
