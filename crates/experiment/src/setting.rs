//! What a model says it was trained on, with the data opened. This is all that is needed to make it forget a part of
//! the data, and to judge the result.

use std::sync::Arc;

use unlearn_models::{
    Origin,
    checkpoint::{CheckpointInfo, Training},
};
use unlearn_network::DeviceChoice;
use unlearn_random::derived_seed;
use unlearn_samples::{Dataset, Division, ForgetSpec, ForgetSplit, Split, forget};
use unlearn_training::{Recipe, Session, Task};

use crate::{
    data::{Data, DataSection, Poisoning},
    judgement::Sets,
    materials::Materials,
};

/// What a model was trained on.
pub(crate) struct Setting {
    pub(crate) dataset: Arc<Dataset>,
    /// `[data]` with its seed filled in.
    pub(crate) data: DataSection,
    pub(crate) split: Split,
    /// Samples that a model of a pool was never trained with.
    pub(crate) unseen: Vec<u32>,
    /// The poison in the training set.
    pub(crate) poisoning: Option<Arc<Poisoning>>,
    pub(crate) recipe: Recipe,
    pub(crate) seed: u64,
    /// The pretrained weights that its training began with.
    pub(crate) init: Option<Origin>,
    /// Samples that it was asked to forget since, in ascending order.
    pub(crate) forgotten: Vec<u32>,
}

impl Setting {
    /// Opens the data that `training` names. The error is a reason for users.
    pub(crate) fn of(training: &Training, materials: &Materials) -> Result<Self, String> {
        let unreadable = |e: serde_json::Error| format!("its `training` is damaged: {e}");
        let Training { data, fingerprint, recipe, seed, init, forgotten } = training.clone();
        let data: DataSection = serde_json::from_value(data).map_err(unreadable)?;
        let recipe: Recipe = serde_json::from_value(recipe).map_err(unreadable)?;
        let Data { dataset, split, part, poisoning } = materials.data(&data)?;
        let unseen = part.map_or_else(Vec::new, |part| part.unseen);
        check_fingerprint(&dataset, &fingerprint)?;
        recipe.check().map_err(|e| format!("its `training` is damaged: {e}"))?;
        if !forgotten.is_sorted_by(|a, b| a < b) {
            return Err("its `training` is damaged: `forgotten` does not list each position once, ascending".into());
        }
        if let Some(id) = forgotten.iter().find(|id| split.train.binary_search(id).is_err()) {
            return Err(format!("its `training` is damaged: it has forgotten image {id}, which it was not trained on"));
        }
        Ok(Self { dataset, data, split, unseen, poisoning, recipe, seed, init, forgotten })
    }

    /// The statement of a model that was trained so.
    pub(crate) fn training(&self) -> serde_json::Result<Training> {
        Ok(Training {
            data: serde_json::to_value(&self.data)?,
            fingerprint: self.dataset.fingerprint.clone(),
            recipe: serde_json::to_value(&self.recipe)?,
            seed: self.seed,
            init: self.init.clone(),
            forgotten: self.forgotten.clone(),
        })
    }

    /// The task of a training, pruning or unlearning, with random numbers of its own for each purpose.
    pub(crate) fn task<'a>(&'a self, purpose: &str, device: DeviceChoice, session: Session<'a>) -> Task<'a> {
        Task {
            images: &self.dataset.train,
            validation: &self.split.validation,
            recipe: &self.recipe,
            augmentation: self.dataset.augmentation,
            device,
            seed: derived_seed(self.seed, purpose),
            session,
        }
    }

    /// Draws a request from the remaining training split.
    pub(crate) fn draw(&self, request: &ForgetSpec) -> unlearn_samples::Result<ForgetSplit> {
        let retain = self.division().retain;
        let left = Split { train: retain, validation: self.split.validation.clone() };
        let seed = self.data.seed.unwrap_or_default();
        forget::resolve(request, &self.dataset, &left, self.data.sampler, seed)
    }

    /// The training split, divided into all forgotten and retained samples.
    ///
    /// The models of a pool are judged on equal sets, so their test set keeps every class.
    pub(crate) fn division(&self) -> Division {
        let division = Division::new(&self.dataset, &self.split, &self.forgotten);
        if self.data.pool.is_some() { Division { whole_classes: Vec::new(), ..division } } else { division }
    }

    /// The sets on which the model is judged.
    pub(crate) fn sets<'a>(&'a self, division: &'a Division) -> Sets<'a> {
        Sets {
            dataset: &self.dataset,
            forget: &self.forgotten,
            retain: &division.retain,
            validation: &self.split.validation,
            whole_classes: &division.whole_classes,
            unseen: &self.unseen,
            poisoning: self.poisoning.as_deref(),
        }
    }

    /// Checks that a model takes this dataset's images and has its classes. The error is a reason for users.
    pub(crate) fn fits(&self, info: &CheckpointInfo) -> Result<(), String> {
        let images = &self.dataset.train;
        let shape = [images.channels, images.height, images.width];
        if (info.input, info.classes) == (shape, self.dataset.classes.len()) {
            return Ok(());
        }
        let CheckpointInfo { input, classes, .. } = info;
        let sides = (input[1], input[2]) != (shape[1], shape[2]) && input[0] == shape[0];
        let advice = if sides && *classes == self.dataset.classes.len() {
            format!("; if its file does not say for which images it is, `unlearn convert --side {}` does", shape[1])
        } else {
            String::new()
        };
        Err(format!(
            "the model is for images {input:?} of {classes} classes, but {} has images {shape:?} of {}{advice}",
            self.dataset.name,
            self.dataset.classes.len()
        ))
    }
}

/// Checks that a dataset is the one of the training.
pub(crate) fn check_fingerprint(dataset: &Dataset, wanted: &str) -> Result<(), String> {
    if dataset.fingerprint == wanted {
        return Ok(());
    }
    Err(format!(
        "it was trained on other images or labels than `{}` has here: their fingerprint is {wanted}, these have {}",
        dataset.name, dataset.fingerprint
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_says_it_has_forgotten_must_be_what_it_can_have_forgotten() {
        let materials = Materials::default();
        let dataset = materials.dataset("fashion-mnist-mini").unwrap();
        let data = serde_json::json!({ "name": "fashion-mnist-mini", "train-limit": 200, "seed": 2 });
        let split = serde_json::from_value::<DataSection>(data.clone()).unwrap().split(&dataset).unwrap();
        let [first, second] = [split.train[3], split.train[9]];
        let of = |forgotten: Vec<u32>, recipe| {
            let (data, fingerprint) = (data.clone(), dataset.fingerprint.clone());
            let training = Training { data, fingerprint, recipe, seed: 1, init: None, forgotten };
            Setting::of(&training, &materials).map(|setting| setting.forgotten)
        };
        let recipe = serde_json::json!({});
        assert_eq!(of(vec![first, second], recipe.clone()), Ok(vec![first, second]));
        for forgotten in [vec![second, first], vec![first, first]] {
            assert!(of(forgotten, recipe.clone()).unwrap_err().contains("each position once, ascending"));
        }
        for other in [99_999, split.validation[0]] {
            assert!(of(vec![other], recipe.clone()).unwrap_err().contains("which it was not trained on"));
        }
        assert!(of(vec![], serde_json::json!({ "batch-size": 0 })).unwrap_err().contains("is damaged"));
    }

    #[test]
    fn a_class_of_which_nothing_is_left_leaves_the_test_set() {
        let dataset = Materials::default().dataset("fashion-mnist-mini").unwrap();
        let data = serde_json::json!({ "name": "fashion-mnist-mini", "train-limit": 200, "seed": 2 });
        let data: DataSection = serde_json::from_value(data).unwrap();
        let split = data.split(&dataset).unwrap();
        let class = |position: &u32| dataset.train.labels[*position as usize];
        let all: Vec<u32> = split.train.iter().copied().filter(|position| class(position) == 3).collect();
        let division = Division::new(&dataset, &split, &all);
        assert_eq!((&division.whole_classes[..], division.retain.len(), all.len()), (&[3][..], 162, 18));
        let division = Division::new(&dataset, &split, &all[1..]);
        assert_eq!(division.whole_classes, [0; 0]);
        // The models of a pool are compared on equal test sets.
        let of = |pool: Option<u64>| {
            let mut data = serde_json::json!({ "name": "fashion-mnist-mini", "train-limit": 200, "seed": 2 });
            if let Some(models) = pool {
                data["pool"] = serde_json::json!({ "models": models, "number": 1 });
            }
            let (fingerprint, recipe) = (dataset.fingerprint.clone(), serde_json::json!({}));
            let training = Training { data, fingerprint, recipe, seed: 1, init: None, forgotten: Vec::new() };
            let mut setting = Setting::of(&training, &Materials::default()).unwrap();
            setting.forgotten = setting.split.train.iter().copied().filter(|position| class(position) == 3).collect();
            setting.division().whole_classes
        };
        assert_eq!((of(None), of(Some(9))), (vec![3], vec![]));
    }
}
