//! `unlearn convert`: a model as another kind of file.

use unlearn_experiment::OpenedModel;
use unlearn_models::{ImportOptions, Target as Written, find};
use unlearn_run_store::write_atomic;

use crate::{
    args::{ConvertArguments, ForeignArguments, Target},
    exit::Usage,
    inspect::{description, source},
};

pub(crate) fn convert(arguments: &ConvertArguments) -> anyhow::Result<()> {
    let ConvertArguments { input, output, to, mask, foreign } = arguments;
    if let Some(arch) = &foreign.arch {
        find(arch).map_err(|error| Usage(error.to_string()))?;
    }
    let opened = OpenedModel::open(input, mask.as_deref(), &options(foreign))?;
    let (model, bytes) = (opened.model, &opened.read["model"]);
    let (target, what) = match to.unwrap_or(if model.mask.is_some() { Target::Sparse } else { Target::Dense }) {
        Target::Dense => (Written::Dense, "dense checkpoint"),
        Target::Sparse => (Written::Sparse, "sparse checkpoint"),
        Target::Torch => (Written::Torch, "safetensors for PyTorch"),
    };
    let written = model.to_bytes(target)?;
    write_atomic(output, &written)?;
    say!("{}: {}, {} bytes", input.display(), source(model.source), bytes.len());
    say!("{}: {what}, {} bytes", output.display(), written.len());
    say!("{}", description(&model.info));
    if let Some(mask) = &model.mask {
        let left_out = if target == Written::Sparse { "" } else { "; the zeros are written, the mask is not" };
        say!("{} of {} covered weights kept{left_out}", mask.kept(), mask.len());
    }
    Ok(())
}

/// What the user says of a foreign file.
pub(crate) fn options(foreign: &ForeignArguments) -> ImportOptions {
    let ForeignArguments { arch, side, mean, std, dataset } = foreign;
    ImportOptions { arch: arch.clone(), side: *side, mean: mean.clone(), std: std.clone(), dataset: dataset.clone() }
}
