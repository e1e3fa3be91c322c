//! Pretrained weights: the result of another training, with which a new training begins.
//!
//! Tensors are matched by name; for a `ResNet`, torchvision's and timm's names are the same as ours. Two layers may differ in shape,
//! because they depend on the data: the stem in its channels and its kernel, the head in its classes. These layers are initialised anew
//! from the seed. Any other difference is an error. The normalisation inside the model stays that of the dataset.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use unlearn_network::{Graph, ParameterKind, State};

use crate::{
    Error, Result,
    files::{
        import::{ImportOptions, dictionary, negative_variance, not_finite, whole_numbers},
        named_tensors::{MEAN, STD, fold},
    },
    initialize, sparse_checkpoint,
};

/// Named tensors of a dense model.
#[derive(Debug, Clone)]
pub struct Pretrained {
    path: PathBuf,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// The origin of pretrained weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// A file, or `hub:owner/name@commit`.
    pub source: String,
    /// BLAKE3 of the file, in hexadecimal digits.
    pub blake3: String,
    /// The dictionary of tensors that was chosen in a PyTorch file, if one was: keys joined by dots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Text such as "start.pth" or "start.pth, dictionary `state_dict_ema`".
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        match &self.key {
            Some(key) => write!(f, ", dictionary `{}`", key.escape_debug()),
            None => Ok(()),
        }
    }
}

/// A tensor that is initialised anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anew {
    /// Its name.
    pub name: String,
    /// Its shape in the file.
    pub found: Vec<usize>,
    /// Its shape in the architecture.
    pub wanted: Vec<usize>,
}

impl fmt::Display for Anew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, found, wanted } = self;
        if found == wanted {
            write!(f, "`{name}`, whose layer has another shape here")
        } else {
            write!(f, "`{name}`, {found:?} in the file and {wanted:?} here")
        }
    }
}

/// The greatest number of tensors that one message names.
const NAMED: usize = 4;

impl Pretrained {
    /// Reads our dense checkpoint, or PyTorch's `.pth`, `.bin` or safetensors file. The content decides, not the name. `key` chooses
    /// a dictionary of tensors as [`ImportOptions::key`] does. `path` is for messages.
    ///
    /// # Errors
    /// A damaged file. A key that the file lacks, or several dictionaries without a key. A pickle that asks for more than weights. A pruned model. A value that is not finite.
    pub fn read(bytes: &[u8], path: &Path, key: Option<&str>) -> Result<Self> {
        let fail = |reason: String| Error::Import { path: path.into(), reason };
        let pruned = || {
            fail("it is pruned, and training begins with a dense model; `unlearn convert --to dense` makes one".into())
        };
        if sparse_checkpoint::is_sparse(bytes) {
            return Err(pruned());
        }
        let options = ImportOptions { key: key.map(str::to_owned), ..ImportOptions::default() };
        let dict = dictionary(bytes, &options, path)?;
        let mut entries = fold(&dict).map_err(fail)?;
        entries.remove(MEAN);
        entries.remove(STD);
        let mut tensors = BTreeMap::new();
        for (name, entry) in entries {
            if entry.is_pruned() {
                return Err(pruned());
            }
            if let Some(dtype) = entry.whole_numbers() {
                return Err(fail(whole_numbers(&name, dtype)));
            }
            let values = entry.to_f32();
            if name.ends_with("running_var") && values.iter().any(|value| *value < 0.0) {
                return Err(Error::Values { path: path.into(), reason: negative_variance(&name) });
            }
            if !values.iter().all(|value| value.is_finite()) {
                return Err(Error::Values { path: path.into(), reason: not_finite(&name) });
            }
            tensors.insert(name, (entry.shape().to_vec(), values));
        }
        Ok(Self { path: path.into(), tensors })
    }

    /// The tensors of a graph for which the file has no value.
    ///
    /// # Errors
    /// Tensors that are missing, unknown, or of another shape outside of the stem and the head; the error names them.
    pub fn anew(&self, graph: &Graph) -> Result<Vec<Anew>> {
        let wanted = graph.parameters.iter().map(|p| (&p.name, &p.shape));
        let wanted: Vec<_> = wanted.chain(graph.buffers.iter().map(|b| (&b.name, &b.shape))).collect();
        let (mut anew, mut problems) = (Vec::new(), Vec::new());
        let renewed = self.renewed_layers(graph);
        for (name, wanted) in &wanted {
            match self.tensors.get(*name) {
                None => problems.push(format!("`{name}` is missing")),
                Some((found, _)) if renewed.contains(name) => {
                    anew.push(Anew { name: (*name).clone(), found: found.clone(), wanted: (*wanted).clone() });
                }
                Some((found, _)) if found != *wanted => {
                    problems.push(format!("`{name}` has shape {found:?}, and {wanted:?} is wanted"));
                }
                Some(_) => {}
            }
        }
        let unknown = self.tensors.keys().filter(|name| !wanted.iter().any(|(known, _)| known == name));
        problems.extend(unknown.map(|name| format!("`{name}` is not one of its tensors")));
        if problems.is_empty() {
            return Ok(anew);
        }
        if let Some(more) = problems.len().checked_sub(NAMED).filter(|more| *more > 0) {
            problems.truncate(NAMED);
            problems.push(format!("and {more} more"));
        }
        let reason = problems.join("; ");
        let (path, arch) = (self.path.clone(), &graph.arch);
        Err(Error::Import { path, reason: format!("a {arch} cannot begin with it: {reason}") })
    }

    /// The values that training begins with: the file's values, and those of [`initialize`] for the tensors of [`Pretrained::anew`].
    ///
    /// # Errors
    /// As [`Pretrained::anew`].
    pub fn initialize(&self, graph: &Graph, seed: u64) -> Result<State> {
        let anew = self.anew(graph)?;
        let mut state = initialize(graph, seed);
        let taken = |name: &str| {
            let (_, values) = self.tensors.get(name).filter(|_| !anew.iter().any(|tensor| tensor.name == name))?;
            Some(values)
        };
        for (parameter, values) in graph.parameters.iter().zip(state.parameters_mut()) {
            if let Some(own) = taken(&parameter.name) {
                values.copy_from_slice(own);
            }
        }
        for (buffer, values) in graph.buffers.iter().zip(state.buffers_mut()) {
            if let Some(own) = taken(&buffer.name) {
                values.copy_from_slice(own);
            }
        }
        Ok(state)
    }

    /// The weights and biases of two layers: a stem with other channels or another kernel, and a head with other classes.
    fn renewed_layers<'g>(&self, graph: &'g Graph) -> Vec<&'g String> {
        let weights: Vec<usize> =
            (0..graph.parameters.len()).filter(|at| graph.parameters[*at].shape.len() > 1).collect();
        let (Some(stem), Some(head)) = (weights.first(), weights.last()) else { return Vec::new() };
        let found = |at: usize| self.tensors.get(&graph.parameters[at].name).map(|(shape, _)| &shape[..]);
        let wanted = |at: usize| &graph.parameters[at].shape[..];
        let differs = |at: usize, same: fn(&[usize]) -> &[usize]| {
            let found = found(at).filter(|found| found.len() == wanted(at).len() && *found != wanted(at));
            found.is_some_and(|found| same(found) == same(wanted(at)))
        };
        let renewed = [(*stem, differs(*stem, |shape| &shape[..1])), (*head, differs(*head, |shape| &shape[1..]))];
        let layers = renewed.into_iter().filter(|(_, renewed)| *renewed).flat_map(|(at, _)| {
            let bias = graph.parameters.get(at + 1);
            let is_bias = |kind| matches!(kind, ParameterKind::ConvBias | ParameterKind::LinearBias);
            std::iter::once(&graph.parameters[at]).chain(bias.filter(|bias| is_bias(bias.kind)))
        });
        layers.map(|parameter| &parameter.name).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{InputSpec, ModelFile, Source, Target, checkpoint, find};

    fn graph(arch: &str, shape: [usize; 3], classes: usize) -> Arc<Graph> {
        find(arch).unwrap().graph(&input(shape, classes)).unwrap()
    }

    fn input(shape: [usize; 3], classes: usize) -> InputSpec {
        InputSpec { shape, classes, mean: vec![0.5; shape[0]], std: vec![0.25; shape[0]] }
    }

    fn file(arch: &str, shape: [usize; 3], classes: usize, target: Target) -> (Vec<u8>, State) {
        let graph = graph(arch, shape, classes);
        let state = initialize(&graph, 1);
        let info = checkpoint::CheckpointInfo::new(arch, input(shape, classes), "unknown");
        let model = ModelFile { source: Source::Dense, graph, state: state.clone(), mask: None, info };
        (model.to_bytes(target).unwrap(), state)
    }

    fn read(bytes: &[u8]) -> Pretrained {
        Pretrained::read(bytes, Path::new("pretrained.bin"), None).unwrap()
    }

    #[test]
    fn the_same_architecture_takes_every_value() {
        for target in [Target::Dense, Target::Torch] {
            let (bytes, state) = file("resnet8s", [3, 32, 32], 10, target);
            let graph = graph("resnet8s", [3, 32, 32], 10);
            let pretrained = read(&bytes);
            assert_eq!(pretrained.anew(&graph).unwrap(), []);
            let taken = pretrained.initialize(&graph, 2).unwrap();
            assert_eq!((taken.parameters(), taken.buffers()), (state.parameters(), state.buffers()));
        }
    }

    /// ImageNet's ResNet-18 for grey images of ten classes: the kernel of its stem is 7×7, that for small images is 3×3.
    #[test]
    fn stem_and_head_of_other_data_begin_anew_and_nothing_else() {
        let (bytes, state) = file("resnet18", [3, 224, 224], 1000, Target::Torch);
        let graph = graph("resnet18", [1, 28, 28], 10);
        let pretrained = read(&bytes);
        let anew = pretrained.anew(&graph).unwrap();
        let named: Vec<_> = anew.iter().map(|tensor| (&*tensor.name, &*tensor.found, &*tensor.wanted)).collect();
        assert_eq!(
            named,
            [
                ("conv1.weight", &[64, 3, 7, 7][..], &[64, 1, 3, 3][..]),
                ("fc.weight", &[1000, 512], &[10, 512]),
                ("fc.bias", &[1000], &[10])
            ]
        );
        assert_eq!(anew[2].to_string(), "`fc.bias`, [1000] in the file and [10] here");
        let (taken, fresh) = (pretrained.initialize(&graph, 2).unwrap(), initialize(&graph, 2));
        for (at, parameter) in graph.parameters.iter().enumerate() {
            let renewed = anew.iter().any(|tensor| tensor.name == parameter.name);
            let expected = if renewed { &fresh } else { &state };
            assert_eq!(taken.parameters()[at], expected.parameters()[at], "{}", parameter.name);
        }
        assert_eq!(taken.buffers(), state.buffers());
    }

    #[test]
    fn a_stem_with_a_bias_begins_anew_as_a_whole() {
        let (bytes, _) = file("vgg16_bn_lth", [3, 32, 32], 10, Target::Torch);
        let graph = graph("vgg16_bn_lth", [1, 32, 32], 10);
        let anew = read(&bytes).anew(&graph).unwrap();
        let named: Vec<_> = anew.iter().map(|tensor| &*tensor.name).collect();
        assert!(named.len() == 2 && named[0].ends_with("0.weight") && named[1].ends_with("0.bias"), "{named:?}");
        assert!(anew[1].to_string().contains("whose layer has another shape here"));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let (bytes, _) = file("resnet20s", [3, 32, 32], 10, Target::Torch);
        let message = read(&bytes).anew(&graph("resnet8s", [3, 32, 32], 10)).unwrap_err().to_string();
        for word in
            ["pretrained.bin", "a resnet8s cannot begin with it", "`layer1.1.bn1.bias` is not one of its", "more"]
        {
            assert!(message.contains(word), "{message}");
        }
        let message = read(&bytes).anew(&graph("resnet18", [3, 32, 32], 10)).unwrap_err().to_string();
        assert!(message.contains("`conv1.weight` has shape [16, 3, 3, 3], and [64, 3, 3, 3] is wanted"), "{message}");
        assert!(read(&bytes).initialize(&graph("resnet18", [3, 32, 32], 10), 1).is_err());
        assert!(Pretrained::read(&bytes[..100], Path::new("cut"), None).unwrap_err().to_string().contains("cut"));
    }

    #[test]
    fn a_pruned_model_is_no_start() {
        let path = unlearn_tests::golden::path("torch-files/resnet8s.pth.tar");
        let message = Pretrained::read(&std::fs::read(&path).unwrap(), &path, None).unwrap_err().to_string();
        assert!(message.contains("it is pruned") && message.contains("`unlearn convert --to dense`"), "{message}");
    }
}
