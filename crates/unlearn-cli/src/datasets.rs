//! `unlearn datasets`: lists, describes, verifies and exports datasets, and prints the positions that a suite trains
//! on.

use std::path::Path;

use unlearn::datasets::location::FORMS;
use unlearn::datasets::registry::{self, Entry, OpenOptions};
use unlearn::datasets::{image_folder, npz, verify};
use unlearn::samples::{Dataset, ImageSet, SplitOptions, split};
use unlearn_experiment::{Environment, Materials, Part, Suite, class_of};

use crate::args::{DatasetArguments, DatasetsArguments, DatasetsCommand, ExportDatasetArguments, SplitArguments};
use crate::convert::check_new;
use crate::exit::Usage;
use crate::outputs::Outputs;

pub(crate) fn datasets(arguments: &DatasetsArguments) -> anyhow::Result<()> {
    match &arguments.command {
        None | Some(DatasetsCommand::List) => list(),
        Some(DatasetsCommand::Describe(arguments)) => describe(arguments)?,
        Some(DatasetsCommand::Fetch(arguments)) => fetch(arguments)?,
        Some(DatasetsCommand::Verify(arguments)) => verify(arguments)?,
        Some(DatasetsCommand::Export(arguments)) => export(arguments)?,
        Some(DatasetsCommand::Split(arguments)) => print_split(arguments)?,
    }
    Ok(())
}

fn list() {
    registry::DATASETS.iter().for_each(summary);
    say!("\nAny other dataset is named by its form and path. `?size=64` gives all its pictures one size:");
    for form in FORMS {
        say!("{}:PATH\n    {}", form.name, form.summary);
    }
}

fn summary(entry: &Entry) {
    let Entry { name, summary, source, licence, needs, train, test, mean, std, hub, .. } = entry;
    say!("{name}\n    {summary}\n    {train} training and {test} test images; normalised by {mean:?} / {std:?}");
    say!("    source: {source}\n    licence: {licence}\n    needs: {needs}");
    if let Some(hub) = hub {
        say!("    or: the parquet files of each split of {} on the Hugging Face Hub", hub.address());
    }
}

pub(crate) fn open(arguments: &DatasetArguments) -> anyhow::Result<Dataset> {
    let options = OpenOptions { data_dir: arguments.data_dir.clone(), fetch: true };
    named(registry::check_name(&arguments.name))?;
    Ok(registry::open(&arguments.name, &options)?)
}

/// An unknown name is bad usage.
fn named<T>(result: unlearn::datasets::Result<T>) -> Result<T, Usage> {
    result.map_err(|error| Usage(error.to_string()))
}

fn describe(arguments: &DatasetArguments) -> anyhow::Result<()> {
    let dataset = open(arguments)?;
    if let Ok(entry) = registry::find(&dataset.name) {
        summary(entry);
    } else {
        // A dataset at a location has no registry entry, so only its own facts are printed.
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
                say!("{count:>8} {}", class.escape_debug());
            }
        }
    }
    subclasses(&dataset);
    let split = split::split(&dataset, &SplitOptions::default())?;
    say!("\nsplit by default: {} to train on, {} held out to validate", split.train.len(), split.validation.len());
    Ok(())
}

/// The subclasses of each class, with their numbers.
fn subclasses(dataset: &Dataset) {
    let Some(subclasses) = &dataset.subclasses else { return };
    say!("\n{} subclasses, for requests of `kind = \"subclass\"`:", subclasses.names.len());
    let classes = dataset.classes_of_subclasses();
    for (class, name) in (0..).zip(&dataset.classes) {
        let of_class = (0..).zip(&subclasses.names).filter(|(number, _): &(usize, _)| classes[*number] == Some(class));
        let named: Vec<String> = of_class.map(|(number, name)| format!("{number} ({name})")).collect();
        say!("    {}: {}", name.escape_debug(), named.join(", "));
    }
}

fn fetch(arguments: &DatasetArguments) -> anyhow::Result<()> {
    let Dataset { name, train, test, fingerprint, .. } = open(arguments)?;
    say!("{name} is here: {} training and {} test images; {fingerprint}", train.len(), test.len());
    Ok(())
}

fn verify(arguments: &DatasetArguments) -> anyhow::Result<()> {
    let entry = named(registry::find(&arguments.name))?;
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

/// The ending of a name that can only be meant for a file, of a form that is not written.
fn file_ending(path: &Path) -> Option<String> {
    const FILES: [&str; 18] = [
        "npy",
        "zip",
        "tar",
        "gz",
        "tgz",
        "bz2",
        "xz",
        "parquet",
        "csv",
        "json",
        "h5",
        "hdf5",
        "mat",
        "pt",
        "pth",
        "pkl",
        "safetensors",
        "png",
    ];
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    (!path.is_dir() && FILES.contains(&ending.as_str())).then_some(ending)
}

fn export(arguments: &ExportDatasetArguments) -> anyhow::Result<()> {
    let path = &arguments.to;
    let is_npz = path.extension().is_some_and(|extension| extension == "npz");
    if is_npz {
        check_new(path, arguments.replace)?;
        Outputs::default().reads_dataset(Some(&arguments.dataset.name)).writes("the output", Some(path)).check()?;
    } else if let Some(ending) = file_ending(path) {
        return Err(Usage(format!(
            "--to {}: a dataset is written as an `.npz` file or as a folder of pictures, not as `.{ending}`; end the name in `.npz`, or name \
             a folder",
            path.display()
        ))
        .into());
    } else {
        unlearn_run_store::refuse_inside_stage(path).map_err(|error| Usage(error.to_string()))?;
        image_folder::check_output(path)?;
    }
    let dataset = open(&arguments.dataset)?;
    if is_npz {
        npz::write(&dataset, path)?;
    } else {
        image_folder::write(&dataset, path)?;
    }
    let (train, test) = (dataset.train.len(), dataset.test.len());
    say!("{train} training and {test} test images of {} are in {}", dataset.name, path.display());
    Ok(())
}

fn print_split(arguments: &SplitArguments) -> anyhow::Result<()> {
    let suite = Suite::load(&arguments.suite, &arguments.assignments)?;
    let materials = Materials::new(Environment { data_dir: arguments.data_dir.clone(), ..Environment::default() });
    let part = if arguments.validation { Part::Validation } else { Part::Training };
    let seeds = arguments.seed.map_or_else(|| suite.suite.seeds.clone(), |seed| vec![seed]);
    let (dataset, positions) = suite.positions(&materials, part, &seeds)?;
    let class = arguments
        .class
        .as_deref()
        .map(|class| class_of(&dataset, class))
        .transpose()
        .map_err(|reason| Usage(format!("--class: {reason}")))?;
    let wanted = |position: &&u32| class.is_none_or(|class| dataset.train.labels[**position as usize] == class);
    let positions: Vec<_> = positions.iter().filter(wanted).collect();
    for position in &positions {
        say!("{position}");
    }
    let what = if arguments.validation { "held out to validate" } else { "trained on" };
    let seeds = seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let of = class.map_or(String::new(), |class| format!(" of class {class} ({})", dataset.classes[class as usize]));
    let (count, all) = (positions.len(), dataset.train.len());
    note!("{count} of the {all} training images of {}{of} are {what} with seed {seeds}", dataset.name);
    Ok(())
}
