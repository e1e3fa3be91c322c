//! The tensors of a foreign file, under the names that they have in the plain model.
//!
//! Training scripts change the names in a state dict. This module undoes four kinds of change: wrappers of a module (`module.` of
//! data-parallel training, `_orig_mod.` of `torch.compile`); prefixes that all tensors share (`model.`, `backbone.net.`); layers pruned
//! by `torch.nn.utils.prune` (`NAME_orig` and a 0/1 `NAME_mask` instead of `NAME`); and weight normalisation (a direction and a magnitude
//! instead of a weight). It drops counters (`num_batches_tracked`, `n_averaged`), which have no use here. It refuses by name whatever it
//! would have to guess.

use std::collections::BTreeMap;

use unlearn_masks::Bits;
use unlearn_torch_files::{Candidate, Dtype, Error as TorchError, StateDict, Tensor, TorchFile};

/// Components of names that a wrapper of a module adds. They may occur anywhere in a name.
const WRAPPERS: [&str; 4] = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// The last components of counters' names.
const COUNTERS: [&str; 2] = ["num_batches_tracked", "n_averaged"];
const ORIGINAL: &str = "_orig";
const MASK: &str = "_mask";
/// PyTorch's older form of weight normalisation, without parametrisations: magnitude and direction.
const NORMED: [&str; 2] = ["_g", "_v"];
const PARAMETRISED: &str = "parametrizations";
/// The images' normalisation inside the model.
pub(crate) const MEAN: &str = "normalize.mean";
pub(crate) const STD: &str = "normalize.std";

/// The tensors of a model by name.
pub(crate) type Entries<'d, 'a> = BTreeMap<String, Entry<'d, 'a>>;

/// A tensor with its mask, if it was pruned.
pub(crate) struct Entry<'d, 'a> {
    values: Values<'d, 'a>,
    mask: Option<&'d Tensor<'a>>,
}

enum Values<'d, 'a> {
    Stored(&'d Tensor<'a>),
    /// Weight normalisation: the direction, scaled to the magnitude.
    Normed {
        magnitude: &'d Tensor<'a>,
        direction: &'d Tensor<'a>,
        scaled: Scaled,
    },
}

/// The part of a direction that one magnitude scales.
#[derive(Debug, Clone, Copy)]
enum Scaled {
    /// All of it.
    Whole,
    /// Each slice along an axis.
    Slices(usize),
}

impl<'d, 'a> Entry<'d, 'a> {
    fn stored(tensor: &'d Tensor<'a>) -> Self {
        Self { values: Values::Stored(tensor), mask: None }
    }

    /// Shape, outermost dimension first.
    pub(crate) fn shape(&self) -> &[usize] {
        match &self.values {
            Values::Stored(tensor) | Values::Normed { direction: tensor, .. } => tensor.shape(),
        }
    }

    /// The type of its elements, if they are whole numbers.
    pub(crate) fn whole_numbers(&self) -> Option<&'static str> {
        let tensors = match &self.values {
            Values::Stored(tensor) => [*tensor, *tensor],
            Values::Normed { magnitude, direction, .. } => [*magnitude, *direction],
        };
        let is_fraction = |dtype| matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16);
        tensors.into_iter().map(Tensor::dtype).find(|dtype| !is_fraction(*dtype)).map(Dtype::name)
    }

    /// Whether it was pruned.
    pub(crate) fn is_pruned(&self) -> bool {
        self.mask.is_some()
    }

    /// The values in row-major order. Pruned values are those in the file, which may be any.
    pub(crate) fn to_f32(&self) -> Vec<f32> {
        match &self.values {
            Values::Stored(tensor) => tensor.to_f32(),
            Values::Normed { magnitude, direction, scaled } => normed(magnitude, direction, *scaled),
        }
    }

    /// Which weights are kept, if it was pruned.
    pub(crate) fn bits(&self) -> Result<Option<Bits>, String> {
        let Some(mask) = self.mask else { return Ok(None) };
        if mask.shape() != self.shape() {
            return Err(format!("its shape {:?} is not {:?}, its layer's", mask.shape(), self.shape()));
        }
        let values = mask.to_f32();
        if let Some(value) = values.iter().find(|value| **value != 0.0 && **value != 1.0) {
            return Err(format!("it holds {value}, and a mask is 0 or 1"));
        }
        Bits::from_predicate(mask.shape(), &values, |value| value == 1.0).map(Some).map_err(|error| error.to_string())
    }
}

/// `direction · magnitude / ‖direction‖`, for the whole tensor or for each slice.
fn normed(magnitude: &Tensor<'_>, direction: &Tensor<'_>, scaled: Scaled) -> Vec<f32> {
    let (magnitudes, mut values) = (magnitude.to_f32(), direction.to_f32());
    let (slices, inner): (usize, usize) = match scaled {
        Scaled::Whole => (1, values.len().max(1)),
        // The sizes are at least 1, so that nothing is divided by 0.
        Scaled::Slices(axis) => {
            (direction.shape()[axis].max(1), direction.shape()[axis + 1..].iter().product::<usize>().max(1))
        }
    };
    let slice = |at: usize| at / inner % slices;
    let mut squares = vec![0_f64; slices];
    for (at, value) in values.iter().enumerate() {
        squares[slice(at)] += f64::from(*value) * f64::from(*value);
    }
    for (at, value) in values.iter_mut().enumerate() {
        let (magnitude, square) = (f64::from(magnitudes[slice(at)]), squares[slice(at)]);
        *value = (f64::from(*value) * (magnitude / square.sqrt())) as f32;
    }
    values
}

/// The dictionary of a file that `key` names, or else the only one. Of several dictionaries, the only one that `fits` is chosen.
pub(crate) fn choose<'a>(
    file: &TorchFile<'a>,
    key: Option<&str>,
    fits: impl Fn(&StateDict<'a>) -> bool,
) -> Result<StateDict<'a>, TorchError> {
    if let Some(key) = key {
        return file.named(key);
    }
    let rivals = file.rivals();
    if rivals.len() < 2 {
        let dict = file.dict(rivals.first().copied())?;
        let parts = if fits(&dict) { Vec::new() } else { parts(&dict, &fits) };
        return if parts.len() < 2 { Ok(dict) } else { Err(TorchError::Parts { parts }) };
    }
    let fitting: Vec<&Candidate> =
        rivals.into_iter().filter(|candidate| file.dict(Some(candidate)).is_ok_and(|dict| fits(&dict))).collect();
    match fitting[..] {
        [only] => file.dict(Some(only)),
        [] => Err(TorchError::Several { candidates: file.candidates().to_vec() }),
        _ => Err(TorchError::Several { candidates: fitting.into_iter().cloned().collect() }),
    }
}

/// The most prefixes of a dictionary that are tried.
const MOST_PARTS: usize = 32;

/// The prefixes under which a model lies, if the dictionary as a whole is none: `` `student` (62 tensors) ``.
fn parts<'a>(dict: &StateDict<'a>, fits: &impl Fn(&StateDict<'a>) -> bool) -> Vec<String> {
    let prefixes = dict.prefixes();
    if prefixes.len() > MOST_PARTS {
        return Vec::new();
    }
    let part = |prefix: String| {
        let part = dict.under(&prefix);
        fits(&part).then(|| format!("`{}` ({} tensors)", prefix.escape_debug(), part.iter().len()))
    };
    prefixes.into_iter().filter_map(part).collect()
}

/// The tensors under the names that they have in the plain model. Empty tensors are left out. The error names the change that cannot be undone.
pub(crate) fn fold<'d, 'a>(dict: &'d StateDict<'a>) -> Result<Entries<'d, 'a>, String> {
    let mut tensors = BTreeMap::new();
    for (name, tensor) in dict.iter() {
        let mut components: Vec<&str> = name.split('.').collect();
        let last = components.pop().unwrap_or_default();
        if (COUNTERS.contains(&last) && tensor.len() == 1) || tensor.is_empty() {
            continue;
        }
        components.retain(|component| !WRAPPERS.contains(component));
        components.push(last);
        if tensors.insert(components.join("."), tensor).is_some() {
            return Err(format!(
                "tensor `{}` is there twice, with a wrapper's prefix and without",
                components.join(".")
            ));
        }
    }
    while let Some(prefix) = shared_prefix(tensors.keys()) {
        tensors = tensors
            .into_iter()
            .map(|(name, tensor)| (name.strip_prefix(&prefix).map(str::to_owned).unwrap_or(name), tensor))
            .collect();
    }
    undo(tensors)
}

/// The first component of all names, with its dot, if all share it. The names of the normalisation need not share it.
fn shared_prefix<'n>(mut names: impl Iterator<Item = &'n String>) -> Option<String> {
    let mut inside = names.by_ref().filter(|name| *name != MEAN && *name != STD);
    let prefix = inside.next()?.split_inclusive('.').next().filter(|first| first.ends_with('.'))?;
    inside.all(|name| name.starts_with(prefix)).then(|| prefix.to_owned())
}

/// Replaces pruned and parametrised tensors by the weights that they represent.
fn undo<'d, 'a>(mut tensors: BTreeMap<String, &'d Tensor<'a>>) -> Result<Entries<'d, 'a>, String> {
    let mut entries = normalised(&mut tensors)?;
    let masks = |name: &String| name.ends_with(MASK);
    let mut masks: BTreeMap<String, _> = tensors.extract_if(.., |name, _| masks(name)).collect();
    for (name, tensor) in &tensors {
        let (pruned, entry) = match name.strip_suffix(ORIGINAL) {
            None => (name.as_str(), Entry::stored(tensor)),
            Some(pruned) => {
                let mask = masks.remove(&format!("{pruned}{MASK}"));
                let spectral = format!("{pruned}_u");
                let without = || {
                    if tensors.contains_key(&spectral) {
                        format!(
                            "tensor `{name}` lies beside `{spectral}`, as spectral normalisation leaves them, which is not read here; \
                             call `torch.nn.utils.remove_spectral_norm` before saving"
                        )
                    } else {
                        format!("tensor `{name}` has no `{pruned}{MASK}` beside it")
                    }
                };
                (pruned, Entry { mask: Some(mask.ok_or_else(without)?), ..Entry::stored(tensor) })
            }
        };
        if entries.insert(pruned.to_owned(), entry).is_some() {
            return Err(format!("tensor `{pruned}` is there both pruned and whole"));
        }
    }
    match masks.keys().next() {
        Some(mask) => {
            let pruned = mask.strip_suffix(MASK).unwrap_or(mask);
            Err(format!("tensor `{mask}` has no `{pruned}{ORIGINAL}` beside it"))
        }
        None => Ok(entries),
    }
}

/// Takes out the tensors of weight normalisation. Other parametrisations are refused, because a file does not say what they compute.
fn normalised<'d, 'a>(tensors: &mut BTreeMap<String, &'d Tensor<'a>>) -> Result<Entries<'d, 'a>, String> {
    let mut entries = BTreeMap::new();
    let pairs: Vec<(String, [String; 2])> = tensors
        .keys()
        .filter_map(|name| {
            if let Some((layer, parameter)) = parametrised(name) {
                let original = |number: u8| format!("{layer}{PARAMETRISED}.{parameter}.original{number}");
                return (*name == original(0)).then(|| (format!("{layer}{parameter}"), [original(0), original(1)]));
            }
            let base = name.strip_suffix(NORMED[0])?;
            let direction = format!("{base}{}", NORMED[1]);
            tensors.contains_key(&direction).then(|| (base.to_owned(), [name.clone(), direction]))
        })
        .collect();
    for (name, [magnitude, direction]) in pairs {
        let [Some(g), Some(v)] = [&magnitude, &direction].map(|name| tensors.get(name).copied()) else { continue };
        // Another parametrisation may also have `original0` and `original1`, so the shapes must be those of weight normalisation.
        let Some(scaled) = scaled(g.shape(), v.shape()) else { continue };
        tensors.remove(&magnitude);
        tensors.remove(&direction);
        let values = Values::Normed { magnitude: g, direction: v, scaled };
        if entries.insert(name.clone(), Entry { values, mask: None }).is_some() {
            return Err(format!("tensor `{name}` is there twice"));
        }
    }
    match tensors.keys().find_map(|name| Some((name, parametrised(name)?))) {
        None => Ok(entries),
        Some((name, (layer, parameter))) => Err(format!(
            "tensor `{name}` belongs to a parametrisation of `{layer}{parameter}`, and the file does not say what that computes; call \
             `torch.nn.utils.parametrize.remove_parametrizations` before saving"
        )),
    }
}

/// Splits `LAYER.parametrizations.PARAMETER.…` into the layer, with its dot, and the parameter.
fn parametrised(name: &str) -> Option<(&str, &str)> {
    let marker = format!("{PARAMETRISED}.");
    let at = if name.starts_with(&marker) { 0 } else { name.find(&format!(".{marker}"))? + 1 };
    let parameter = name[at + marker.len()..].split('.').next()?;
    Some((&name[..at], parameter))
}

/// The part of a direction of this shape that one magnitude scales; `None` if the shapes do not fit.
fn scaled(magnitude: &[usize], direction: &[usize]) -> Option<Scaled> {
    if magnitude.is_empty() {
        return Some(Scaled::Whole);
    }
    if magnitude.len() != direction.len() {
        return None;
    }
    let fits =
        |axis: &usize| (0..direction.len()).all(|at| magnitude[at] == if at == *axis { direction[at] } else { 1 });
    (0..direction.len()).find(fits).map(Scaled::Slices)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/golden/torch-files/generate.py` makes a convolution and a linear layer under weight normalisation, and the weights that
    /// PyTorch computes from them.
    #[test]
    fn weight_normalisation_gives_pytorchs_weights() {
        let golden = |name: &str| unlearn_tests::golden::bytes(&format!("torch-files/{name}"));
        let bytes = golden("normed.pth");
        let dict = StateDict::read(&bytes).unwrap();
        let entries = fold(&dict).unwrap();
        let expected: BTreeMap<String, Vec<f32>> = serde_json::from_slice(&golden("normed.json")).unwrap();
        assert_eq!(entries["conv.weight"].shape(), [3, 2, 3, 3]);
        for (name, expected) in &expected {
            let found = entries[name].to_f32();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{name}: {found}, not {expected}");
            }
        }
        assert_eq!(entries.keys().collect::<Vec<_>>(), ["conv.weight", "fc.bias", "fc.weight"]);
    }
}
