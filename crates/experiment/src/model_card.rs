//! A model card: the `README.md` of a model on the Hugging Face Hub. It reports only what was measured.

use std::fmt;

use unlearn_certificates::Certificate;
use unlearn_metrics::Figures;
use unlearn_models::{ModelFile, Origin};
use unlearn_run_store::{Evaluation, Manifest, Stage, StageState, Store};

use crate::{
    Result,
    opened::{ModelOrigin, OpenedModel},
    stages::{Evaluate, Kind},
};

/// The card, in Markdown, of a model for its repository `id`, `owner/name`. For a stage's model, it shows what the `evaluate` stages of
/// the same store measured. For a deletion's model, it shows the figures of the certificate.
///
/// # Errors
/// A store around the model that cannot be read.
pub fn model_card(opened: &OpenedModel, id: &str, figures: &Figures) -> Result<String> {
    let model = &opened.model;
    let (manifest, evaluations, certificate) = match &opened.origin {
        ModelOrigin::File => (None, Vec::new(), None),
        ModelOrigin::Stage(stage) => (Some(stage.manifest()), evaluations(stage)?, None),
        ModelOrigin::Deletion(certificate) => (None, Vec::new(), Some(&**certificate)),
    };
    let evaluations = &evaluations;
    Ok(ModelCard { id, model, manifest, evaluations, certificate, figures }.to_string())
}

/// The results of the `evaluate` stages in the same store for a stage's model.
fn evaluations(stage: &Stage) -> Result<Vec<Evaluation>> {
    // A stage is in STORE/KIND/KEY. A copy of it elsewhere has no other stages beside it.
    let Ok(folder) = stage.path().canonicalize() else { return Ok(Vec::new()) };
    let Some(root) = folder.ancestors().nth(2) else { return Ok(Vec::new()) };
    let Ok(store) = Store::open_existing(root) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for summary in store.stages()? {
        if summary.kind != Evaluate::NAME || summary.state != StageState::Finished {
            continue;
        }
        let evaluate = store.stage(&summary.kind, &summary.key)?;
        if evaluate.manifest().inputs.get("model") == Some(stage.key()) {
            found.push(Evaluation::of(&evaluate)?);
        }
    }
    Ok(found)
}

/// The content of a card.
struct ModelCard<'a> {
    /// Its repository, `owner/name`.
    id: &'a str,
    model: &'a ModelFile,
    /// The manifest of the stage that made it.
    manifest: Option<&'a Manifest>,
    /// The results of its `evaluate` stages.
    evaluations: &'a [Evaluation],
    /// The certificate of the deletion that made it.
    certificate: Option<&'a Certificate>,
    /// All figures that exist.
    figures: &'a Figures,
}

impl fmt::Display for ModelCard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, model, .. } = self;
        let info = &model.info;
        writeln!(f, "---\nlibrary_name: unlearn\npipeline_tag: image-classification\ntags:\n- machine-unlearning")?;
        if model.mask.is_some() {
            writeln!(f, "- pruning")?;
        }
        writeln!(f, "---\n\n# {id}\n")?;
        let [channels, height, width] = info.input;
        writeln!(
            f,
            "A `{}` for {channels}×{height}×{width} images of {} classes, trained on `{}`. Images are numbers in 0..1; the \
             normalisation by mean {:?} and deviation {:?} is the model's own.\n",
            info.arch, info.classes, info.dataset, info.mean, info.std
        )?;
        self.history(f)?;
        self.figures(f)?;
        writeln!(
            f,
            "## Use\n\n```sh\nhf download {id} model.safetensors --local-dir .\nunlearn inspect model.safetensors\n```\n\nTensors \
             have torchvision's names; `unlearn convert --to torch` writes a file for `load_state_dict`."
        )
    }
}

impl ModelCard<'_> {
    /// Writes how the model was made.
    fn history(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let training = self.model.info.training.as_ref();
        if let Some(Origin { source, blake3, key }) = training.and_then(|training| training.init.as_ref()) {
            let of =
                key.as_ref().map_or_else(String::new, |key| format!("the dictionary `{}` of ", key.escape_debug()));
            writeln!(f, "- Training began with {of}`{source}` (BLAKE3 `{blake3}`).")?;
        }
        if let Some(mask) = &self.model.mask {
            let (kept, total) =
                mask.iter().fold((0, 0), |(kept, total), (_, bits)| (kept + bits.kept(), total + bits.len()));
            writeln!(f, "- Pruned: {kept} of {total} prunable weights are kept, the others are exactly zero.")?;
        }
        if let Some(manifest) = self.manifest {
            writeln!(f, "- Made by the stage `{}/{}` with seed {}:", manifest.kind, manifest.key, manifest.seed)?;
            writeln!(f, "  `{}`", manifest.config)?;
        }
        if let Some(training) = training {
            writeln!(f, "- The recipe of its training: `{}`", training.recipe)?;
            if !training.forgotten.is_empty() {
                writeln!(f, "- It was asked to forget {} of the images it was trained on.", training.forgotten.len())?;
            }
        }
        writeln!(f)
    }

    fn figures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(certificate) = self.certificate {
            writeln!(f, "## Deletion\n\n`certificate.json`: {}\n", certificate.statement())?;
            writeln!(f, "| figure | before | after |\n|---|---|---|")?;
            for line in certificate.measured.lines(self.figures) {
                let what = meaning(self.figures, &line.name);
                let [before, after] = [&line.before, &line.after].map(|value| line.shown(value.as_ref()));
                writeln!(f, "| {what} | {before} | {after} |")?;
            }
            writeln!(f)?;
        }
        for Evaluation { figures: values, .. } in self.evaluations {
            writeln!(f, "## Evaluation\n\n| figure | value |\n|---|---|")?;
            for figure in self.figures.iter() {
                let Some(value) = values.get(figure.name.as_ref()) else { continue };
                let spread = value.half_width().map(|half| format!(" ± {}", figure.shown(half))).unwrap_or_default();
                let what = meaning(self.figures, &figure.name);
                let shown = value.undefined.as_ref().map(|reason| format!("undefined: {reason}"));
                let shown = shown.unwrap_or_else(|| figure.shown(value.value) + &spread);
                writeln!(f, "| {what} | {shown} |")?;
            }
            writeln!(f)?;
        }
        if self.evaluations.is_empty() && self.certificate.is_none() {
            writeln!(f, "There are no figures for this model.\n")?;
        }
        Ok(())
    }
}

/// The label of a figure and its meaning: "UA: 100 − accuracy on the forget set, %".
fn meaning(figures: &Figures, name: &str) -> String {
    figures.get(name).map_or_else(|| name.to_owned(), |figure| format!("{}: {}", figure.label, figure.meaning))
}
