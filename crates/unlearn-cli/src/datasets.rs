//! `unlearn datasets`: what there is, what is in it, and whether it is what it should be.

use unlearn_datasets::registry::{self, Entry, OpenOptions};
use unlearn_datasets::{Dataset, SplitOptions, split, verify};

use crate::args::{DatasetArguments, DatasetsArguments, DatasetsCommand};

pub(crate) fn datasets(arguments: &DatasetsArguments) -> anyhow::Result<()> {
    match &arguments.command {
        None | Some(DatasetsCommand::List) => list(),
        Some(DatasetsCommand::Describe(arguments)) => describe(arguments)?,
        Some(DatasetsCommand::Verify(arguments)) => verify(arguments)?,
    }
    Ok(())
}

fn list() {
    registry::DATASETS.iter().for_each(summary);
}

fn summary(entry: &Entry) {
    let Entry { name, summary, source, licence, needs, train, test, mean, std, .. } = entry;
    println!("{name}\n    {summary}\n    {train} training and {test} test images; normalised by {mean:?} / {std:?}");
    println!("    source: {source}\n    licence: {licence}\n    needs: {needs}");
}

fn open(arguments: &DatasetArguments) -> anyhow::Result<(&'static Entry, Dataset)> {
    let entry = registry::find(&arguments.name)?;
    let options = OpenOptions { data_dir: arguments.data_dir.clone() };
    Ok((entry, registry::open(entry.name, &options)?))
}

fn describe(arguments: &DatasetArguments) -> anyhow::Result<()> {
    let (entry, dataset) = open(arguments)?;
    summary(entry);
    println!("    fingerprint: {}", dataset.fingerprint);
    for (what, set) in [("training", &dataset.train), ("test", &dataset.test)] {
        let counts = set.class_counts(entry.classes.len());
        if counts.iter().all(|count| *count == counts[0]) {
            println!("\n{} {what} images: {} of each class", set.len(), counts[0]);
        } else {
            println!("\n{} {what} images", set.len());
            for (count, class) in counts.iter().zip(entry.classes) {
                println!("{count:>8} {class}");
            }
        }
    }
    let split = split::split(&dataset, &SplitOptions::default())?;
    println!("\nsplit by default: {} to train on, {} held out to validate", split.train.len(), split.validation.len());
    Ok(())
}

fn verify(arguments: &DatasetArguments) -> anyhow::Result<()> {
    let (entry, dataset) = open(arguments)?;
    let problems = verify::problems(entry, &dataset);
    anyhow::ensure!(problems.is_empty(), "{} is not as published: {}", entry.name, problems.join("; "));
    println!("{} is as published, as far as counts and statistics tell; {}", entry.name, dataset.fingerprint);
    Ok(())
}
