//! Sparse checkpoints: one safetensors file with a pruned model's kept weights and its mask.
//!
//! A tensor `NAME` that the mask covers is stored as two tensors. `NAME.kept` has the kept values in row-major order. `NAME.mask` has one
//! bit per weight, packed as by [`unlearn_masks::Bits`]. Every other tensor is stored whole under its own name. The metadata entry
//! `unlearn` is JSON: `kind`, `format`, `model` (a [`CheckpointInfo`]), `shapes` of the covered tensors, and `checksum`. The checksum
//! covers all the other metadata and every tensor, so that a single flipped bit is noticed.
//!
//! Equal models give equal bytes. Format policy: a reader reads its own and older versions. It refuses newer versions, and any key or
//! tensor that it does not know. Version 2 may say what the model was trained on (`model.training`); version 1 could not.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};
use unlearn_masks::{Bits, Mask};
use unlearn_network::{Graph, State};
use unlearn_tensor_files::{TensorFile, le_bytes};

use crate::{Error, Result, checkpoint::CheckpointInfo, files::contents::contents};

/// Version written by this crate.
pub const FORMAT: u32 = 2;

/// The `kind` in the metadata of such a file.
pub const KIND: &str = "sparse-checkpoint";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    kind: String,
    format: u32,
    model: CheckpointInfo,
    shapes: BTreeMap<String, Vec<usize>>,
    checksum: String,
}

/// The metadata that every version has, so that a reader can say precisely why it refuses a file.
#[derive(Deserialize)]
struct Preamble {
    kind: Option<String>,
    format: u32,
}

/// A tensor as stored in a file: name, element type, shape and bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

/// Serialises a pruned model. Equal models give equal bytes.
///
/// # Errors
/// A mask for another model. A pruned weight that is not exactly 0.0, because reading the file would give 0.0.
pub fn to_bytes(graph: &Graph, state: &State, mask: &Mask, info: &CheckpointInfo) -> Result<Vec<u8>> {
    check_mask(mask, graph)?;
    let mut tensors = Vec::new();
    for (name, shape, values) in state.named(graph) {
        let Some(bits) = mask.get(name) else {
            tensors.push((name.to_owned(), Dtype::F32, shape.to_vec(), le_bytes(values)));
            continue;
        };
        if bits.iter().zip(values).any(|(keep, value)| !keep && value.to_bits() != 0) {
            let reason = format!("tensor `{name}` has a pruned weight that is not 0; apply the mask before saving");
            return Err(Error::Description(reason));
        }
        let kept = bits.gather(values)?;
        tensors.push((kept_name(name), Dtype::F32, vec![kept.len()], le_bytes(&kept)));
        tensors.push((mask_name(name), Dtype::U8, vec![bits.as_bytes().len()], bits.as_bytes().to_vec()));
    }
    let shapes = mask.iter().map(|(name, bits)| (name.to_owned(), bits.shape().to_vec())).collect();
    let metadata = Metadata { kind: KIND.into(), format: FORMAT, model: info.clone(), shapes, checksum: String::new() };
    seal(metadata, &tensors).map_err(Error::Description)
}

/// Reads the description of the model in a sparse checkpoint; `path` is for messages.
///
/// # Errors
/// Not safetensors, another kind of file, or another format.
pub fn info(bytes: &[u8], path: &Path) -> Result<CheckpointInfo> {
    let fail = |reason| Error::Checkpoint { path: path.into(), reason };
    Ok(metadata(&open(bytes).map_err(fail)?).map_err(fail)?.model)
}

/// Whether the metadata names a sparse checkpoint, of any format.
pub fn is_sparse(bytes: &[u8]) -> bool {
    let Ok(file) = TensorFile::open(bytes) else { return false };
    let preamble: Option<Preamble> = file.json().and_then(|json| serde_json::from_str(json).ok());
    preamble.is_some_and(|preamble| preamble.kind.as_deref() == Some(KIND))
}

/// Reads a pruned model for a graph from bytes, bit for bit as it was written; `path` is for messages.
///
/// # Errors
/// As [`info`]. A checksum that does not fit. Another architecture. A tensor that is missing, unknown, not finite, or of another shape or
/// type. A mask that is damaged or does not fit the number of kept values.
pub fn from_bytes(bytes: &[u8], graph: &Graph, path: &Path) -> Result<(State, Mask, CheckpointInfo)> {
    let fail = |reason: String| Error::Checkpoint { path: path.into(), reason };
    let file = open(bytes).map_err(fail)?;
    let metadata = metadata(&file).map_err(fail)?;
    if metadata.model.arch != graph.arch {
        return Err(fail(format!("it holds a {}, but a {} is wanted", metadata.model.arch, graph.arch)));
    }
    check_names(&file, &metadata, graph).map_err(fail)?;
    let mut mask = Mask::new(&graph.arch);
    for (name, shape) in &metadata.shapes {
        mask.insert(name, packed(&file, name, shape).map_err(fail)?);
    }
    check_mask(&mask, graph).map_err(|error| fail(error.to_string()))?;
    let mut failed = None;
    let state = State::from_named(graph, |name| match mask.get(name) {
        None => file.tensor(name),
        Some(bits) => {
            let dense = dense(&file, name, bits).map_err(|reason| failed = Some(reason)).ok()?;
            Some((bits.shape().to_vec(), dense))
        }
    });
    if let Some(reason) = failed {
        return Err(fail(reason));
    }
    let state = state.map_err(|error| fail(error.to_string()))?;
    if let Some(name) = state.first_non_finite(graph) {
        return Err(fail(format!(
            "tensor `{name}` holds a NaN or an infinity; take an earlier checkpoint, or make it again with weaker settings"
        )));
    }
    if let Some(name) = state.first_negative_variance(graph) {
        return Err(fail(format!("tensor `{name}` holds a negative number, and it is a variance")));
    }
    Ok((state, mask, metadata.model))
}

/// Loads a pruned model for a graph.
///
/// # Errors
/// As [`from_bytes`], or a file that cannot be read.
pub fn load(path: &Path, graph: &Graph) -> Result<(State, Mask, CheckpointInfo)> {
    from_bytes(&contents(path)?, graph, path)
}

/// Compares a mask with the parameters of a graph.
pub(crate) fn check_mask(mask: &Mask, graph: &Graph) -> Result<()> {
    let layers: Vec<_> = graph.parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    Ok(mask.check_against(&graph.arch, &layers)?)
}

fn kept_name(name: &str) -> String {
    format!("{name}.kept")
}

fn mask_name(name: &str) -> String {
    format!("{name}.mask")
}

fn open(bytes: &[u8]) -> Result<TensorFile<'_>, String> {
    TensorFile::open(bytes).map_err(|error| format!("not a safetensors file ({error})"))
}

fn metadata(file: &TensorFile<'_>) -> Result<Metadata, String> {
    let metadata = unchecked_metadata(file)?;
    let mut names = file.names();
    names.sort_unstable();
    let views = names.into_iter().filter_map(|name| Some((name, file.view(name)?)));
    if checksum(&metadata, views).as_ref() != Some(&metadata.checksum) {
        return Err("its checksum does not fit: it is damaged".into());
    }
    Ok(metadata)
}

fn unchecked_metadata(file: &TensorFile<'_>) -> Result<Metadata, String> {
    let damaged = |error| format!("its metadata is damaged ({error})");
    let json = file.json().ok_or("it lacks the metadata of `unlearn`")?;
    let preamble: Preamble = serde_json::from_str(json).map_err(damaged)?;
    match preamble.kind.as_deref() {
        Some(KIND) => {}
        Some(other) => return Err(format!("it holds a `{other}`, not a `{KIND}`")),
        None => return Err(format!("it holds a dense checkpoint, not a `{KIND}`")),
    }
    if !(1..=FORMAT).contains(&preamble.format) {
        return Err(format!("its format is {}, and only 1 to {FORMAT} are known here", preamble.format));
    }
    serde_json::from_str(json).map_err(damaged)
}

/// The bytes of a file, with the checksum filled in.
fn seal(mut metadata: Metadata, tensors: &[Stored]) -> Result<Vec<u8>, String> {
    let views = views(tensors).map_err(|error| error.to_string())?;
    let sum = checksum(&metadata, views.iter().map(|(name, view)| (*name, view.clone())));
    metadata.checksum = sum.ok_or("its metadata cannot be written")?;
    let json = serde_json::to_string(&metadata).map_err(|error| error.to_string())?;
    unlearn_tensor_files::encode_views(views.into_iter().collect(), json).map_err(|error| error.to_string())
}

/// The tensors by name, in ascending order.
fn views(tensors: &[Stored]) -> Result<BTreeMap<&str, TensorView<'_>>, safetensors::SafeTensorError> {
    let views = tensors.iter();
    views.map(|(name, dtype, shape, data)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), data)?))).collect()
}

/// BLAKE3 over the metadata and then over the tensors by name, in ascending order.
fn checksum<'t>(metadata: &Metadata, tensors: impl Iterator<Item = (&'t str, TensorView<'t>)>) -> Option<String> {
    let Metadata { kind, format, model, shapes, .. } = metadata;
    let mut hasher = blake3::Hasher::new();
    hasher.update(serde_json::to_string(&(kind, format, model, shapes)).ok()?.as_bytes());
    for (name, view) in tensors {
        hasher.update(format!("\n{name:?} {:?} {:?}\n", view.dtype(), view.shape()).as_bytes());
        hasher.update(view.data());
    }
    Some(hasher.finalize().to_hex().to_string())
}

/// Checks that the file has exactly the tensors that the graph and the list of covered tensors require.
fn check_names(file: &TensorFile<'_>, metadata: &Metadata, graph: &Graph) -> Result<(), String> {
    let mut wanted = BTreeSet::new();
    let names = graph.parameters.iter().map(|p| &p.name).chain(graph.buffers.iter().map(|b| &b.name));
    for name in names {
        if metadata.shapes.contains_key(name) {
            wanted.extend([kept_name(name), mask_name(name)]);
        } else {
            wanted.insert(name.clone());
        }
    }
    let found: BTreeSet<_> = file.names().into_iter().map(str::to_owned).collect();
    if let Some(name) = wanted.difference(&found).next() {
        return Err(format!("tensor `{name}` is missing; a {} needs it", graph.arch));
    }
    match found.difference(&wanted).next() {
        Some(name) => Err(format!("tensor `{name}` is not one of a {}", graph.arch)),
        None => Ok(()),
    }
}

/// Reads the packed mask of a covered tensor.
fn packed(file: &TensorFile<'_>, name: &str, shape: &[usize]) -> Result<Bits, String> {
    let name = mask_name(name);
    let view = file.view(&name).ok_or_else(|| format!("tensor `{name}` is missing"))?;
    if view.dtype() != Dtype::U8 {
        return Err(format!("tensor `{name}` is {:?}, not packed bits in U8", view.dtype()));
    }
    Bits::from_packed(shape, view.data().to_vec()).map_err(|error| format!("tensor `{name}`: {error}"))
}

/// Reads a covered tensor, with zeros where it was pruned.
fn dense(file: &TensorFile<'_>, name: &str, bits: &Bits) -> Result<Vec<f32>, String> {
    let name = kept_name(name);
    let (_, values) = file.tensor(&name).ok_or_else(|| format!("tensor `{name}` is not F32"))?;
    if values.len() != bits.kept() {
        return Err(format!("tensor `{name}` has {} values, but its mask keeps {}", values.len(), bits.kept()));
    }
    bits.scatter(&values).map_err(|error| format!("tensor `{name}`: {error}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use unlearn_network::Widths;

    use super::*;
    use crate::checkpoint;
    use crate::initialize;

    pub(crate) fn info_of(arch: &str) -> CheckpointInfo {
        CheckpointInfo {
            format: checkpoint::FORMAT,
            arch: arch.into(),
            classes: 10,
            input: [3, 32, 32],
            mean: vec![0.5; 3],
            std: vec![0.25; 3],
            dataset: "cifar10".into(),
            config: "abc".into(),
            widths: Widths::new(),
            training: None,
        }
    }

    /// A model that keeps every 20th weight of each matrix and kernel.
    pub(crate) fn pruned(arch: &str) -> (Arc<Graph>, State, Mask, CheckpointInfo) {
        let info = info_of(arch);
        let graph = info.graph().unwrap();
        let mut state = initialize(&graph, 1);
        let mut mask = Mask::new(arch);
        for (parameter, values) in graph.parameters.iter().zip(state.parameters_mut()) {
            if parameter.shape.len() > 1 {
                let bits = Bits::from_fn(&parameter.shape, |i| i % 20 == 3).unwrap();
                bits.apply(values).unwrap();
                mask.insert(&parameter.name, bits);
            }
        }
        (graph, state, mask, info)
    }

    /// The bit patterns of all values.
    fn bits(state: &State) -> Vec<Vec<u32>> {
        let tensors = state.parameters().iter().chain(state.buffers());
        tensors.map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
    }

    fn read(bytes: &[u8], graph: &Graph) -> Result<(State, Mask, CheckpointInfo)> {
        from_bytes(bytes, graph, Path::new("m.safetensors"))
    }

    fn refusal(bytes: &[u8], graph: &Graph) -> String {
        read(bytes, graph).map(|_| ()).unwrap_err().to_string()
    }

    /// The parts of a file, valid or not.
    fn parts(bytes: &[u8]) -> Option<(Metadata, Vec<Stored>)> {
        let file = open(bytes).ok()?;
        let metadata = unchecked_metadata(&file).ok()?;
        let stored = |name: &str| {
            let view = file.view(name)?;
            Some((name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        Some((metadata, file.names().into_iter().filter_map(stored).collect()))
    }

    /// The same content with a new checksum that fits; `None` if the bytes are not a file of this kind.
    pub(crate) fn resealed(bytes: &[u8]) -> Option<Vec<u8>> {
        let (metadata, tensors) = parts(bytes)?;
        seal(metadata, &tensors).ok()
    }

    /// A file as another program might write it.
    fn forged(change: impl FnOnce(&mut Metadata, &mut Vec<Stored>)) -> Vec<u8> {
        let (graph, state, mask, info) = pruned("resnet8s");
        let (mut metadata, mut tensors) = parts(&to_bytes(&graph, &state, &mask, &info).unwrap()).unwrap();
        change(&mut metadata, &mut tensors);
        seal(metadata, &tensors).unwrap()
    }

    fn tensor<'a>(tensors: &'a mut [Stored], name: &str) -> &'a mut Stored {
        tensors.iter_mut().find(|stored| stored.0 == name).unwrap()
    }

    #[test]
    fn a_round_trip_is_bit_exact_and_equal_content_gives_equal_bytes() {
        let (graph, mut state, mask, info) = pruned("resnet8s");
        // Kept zeros keep their sign and bits. A tensor may be kept whole or not at all.
        state.parameters_mut()[0][3] = -0.0;
        state.parameters_mut()[0][23] = f32::from_bits(1);
        let bytes = to_bytes(&graph, &state, &mask, &info).unwrap();
        assert_eq!(bytes, to_bytes(&graph, &state.clone(), &mask, &info).unwrap());
        let (read_state, read_mask, read_info) = read(&bytes, &graph).unwrap();
        assert_eq!((bits(&read_state), &read_mask, &read_info), (bits(&state), &mask, &info));
        assert_eq!(super::info(&bytes, Path::new("m")).unwrap(), info);
        assert!(is_sparse(&bytes));

        let whole = to_bytes(&graph, &state, &Mask::new("resnet8s"), &info).unwrap();
        assert_eq!(bits(&read(&whole, &graph).unwrap().0), bits(&state));
    }

    #[test]
    fn a_resnet18_of_which_a_twentieth_is_kept_takes_a_tenth_of_the_bytes() {
        let (graph, state, mask, info) = pruned("resnet18");
        let dense = checkpoint::to_bytes(&graph, &state, &info).unwrap();
        let sparse = to_bytes(&graph, &state, &mask, &info).unwrap();
        assert!((mask.sparsity() - 0.95).abs() < 1e-4);
        assert!(10 * sparse.len() <= dense.len(), "{} of {} bytes", sparse.len(), dense.len());
        assert_eq!(bits(&read(&sparse, &graph).unwrap().0), bits(&state));
    }

    #[test]
    fn what_would_not_come_back_is_not_written() {
        let (graph, mut state, mask, info) = pruned("resnet8s");
        for value in [1.0, -0.0, f32::NAN] {
            state.parameters_mut()[0][0] = value;
            let refusal = to_bytes(&graph, &state, &mask, &info).unwrap_err().to_string();
            assert!(refusal.contains("`conv1.weight` has a pruned weight that is not 0"), "{refusal}");
        }
        let other = to_bytes(&graph, &state, &Mask::new("resnet18"), &info).unwrap_err().to_string();
        assert!(other.contains("for architecture `resnet18`"), "{other}");
    }

    #[test]
    fn no_bit_flips_unseen_and_no_byte_goes_missing() {
        // The file is small. The test flips every bit of the header, and one bit of every byte after it.
        let bytes = forged(|_, _| {});
        let graph = info_of("resnet8s").graph().unwrap();
        let header = 8 + usize::try_from(u64::from_le_bytes(*bytes.first_chunk().unwrap())).unwrap();
        let step = |bit: &usize| *bit < 8 * header || bit / 8 % 8 == bit % 8;
        for bit in (0..8 * bytes.len()).filter(step).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&damaged, &graph).is_err(), "bit {bit}");
        }
        for len in (0..header + 64).chain(bytes.len() - 64..bytes.len()) {
            assert!(refusal(&bytes[..len], &graph).contains("not a safetensors file"), "cut to {len}");
        }
    }

    #[test]
    fn the_first_format_is_read_too() {
        let graph = info_of("resnet8s").graph().unwrap();
        let (_, state, mask, info) = pruned("resnet8s");
        let (read_state, read_mask, read_info) = read(&forged(|m, _| m.format = 1), &graph).unwrap();
        assert_eq!((bits(&read_state), read_mask, read_info), (bits(&state), mask, info));
    }

    #[test]
    fn a_file_that_contradicts_itself_is_refused_by_name() {
        let graph = info_of("resnet8s").graph().unwrap();
        let refused = |change: fn(&mut Metadata, &mut Vec<Stored>), reason: &str| {
            let found = refusal(&forged(change), &graph);
            assert!(found.contains(reason) && found.contains("m.safetensors"), "{reason}: {found}");
        };
        refused(|m, _| m.format += 1, "its format is 3, and only 1 to 2 are known");
        refused(|m, _| m.format = 0, "its format is 0, and only 1 to 2 are known");
        refused(|m, _| m.kind = "mask".into(), "it holds a `mask`, not a `sparse-checkpoint`");
        refused(|m, _| m.model.arch = "resnet20s".into(), "it holds a resnet20s, but a resnet8s is wanted");
        // The mask has one bit more than there are values, so one kept weight has no value.
        refused(|_, t| tensor(t, "fc.weight.mask").3[0] |= 1, "`fc.weight.kept` has 32 values, but its mask keeps 33");
        refused(
            |_, t| {
                let stored = tensor(t, "fc.weight.kept");
                stored.3.truncate(4);
                stored.2 = vec![1];
            },
            "`fc.weight.kept` has 1 values, but its mask keeps 32",
        );
        refused(|m, _| drop(m.shapes.insert("fc.weight".into(), vec![64, 10])), "has shape [64, 10]");
        refused(|m, _| drop(m.shapes.insert("fc.weight".into(), vec![10, 65])), "packs into 82 bytes, found 80");
        refused(|m, _| drop(m.shapes.insert("fc.weight".into(), vec![usize::MAX, 2])), "more elements than fit");
        refused(|m, _| drop(m.shapes.insert("fc.bias".into(), vec![10])), "`fc.bias.kept` is missing");
        refused(|m, _| drop(m.shapes.remove("fc.weight")), "tensor `fc.weight` is missing");
        refused(|_, t| tensor(t, "fc.weight.mask").0 = "other".into(), "`fc.weight.mask` is missing");
        refused(|_, t| t.push(("more".into(), Dtype::U8, vec![1], vec![0])), "tensor `more` is not one of a resnet8s");
        refused(|_, t| tensor(t, "fc.weight.kept").1 = Dtype::I32, "`fc.weight.kept` is not F32");
        refused(|_, t| tensor(t, "fc.weight.mask").1 = Dtype::I8, "`fc.weight.mask` is I8");
        refused(|_, t| tensor(t, "fc.bias").2 = vec![5, 2], "expected shape [10], found [5, 2]");
        refused(|_, t| tensor(t, "fc.weight.kept").3[2..4].fill(0xFF), "holds a NaN");
    }

    /// Ten weights pack into two bytes, so six bits have no meaning.
    #[test]
    fn spare_bits_are_zero() {
        let (graph, state, mut mask, info) = pruned("resnet8s");
        mask.insert("fc.bias", Bits::ones(&[10]).unwrap());
        let (metadata, mut tensors) = parts(&to_bytes(&graph, &state, &mask, &info).unwrap()).unwrap();
        tensor(&mut tensors, "fc.bias.mask").3[1] |= 0x80;
        let refusal = refusal(&seal(metadata, &tensors).unwrap(), &graph);
        assert!(
            refusal.contains("`fc.bias.mask`: packed bits: bits past the last of 10 elements are set"),
            "{refusal}"
        );
    }

    #[test]
    fn headers_of_any_length_and_offsets_that_overlap_are_refused() {
        let graph = info_of("resnet8s").graph().unwrap();
        for length in [u64::MAX, 1 << 62, 200_000_000, 1 << 20] {
            let mut bytes = length.to_le_bytes().to_vec();
            bytes.extend(br#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#);
            assert!(refusal(&bytes, &graph).contains("not a safetensors file"));
        }
        let json = br#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#;
        let bytes = [&(json.len() as u64).to_le_bytes()[..], json, &[0; 3]].concat();
        assert!(refusal(&bytes, &graph).contains("not a safetensors file"));
    }

    #[test]
    fn dense_and_sparse_readers_refuse_each_others_files() {
        let (graph, state, mask, info) = pruned("resnet8s");
        let sparse = to_bytes(&graph, &state, &mask, &info).unwrap();
        let dense = checkpoint::to_bytes(&graph, &state, &info).unwrap();
        assert!(refusal(&dense, &graph).contains("it holds a dense checkpoint") && !is_sparse(&dense));
        let refusal = checkpoint::from_bytes(&sparse, &graph, Path::new("m")).unwrap_err().to_string();
        assert!(refusal.contains("it holds a `sparse-checkpoint`, not a dense checkpoint"), "{refusal}");
    }
}
