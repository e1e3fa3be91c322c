//! Tensors by name, from any container.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::SafeTensors;
use unlearn_files::Form;

use crate::{
    Candidate, Dtype, Error, Result, Tensor, archive, candidates, legacy,
    pickle::{Pickle, Value, View},
};

/// Maximum number of elements that the tensors of a file repeat: 64 MiB of 32-bit numbers.
const MOST_REPEATED_IN_ALL: usize = 4 * crate::tensor::MOST_REPEATED;

/// The container of the tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `torch.save` since PyTorch 1.6.
    Zip,
    /// `torch.save` before PyTorch 1.6.
    Legacy,
    /// safetensors.
    Safetensors,
}

/// A file that holds one dictionary of tensors, or several among other values. It borrows from the file's bytes.
#[derive(Debug)]
pub struct TorchFile<'a> {
    container: Container,
    content: Content<'a>,
    candidates: Vec<Candidate>,
}

#[derive(Debug)]
enum Content<'a> {
    Pickled(archive::Parts<'a>),
    Plain(SafeTensors<'a>),
}

/// The tensors of a file by name, in ascending order. They borrow from the file's bytes and are decoded on demand.
#[derive(Debug)]
pub struct StateDict<'a> {
    container: Container,
    tensors: BTreeMap<String, Tensor<'a>>,
    companions: Vec<String>,
}

impl<'a> TorchFile<'a> {
    /// Reads a `.pth` or `.pth.tar` that holds a state dict, alone or among other values, or a safetensors file. The first bytes decide
    /// which of them it is, not the name.
    ///
    /// # Errors
    /// [`Error::Global`] for a pickle that asks for anything but weights. [`Error::Form`] for a file of another format. Any other
    /// [`Error`] for a damaged file.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let form = Form::of(&bytes[..bytes.len().min(HEAD)]);
        let (container, content) = match form {
            Form::Zip => (Container::Zip, Content::Pickled(archive::read(bytes)?)),
            Form::Pickle if legacy::begins(bytes) => (Container::Legacy, Content::Pickled(legacy::read(bytes)?)),
            Form::Safetensors => (Container::Safetensors, Content::Plain(SafeTensors::deserialize(bytes)?)),
            other => return Err(Error::Form(other)),
        };
        let candidates = match &content {
            Content::Pickled((pickle, _)) => candidates::find(pickle)?,
            Content::Plain(_) => Vec::new(),
        };
        Ok(Self { container, content, candidates })
    }

    /// The container of the tensors.
    pub fn container(&self) -> Container {
        self.container
    }

    /// The dictionaries to choose from; none if the file itself is a single dictionary.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The tensors of one of [`TorchFile::candidates`]. A file without candidates gives its own tensors, and ignores `candidate`.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a tensor whose description does not fit its values.
    pub fn dict(&self, candidate: Option<&Candidate>) -> Result<StateDict<'a>> {
        match (&self.content, candidate) {
            (Content::Plain(tensors), _) => StateDict::plain(tensors),
            (Content::Pickled(parts), Some(candidate)) => {
                StateDict::unpickled(self.container, parts, candidate, MOST_REPEATED_IN_ALL)
            }
            (Content::Pickled(_), None) => Err(Error::NoStateDict("no dictionary of it was chosen".into())),
        }
    }

    /// The candidate with this key.
    ///
    /// # Errors
    /// [`Error::Key`], with the keys that exist.
    pub fn find(&self, key: &str) -> Result<&Candidate> {
        let held = || self.candidates.iter().map(|candidate| candidate.key.clone()).collect();
        let found = self.candidates.iter().find(|candidate| candidate.key == key);
        found.ok_or_else(|| Error::Key { key: key.escape_debug().to_string(), held: held() })
    }

    /// The tensors that a key names: a candidate, or those under a prefix in a candidate, `student` or `state_dict.student`. The key of the
    /// only candidate may be left out before a prefix.
    ///
    /// # Errors
    /// As [`TorchFile::find`] and [`TorchFile::dict`].
    pub fn named(&self, key: &str) -> Result<StateDict<'a>> {
        let unknown = match self.find(key) {
            Ok(candidate) => return self.dict(Some(candidate)),
            Err(unknown) => unknown,
        };
        let part = |candidate: Option<&Candidate>, prefix: &str| -> Result<Option<StateDict<'a>>> {
            Ok(Some(self.dict(candidate)?.under(prefix)).filter(|part| part.iter().len() > 0))
        };
        if self.candidates.is_empty() {
            return part(None, key)?.ok_or(unknown);
        }
        let rivals = self.rivals();
        for candidate in &self.candidates {
            let inner = match candidate.key.as_str() {
                "" => Some(key),
                outer => key.strip_prefix(outer).and_then(|rest| rest.strip_prefix('.')),
            };
            let is_only = rivals.len() == 1 && rivals[0].key == candidate.key;
            if let Some(prefix) = inner.or(is_only.then_some(key))
                && let Some(part) = part(Some(candidate), prefix)?
            {
                return Ok(part);
            }
        }
        Err(unknown)
    }

    /// The only candidate, apart from those whose key names the initial weights of a training; `None` for a file without candidates.
    ///
    /// # Errors
    /// [`Error::Several`], with all candidates.
    pub fn only(&self) -> Result<Option<&Candidate>> {
        match self.rivals()[..] {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            _ => Err(Error::Several { candidates: self.candidates.clone() }),
        }
    }

    /// The candidates apart from initial weights of a training, unless there are no others.
    pub fn rivals(&self) -> Vec<&Candidate> {
        let later: Vec<_> = self.candidates.iter().filter(|candidate| !candidate.is_beginning()).collect();
        if later.is_empty() { self.candidates.iter().collect() } else { later }
    }
}

/// The first bytes that identify a file.
const HEAD: usize = 1024;

impl<'a> StateDict<'a> {
    /// Reads the only dictionary of tensors in a file.
    ///
    /// # Errors
    /// As [`TorchFile::read`], [`TorchFile::only`] and [`TorchFile::dict`].
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let file = TorchFile::read(bytes)?;
        file.dict(file.only()?)
    }

    /// The container of the tensors.
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

    /// The keys of the values beside the tensors, such as `epoch` and `optimizer`.
    pub fn companions(&self) -> &[String] {
        &self.companions
    }

    /// The tensors whose name begins with `prefix` and a dot, without both.
    #[must_use]
    pub fn under(&self, prefix: &str) -> Self {
        let inner = |name: &str| Some(name.strip_prefix(prefix)?.strip_prefix('.')?.to_owned());
        let tensors = self.tensors.iter().filter_map(|(name, tensor)| Some((inner(name)?, tensor.clone()))).collect();
        Self { container: self.container, tensors, companions: self.companions.clone() }
    }

    /// The prefixes of the first component of names after which they differ: `student` and `teacher`. Components that all names share
    /// belong to each.
    pub fn prefixes(&self) -> Vec<String> {
        let mut shared = String::new();
        loop {
            let rest = |name: &str| name.strip_prefix(&shared).map(str::to_owned);
            let firsts: BTreeSet<Option<String>> = self
                .tensors
                .keys()
                .filter_map(|name| rest(name))
                .map(|rest| rest.split_once('.').map(|(first, _)| first.to_owned()))
                .collect();
            match firsts.len() {
                1 => match firsts.into_iter().next().flatten() {
                    Some(only) => shared = format!("{shared}{only}."),
                    None => return Vec::new(),
                },
                _ => return firsts.into_iter().flatten().map(|first| format!("{shared}{first}")).collect(),
            }
        }
    }

    /// The tensors of a candidate. Together they may repeat `most` elements of their storages.
    fn unpickled(
        container: Container,
        (pickle, storages): &archive::Parts<'a>,
        candidate: &Candidate,
        most: usize,
    ) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        let mut repeated = 0_usize;
        for (name, view) in entries(pickle, candidate) {
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
            repeated = repeated.saturating_add(tensor.repeated());
            if repeated > most {
                let reason = "with it, the file's tensors repeat elements of their storages more often than is read here; save copies of \
                              their own, `tensor.contiguous()`";
                return Err(refuse(reason.into()));
            }
            if tensors.insert(name.to_owned(), tensor).is_some() {
                return Err(refuse("the name is there twice".into()));
            }
        }
        Ok(Self { container, tensors, companions: candidate.companions.clone() })
    }

    fn plain(file: &SafeTensors<'a>) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let refuse = |reason| Error::Tensor { name: name.clone(), reason };
            let dtype = dtype(view.dtype())
                .ok_or_else(|| refuse(format!("element type {:?} is not known here", view.dtype())))?;
            let tensor = Tensor::contiguous(dtype, view.shape().to_vec(), view.data()).map_err(refuse)?;
            tensors.insert(name, tensor);
        }
        Ok(Self { container: Container::Safetensors, tensors, companions: vec![] })
    }
}

/// The names and tensors of a candidate.
fn entries<'p, 'a>(pickle: &'p Pickle<'a>, candidate: &Candidate) -> Vec<(&'a str, &'p View<'a>)> {
    let Value::Dict(entries) = pickle.get(candidate.id) else { return Vec::new() };
    let tensor = |(key, value): &(_, _)| match (pickle.get(*key), pickle.get(*value)) {
        (Value::Text(name), Value::Tensor(view)) => Some((*name, view)),
        _ => None,
    };
    entries.iter().filter_map(tensor).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_repeats_elements_up_to_a_limit() {
        // One tensor of 2^20 elements, whose storage has one.
        let bytes = unlearn_tests::golden::bytes("torch-files/expanded.pth");
        let file = TorchFile::read(&bytes).unwrap();
        let Content::Pickled(ref parts) = file.content else { panic!("a pickle") };
        let read = |most| StateDict::unpickled(file.container, parts, &file.candidates[0], most);
        assert!(read((1 << 20) - 1).is_ok());
        let error = read((1 << 20) - 2).unwrap_err().to_string();
        assert!(error.contains("repeat elements of their storages") && error.contains("contiguous()"), "{error}");
    }
}
