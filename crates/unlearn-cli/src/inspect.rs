//! `unlearn inspect`: what a file, a finished stage or a dataset's folder holds.

use std::path::Path;

use anyhow::Context;
use unlearn_datasets::{ImageSet, fashion_mnist, idx_folder, registry};
use unlearn_masks::Mask;
use unlearn_models::{checkpoint, tensor_file::TensorFile};
use unlearn_run_store::Stage;

use crate::args::InspectArguments;

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
    let options = registry::OpenOptions { data_dir: Some(path.into()) };
    let dataset = registry::open(fashion_mnist::ENTRY.name, &options)?;
    let ImageSet { channels, height, width, .. } = dataset.train;
    println!("{}: {}, images [{channels}, {height}, {width}]", path.display(), dataset.name);
    for (name, set) in [("training", &dataset.train), ("test", &dataset.test)] {
        println!("    {:>6} {name} images", set.len());
    }
    for (class, name) in dataset.classes.iter().enumerate() {
        let count = |set: &ImageSet| set.labels.iter().filter(|label| **label as usize == class).count();
        println!("    class {class} {name:<12} {:>6} training {:>6} test", count(&dataset.train), count(&dataset.test));
    }
    println!("    fingerprint {}", dataset.fingerprint);
    Ok(())
}

fn stage(path: &Path) -> anyhow::Result<()> {
    let stage = Stage::open(path)?;
    println!("{}", serde_json::to_string_pretty(stage.manifest())?);
    Ok(())
}

fn file(path: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let contents = TensorFile::open(&bytes)
        .with_context(|| format!("{} is neither a stage's folder nor a safetensors file", path.display()))?;
    println!("{}: {} bytes", path.display(), bytes.len());
    if let Ok(mask) = Mask::from_bytes(&bytes) {
        print_mask(&mask);
    } else if let Ok(info) = checkpoint::info(&bytes, path) {
        print_checkpoint(&info, &contents);
    } else {
        println!("tensors of unknown purpose; no metadata of `unlearn`");
        print_tensors(&contents);
    }
    Ok(())
}

fn print_mask(mask: &Mask) {
    println!(
        "mask for {}: {} of {} weights kept, sparsity {:.2} %",
        mask.architecture(),
        mask.kept(),
        mask.len(),
        100.0 * mask.sparsity()
    );
    for layer in mask.per_layer() {
        println!(
            "    {:<28} {:>9} of {:>9} kept, density {:>6.2} %",
            layer.name,
            layer.kept,
            layer.len,
            100.0 * layer.density()
        );
    }
}

fn print_checkpoint(info: &checkpoint::CheckpointInfo, contents: &TensorFile<'_>) {
    println!(
        "checkpoint of {}: {} classes, images {:?}, trained on {}",
        info.arch, info.classes, info.input, info.dataset
    );
    println!(
        "normalisation: mean {:?}, std {:?}; made by stage {}; format {}",
        info.mean, info.std, info.config, info.format
    );
    print_tensors(contents);
}

fn print_tensors(contents: &TensorFile<'_>) {
    let mut names = contents.names();
    names.sort_unstable();
    for name in names {
        if let Some((shape, values)) = contents.tensor(name) {
            let zeros = values.iter().filter(|v| **v == 0.0).count();
            println!(
                "    {name:<32} {:<18} {:>6.2} % zeros",
                format!("{shape:?}"),
                100.0 * zeros as f64 / values.len().max(1) as f64
            );
        }
    }
}
