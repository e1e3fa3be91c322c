//! Whether a model can be the Retrain of another.

use std::path::Path;

use serde_json::Value;
use unlearn_models::{
    ImportOptions,
    checkpoint::{CheckpointInfo, Training},
};
use unlearn_network::State;

use crate::{Error, ModelOrigin, OpenedModel, Result, setting::Setting, stages::RETRAIN};

/// What a Retrain is compared with.
pub(crate) struct Beside<'a> {
    /// The model that is judged or is to forget.
    pub(crate) info: &'a CheckpointInfo,
    /// Its values.
    pub(crate) state: &'a State,
    /// What the model is here: `the judged model`.
    pub(crate) what: &'static str,
    /// The fingerprint of the data that the model was trained on, or is judged on.
    pub(crate) fingerprint: &'a str,
    /// Every image that a Retrain must never have seen, ascending.
    pub(crate) forgotten: &'a [u32],
}

/// Opens a Retrain. `shown` is its name as the user gave it, and `path` is where it lies. A model that is known not to be one is refused:
/// it saw a requested image, was trained on other data, has the weights of the model beside it, was made by another method, or is of
/// another kind. If its file does not say, the user is trusted. `setting_of` opens what it was trained on.
///
/// # Errors
/// If it cannot be read, or is known not to be a Retrain.
pub(crate) fn open(
    (shown, path): (&Path, &Path),
    options: &ImportOptions,
    beside: &Beside<'_>,
    setting_of: impl Fn(&Training) -> Result<Setting, String>,
) -> Result<OpenedModel> {
    let refuse =
        |reason: String| Error::deletion("--retrain", format!("{}: {reason}; name a Retrain", shown.display()));
    let opened = OpenedModel::open(path, None, options)?;
    let (info, retrain) = (beside.info, &opened.model);
    if retrain.state.parameters() == beside.state.parameters() {
        return Err(refuse(format!("it has the weights of {}", beside.what)));
    }
    let method = match &opened.origin {
        ModelOrigin::File => None,
        ModelOrigin::Stage(stage) => stage.manifest().config.get("method").and_then(Value::as_str),
        ModelOrigin::Deletion(certificate) => Some(certificate.method.name.as_str()),
    };
    if let Some(training) = &retrain.info.training {
        if training.fingerprint != beside.fingerprint {
            return Err(refuse("it was trained on other data".into()));
        }
        // Without its split, it counts as trained on every image that it does not say it has forgotten.
        let setting = setting_of(training).ok();
        let saw = |id: &&u32| {
            let trained = setting.as_ref().is_none_or(|setting| setting.split.train.binary_search(id).is_ok());
            trained && training.forgotten.binary_search(id).is_err()
        };
        if let Some(id) = beside.forgotten.iter().find(saw) {
            return Err(refuse(format!("it was trained on image {id}, which is to be forgotten")));
        }
    }
    if let Some(method) = method.filter(|method| !is_retrain(method)) {
        return Err(refuse(format!("it was made by `{method}`")));
    }
    if (&retrain.info.arch, retrain.info.input, retrain.info.classes) != (&info.arch, info.input, info.classes) {
        let reason = format!(
            "{} is a `{}` and the model a `{}`; a Retrain is of the same kind",
            shown.display(),
            retrain.info.arch,
            info.arch
        );
        return Err(Error::deletion("--retrain", reason));
    }
    Ok(opened)
}

/// Whether a method of this name trains anew without what is to be forgotten.
pub(crate) fn is_retrain(method: &str) -> bool {
    method.starts_with(RETRAIN)
}
