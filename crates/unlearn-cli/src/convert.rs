//! `unlearn convert`: writes a model as another kind of file.

use std::path::Path;

use unlearn::models::{ImportOptions, ModelFile, Source, Target as Written, find};
use unlearn_experiment::{OpenedModel, known_images};
use unlearn_run_store::write_atomic;

use crate::{
    args::{ConvertArguments, ForeignArguments, Target},
    exit::Usage,
    inspect::{description, source},
    outputs::Outputs,
};

/// The format that a file's name implies by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// The container of `torch.save`.
    Torch,
    /// A format that the program does not write.
    Other,
    /// safetensors, or a name that implies no other format.
    Safetensors,
}

/// Endings of names of `torch.save` files.
const TORCH: [&str; 5] = [".pth", ".pt", ".pth.tar", ".bin", ".ckpt"];
/// Endings of names of archives and of other formats for models and arrays.
const OTHERS: [&str; 12] =
    [".onnx", ".npz", ".npy", ".h5", ".hdf5", ".keras", ".pkl", ".gguf", ".tar", ".gz", ".zip", ".json"];

impl Named {
    fn of(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends(&TORCH) {
            Self::Torch
        } else if ends(&OTHERS) {
            Self::Other
        } else {
            Self::Safetensors
        }
    }
}

pub(crate) fn convert(arguments: &ConvertArguments) -> anyhow::Result<()> {
    let ConvertArguments { input, output, to, mask, foreign } = arguments;
    check(foreign)?;
    let named = Named::of(output);
    refuse_contradiction(output, named, *to)?;
    check_output(output)?;
    Outputs::default()
        .reads("the model", Some(input))
        .reads("`--mask`", mask.as_deref())
        .writes("the output", Some(output))
        .check()?;
    let opened = OpenedModel::open(input, mask.as_deref(), &options(foreign))?;
    let (model, bytes) = (opened.model, &opened.read["model"]);
    check_record(input, &model, foreign)?;
    let target = to.unwrap_or(match (named, &model.mask) {
        (Named::Torch, _) => Target::Torch,
        (_, Some(_)) => Target::Sparse,
        (_, None) => Target::Dense,
    });
    let (target, what) = match (target, named) {
        (Target::Dense, _) => (Written::Dense, "dense checkpoint"),
        (Target::Sparse, _) => (Written::Sparse, "sparse checkpoint"),
        (Target::Torch, Named::Torch) => (Written::Pickled, "file for torch.load"),
        (Target::TorchMasked, Named::Torch) => {
            (Written::PickledMasked, "file for torch.load, pruned as by torch.nn.utils.prune")
        }
        (Target::Torch, _) => (Written::Torch, "safetensors for PyTorch"),
        (Target::TorchMasked, _) => {
            (Written::TorchMasked, "safetensors for PyTorch, pruned as by torch.nn.utils.prune")
        }
    };
    let written = model.to_bytes(target)?;
    write_atomic(output, &written)?;
    say!("{}: {}, {} bytes", input.display(), source(model.source), bytes.len());
    say!("{}: {what}, {} bytes", output.display(), written.len());
    say!("{}", description(&model.info));
    if let Some(mask) = &model.mask {
        let keeps = [Written::Sparse, Written::TorchMasked, Written::PickledMasked].contains(&target);
        let left_out = if keeps { "" } else { "; the zeros are written, the mask is not" };
        say!("{} of {} covered weights kept{left_out}", mask.kept(), mask.len());
    }
    let info = &model.info;
    let normalised = info.mean.iter().any(|mean| *mean != 0.0) || info.std.iter().any(|std| *std != 1.0);
    if [Written::Pickled, Written::PickledMasked].contains(&target) && normalised {
        say!("`load_state_dict` takes the file; images must be normalised first, by the mean and deviation above");
    }
    Ok(())
}

/// Refuses a name that implies another format than the one to be written.
fn refuse_contradiction(output: &Path, named: Named, to: Option<Target>) -> Result<(), Usage> {
    let place = output.display();
    match (named, to) {
        (Named::Torch, Some(Target::Dense | Target::Sparse)) => Err(Usage(format!(
            "{place}: a file of this name is one of `torch.save`, and `--to dense` and `--to sparse` write safetensors; name it \
             `.safetensors`, or write `--to torch` or `torch-masked`"
        ))),
        (Named::Other, _) => Err(Usage(format!(
            "{place}: a file of this name holds another format; name it `.safetensors`, or `.pth` for `torch.load`"
        ))),
        _ => Ok(()),
    }
}

/// Refuses an output that cannot be a file, before any work is done: it is something else, or its folder is missing.
pub(crate) fn check_output(output: &Path) -> Result<(), Usage> {
    unlearn_run_store::refuse_inside_stage(output).map_err(|error| Usage(error.to_string()))?;
    let refuse = |reason: String| Err(Usage(format!("could not write {}: {reason}", output.display())));
    if let Err(error) = unlearn::files::check_output(output) {
        return refuse(error.to_string());
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        return Ok(());
    }
    refuse(format!("there is no folder {}; make it, or name another", folder.display()))
}

/// As [`check_output`], and refuses an existing file unless it may be replaced.
pub(crate) fn check_new(output: &Path, replace: bool) -> Result<(), Usage> {
    check_output(output)?;
    if !replace && std::fs::symlink_metadata(output).is_ok() {
        return Err(Usage(format!("{}: it exists already; name another file, or give `--replace`", output.display())));
    }
    Ok(())
}

/// Refuses a name that implies another format than safetensors.
pub(crate) fn check_safetensors(output: &Path) -> Result<(), Usage> {
    if Named::of(output) == Named::Safetensors {
        return Ok(());
    }
    Err(Usage(format!(
        "{}: what is written is safetensors, and a file of this name holds another format; name it `.safetensors`; `unlearn convert` \
         writes `.pth`",
        output.display()
    )))
}

/// Refuses options for a foreign file that name an unknown architecture.
pub(crate) fn check(foreign: &ForeignArguments) -> Result<(), Usage> {
    match &foreign.arch {
        Some(arch) => find(arch).map(|_| ()).map_err(|error| Usage(error.to_string())),
        None => Ok(()),
    }
}

/// Refuses options that contradict what our own file says of itself: they apply to files of other programs.
pub(crate) fn check_record(path: &Path, model: &ModelFile, foreign: &ForeignArguments) -> Result<(), Usage> {
    if matches!(model.source, Source::Foreign(_)) {
        return Ok(());
    }
    let info = &model.info;
    let other_data = foreign.dataset.as_ref().is_some_and(|dataset| *dataset != info.dataset);
    match options(foreign).contradicted_by(info).or(other_data.then_some("dataset")) {
        None => Ok(()),
        Some(option) => Err(Usage(format!(
            "{}: --{option} contradicts the file, which describes itself: {}; leave the option out, it is for files of other programs",
            path.display(),
            description(info)
        ))),
    }
}

/// The user's options for a foreign file, with the known facts about the dataset that they name.
pub(crate) fn options(foreign: &ForeignArguments) -> ImportOptions {
    let ForeignArguments { arch, side, mean, std, dataset, key } = foreign;
    ImportOptions {
        arch: arch.clone(),
        side: *side,
        mean: mean.clone(),
        std: std.clone(),
        dataset: dataset.clone(),
        images: dataset.as_deref().and_then(known_images),
        key: key.clone(),
    }
}
