//! What a model says it was trained on, with the data opened. This is all that is needed to make it forget a part of
//! the data, and to judge the result.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use unlearn::parts::{History, Trained, fits, input_spec};
use unlearn_models::{
    InputSpec,
    checkpoint::{CheckpointInfo, Training},
};
use unlearn_samples::{Division, ForgetSpec, ForgetSplit, Split, forget};

use crate::{
    data::{Data, DataSection, Poisoning},
    judgement::Sets,
    materials::Materials,
};

/// What a model was trained on, and where the data came from. It is a [`Trained`] with what only suites know.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The images, their split, the recipe and what was forgotten since.
    pub(crate) trained: Trained,
    /// `[data]` with its seed filled in.
    pub(crate) data: DataSection,
    /// Samples that a model of a pool was never trained with.
    pub(crate) unseen: Vec<u32>,
    /// The poison in the training set.
    pub(crate) poisoning: Option<Arc<Poisoning>>,
}

impl Deref for Setting {
    type Target = Trained;

    fn deref(&self) -> &Trained {
        &self.trained
    }
}

impl DerefMut for Setting {
    fn deref_mut(&mut self) -> &mut Trained {
        &mut self.trained
    }
}

impl Setting {
    /// The setting of a model that was or will be trained on these data as `history` says.
    pub(crate) fn new(opened: Data, data: DataSection, history: History) -> Self {
        let Data { dataset, split, part, poisoning } = opened;
        let unseen = part.map_or_else(Vec::new, |part| part.unseen);
        Self { trained: Trained { dataset, split, history }, data, unseen, poisoning }
    }

    /// Opens the data that `training` names. The error is a reason for users.
    pub(crate) fn of(training: &Training, materials: &Materials) -> Result<Self, String> {
        let data: DataSection = serde_json::from_value(training.data.clone())
            .map_err(|error| unlearn::Error::Damaged(error.to_string()).to_string())?;
        let history = History::of(training).map_err(|error| error.to_string())?;
        let setting = Self::new(materials.data(&data)?, data, history);
        setting.check(&training.fingerprint).map_err(|error| error.to_string())?;
        Ok(setting)
    }

    /// The statement of a model that was trained so.
    pub(crate) fn training(&self) -> serde_json::Result<Training> {
        self.trained.training(serde_json::to_value(&self.data)?)
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
        let division = self.trained.division();
        if self.data.pool.is_some() { Division { whole_classes: Vec::new(), ..division } } else { division }
    }

    /// The sets on which the model is judged.
    pub(crate) fn sets<'a>(&'a self, division: &'a Division) -> Sets<'a> {
        Sets {
            dataset: &self.dataset,
            forget: &self.history.forgotten,
            division,
            validation: &self.split.validation,
            unseen: &self.unseen,
            poisoning: self.poisoning.as_deref(),
        }
    }

    /// Checks that a model takes this dataset's images and has its classes. The error is a reason for users.
    pub(crate) fn fits(&self, info: &CheckpointInfo) -> Result<(), String> {
        fits(info, &self.dataset).map_err(|error| {
            let InputSpec { shape, classes, .. } = input_spec(&self.dataset);
            let sides = (info.input[1], info.input[2]) != (shape[1], shape[2]) && info.input[0] == shape[0];
            if sides && info.classes == classes {
                let side = shape[1];
                format!(
                    "{error}; if its file does not say for which images it is, `unlearn convert --side {side}` does"
                )
            } else {
                error.to_string()
            }
        })
    }
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
            Setting::of(&training, &materials).map(|setting| setting.trained.history.forgotten)
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
            setting.history.forgotten =
                setting.split.train.iter().copied().filter(|position| class(position) == 3).collect();
            setting.division().whole_classes
        };
        assert_eq!((of(None), of(Some(9))), (vec![3], vec![]));
    }
}
