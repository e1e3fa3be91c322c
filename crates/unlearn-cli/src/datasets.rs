//! `unlearn datasets`: what there is, what is in it, whether it is what it should be, and the same in another form.

use unlearn_datasets::location::FORMS;
use unlearn_datasets::registry::{self, Entry, OpenOptions};
use unlearn_datasets::{image_folder, npz, verify};
use unlearn_samples::{Dataset, ImageSet, SplitOptions, split};

use crate::args::{DatasetArguments, DatasetsArguments, DatasetsCommand, ExportDatasetArguments};

pub(crate) fn datasets(arguments: &DatasetsArguments) -> anyhow::Result<()> {
    match &arguments.command {
        None | Some(DatasetsCommand::List) => list(),
        Some(DatasetsCommand::Describe(arguments)) => describe(arguments)?,
        Some(DatasetsCommand::Fetch(arguments)) => fetch(arguments)?,
        Some(DatasetsCommand::Verify(arguments)) => verify(arguments)?,
        Some(DatasetsCommand::Export(arguments)) => export(arguments)?,
    }
    Ok(())
}

fn list() {
    registry::DATASETS.iter().for_each(summary);
    say!("\nAny other dataset is named by its form and path, perhaps with a size for all its pictures (`?size=64`):");
    for form in FORMS {
        say!("{}:PATH\n    {}", form.name, form.summary);
    }
}

fn summary(entry: &Entry) {
    let Entry { name, summary, source, licence, needs, train, test, mean, std, hub, .. } = entry;
    say!("{name}\n    {summary}\n    {train} training and {test} test images; normalised by {mean:?} / {std:?}");
    say!("    source: {source}\n    licence: {licence}\n    needs: {needs}");
    if let Some(hub) = hub {
        say!("    or: the parquet files of {}, split by split, of the Hugging Face Hub", hub.address());
    }
}

fn open(arguments: &DatasetArguments) -> anyhow::Result<Dataset> {
    let options = OpenOptions { data_dir: arguments.data_dir.clone(), fetch: true };
    Ok(registry::open(&arguments.name, &options)?)
}

fn describe(arguments: &DatasetArguments) -> anyhow::Result<()> {
    let dataset = open(arguments)?;
    if let Ok(entry) = registry::find(&dataset.name) {
        summary(entry);
    } else {
        // A location; there is nothing to say of it but what was found.
        let ImageSet { channels, height, width, .. } = dataset.train;
        let (mean, std) = (&dataset.normalization.mean, &dataset.normalization.std);
        say!("{}\n    images [{channels}, {height}, {width}]; normalised by {mean:?} / {std:?}", dataset.name);
    }
    say!("    fingerprint: {}", dataset.fingerprint);
    for (what, set) in [("training", &dataset.train), ("test", &dataset.test)] {
        let counts = set.class_counts(dataset.classes.len());
        if counts.iter().all(|count| *count == counts[0]) {
            say!("\n{} {what} images: {} of each class", set.len(), counts[0]);
        } else {
            say!("\n{} {what} images", set.len());
            for (count, class) in counts.iter().zip(&dataset.classes) {
                say!("{count:>8} {class}");
            }
        }
    }
    let split = split::split(&dataset, &SplitOptions::default())?;
    say!("\nsplit by default: {} to train on, {} held out to validate", split.train.len(), split.validation.len());
    Ok(())
}

fn fetch(arguments: &DatasetArguments) -> anyhow::Result<()> {
    let Dataset { name, train, test, fingerprint, .. } = open(arguments)?;
    say!("{name} is here: {} training and {} test images; {fingerprint}", train.len(), test.len());
    Ok(())
}

fn verify(arguments: &DatasetArguments) -> anyhow::Result<()> {
    let entry = registry::find(&arguments.name)?;
    let dataset = open(arguments)?;
    let mut problems = verify::problems(entry, &dataset);
    let files = verify::files(entry, &OpenOptions { data_dir: arguments.data_dir.clone(), fetch: false });
    for (path, checked) in &files {
        match checked {
            Ok(()) => say!("{} has its published checksum", path.display()),
            Err(error) => problems.push(error.to_string()),
        }
    }
    anyhow::ensure!(problems.is_empty(), "{} is not as published: {}", entry.name, problems.join("; "));
    let proof = if files.is_empty() { "counts and statistics" } else { "checksums, counts and statistics" };
    say!("{} is as published, as far as {proof} tell; {}", entry.name, dataset.fingerprint);
    Ok(())
}

fn export(arguments: &ExportDatasetArguments) -> anyhow::Result<()> {
    let dataset = open(&arguments.dataset)?;
    let path = &arguments.to;
    if path.extension().is_some_and(|extension| extension == "npz") {
        npz::write(&dataset, path)?;
    } else {
        image_folder::write(&dataset, path)?;
    }
    let (train, test) = (dataset.train.len(), dataset.test.len());
    say!("{train} training and {test} test images of {} are in {}", dataset.name, path.display());
    Ok(())
}
