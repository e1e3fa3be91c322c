//! `[transfer]`: a target task for the models of a suite, and how their transfer to it is measured.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use unlearn::parts::input_spec;
use unlearn_models::InputSpec;
use unlearn_training::{Recipe, range};

use crate::{
    data::{Data, DataSection},
    materials::Materials,
    suite::Suite,
};

/// `[transfer]`: the target task, and how each model of the suite is transferred to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TransferSection {
    /// How models are transferred.
    #[serde(default = "all_modes")]
    pub modes: Vec<Mode>,
    /// `[transfer.data]`: the target's images, and their split.
    pub data: DataSection,
    /// `[transfer.train]`: the recipe of fine-tuning. The suite's `[train]` if there is no such table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Recipe>,
    /// `[transfer.probe]`: settings of the linear probe.
    #[serde(default)]
    pub probe: ProbeSettings,
}

/// How a model is transferred to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Logistic regression on the features of the frozen model.
    LinearProbe,
    /// Training of the whole model, with a head anew.
    FineTune,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 2] = [Self::LinearProbe, Self::FineTune];

    /// Its name in suites, and the role of a transferred model.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LinearProbe => "linear-probe",
            Self::FineTune => "fine-tune",
        }
    }
}

/// Settings of a linear probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ProbeSettings {
    /// Inverse of the strength of the L2 penalty, as scikit-learn's `C`, on standardised features.
    pub c: f64,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self { c: 1.0 }
    }
}

impl ProbeSettings {
    /// Refuses a strength that is none. The error is a reason for users.
    pub(crate) fn check(self) -> Result<(), String> {
        range::positive("c", self.c)
    }
}

fn all_modes() -> Vec<Mode> {
    Mode::ALL.to_vec()
}

impl TransferSection {
    /// Refuses settings that are out of range. The error is a reason for users.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fail = |reason: String| Err(format!("[transfer]: {reason}"));
        let mut seen = HashSet::new();
        if self.modes.is_empty() {
            return fail("`modes` is empty; name `linear-probe`, `fine-tune`, or both".into());
        }
        if let Some(mode) = self.modes.iter().find(|mode| !seen.insert(**mode)) {
            return fail(format!("`modes` names `{}` twice; name each once", mode.name()));
        }
        if self.data.poison.is_some() {
            return fail("the target's data cannot be poisoned; leave [transfer.data.poison] out".into());
        }
        self.probe.check().map_err(|reason| format!("[transfer.probe]: {reason}"))?;
        self.train.as_ref().map_or(Ok(()), |recipe| recipe.check().map_err(|e| format!("[transfer.train]: {e}")))
    }
}

/// A target task with its data, for one seed of a suite.
pub(crate) struct Target {
    /// `[transfer.data]` with its seed filled in.
    pub(crate) data: DataSection,
    pub(crate) fingerprint: String,
    /// The recipe of fine-tuning.
    pub(crate) recipe: Recipe,
    pub(crate) has_validation: bool,
}

impl Target {
    /// The target of a suite for models that take `images`. The error is a reason for users.
    pub(crate) fn of(
        suite: &Suite,
        images: &InputSpec,
        materials: &Materials,
        seed: u64,
    ) -> Result<Option<Self>, String> {
        let Some(section) = &suite.transfer else { return Ok(None) };
        let fail = |reason: String| format!("[transfer.data]: {reason}");
        let drawn = section.data.resolved(seed, suite.folder()).map_err(fail)?;
        let Data { dataset, split, .. } = materials.data(&drawn).map_err(fail)?;
        let found = input_spec(&dataset);
        if found.shape != images.shape {
            let [from, to] = [found.shape, images.shape];
            return Err(fail(format!(
                "the images of {} are {from:?} (channels, height, width), and the source's are {to:?}; say `convert = {to:?}` to convert them",
                dataset.name
            )));
        }
        for (what, positions) in [("training", split.train.len()), ("test", dataset.test.len())] {
            if positions == 0 {
                return Err(fail(format!(
                    "{} has no {what} images, so nothing can be transferred to it",
                    dataset.name
                )));
            }
        }
        let classes: HashSet<u32> =
            split.train.iter().map(|position| dataset.train.labels[*position as usize]).collect();
        if classes.len() < 2 {
            return Err(fail(format!(
                "its training images are of {} class, and a classifier needs two; take more images or classes",
                classes.len()
            )));
        }
        let recipe = section.train.as_ref().unwrap_or(&suite.train);
        if section.modes.contains(&Mode::FineTune) {
            let check = recipe.check_selection(&split.validation);
            check.map_err(|error| format!("[transfer.train]: {error}"))?;
        }
        let fingerprint = dataset.fingerprint.clone();
        let has_validation = !split.validation.is_empty();
        Ok(Some(Self { data: drawn, fingerprint, recipe: recipe.clone(), has_validation }))
    }
}
