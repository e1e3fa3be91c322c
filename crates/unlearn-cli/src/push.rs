//! `unlearn push`: uploads a model and its description to the Hugging Face Hub.

use std::path::Path;

use anyhow::{Context as _, ensure};
use unlearn::hub::{Addition, Hub, Kind};
use unlearn::mia_eval::Registry;
use unlearn::models::{ImportOptions, Source};
use unlearn_certificates::Certificate;
use unlearn_experiment::{MASK_FILE, MODEL_FILE, ModelOrigin, OpenedModel, model_card};
use unlearn_run_store::write_atomic;

use crate::args::PushArguments;

pub(crate) fn push(arguments: &PushArguments) -> anyhow::Result<()> {
    let PushArguments { model, repository, private, message, dry_run } = arguments;
    let additions = collect(model, repository.id())?;
    for Addition { name, bytes } in &additions {
        say!("{name}: {} bytes", bytes.len());
    }
    if let Some(folder) = dry_run {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
        for Addition { name, bytes } in &additions {
            write_atomic(&folder.join(name), bytes)?;
        }
        say!("written to {}, nothing was uploaded", folder.display());
        return Ok(());
    }
    let pushed = Hub::from_environment()?.push(repository, Kind::Model, &additions, message, *private)?;
    say!("commit {}: {}", pushed.commit, pushed.url);
    Ok(())
}

/// The files of a model: its weights, its mask and certificate if they exist, and a model card.
fn collect(path: &Path, id: &str) -> anyhow::Result<Vec<Addition>> {
    let opened = OpenedModel::open(path, None, &ImportOptions::default())?;
    ensure!(
        !matches!(opened.model.source, Source::Foreign(_)),
        "{} does not say which model it holds; `unlearn convert` makes a checkpoint of it that does",
        opened.file.display()
    );
    let card = model_card(&opened, id, &Registry::standard().figures())?;
    let names = [("model", MODEL_FILE), ("mask", MASK_FILE)];
    let file =
        |(role, name): (&str, &str)| Some(Addition { name: name.to_owned(), bytes: opened.read.get(role)?.clone() });
    let mut additions: Vec<Addition> = names.into_iter().filter_map(file).collect();
    if matches!(opened.origin, ModelOrigin::Deletion(_)) {
        let file = opened.file.with_file_name(Certificate::FILE);
        let bytes = std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        additions.push(Addition { name: Certificate::FILE.to_owned(), bytes });
    }
    additions.push(Addition { name: "README.md".into(), bytes: card.into_bytes() });
    Ok(additions)
}
