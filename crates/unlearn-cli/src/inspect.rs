//! `unlearn inspect`: shows the content of files, stages and other folders, and names the command that reads them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use unlearn::datasets::{idx_folder, registry};
use unlearn::files::Form;
use unlearn::masks::{Error as NoMask, Mask};
use unlearn::models::{
    ImportOptions, MOST, ModelFile, Source,
    checkpoint::{self, CheckpointInfo},
    contents, sparse_checkpoint,
};
use unlearn::samples::ImageSet;
use unlearn::torch_files::{Candidate, Container, StateDict, TorchFile};
use unlearn_certificates::Certificate;
use unlearn_experiment::{Folder, MODEL_FILE, check_beside, recognised_document, resolve_address};
use unlearn_run_store::Stage;

use crate::{args::InspectArguments, exit::Usage, output};

/// Most bytes of a text file that is read.
const MOST_TEXT: u64 = 64 << 20;

pub(crate) fn inspect(arguments: &InspectArguments) -> anyhow::Result<()> {
    // Every address is resolved before anything is printed.
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in &arguments.paths {
        paths.push(resolve_address(path)?);
    }
    for (position, path) in paths.iter().enumerate() {
        if position > 0 {
            say!("");
        }
        if !path.is_dir() {
            file(path, arguments.key.as_deref())?;
        } else if idx_folder::is_in(path) {
            dataset(path)?;
        } else {
            folder(path)?;
        }
    }
    Ok(())
}

fn dataset(path: &Path) -> anyhow::Result<()> {
    // Many datasets use these file names, so the files do not tell which dataset they are.
    let dataset = registry::open(&format!("idx:{}", path.display()), &registry::OpenOptions::default())?;
    let ImageSet { channels, height, width, .. } = dataset.train;
    say!("{}: {}, images [{channels}, {height}, {width}]", path.display(), dataset.name);
    for (name, set) in [("training", &dataset.train), ("test", &dataset.test)] {
        say!("    {:>6} {name} images", set.len());
    }
    for (class, name) in dataset.classes.iter().enumerate() {
        let count = |set: &ImageSet| set.labels.iter().filter(|label| **label as usize == class).count();
        let name = name.escape_debug().to_string();
        say!("    class {class} {name:<12} {:>6} training {:>6} test", count(&dataset.train), count(&dataset.test));
    }
    say!("    fingerprint {}", dataset.fingerprint);
    Ok(())
}

fn folder(path: &Path) -> anyhow::Result<()> {
    match Folder::of(path) {
        Folder::Stage => {
            let stage = Stage::open(path)?;
            output::say_json(&serde_json::to_string_pretty(stage.manifest())?);
            Ok(stage.verify()?)
        }
        Folder::Shards => file(path, None),
        Folder::Deletion => {
            let certificate = Certificate::load(path)?;
            say!("{}: {}", path.display(), Folder::Deletion.describe(path));
            say!("{}", certificate.statement());
            let model = path.join(MODEL_FILE);
            if !model.exists() && certificate.output.contains_key(MODEL_FILE) {
                bail!("{}: the file is missing, and the certificate beside it names it", model.display());
            }
            if model.exists() { file(&model, None) } else { Ok(()) }
        }
        other => {
            say!("{}: {}", path.display(), other.describe(path));
            Ok(())
        }
    }
}

fn file(path: &Path, key: Option<&str>) -> anyhow::Result<()> {
    let place = path.display();
    let form = if path.is_dir() {
        Form::ShardIndex
    } else {
        let head = unlearn::files::head(path).map_err(|error| Usage(format!("failed to read {place}: {error}")))?;
        Form::of(&head)
    };
    match form {
        Form::Safetensors | Form::Zip | Form::Pickle | Form::ShardIndex => tensors(path, form, key),
        Form::Json | Form::Text => text(path, form),
        other => {
            let advice = other.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
            let data = if is_of_data(other) { "; `unlearn datasets describe FORM:PATH` shows a dataset" } else { "" };
            bail!("{place}: the file is {other}, and no command reads it as a model, a mask or a stage{advice}{data}")
        }
    }
}

/// Whether datasets have files of this form.
fn is_of_data(form: Form) -> bool {
    use Form::{Bmp, Gzip, Jpeg, Npy, Parquet, Png, Tar, Tiff, WebP};
    matches!(form, Bmp | Gzip | Jpeg | Npy | Parquet | Png | Tar | Tiff | WebP)
}

/// Describes a text file: a document of this program, or a file that another command may read.
fn text(path: &Path, form: Form) -> anyhow::Result<()> {
    let place = path.display();
    let text = unlearn::files::read_text(path, MOST_TEXT).with_context(|| format!("failed to read {place}"))?;
    if let Some(what) = serde_json::from_str(&text).ok().and_then(|value| recognised_document(&value, path)) {
        say!("{place}: {what}");
        return Ok(());
    }
    if text.contains("[suite]") && path.extension().is_some_and(|extension| extension == "toml") {
        bail!("{place}: this is a suite file, which `unlearn run {place}` reads; `inspect` shows the files of runs");
    }
    bail!("{place}: the file is {form} that no command of this program wrote")
}

fn tensors(path: &Path, form: Form, key: Option<&str>) -> anyhow::Result<()> {
    let place = path.display();
    let bytes = if form == Form::ShardIndex {
        contents(path)?
    } else {
        unlearn::files::read(path, MOST).with_context(|| format!("failed to read {place}"))?
    };
    match Mask::from_bytes(&bytes) {
        Ok(mask) => {
            say!("{place}: {} bytes", bytes.len());
            print_mask(&mask);
            return Ok(check_beside(path, &bytes)?);
        }
        // The file is not a mask; it may be something else.
        Err(
            NoMask::Form(_)
            | NoMask::Safetensors(_)
            | NoMask::MissingMetadata
            | NoMask::Metadata(_)
            | NoMask::Kind { .. },
        ) => {}
        Err(damaged) => bail!("{place}: {damaged}"),
    }
    let file = TorchFile::read(&bytes).with_context(|| format!("failed to read {place}"))?;
    let options = ImportOptions { key: key.map(str::to_owned), ..ImportOptions::default() };
    let is_ours = sparse_checkpoint::is_sparse(&bytes) || checkpoint::info(&bytes, path).is_ok();
    // Tensors of another purpose have no normalisation to report.
    let purpose = purpose(&file);
    let model = match purpose {
        Some(purpose) if !is_ours => Err(purpose.to_owned()),
        _ => match ModelFile::read(&bytes, &options, path) {
            Ok(model) => Ok(model),
            Err(error) if is_ours || key.is_some() => bail!("{error}"),
            // The file's tensors are still worth showing.
            Err(error) => Err(format!("tensors of unknown purpose: {error}")),
        },
    };
    say!("{place}: {} bytes", bytes.len());
    if form == Form::ShardIndex {
        say!("sharded; the shards are read as one safetensors file");
    }
    match &model {
        Ok(model) => {
            say!("{}", source(model.source));
            say!("{}", description(&model.info));
            if let Some(mask) = &model.mask {
                print_mask(mask);
            }
        }
        Err(what) => say!("{what}"),
    }
    print_dictionaries(&file, key)?;
    Ok(check_beside(path, &bytes)?)
}

/// The purpose of tensors that are not a model's.
fn purpose(file: &TorchFile<'_>) -> Option<&'static str> {
    let dict = file.dict(None).ok()?;
    let all = |suffixes: &[&str]| {
        dict.iter().len() > 0 && dict.iter().all(|(name, _)| suffixes.iter().any(|suffix| name.ends_with(suffix)))
    };
    if all(&[".positions", ".labels", ".logits"]) {
        Some(
            "scores of an `evaluate` stage: positions and labels of the samples of each set, and the model's logits; `unlearn evaluate` \
             and `unlearn report` compute figures from them (docs/stages.md)",
        )
    } else if dict.iter().any(|(name, _)| name.starts_with("current/")) {
        Some("the saved state of a training; the command that was interrupted goes on from it")
    } else {
        None
    }
}

/// Prints the tensors of each dictionary in a file, or of the chosen one.
fn print_dictionaries(file: &TorchFile<'_>, key: Option<&str>) -> anyhow::Result<()> {
    if let Some(key) = key
        && file.find(key).is_err()
    {
        // The key may be a prefix of names.
        print_tensors(&file.named(key)?);
        return Ok(());
    }
    let chosen: Vec<Option<&Candidate>> = match key {
        Some(key) => vec![Some(file.find(key)?)],
        None if file.candidates().is_empty() => vec![None],
        None => file.candidates().iter().map(Some).collect(),
    };
    let several = chosen.len() > 1;
    for (position, candidate) in chosen.into_iter().enumerate() {
        let dict = file.dict(candidate)?;
        let is_dictionary = |key: &String| file.candidates().iter().any(|other| other.key == *key);
        let beside: Vec<_> = dict.companions().iter().filter(|key| !is_dictionary(key)).map(String::as_str).collect();
        if position == 0 && !beside.is_empty() {
            say!("beside the weights: {}", beside.join(", "));
        }
        if let Some(candidate) = candidate.filter(|_| several) {
            say!("dictionary {candidate}; `--key` chooses it");
        }
        print_tensors(&dict);
    }
    Ok(())
}

/// The kind of file that a model was read from.
pub(crate) fn source(source: Source) -> &'static str {
    match source {
        Source::Dense => "dense checkpoint",
        Source::Sparse => "sparse checkpoint",
        Source::Foreign(Container::Zip) => "file of torch.save",
        Source::Foreign(Container::Legacy) => "file of torch.save before PyTorch 1.6",
        Source::Foreign(Container::Safetensors) => "safetensors without metadata of `unlearn`",
    }
}

/// The description of a model, in two lines.
pub(crate) fn description(info: &CheckpointInfo) -> String {
    let CheckpointInfo { format, arch, classes, input, mean, std, dataset, config, widths, training } = info;
    let narrowed = match widths.len() {
        0 => String::new(),
        convolutions => format!("; {convolutions} convolutions narrowed"),
    };
    let asked = match training.as_ref().map_or(0, |training| training.forgotten.len()) {
        0 => String::new(),
        images => format!(", asked to forget {images} images"),
    };
    format!(
        "checkpoint of {arch}{narrowed}: {classes} classes, images {input:?}, trained on {dataset}{asked}\n\
         normalisation: mean {mean:?}, std {std:?}; made by stage {config}; format {format}"
    )
}

fn print_mask(mask: &Mask) {
    say!(
        "mask for {}: {} of {} weights kept, sparsity {:.2} %",
        mask.architecture(),
        mask.kept(),
        mask.len(),
        100.0 * mask.sparsity()
    );
    for layer in mask.per_layer() {
        say!(
            "    {:<28} {:>9} of {:>9} kept, density {:>6.2} %",
            layer.name,
            layer.kept,
            layer.len,
            100.0 * layer.density()
        );
    }
}

fn print_tensors(tensors: &StateDict<'_>) {
    let (mut values, mut zeros) = (0, 0);
    for (name, tensor) in tensors.iter() {
        let zero = tensor.to_f32().iter().filter(|value| **value == 0.0).count();
        values += tensor.len();
        zeros += zero;
        say!(
            "    {:<32} {:<8} {:<18} {:>6.2} % zeros",
            name.escape_debug().to_string(),
            tensor.dtype().name(),
            format!("{:?}", tensor.shape()),
            percent(zero, tensor.len())
        );
    }
    say!("{values} values in {} tensors, {:.2} % zeros", tensors.iter().len(), percent(zeros, values));
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}
