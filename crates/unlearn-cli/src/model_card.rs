//! A model card: the `README.md` of a model on the Hugging Face Hub. It says what was measured, and no more.

use std::fmt;

use unlearn_certificates::Certificate;
use unlearn_models::{ModelFile, Origin};
use unlearn_run_store::{Evaluation, Manifest};

/// What there is to say of a model.
pub(crate) struct ModelCard<'a> {
    /// Its repository, `owner/name`.
    pub(crate) id: &'a str,
    pub(crate) model: &'a ModelFile,
    /// Of the stage that made it.
    pub(crate) manifest: Option<&'a Manifest>,
    /// What `evaluate` stages measured on it.
    pub(crate) evaluations: &'a [Evaluation],
    /// Of the deletion that made it.
    pub(crate) certificate: Option<&'a Certificate>,
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
    /// Where the model came from.
    fn history(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let training = self.model.info.training.as_ref();
        if let Some(Origin { source, blake3 }) = training.and_then(|training| training.init.as_ref()) {
            writeln!(f, "- Training began with `{source}` (BLAKE3 `{blake3}`).")?;
        }
        if let Some(mask) = &self.model.mask {
            let (kept, total) =
                mask.iter().fold((0, 0), |(kept, total), (_, bits)| (kept + bits.kept(), total + bits.len()));
            writeln!(f, "- Pruned: {kept} of {total} prunable weights are kept, the others are exactly zero.")?;
        }
        if let Some(manifest) = self.manifest {
            writeln!(f, "- Left by the stage `{}/{}` with seed {}:", manifest.kind, manifest.key, manifest.seed)?;
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
            writeln!(f, "| metric (%) | before | after |\n|---|---|---|")?;
            let measured = &certificate.measured;
            for ((name, before), (_, after)) in measured.before.named().iter().zip(measured.after.named()) {
                writeln!(f, "| {name} | {before:.2} | {after:.2} |")?;
            }
            writeln!(f)?;
        }
        for evaluation in self.evaluations {
            let Evaluation { ua, ra, ta, mia_efficacy, rte_seconds, .. } = evaluation;
            writeln!(f, "## Evaluation\n\n| metric | value |\n|---|---|")?;
            writeln!(f, "| unlearning accuracy, on what was forgotten (%) | {ua:.2} |")?;
            writeln!(f, "| remaining accuracy, on what was retained (%) | {ra:.2} |")?;
            writeln!(f, "| testing accuracy (%) | {ta:.2} |")?;
            writeln!(f, "| efficacy by a membership-inference attack (%) | {mia_efficacy:.2} |")?;
            writeln!(f, "| run time of unlearning (s) | {rte_seconds:.2} |\n")?;
        }
        if self.evaluations.is_empty() && self.certificate.is_none() {
            writeln!(f, "No figures of it lie beside it.\n")?;
        }
        Ok(())
    }
}
