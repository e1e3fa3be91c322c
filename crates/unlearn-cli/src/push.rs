//! `unlearn push`: a model to the Hugging Face Hub, with what is known of it.

use std::path::Path;

use anyhow::{Context as _, ensure};
use unlearn_certificates::Certificate;
use unlearn_experiment::{MASK_FILE, MODEL_FILE, ModelOrigin, OpenedModel};
use unlearn_hub::{Addition, Hub, Kind};
use unlearn_mia_eval::Registry;
use unlearn_models::{ImportOptions, Source};
use unlearn_run_store::{Evaluation, Stage, StageState, Store, write_atomic};

use crate::{args::PushArguments, model_card::ModelCard};

pub(crate) fn push(arguments: &PushArguments) -> anyhow::Result<()> {
    let PushArguments { model, repository, private, message, dry_run } = arguments;
    let additions = collect(model, repository.id())?;
    for Addition { name, bytes } in &additions {
        println!("{name}: {} bytes", bytes.len());
    }
    if let Some(folder) = dry_run {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
        for Addition { name, bytes } in &additions {
            write_atomic(&folder.join(name), bytes)?;
        }
        println!("written to {}, nothing was uploaded", folder.display());
        return Ok(());
    }
    let pushed = Hub::from_environment()?.push(repository, Kind::Model, &additions, message, *private)?;
    println!("commit {}: {}", pushed.commit, pushed.url);
    Ok(())
}

/// The files of a model: its weights, its mask and its certificate where it has them, and a card that says what it is.
fn collect(path: &Path, id: &str) -> anyhow::Result<Vec<Addition>> {
    let OpenedModel { model, origin, file, read } = OpenedModel::open(path, None, &ImportOptions::default())?;
    ensure!(
        !matches!(model.source, Source::Foreign(_)),
        "{} does not say which model it holds; `unlearn convert` makes a checkpoint of it that does",
        file.display()
    );
    let name = |role: String| if role == "mask" { MASK_FILE } else { MODEL_FILE }.to_owned();
    let mut additions: Vec<Addition> =
        read.into_iter().map(|(role, bytes)| Addition { name: name(role), bytes }).collect();
    additions.reverse(); // The weights first.
    let (stage, certificate) = match origin {
        ModelOrigin::File => (None, None),
        ModelOrigin::Stage(stage) => (Some(*stage), None),
        ModelOrigin::Deletion(certificate) => (None, Some(*certificate)),
    };
    if certificate.is_some() {
        let file = path.join(Certificate::FILE);
        let bytes = std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        additions.push(Addition { name: Certificate::FILE.to_owned(), bytes });
    }
    let evaluations = stage.as_ref().map_or_else(|| Ok(Vec::new()), evaluations)?;
    let manifest = stage.as_ref().map(Stage::manifest);
    let figures = Registry::standard().figures();
    let (evaluations, certificate) = (evaluations.as_slice(), certificate.as_ref());
    let card = ModelCard { id, model: &model, manifest, evaluations, certificate, figures: &figures };
    additions.push(Addition { name: "README.md".into(), bytes: card.to_string().into_bytes() });
    Ok(additions)
}

/// What the `evaluate` stages beside a stage say of its model.
fn evaluations(stage: &Stage) -> anyhow::Result<Vec<Evaluation>> {
    // A stage lies in STORE/KIND/KEY; one that was copied elsewhere has nothing beside it.
    let folder = stage.path().canonicalize()?;
    let Some(root) = folder.ancestors().nth(2) else { return Ok(Vec::new()) };
    let Ok(store) = Store::open_existing(root) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for summary in store.stages()?.into_iter().filter(|s| s.kind == "evaluate" && s.state == StageState::Finished) {
        let evaluate = store.stage(&summary.kind, &summary.key)?;
        if evaluate.manifest().inputs.get("model") == Some(stage.key()) {
            found.push(Evaluation::of(&evaluate)?);
        }
    }
    Ok(found)
}
