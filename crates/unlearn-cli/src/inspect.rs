//! `unlearn inspect`: what a file, a finished stage or a dataset's folder holds.

use std::path::Path;

use anyhow::{Context as _, bail};
use unlearn_datasets::{idx_folder, registry};
use unlearn_masks::{Error as NoMask, Mask};
use unlearn_models::{
    ImportOptions, ModelFile, Source,
    checkpoint::{self, CheckpointInfo},
    sparse_checkpoint,
};
use unlearn_run_store::Stage;
use unlearn_samples::ImageSet;
use unlearn_torch_files::{Container, StateDict};

use crate::{args::InspectArguments, output};

pub(crate) fn inspect(arguments: &InspectArguments) -> anyhow::Result<()> {
    let path = &arguments.path;
    if path.is_file() {
        file(path)
    } else if idx_folder::is_in(path) {
        dataset(path)
    } else {
        stage(path)
    }
}

fn dataset(path: &Path) -> anyhow::Result<()> {
    // The files of many datasets bear these names: which one they are, they do not say.
    let dataset = registry::open(&format!("idx:{}", path.display()), &registry::OpenOptions::default())?;
    let ImageSet { channels, height, width, .. } = dataset.train;
    say!("{}: {}, images [{channels}, {height}, {width}]", path.display(), dataset.name);
    for (name, set) in [("training", &dataset.train), ("test", &dataset.test)] {
        say!("    {:>6} {name} images", set.len());
    }
    for (class, name) in dataset.classes.iter().enumerate() {
        let count = |set: &ImageSet| set.labels.iter().filter(|label| **label as usize == class).count();
        say!("    class {class} {name:<12} {:>6} training {:>6} test", count(&dataset.train), count(&dataset.test));
    }
    say!("    fingerprint {}", dataset.fingerprint);
    Ok(())
}

fn stage(path: &Path) -> anyhow::Result<()> {
    let stage = Stage::open(path)?;
    output::say_json(&serde_json::to_string_pretty(stage.manifest())?);
    Ok(())
}

fn file(path: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    match Mask::from_bytes(&bytes) {
        Ok(mask) => {
            say!("{}: {} bytes", path.display(), bytes.len());
            print_mask(&mask);
            return Ok(());
        }
        // No mask at all, and perhaps something else.
        Err(NoMask::Safetensors(_) | NoMask::MissingMetadata | NoMask::Metadata(_) | NoMask::Kind { .. }) => {}
        Err(damaged) => bail!("{}: {damaged}", path.display()),
    }
    let tensors = StateDict::read(&bytes).with_context(|| format!("failed to read {}", path.display()))?;
    let model = ModelFile::read(&bytes, &ImportOptions::default(), path);
    if let Err(error) = &model
        && (sparse_checkpoint::is_sparse(&bytes) || checkpoint::info(&bytes, path).is_ok())
    {
        bail!("{error}");
    }
    say!("{}: {} bytes", path.display(), bytes.len());
    match &model {
        Ok(model) => {
            say!("{}", source(model.source));
            say!("{}", description(&model.info));
            if let Some(mask) = &model.mask {
                print_mask(mask);
            }
        }
        // Scores, a training state, or a model that is not known here: its tensors are still worth showing.
        Err(_) => say!("tensors of unknown purpose; no model that is known here"),
    }
    if !tensors.companions().is_empty() {
        say!("beside the weights: {}", tensors.companions().join(", "));
    }
    print_tensors(&tensors);
    Ok(())
}

/// What kind of file a model was read from.
pub(crate) fn source(source: Source) -> &'static str {
    match source {
        Source::Dense => "dense checkpoint",
        Source::Sparse => "sparse checkpoint",
        Source::Foreign(Container::Zip) => "file of torch.save",
        Source::Foreign(Container::Legacy) => "file of torch.save before PyTorch 1.6",
        Source::Foreign(Container::Safetensors) => "safetensors without metadata of `unlearn`",
    }
}

/// What is known of a model, in two lines.
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
