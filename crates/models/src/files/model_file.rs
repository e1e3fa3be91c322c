//! Reads a model from any supported file, and writes it in any supported form.

use std::{path::Path, sync::Arc};

use unlearn_masks::Mask;
use unlearn_network::{Graph, State};
use unlearn_tensor_files::TensorFile;
use unlearn_torch_files::Container;

use crate::{
    Error, Result,
    checkpoint::{self, CheckpointInfo},
    files::{
        import::{self, ImportOptions},
        torch_target,
    },
    sparse_checkpoint,
    structured::{Structured, structured},
};

/// The kind of file that a model was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Our checkpoint.
    Dense,
    /// Our sparse checkpoint.
    Sparse,
    /// Named tensors without our metadata.
    Foreign(Container),
}

/// The form in which a model is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Our checkpoint; a mask is left out.
    Dense,
    /// Our sparse checkpoint; needs a mask.
    Sparse,
    /// A safetensors file that `safetensors.torch.load_file` reads for `load_state_dict`. Tensors have torchvision's names, and the
    /// normalisation is `normalize.mean` and `normalize.std`. The file has none of our metadata; a mask is left out.
    Torch,
    /// As [`Target::Torch`], but tensors that the mask covers are stored as `NAME_orig` and `NAME_mask`, for a module that
    /// `torch.nn.utils.prune` has pruned; needs a mask.
    TorchMasked,
    /// The container of `torch.save`, which `torch.load(…, weights_only=True)` reads. Tensors have torchvision's names, for a strict
    /// `load_state_dict`. The normalisation is not among them: it is in an entry of the archive that PyTorch does not read.
    Pickled,
    /// As [`Target::Pickled`], with `NAME_orig` and `NAME_mask` as in [`Target::TorchMasked`]; needs a mask.
    PickledMasked,
}

/// A model with its mask, if it was pruned, and its description in the file.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// The kind of file that it was read from.
    pub source: Source,
    /// The architecture.
    pub graph: Arc<Graph>,
    /// The values; pruned weights are zero.
    pub state: State,
    /// Which weights are kept.
    pub mask: Option<Mask>,
    /// The description of the model.
    pub info: CheckpointInfo,
}

impl ModelFile {
    /// Reads our dense or sparse checkpoint, or PyTorch's `.pth`, `.pth.tar` or safetensors file. The content decides, not the name.
    /// `options` apply to PyTorch's files; `path` is for messages.
    ///
    /// # Errors
    /// A damaged file. A pickle that asks for more than weights. Tensors that fit no architecture.
    pub fn read(bytes: &[u8], options: &ImportOptions, path: &Path) -> Result<Self> {
        let ours = TensorFile::open(bytes).is_ok_and(|file| file.json().is_some());
        if let Some(key) = options.key.as_ref().filter(|_| ours) {
            let source = unlearn_torch_files::Error::Key { key: key.escape_debug().to_string(), held: Vec::new() };
            return Err(Error::TorchFile { path: path.into(), source });
        }
        if sparse_checkpoint::is_sparse(bytes) {
            let graph = sparse_checkpoint::info(bytes, path)?.graph()?;
            let (state, mask, info) = sparse_checkpoint::from_bytes(bytes, &graph, path)?;
            return Ok(Self { source: Source::Sparse, graph, state, mask: Some(mask), info });
        }
        if ours {
            let graph = checkpoint::info(bytes, path)?.graph()?;
            let (state, info) = checkpoint::from_bytes(bytes, &graph, path)?;
            return Ok(Self { source: Source::Dense, graph, state, mask: None, info });
        }
        let dict = import::dictionary(bytes, options, path)?;
        let source = Source::Foreign(dict.container());
        let said = match dict.container() {
            Container::Zip => torch_target::description(bytes, path)?,
            Container::Legacy | Container::Safetensors => None,
        };
        let (graph, state, mask, info) = import::import(&dict, &options.after(said.as_ref()), path)?;
        // The user's options take precedence over the file's own description.
        let same = |said: &CheckpointInfo| {
            CheckpointInfo { config: info.config.clone(), training: None, ..said.clone() } == info
        };
        let info = said.filter(same).unwrap_or(info);
        Ok(Self { source, graph, state, mask, info })
    }

    /// Prunes by a mask. Weights that are already pruned stay pruned.
    ///
    /// # Errors
    /// A mask for another model.
    pub fn apply(&mut self, mask: &Mask) -> Result<()> {
        sparse_checkpoint::check_mask(mask, &self.graph)?;
        for (parameter, values) in self.graph.parameters.iter().zip(self.state.parameters_mut()) {
            mask.apply(&parameter.name, values)?;
        }
        self.mask = Some(match &self.mask {
            Some(own) => own.intersect(mask)?,
            None => mask.clone(),
        });
        Ok(())
    }

    /// The model without the channels that its logits do not depend on ([`structured`]): a smaller dense model with the same outputs,
    /// without a mask.
    ///
    /// # Errors
    /// As [`structured`].
    pub fn structured(&self) -> Result<Self> {
        let Structured { graph, state, widths } = structured(&self.graph, &self.state)?;
        let mut info = self.info.clone();
        info.widths.extend(widths);
        Ok(Self { source: self.source, graph: Arc::new(graph), state, mask: None, info })
    }

    /// The bytes of a file. Equal models give equal bytes.
    ///
    /// # Errors
    /// A missing mask, if the target needs one.
    pub fn to_bytes(&self, target: Target) -> Result<Vec<u8>> {
        match target {
            Target::Dense => checkpoint::to_bytes(&self.graph, &self.state, &self.info),
            Target::Sparse => match &self.mask {
                Some(mask) => sparse_checkpoint::to_bytes(&self.graph, &self.state, mask, &self.info),
                None => Err(Error::Description(
                    "the model has no mask, and a sparse checkpoint needs one; give it with `--mask`".into(),
                )),
            },
            Target::Torch => torch_target::safetensors(self, false),
            Target::TorchMasked => torch_target::safetensors(self, true),
            Target::Pickled => torch_target::pickled(self, false),
            Target::PickledMasked => torch_target::pickled(self, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use safetensors::{Dtype, tensor::TensorView};
    use unlearn_tensor_files::le_bytes;

    use super::*;
    use crate::sparse_checkpoint::tests::{info_of, pruned};

    fn read(bytes: &[u8], options: &ImportOptions) -> Result<ModelFile> {
        ModelFile::read(bytes, options, Path::new("m.pth"))
    }

    fn example() -> ModelFile {
        let (graph, state, mask, info) = pruned("resnet8s");
        ModelFile { source: Source::Dense, graph, state, mask: Some(mask), info }
    }

    type Foreign = Vec<(String, Vec<usize>, Vec<f32>)>;

    fn values(model: &ModelFile) -> (&[Vec<f32>], &[Vec<f32>]) {
        (model.state.parameters(), model.state.buffers())
    }

    /// A safetensors file of f32 tensors without metadata.
    fn foreign(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
        let stored: Vec<_> = tensors.iter().map(|(name, shape, values)| (name, shape, le_bytes(values))).collect();
        let view = |shape: &Vec<usize>, data| TensorView::new(Dtype::F32, shape.clone(), data).unwrap();
        safetensors::serialize(stored.iter().map(|(name, shape, data)| (name, view(shape, data))), None).unwrap()
    }

    fn named(model: &ModelFile) -> Foreign {
        let named = model.state.named(&model.graph);
        named.map(|(name, shape, values)| (name.to_owned(), shape.to_vec(), values.to_vec())).collect()
    }

    fn refusal(bytes: &[u8], options: &ImportOptions) -> String {
        read(bytes, options).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn every_target_comes_back_as_it_was() {
        let model = example();
        for (target, source) in [
            (Target::Dense, Source::Dense),
            (Target::Sparse, Source::Sparse),
            (Target::Torch, Source::Foreign(Container::Safetensors)),
            (Target::TorchMasked, Source::Foreign(Container::Safetensors)),
            (Target::Pickled, Source::Foreign(Container::Zip)),
            (Target::PickledMasked, Source::Foreign(Container::Zip)),
        ] {
            let back = read(&model.to_bytes(target).unwrap(), &ImportOptions::default()).unwrap();
            assert_eq!((back.source, values(&back)), (source, values(&model)));
            let masked = [Target::Sparse, Target::TorchMasked, Target::PickledMasked].contains(&target);
            assert_eq!(back.mask.as_ref(), model.mask.as_ref().filter(|_| masked));
            // Files of `torch.save` hold the description beside the tensors; plain safetensors do not.
            if source == Source::Foreign(Container::Safetensors) {
                let info =
                    CheckpointInfo { dataset: "unknown".into(), config: "imported".into(), ..model.info.clone() };
                assert_eq!(back.info, info);
            } else {
                assert_eq!(back.info, model.info);
            }
        }
    }

    #[test]
    fn architectures_are_recognised_by_their_tensors() {
        for architecture in crate::ARCHITECTURES {
            let info = info_of(architecture.name);
            let graph = info.graph().unwrap();
            // The shapes decide, so the largest architectures would only make the test slower.
            if graph.parameter_count() > 12_000_000 {
                continue;
            }
            let state = State::zeros(&graph);
            let model = ModelFile { source: Source::Dense, graph, state, mask: None, info };
            let back = read(&model.to_bytes(Target::Torch).unwrap(), &ImportOptions::default()).unwrap();
            assert_eq!(back.graph, model.graph);
        }
    }

    #[test]
    fn pytorchs_habits_are_undone() {
        let model = example();
        let mask = model.mask.as_ref().unwrap();
        let mut tensors = vec![("module.bn1.num_batches_tracked".to_owned(), vec![], vec![7.0])];
        for (name, shape, mut values) in named(&model) {
            if let Some(bits) = mask.get(&name) {
                tensors.push((format!("module.{name}_mask"), shape.clone(), bits.to_dense()));
                // The file may hold any value for a pruned weight; it is read as 0.
                values[0] = f32::NEG_INFINITY;
                tensors.push((format!("module.{name}_orig"), shape, values));
            } else {
                tensors.push((format!("module.{name}"), shape, values));
            }
        }
        let options = ImportOptions {
            mean: Some(vec![0.1, 0.2, 0.3]),
            side: Some(28),
            dataset: Some("d".into()),
            ..ImportOptions::default()
        };
        let back = read(&foreign(&tensors), &options).unwrap();
        assert_eq!((values(&back), back.mask.as_ref()), (values(&model), Some(mask)));
        let CheckpointInfo { input, mean, std, dataset, .. } = &back.info;
        assert_eq!(
            (input, &mean[..], &std[..], &dataset[..]),
            (&[3, 28, 28], &[0.1, 0.2, 0.3][..], &[1.0; 3][..], "d")
        );
        assert_eq!(read(&back.to_bytes(Target::Sparse).unwrap(), &options).unwrap().info, back.info);

        let refused = |change: fn(&mut Foreign), reason: &str| {
            let mut tensors = tensors.clone();
            change(&mut tensors);
            let refusal = refusal(&foreign(&tensors), &ImportOptions::default());
            assert!(refusal.contains("m.pth") && refusal.contains(reason), "{refusal}");
        };
        refused(
            |t| t.retain(|(name, ..)| !name.ends_with("fc.weight_mask")),
            "`fc.weight_orig` has no `fc.weight_mask`",
        );
        refused(
            |t| t.retain(|(name, ..)| !name.ends_with("fc.weight_orig")),
            "`fc.weight_mask` has no `fc.weight_orig`",
        );
        refused(|t| t.push(("module.fc.weight".into(), vec![1], vec![0.0])), "both pruned and whole");
        refused(|t| t.iter_mut().find(|t| t.0.ends_with("fc.weight_mask")).unwrap().2[5] = 0.5, "it holds 0.5");
        refused(
            |t| t.iter_mut().find(|t| t.0.ends_with("fc.weight_mask")).unwrap().1 = vec![64, 10],
            "`fc.weight_mask`: its shape [64, 10] is not [10, 64]",
        );
        refused(|t| t.iter_mut().find(|t| t.0.ends_with("fc.bias")).unwrap().2[0] = f32::NAN, "`fc.bias` holds a NaN");
    }

    /// `tests/golden/torch-files/generate.py` makes this file: half precision, data-parallel training, two pruned layers.
    #[test]
    fn a_pruned_resnet8s_of_pytorchs_is_read_to_the_bit() {
        let path = unlearn_tests::golden::path("torch-files/resnet8s.pth.tar");
        let model = read(&std::fs::read(path).unwrap(), &ImportOptions::default()).unwrap();
        let CheckpointInfo { arch, classes, input, mean, std, .. } = &model.info;
        assert_eq!((&arch[..], *classes, *input), ("resnet8s", 10, [1, 32, 32]));
        assert_eq!((model.source, &mean[..], &std[..]), (Source::Foreign(Container::Zip), &[0.5][..], &[0.25][..]));
        let mask = model.mask.as_ref().unwrap();
        assert_eq!(
            mask.iter().map(|(name, bits)| (name, bits.kept())).collect::<Vec<_>>(),
            [("conv1.weight", 36), ("fc.weight", 160)]
        );
        for (name, _, values) in model.state.named(&model.graph) {
            for (i, value) in values.iter().enumerate() {
                let kept = mask.get(name).is_none_or(|_| i % 4 == 1);
                let expected = if kept { ((i * 7919 % 1009) as f32 - 504.0) / 512.0 } else { 0.0 };
                let expected = if name.ends_with("running_var") { expected.abs() } else { expected };
                assert_eq!(value.to_bits(), expected.to_bits(), "{name}, value {i}");
            }
        }
    }

    #[test]
    fn tensors_of_no_architecture_say_what_differs() {
        let model = example();
        let mut tensors = named(&model);
        tensors.retain(|(name, ..)| name != "layer2.0.bn1.bias");
        let options = |arch: &str| ImportOptions { arch: Some(arch.into()), ..ImportOptions::default() };
        assert!(refusal(&foreign(&tensors), &ImportOptions::default()).contains("`bn1.bias`, `bn1.running_mean`"));
        let missing = refusal(&foreign(&tensors), &options("resnet8s"));
        assert!(missing.contains("not those of resnet8s: tensor `layer2.0.bn1.bias` is missing"), "{missing}");
        assert!(refusal(&foreign(&tensors), &options("resnet9s")).contains("did you mean `resnet8s`"));
        let more = [&named(&model)[..], &[("extra".into(), vec![1], vec![1.0])]].concat();
        assert!(refusal(&foreign(&more), &options("resnet8s")).contains("others beside them (`extra`); delete those"));
        assert!(refusal(&foreign(&[]), &ImportOptions::default()).contains("its 0 tensors (first none)"));
        let wide = ImportOptions { mean: Some(vec![0.0]), ..ImportOptions::default() };
        assert!(refusal(&foreign(&named(&model)), &wide).contains("one finite mean and one positive deviation"));
    }

    #[test]
    fn values_that_no_training_leaves_are_refused_by_name() {
        let model = example();
        let name = named(&model).into_iter().map(|(name, ..)| name).find(|name| name.ends_with("running_var")).unwrap();
        let mut tensors = named(&model);
        tensors.iter_mut().find(|(other, ..)| *other == name).unwrap().2[0] = -1e-3;
        let refusals = |bytes: &[u8]| {
            let begun = crate::Pretrained::read(bytes, Path::new("m.pth"), None).map(|_| ()).unwrap_err().to_string();
            [refusal(bytes, &ImportOptions::default()), begun]
        };
        for message in refusals(&foreign(&tensors)) {
            assert!(message.contains(&name) && message.contains("a variance"), "{message}");
        }
        let mut own = model.clone();
        let at = own.graph.buffers.iter().position(|buffer| buffer.name == name).unwrap();
        own.state.buffers_mut()[at][0] = -1e-3;
        for target in [Target::Dense, Target::Sparse] {
            let message = refusal(&own.to_bytes(target).unwrap(), &ImportOptions::default());
            assert!(message.contains(&name) && message.contains("a variance"), "{message}");
        }
        // A quantized weight.
        let stored: Vec<_> =
            named(&model).into_iter().map(|(name, shape, values)| (name, shape, le_bytes(&values))).collect();
        let view = |(name, shape, data): &(String, Vec<usize>, Vec<u8>)| {
            let (dtype, length) =
                if name == "conv1.weight" { (Dtype::I8, data.len() / 4) } else { (Dtype::F32, data.len()) };
            (name.clone(), TensorView::new(dtype, shape.clone(), &stored_part(&stored, name)[..length]).unwrap())
        };
        let bytes = safetensors::serialize(stored.iter().map(view), None).unwrap();
        for message in refusals(&bytes) {
            assert!(message.contains("`conv1.weight` holds whole numbers"), "{message}");
        }
    }

    fn stored_part<'s>(stored: &'s [(String, Vec<usize>, Vec<u8>)], name: &str) -> &'s [u8] {
        stored.iter().find(|(other, ..)| other == name).map_or(&[], |(.., data)| data)
    }

    #[test]
    fn options_that_contradict_the_tensors_are_refused() {
        let model = example();
        let [channels, side, _] = model.info.input;
        let classes = model.info.classes;
        let with = |shape: [usize; 3], classes| {
            let (mean, std) = (vec![0.5; shape[0]], vec![0.25; shape[0]]);
            let images = Some(crate::InputSpec { shape, classes, mean, std });
            ImportOptions { dataset: Some("d".into()), images, ..ImportOptions::default() }
        };
        let mut tensors = named(&model);
        tensors.retain(|(name, ..)| !name.starts_with("normalize."));
        let bytes = foreign(&tensors);
        let fits = read(&bytes, &with([channels, side, side], classes)).unwrap();
        assert_eq!(fits.info.mean, vec![0.5; channels]);
        for (options, words) in [
            (with([channels + 1, side, side], classes), "input channels"),
            (with([channels, side, side], classes + 1), "classes"),
        ] {
            let error = read(&bytes, &options).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(words), "{error}");
        }
        let message = refusal(&bytes, &ImportOptions { side: Some(1), ..ImportOptions::default() });
        assert!(message.contains("not of 1×1") && message.contains("--side"), "{message}");
    }

    #[test]
    fn a_mask_prunes_further_and_only_its_own_model() {
        let mut model = example();
        let mut mask = Mask::new("resnet8s");
        mask.insert("fc.weight", unlearn_masks::Bits::from_fn(&[10, 64], |i| i < 100).unwrap());
        model.apply(&mask).unwrap();
        let kept = model.mask.as_ref().unwrap();
        assert_eq!(kept.get("fc.weight").unwrap().kept(), 5);
        assert_eq!(
            model.state.parameters()[model.graph.parameter("fc.weight").unwrap()].iter().filter(|v| **v != 0.0).count(),
            5
        );
        assert!(read(&model.to_bytes(Target::Sparse).unwrap(), &ImportOptions::default()).is_ok());
        assert!(model.apply(&Mask::new("resnet18")).is_err());
        model.mask = None;
        for target in [Target::Sparse, Target::TorchMasked, Target::PickledMasked] {
            assert!(model.to_bytes(target).unwrap_err().to_string().contains("`--mask`"));
        }
    }
}
