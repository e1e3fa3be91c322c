//! Foreign models: a state dict of PyTorch becomes our model.
//!
//! A file of tensors does not name its architecture; the names and shapes of the tensors identify it. Nor does the file describe the
//! images that the model was trained on. It may hold `normalize.mean` and `normalize.std`; otherwise the importer must give them.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use unlearn_masks::Mask;
use unlearn_network::{Graph, State};
use unlearn_torch_files::{StateDict, TorchFile};

use super::named_tensors::{Entries, MEAN, STD, choose, fold};
use crate::{
    ARCHITECTURES, Architecture, Error, InputSpec, Result, checkpoint::CheckpointInfo, find,
    sparse_checkpoint::check_mask,
};

/// Facts that a foreign file lacks, or that replace what it says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportOptions {
    /// Architecture; if absent, names and shapes identify it.
    pub arch: Option<String>,
    /// Side of the images in pixels. If absent, the dataset's side, 32 or else 224 is taken: the one that gives these shapes.
    pub side: Option<usize>,
    /// Per-channel mean of the normalisation inside the model. If absent, the file's is taken, or else the dataset's, or 0.
    pub mean: Option<Vec<f32>>,
    /// Per-channel standard deviation. If absent, the file's is taken, or else the dataset's, or 1.
    pub std: Option<Vec<f32>>,
    /// Dataset that the model was trained on; "unknown" if absent.
    pub dataset: Option<String>,
    /// The known facts about that dataset's images.
    pub images: Option<InputSpec>,
    /// The dictionary of tensors to take, if a PyTorch file has several: keys joined by dots.
    pub key: Option<String>,
}

impl ImportOptions {
    /// The first of these options, by its field's name, that contradicts what a file of this program says of itself. They are for files
    /// of other programs. Its dataset may be found under another name, so that is not compared.
    pub fn contradicted_by(&self, info: &CheckpointInfo) -> Option<&'static str> {
        let contradicts = [
            ("arch", self.arch.as_ref().is_some_and(|arch| *arch != info.arch)),
            ("side", self.side.is_some_and(|side| side != info.input[1])),
            ("mean", self.mean.as_ref().is_some_and(|mean| *mean != info.mean)),
            ("std", self.std.as_ref().is_some_and(|std| *std != info.std)),
        ];
        contradicts.into_iter().find(|(_, differs)| *differs).map(|(option, _)| option)
    }

    /// These options, completed by the file's own description.
    pub(crate) fn after(&self, said: Option<&CheckpointInfo>) -> Self {
        let mut options = self.clone();
        if let Some(said) = said {
            options.arch.get_or_insert_with(|| said.arch.clone());
            options.side.get_or_insert(said.input[1]);
            if options.mean.is_none() && options.std.is_none() {
                (options.mean, options.std) = (Some(said.mean.clone()), Some(said.std.clone()));
            }
            // What is known of another dataset's images says nothing of the one that the file names.
            if options.dataset.is_none() {
                options.images = None;
            }
            options.dataset.get_or_insert_with(|| said.dataset.clone());
        }
        options
    }
}

/// A model and its description.
pub(crate) type Imported = (Arc<Graph>, State, Option<Mask>, CheckpointInfo);

/// Sides that are tried if none is known: those of CIFAR and `ImageNet`.
const SIDES: [usize; 2] = [32, 224];

/// Most tensors of one kind that a message names.
const NAMED: usize = 4;

/// Reads a model from named tensors; `path` is for messages.
pub(crate) fn import(dict: &StateDict<'_>, options: &ImportOptions, path: &Path) -> Result<Imported> {
    let fail = |reason| Error::Import { path: path.into(), reason };
    let mut entries = fold(dict).map_err(fail)?;
    for (name, _) in dict.iter().filter(|(_, tensor)| tensor.is_empty()) {
        tracing::warn!("{}: tensor `{}` is empty and is left out", path.display(), name.escape_debug());
    }
    let own = normalisation(&mut entries).map_err(fail)?;
    let (graph, mut input) = recognise(&entries, options).map_err(fail)?;
    check_known(&input, options, path)?;
    for (name, entry) in &entries {
        if let Some(dtype) = entry.whole_numbers() {
            return Err(fail(whole_numbers(name, dtype)));
        }
    }
    (input.mean, input.std) = normalise(&input, own, options, path);

    let dataset = options.dataset.as_deref().unwrap_or("unknown");
    let info = CheckpointInfo { config: "imported".into(), ..CheckpointInfo::new(&graph.arch, input, dataset) };
    // The graph is built once more from the description, so that every check of a checkpoint's description applies.
    let graph = info.graph().map_err(|error| fail(error.to_string()))?;
    let mut mask = Mask::new(&graph.arch);
    for (name, entry) in &entries {
        if let Some(bits) = entry.bits().map_err(|reason| fail(format!("tensor `{name}_mask`: {reason}")))? {
            mask.insert(name, bits);
        }
    }
    check_mask(&mask, &graph)?;
    let state = State::from_named(&graph, |name| {
        let entry = entries.get(name)?;
        let mut values = entry.to_f32();
        // The lengths are equal: `bits` has checked them.
        mask.apply(name, &mut values).ok()?;
        Some((entry.shape().to_vec(), values))
    })?;
    if let Some(name) = state.first_non_finite(&graph) {
        return Err(Error::Values { path: path.into(), reason: not_finite(name) });
    }
    if let Some(name) = state.first_negative_variance(&graph) {
        return Err(Error::Values { path: path.into(), reason: negative_variance(name) });
    }
    let pruned = mask.iter().len() > 0;
    Ok((graph, state, pruned.then_some(mask), info))
}

/// The dictionary of tensors that `options.key` names, or else the only one that can be a model, in the bytes of a foreign file.
///
/// # Errors
/// A file that cannot be read. A key that the file lacks, or several dictionaries without a key; the error lists those that exist.
pub(crate) fn dictionary<'a>(bytes: &'a [u8], options: &ImportOptions, path: &Path) -> Result<StateDict<'a>> {
    let chosen =
        TorchFile::read(bytes).and_then(|file| choose(&file, options.key.as_deref(), |dict| is_a_model(dict, options)));
    chosen.map_err(|source| Error::TorchFile { path: path.into(), source })
}

/// Whether names and shapes of the tensors fit a known architecture.
fn is_a_model(dict: &StateDict<'_>, options: &ImportOptions) -> bool {
    fold(dict).is_ok_and(|mut entries| normalisation(&mut entries).is_ok() && recognise(&entries, options).is_ok())
}

/// Takes out the file's own normalisation: mean and deviation.
fn normalisation(entries: &mut Entries<'_, '_>) -> Result<Option<[Vec<f32>; 2]>, String> {
    match (entries.remove(MEAN), entries.remove(STD)) {
        (None, None) => Ok(None),
        (Some(mean), Some(std)) => Ok(Some([mean.to_f32(), std.to_f32()])),
        (Some(_), None) => Err(format!("it has a tensor `{MEAN}` and no `{STD}`")),
        (None, Some(_)) => Err(format!("it has a tensor `{STD}` and no `{MEAN}`")),
    }
}

/// Mean and deviation: the user's, or else the file's, or else those known for the dataset. If none is known, a warning names the values
/// taken.
fn normalise(
    input: &InputSpec,
    own: Option<[Vec<f32>; 2]>,
    options: &ImportOptions,
    path: &Path,
) -> (Vec<f32>, Vec<f32>) {
    let channels = input.shape[0];
    let identity = || [vec![0.0; channels], vec![1.0; channels]];
    if options.mean.is_some() || options.std.is_some() {
        let [mean, std] = own.unwrap_or_else(identity);
        return (options.mean.clone().unwrap_or(mean), options.std.clone().unwrap_or(std));
    }
    if let Some([mean, std]) = own {
        return (mean, std);
    }
    let path = path.display();
    let name = options.dataset.as_deref().unwrap_or("the dataset");
    let fits = |images: &&InputSpec| images.mean.len() == channels && images.std.len() == channels;
    if let Some(images) = options.images.as_ref().filter(fits) {
        let (mean, std) = (images.mean.clone(), images.std.clone());
        tracing::info!(
            "{path}: the file has no normalisation; that of {name} is taken: mean {mean:?}, deviation {std:?}; `--mean` and \
             `--std` of `unlearn convert` set others"
        );
        return (mean, std);
    }
    tracing::warn!(
        "{path}: the file has no normalisation; mean 0 and deviation 1 are taken, but a model that was trained on normalised \
         images needs others; give them to `unlearn convert` with `--mean` and `--std`, or with `--dataset` and a known dataset"
    );
    let [mean, std] = identity();
    (mean, std)
}

/// The refusal of values that are not finite.
pub(crate) fn not_finite(name: &str) -> String {
    format!(
        "tensor `{name}` holds a NaN or an infinity, or a number too large for f32; the model diverged in training or the file is damaged: \
         take an earlier checkpoint, or train with a lower learning rate"
    )
}

/// The refusal of a negative variance.
pub(crate) fn negative_variance(name: &str) -> String {
    format!(
        "tensor `{name}` holds a negative number, and it is a variance; the file is damaged or its weights were computed with: take the \
         checkpoint that training saved"
    )
}

/// The refusal of weights of a type of whole numbers.
pub(crate) fn whole_numbers(name: &str, dtype: &str) -> String {
    format!(
        "tensor `{name}` holds whole numbers ({dtype}), and weights are fractions; a quantized model must be saved as floating point \
         first, for example with `.dequantize()` or `.float()` in PyTorch"
    )
}

/// Refuses a dataset that the model cannot have been trained on: its images have other channels, or it has other classes.
fn check_known(input: &InputSpec, options: &ImportOptions, path: &Path) -> Result<()> {
    let (Some(name), Some(images)) = (&options.dataset, &options.images) else { return Ok(()) };
    let differs = |what: &str, known: usize, found: usize| {
        let reason = format!(
            "it has {found} {what}, and the images of {name} have {known}; name the dataset that it was trained on, or leave out \
             `--dataset` and give `--mean` and `--std`"
        );
        (known != found).then(|| Error::Contradiction { path: path.into(), reason })
    };
    let channels = differs("input channels", images.shape[0], input.shape[0]);
    channels.or_else(|| differs("classes", images.classes, input.classes)).map_or(Ok(()), Err)
}

/// Finds the architecture of these tensors by names and shapes.
fn recognise(entries: &Entries<'_, '_>, options: &ImportOptions) -> Result<(Arc<Graph>, InputSpec), String> {
    let candidates: Vec<&'static Architecture> = match &options.arch {
        Some(name) => vec![find(name).map_err(|error| error.to_string())?],
        None => ARCHITECTURES.iter().collect(),
    };
    let shapes = entries.iter().map(|(name, entry)| (name.as_str(), entry.shape())).collect();
    let mut nearest = match nearest(&candidates, options, &shapes) {
        Ok(found) => return Ok(found),
        Err(nearest) => nearest,
    };
    // Tensors beside a model hide the prefix that all the others share.
    let (inner, prefix) = without_common_prefix(&shapes);
    if let Some(prefix) = &prefix
        && let Err(other) = self::nearest(&candidates, options, &inner)
        && other.matching > nearest.matching
    {
        nearest = Difference { arch: format!("{} under the prefix `{prefix}`", other.arch), ..other };
    }
    if let Some(side) = options.side {
        let free = ImportOptions { side: None, ..options.clone() };
        if let Ok((graph, input)) = self::nearest(&candidates, &free, &shapes) {
            let fits = input.shape[1];
            return Err(format!(
                "its tensors are those of {} for images of {fits}×{fits} pixels, and not of {side}×{side}; give another `--side`",
                graph.arch
            ));
        }
    }
    if let Difference { arch, missing, left_over, other, .. } = &nearest
        && (missing.is_empty() && other.is_empty() && !left_over.is_empty() && !arch.is_empty())
    {
        let first = left_over[0].escape_debug();
        return Err(format!(
            "it holds all tensors of {arch}, and others beside them ({}); delete those and save again: `del state_dict[\"{first}\"]; \
             torch.save(state_dict, …)`",
            listed(left_over)
        ));
    }
    if let Some(arch) = &options.arch {
        let what = if nearest.arch.is_empty() { arch } else { &nearest.arch };
        return Err(format!("its tensors are not those of {what}: {}", nearest.describe()));
    }
    let names: Vec<_> = entries.keys().take(3).map(|name| format!("`{name}`")).collect();
    let names = if names.is_empty() { "none".into() } else { names.join(", ") };
    let near = if nearest.matching == 0 {
        "name one with `--arch` to see what differs".to_owned()
    } else {
        format!("the nearest is {}, but {}; name another with `--arch`", nearest.arch, nearest.describe())
    };
    Err(format!("its {} tensors (first {names}) are those of no architecture; {near}", entries.len()))
}

/// Shapes by name.
type Shapes<'s> = BTreeMap<&'s str, &'s [usize]>;

/// The first candidate that has exactly these tensors; otherwise the one that shares most of them.
fn nearest(
    candidates: &[&'static Architecture],
    options: &ImportOptions,
    shapes: &Shapes<'_>,
) -> Result<(Arc<Graph>, InputSpec), Difference> {
    let known = options.images.as_ref().map(|images| images.shape[1]);
    let mut sides = options.side.map_or_else(|| known.into_iter().chain(SIDES).collect(), |side| vec![side]);
    sides.dedup();
    let mut nearest = Difference::default();
    for architecture in candidates {
        for side in &sides {
            match fit(architecture, *side, shapes) {
                Ok(found) => return Ok(found),
                Err(other) if nearest.arch.is_empty() || other.matching > nearest.matching => nearest = other,
                Err(_) => {}
            }
        }
    }
    Err(nearest)
}

/// The differences between the tensors and those of an architecture.
#[derive(Debug, Default)]
struct Difference {
    arch: String,
    /// Number of tensors that are equal in name and shape.
    matching: usize,
    missing: Vec<String>,
    left_over: Vec<String>,
    /// Other differences, in words.
    other: Vec<String>,
}

impl Difference {
    fn describe(&self) -> String {
        let mut parts = Vec::new();
        match &self.missing[..] {
            [] => {}
            [name] => parts.push(format!("tensor `{name}` is missing")),
            names => parts.push(format!("tensors {} are missing", listed(names))),
        }
        match &self.left_over[..] {
            [] => {}
            [name] => parts.push(format!("it has no tensor `{name}`")),
            names => parts.push(format!("it has no tensors {}", listed(names))),
        }
        parts.extend(self.other.iter().take(NAMED).cloned());
        parts.join("; ")
    }
}

fn listed(names: &[String]) -> String {
    let mut named: Vec<_> = names.iter().take(NAMED).map(|name| format!("`{}`", name.escape_debug())).collect();
    let more = names.len().saturating_sub(NAMED);
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

/// The graph of an architecture, with the classes and channels of the tensors, if the tensors are exactly the graph's.
fn fit(
    architecture: &'static Architecture,
    side: usize,
    shapes: &Shapes<'_>,
) -> Result<(Arc<Graph>, InputSpec), Difference> {
    let fail =
        |reason: String| Difference { arch: architecture.name.into(), other: vec![reason], ..Difference::default() };
    let with = |channels: usize, classes| {
        let input =
            InputSpec { shape: [channels, side, side], classes, mean: vec![0.0; channels], std: vec![1.0; channels] };
        architecture.graph(&input).map(|graph| (graph, input)).map_err(|error| fail(error.to_string()))
    };
    // The first weight gives the channels and the last weight gives the classes. A missing weight counts as one of each.
    let (graph, _) = with(1, 1)?;
    let mut weights = graph.parameters.iter().filter(|parameter| parameter.shape.len() > 1);
    let first = weights.next().map_or("", |parameter| &parameter.name);
    let last = weights.next_back().map_or("", |parameter| &parameter.name);
    let size = |name: &str, axis: usize| match shapes.get(name).map(|shape| shape.get(axis).copied()) {
        None => Ok(1),
        Some(Some(size)) if (1..=1 << 16).contains(&size) => Ok(size),
        Some(size) => Err(fail(format!(
            "tensor `{name}` has {} in dimension {axis}",
            size.map_or("nothing".into(), |s| s.to_string())
        ))),
    };
    let (graph, input) = with(size(first, 1)?, size(last, 0)?)?;

    let parameters = graph.parameters.iter().map(|parameter| (&parameter.name, &parameter.shape));
    let wanted: BTreeMap<_, _> = parameters.chain(graph.buffers.iter().map(|b| (&b.name, &b.shape))).collect();
    let mut difference = Difference { arch: architecture.name.into(), ..Difference::default() };
    for (name, wanted) in &wanted {
        match shapes.get(name.as_str()) {
            None => difference.missing.push((*name).clone()),
            Some(found) if *found != wanted.as_slice() => {
                difference.other.push(format!("tensor `{name}` has shape {found:?}, and {wanted:?} is wanted"));
            }
            Some(_) => difference.matching += 1,
        }
    }
    difference.left_over = shapes
        .keys()
        .filter(|name| !wanted.contains_key(&(**name).to_owned()))
        .map(|name| (*name).to_owned())
        .collect();
    let Difference { missing, left_over, other, .. } = &difference;
    if missing.is_empty() && left_over.is_empty() && other.is_empty() { Ok((graph, input)) } else { Err(difference) }
}

/// Removes the first component that most names share. Returns the shapes under the new names, and that component; all unchanged if there
/// is none.
fn without_common_prefix<'s>(shapes: &Shapes<'s>) -> (Shapes<'s>, Option<String>) {
    let mut counts = BTreeMap::new();
    for name in shapes.keys() {
        if let Some((first, _)) = name.split_once('.') {
            *counts.entry(first).or_insert(0) += 1;
        }
    }
    let common = counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| 2 * count > shapes.len());
    let Some((first, _)) = common else { return (shapes.clone(), None) };
    let prefix = format!("{first}.");
    let inner = shapes.iter().map(|(name, shape)| (name.strip_prefix(&prefix).unwrap_or(name), *shape)).collect();
    (inner, Some(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries without values: only shapes are compared.
    #[test]
    fn what_is_missing_and_what_is_left_over_is_named() {
        let input = InputSpec { shape: [3, 32, 32], classes: 10, mean: vec![0.0; 3], std: vec![1.0; 3] };
        let graph = find("resnet8s").unwrap().graph(&input).unwrap();
        let tensors = || {
            let parameters = graph.parameters.iter().map(|p| (p.name.clone(), p.shape.clone()));
            parameters.chain(graph.buffers.iter().map(|b| (b.name.clone(), b.shape.clone()))).collect::<Vec<_>>()
        };
        let candidates: Vec<&'static Architecture> = ARCHITECTURES.iter().collect();
        let differs = |tensors: &[(String, Vec<usize>)]| {
            let shapes = tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
            nearest(&candidates, &ImportOptions::default(), &shapes).map(|(graph, _)| graph.arch.clone())
        };
        assert_eq!(differs(&tensors()).unwrap(), "resnet8s");
        let mut other = tensors();
        for (name, _) in &mut other {
            *name = name.replace("fc.", "head.");
        }
        let difference = differs(&other).unwrap_err();
        assert_eq!(
            (difference.arch.as_str(), difference.describe().as_str()),
            ("resnet8s", "tensors `fc.bias`, `fc.weight` are missing; it has no tensors `head.bias`, `head.weight`")
        );
    }
}
