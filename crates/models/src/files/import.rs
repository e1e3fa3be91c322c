//! Foreign models: a state dict of PyTorch's becomes a model of ours.
//!
//! A file of tensors does not say which architecture it is of: names and shapes do. Three habits of PyTorch's are undone:
//! the prefix `module.` of a model that was trained in parallel, layers pruned by `torch.nn.utils.prune` (`NAME_orig` and a
//! 0/1 `NAME_mask` instead of `NAME`), and the images' normalisation as the buffers `normalize.mean` and `normalize.std`.
//! Counters `num_batches_tracked` are of no use and dropped.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use unlearn_masks::{Bits, Mask};
use unlearn_network::{Graph, State};
use unlearn_torch_files::{StateDict, Tensor};

use crate::{
    ARCHITECTURES, Architecture, Error, InputSpec, Result, checkpoint::CheckpointInfo, find,
    sparse_checkpoint::check_mask,
};

/// What a foreign file does not say, or says otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportOptions {
    /// Architecture; found by names and shapes if absent.
    pub arch: Option<String>,
    /// Side of the images in pixels; if absent, 32 or else 224, whichever gives these shapes.
    pub side: Option<usize>,
    /// Per-channel mean of the normalisation inside the model; the file's own if absent, or 0 where it has none.
    pub mean: Option<Vec<f32>>,
    /// Per-channel standard deviation; the file's own if absent, or 1 where it has none.
    pub std: Option<Vec<f32>>,
    /// Dataset it was trained on; "unknown" if absent.
    pub dataset: Option<String>,
}

/// A model and what is known of it.
pub(crate) type Imported = (Arc<Graph>, State, Option<Mask>, CheckpointInfo);

/// Sides that are tried where none is given: CIFAR's and `ImageNet`'s.
const SIDES: [usize; 2] = [32, 224];

const PREFIX: &str = "module.";
const ORIGINAL: &str = "_orig";
const MASK: &str = "_mask";
const COUNTER: &str = "num_batches_tracked";
pub(crate) const MEAN: &str = "normalize.mean";
pub(crate) const STD: &str = "normalize.std";

/// Reads a model from named tensors; `path` is for messages.
pub(crate) fn import(dict: &StateDict<'_>, options: &ImportOptions, path: &Path) -> Result<Imported> {
    let fail = |reason| Error::Import { path: path.into(), reason };
    let mut entries = fold(dict).map_err(fail)?;
    let (mean, std) = (entries.remove(MEAN), entries.remove(STD));
    let normalisation = |given: &Option<Vec<f32>>, own: Option<Entry<'_, '_>>| {
        given.clone().or_else(|| own.map(|entry| entry.tensor.to_f32()))
    };
    let given = (normalisation(&options.mean, mean), normalisation(&options.std, std));
    let (graph, input) = recognise(&entries, given, options).map_err(fail)?;

    let dataset = options.dataset.as_deref().unwrap_or("unknown");
    let info = CheckpointInfo { config: "imported".into(), ..CheckpointInfo::new(&graph.arch, input, dataset) };
    // The graph once more, by way of all that a checkpoint's own description must satisfy.
    let graph = info.graph().map_err(|error| fail(error.to_string()))?;
    let mut mask = Mask::new(&graph.arch);
    for (name, entry) in &entries {
        if let Some(bits) = entry.bits().map_err(|reason| fail(format!("tensor `{name}{MASK}`: {reason}")))? {
            mask.insert(name, bits);
        }
    }
    check_mask(&mask, &graph)?;
    let state = State::from_named(&graph, |name| {
        let tensor = entries.get(name)?.tensor;
        let mut values = tensor.to_f32();
        // Of one length: that was checked when the mask's bits were taken.
        mask.apply(name, &mut values).ok()?;
        Some((tensor.shape().to_vec(), values))
    })?;
    if let Some(name) = state.first_non_finite(&graph) {
        return Err(fail(format!("tensor `{name}` holds a NaN or an infinity, or a number too large for f32")));
    }
    let pruned = mask.iter().len() > 0;
    Ok((graph, state, pruned.then_some(mask), info))
}

/// A tensor and, if it was pruned, which of its weights are kept.
pub(crate) struct Entry<'d, 'a> {
    pub(crate) tensor: &'d Tensor<'a>,
    pub(crate) mask: Option<&'d Tensor<'a>>,
}

impl Entry<'_, '_> {
    fn bits(&self) -> Result<Option<Bits>, String> {
        let Some(mask) = self.mask else { return Ok(None) };
        if mask.shape() != self.tensor.shape() {
            return Err(format!("its shape {:?} is not {:?}, its layer's", mask.shape(), self.tensor.shape()));
        }
        let values = mask.to_f32();
        if let Some(value) = values.iter().find(|value| **value != 0.0 && **value != 1.0) {
            return Err(format!("it holds {value}, and a mask is 0 or 1"));
        }
        Bits::from_predicate(mask.shape(), &values, |value| value == 1.0).map(Some).map_err(|error| error.to_string())
    }
}

/// The tensors under the names they had in a model that was neither trained in parallel nor pruned.
pub(crate) fn fold<'d, 'a>(dict: &'d StateDict<'a>) -> Result<BTreeMap<String, Entry<'d, 'a>>, String> {
    let parallel = dict.iter().all(|(name, _)| name.starts_with(PREFIX));
    let named = || dict.iter().map(|(name, tensor)| (if parallel { &name[PREFIX.len()..] } else { name }, tensor));
    let named = || named().filter(|(name, _)| name.rsplit('.').next() != Some(COUNTER));
    let mut masks: BTreeMap<_, _> = named().filter_map(|(name, mask)| Some((name.strip_suffix(MASK)?, mask))).collect();
    let mut entries = BTreeMap::new();
    for (name, tensor) in named().filter(|(name, _)| !name.ends_with(MASK)) {
        let (name, mask) = match name.strip_suffix(ORIGINAL) {
            None => (name, None),
            Some(pruned) => {
                let mask = masks.remove(pruned);
                (pruned, Some(mask.ok_or_else(|| format!("tensor `{name}` has no `{pruned}{MASK}` beside it"))?))
            }
        };
        if entries.insert(name.to_owned(), Entry { tensor, mask }).is_some() {
            return Err(format!("tensor `{name}` is there both pruned and whole"));
        }
    }
    match masks.keys().next() {
        Some(pruned) => Err(format!("tensor `{pruned}{MASK}` has no `{pruned}{ORIGINAL}` beside it")),
        None => Ok(entries),
    }
}

/// The architecture whose tensors these are, by names and shapes.
fn recognise(
    entries: &BTreeMap<String, Entry<'_, '_>>,
    (mean, std): (Option<Vec<f32>>, Option<Vec<f32>>),
    options: &ImportOptions,
) -> Result<(Arc<Graph>, InputSpec), String> {
    let candidates: Vec<&Architecture> = match &options.arch {
        Some(name) => vec![find(name).map_err(|error| error.to_string())?],
        None => ARCHITECTURES.iter().collect(),
    };
    let sides = options.side.map_or(SIDES.to_vec(), |side| vec![side]);
    let mut difference = None;
    for architecture in candidates {
        for side in &sides {
            match fit(architecture, *side, entries) {
                Ok((graph, mut input)) => {
                    input.mean = mean.unwrap_or(input.mean);
                    input.std = std.unwrap_or(input.std);
                    return Ok((graph, input));
                }
                Err(reason) => difference = difference.or(Some(reason)),
            }
        }
    }
    if let (Some(arch), Some(reason)) = (&options.arch, difference) {
        return Err(format!("its tensors are not those of {arch}: {reason}"));
    }
    let names: Vec<_> = entries.keys().take(3).map(|name| format!("`{name}`")).collect();
    let names = if names.is_empty() { "none".into() } else { names.join(", ") };
    Err(format!(
        "its {} tensors (first {names}) are those of no architecture; name one with `--arch` to see what differs",
        entries.len()
    ))
}

/// The graph of an architecture with the tensors' own numbers of classes and channels, if it has just these tensors.
fn fit(
    architecture: &'static Architecture,
    side: usize,
    entries: &BTreeMap<String, Entry<'_, '_>>,
) -> Result<(Arc<Graph>, InputSpec), String> {
    let with = |channels: usize, classes| {
        let input =
            InputSpec { shape: [channels, side, side], classes, mean: vec![0.0; channels], std: vec![1.0; channels] };
        architecture.graph(&input).map(|graph| (graph, input)).map_err(|error| error.to_string())
    };
    let shape = |name: &str| entries.get(name).map(|entry| entry.tensor.shape());
    // Channels are those that the first weight reads, classes those that the last writes.
    let (graph, _) = with(1, 1)?;
    let mut weights = graph.parameters.iter().filter(|parameter| parameter.shape.len() > 1);
    let first = weights.next().map_or("", |parameter| &parameter.name);
    let last = weights.next_back().map_or("", |parameter| &parameter.name);
    let size = |name: &str, axis: usize| {
        let size = shape(name).and_then(|shape| shape.get(axis)).copied();
        let size = size.ok_or_else(|| format!("tensor `{name}` is missing, or of another shape"))?;
        if (1..=1 << 16).contains(&size) {
            Ok(size)
        } else {
            Err(format!("tensor `{name}` has {size} of dimension {axis}"))
        }
    };
    let (graph, input) = with(size(first, 1)?, size(last, 0)?)?;

    let parameters = graph.parameters.iter().map(|parameter| (&parameter.name, &parameter.shape));
    let wanted: BTreeMap<_, _> = parameters.chain(graph.buffers.iter().map(|b| (&b.name, &b.shape))).collect();
    for (name, wanted) in &wanted {
        match shape(name) {
            None => return Err(format!("tensor `{name}` is missing")),
            Some(found) if found != wanted.as_slice() => {
                return Err(format!("tensor `{name}` has shape {found:?}, and {wanted:?} is wanted"));
            }
            Some(_) => {}
        }
    }
    match entries.keys().find(|name| !wanted.contains_key(name)) {
        Some(name) => Err(format!("it has no tensor `{name}`")),
        None => Ok((graph, input)),
    }
}
