//! Tensors by name, from whichever container.

use std::collections::BTreeMap;

use safetensors::SafeTensors;

use crate::{
    Dtype, Error, Result, Tensor, archive, legacy,
    pickle::{Pickle, Value, View},
};

/// The key under which training scripts put the state dict among other things.
const WRAPPER: &str = "state_dict";

/// What the tensors lay in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `torch.save` since PyTorch 1.6.
    Zip,
    /// `torch.save` before it.
    Legacy,
    /// safetensors.
    Safetensors,
}

/// The tensors of a file by name, in ascending order. They borrow from the file's bytes, and are decoded on demand.
#[derive(Debug)]
pub struct StateDict<'a> {
    container: Container,
    tensors: BTreeMap<String, Tensor<'a>>,
    companions: Vec<String>,
}

impl<'a> StateDict<'a> {
    /// Reads a `.pth` or `.pth.tar` that holds a state dict, or a dictionary with one under `state_dict`; or a safetensors
    /// file. Which of them it is, the first bytes say and not the name.
    ///
    /// # Errors
    /// [`Error::Global`] for a pickle that asks for anything but weights; every other [`Error`] for a file that is damaged or
    /// of another kind.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        if bytes.starts_with(archive::MAGIC) {
            Self::unpickled(Container::Zip, archive::read(bytes)?)
        } else if bytes.starts_with(legacy::MAGIC) {
            Self::unpickled(Container::Legacy, legacy::read(bytes)?)
        } else if bytes.get(257..262) == Some(b"ustar") {
            Err(Error::Unsupported("the file is of PyTorch before 0.1.10; load and save it with a newer one".into()))
        } else {
            Self::safetensors(bytes)
        }
    }

    /// What the tensors lay in.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Names and tensors in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor<'a>)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor<'a>> {
        self.tensors.get(name)
    }

    /// What lay beside the state dict, by key: `epoch`, `optimizer` and the like.
    pub fn companions(&self) -> &[String] {
        &self.companions
    }

    fn unpickled(container: Container, (pickle, storages): archive::Parts<'a>) -> Result<Self> {
        let (entries, companions) = entries(&pickle)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in entries {
            let View { storage, offset, shape, strides } = view;
            let refuse = |reason| Error::Tensor { name: name.into(), reason };
            let data = *storages.get(storage.key).ok_or_else(|| refuse("its storage is missing".into()))?;
            if storage.len.checked_mul(storage.dtype.size()) != Some(data.len()) {
                let reason = format!(
                    "its storage has {} bytes, not {} elements of {}",
                    data.len(),
                    storage.len,
                    storage.dtype.name()
                );
                return Err(refuse(reason));
            }
            let tensor = Tensor::new(storage.dtype, shape.clone(), strides.clone(), *offset, data).map_err(refuse)?;
            if tensors.insert(name.to_owned(), tensor).is_some() {
                return Err(refuse("the name is there twice".into()));
            }
        }
        Ok(Self { container, tensors, companions })
    }

    fn safetensors(bytes: &'a [u8]) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.tensors() {
            let refuse = |reason| Error::Tensor { name: name.clone(), reason };
            let dtype = dtype(view.dtype())
                .ok_or_else(|| refuse(format!("element type {:?} is not known here", view.dtype())))?;
            let tensor = Tensor::contiguous(dtype, view.shape().to_vec(), view.data()).map_err(refuse)?;
            tensors.insert(name, tensor);
        }
        Ok(Self { container: Container::Safetensors, tensors, companions: vec![] })
    }
}

type Entries<'p, 'a> = Vec<(&'a str, &'p View<'a>)>;

/// The entries of the state dict, and the keys of what lies beside it.
fn entries<'p, 'a>(pickle: &'p Pickle<'a>) -> Result<(Entries<'p, 'a>, Vec<String>)> {
    let Value::Dict(outer) = pickle.root() else {
        return Err(Error::NoStateDict("its object is no dictionary".into()));
    };
    let text = |id| if let Value::Text(text) = pickle.get(id) { Some(*text) } else { None };
    let wrapped = outer.iter().find(|(key, _)| text(*key) == Some(WRAPPER));
    let inner = match wrapped.map(|(_, value)| pickle.get(*value)) {
        None => outer,
        Some(Value::Dict(inner)) => inner,
        Some(_) => return Err(Error::NoStateDict(format!("its `{WRAPPER}` is no dictionary"))),
    };
    let companions = outer.iter().filter(|_| wrapped.is_some()).filter_map(|(key, _)| text(*key));
    let companions = companions.filter(|key| *key != WRAPPER).map(|key| key.escape_debug().to_string()).collect();
    let mut entries = Vec::new();
    for (key, value) in inner {
        let Some(name) = text(*key) else {
            return Err(Error::NoStateDict("one of its keys is no text".into()));
        };
        let Value::Tensor(view) = pickle.get(*value) else {
            let name = name.escape_debug();
            return Err(Error::NoStateDict(format!("its entry `{name}` is no tensor, and there is no `{WRAPPER}`")));
        };
        entries.push((name, view));
    }
    Ok((entries, companions))
}

fn dtype(dtype: safetensors::Dtype) -> Option<Dtype> {
    use safetensors::Dtype as In;
    Some(match dtype {
        In::F64 => Dtype::F64,
        In::F32 => Dtype::F32,
        In::F16 => Dtype::F16,
        In::BF16 => Dtype::Bf16,
        In::I64 => Dtype::I64,
        In::I32 => Dtype::I32,
        In::I16 => Dtype::I16,
        In::I8 => Dtype::I8,
        In::U8 => Dtype::U8,
        In::BOOL => Dtype::Bool,
        _ => return None,
    })
}
