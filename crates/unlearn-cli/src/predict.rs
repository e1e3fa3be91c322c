//! `unlearn predict`: writes what a model says of a dataset's samples.

use std::path::Path;

use unlearn::models::ImportOptions;
use unlearn::score_files::{Kind, Prediction, check_name, paths, write};
use unlearn_experiment::{DatasetPart, NamedModel, OtherData, Predictor};

use crate::{
    args::{ForeignArguments, PredictArguments, Split},
    convert::{check, check_new},
    output::counted,
    outputs::Outputs,
};

pub(crate) fn predict(arguments: &PredictArguments) -> anyhow::Result<()> {
    let PredictArguments { model, split, samples, out, probabilities, mask, replace, foreign, environment } = arguments;
    check(foreign)?;
    let kind = if *probabilities { Kind::Probabilities } else { Kind::Logits };
    check_name(out, kind)?;
    paths(out).iter().try_for_each(|path| check_new(path, *replace))?;
    let mut files = Outputs::default()
        .reads("the model", Some(model))
        .reads("`--samples`", samples.as_deref())
        .reads("`--mask`", mask.as_deref())
        .reads_dataset(foreign.dataset.as_deref());
    for path in paths(out) {
        files = files.writes("`--out`", Some(&path));
    }
    files.check()?;
    let named = named(model, mask.as_deref(), foreign);
    let dataset = foreign.dataset.as_deref();
    let mut predictor = Predictor::open(&named, dataset, OtherData::Warned, &environment.environment()?)?;
    if let Some(warning) = &predictor.warning {
        tracing::warn!("{}: {warning}", predictor.named);
    }
    let part = match split {
        Split::Train => DatasetPart::Train,
        Split::Test => DatasetPart::Test,
    };
    let positions = match samples {
        Some(path) => predictor.listed(path, part)?,
        None => predictor.all(part),
    };
    let scores = predictor.scores(part, &positions)?;
    let values: Vec<f32> = match kind {
        Kind::Logits => scores.logits().to_vec(),
        Kind::Probabilities => scores.probabilities().flatten().map(|p| p as f32).collect(),
    };
    let prediction = Prediction {
        kind,
        values: &values,
        classes: scores.classes(),
        labels: scores.labels(),
        ids: scores.positions(),
    };
    write(out, &prediction)?;
    let what = if *split == Split::Train { "training" } else { "test" };
    let accuracy = scores.accuracy()?;
    say!(
        "{}: {} of {} of {}, {} classes; accuracy {accuracy:.2} %",
        out.display(),
        kind.name(),
        counted(scores.len(), &format!("{what} sample"), &format!("{what} samples")),
        predictor.dataset.name.escape_debug(),
        scores.classes()
    );
    Ok(())
}

/// A model that the user named, with what a file of another program does not say.
pub(crate) fn named(model: &Path, mask: Option<&Path>, foreign: &ForeignArguments) -> NamedModel {
    let ForeignArguments { arch, side, mean, std, key, .. } = foreign;
    let import = ImportOptions {
        arch: arch.clone(),
        side: *side,
        mean: mean.clone(),
        std: std.clone(),
        key: key.clone(),
        ..ImportOptions::default()
    };
    NamedModel { model: model.to_owned(), mask: mask.map(Path::to_owned), import }
}
