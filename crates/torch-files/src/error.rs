//! What can be wrong with a PyTorch file.

use unlearn_files::Form;

use crate::Candidate;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A pickle names something that no weights need. It was not run: this crate runs nothing.
    #[error(
        "the file asks for `{name}`, which no weights need; nothing of it was run. If it comes from a source you trust, \
         save its weights alone: `torch.save(model.state_dict(), …)`"
    )]
    Global {
        /// Module and name as the file spells them.
        name: String,
    },
    /// A pickle of arrays names something that no array needs. It was not run.
    #[error("the file asks for `{name}`, which no array needs; nothing of it was run")]
    ArrayGlobal {
        /// Module and name as the file spells them.
        name: String,
    },
    /// An entry of a [`Record`](crate::Record) that is missing or of another kind.
    #[error("entry `{key}`: {reason}")]
    Record {
        /// The entry's key.
        key: String,
        /// What does not fit.
        reason: String,
    },
    /// A pickle that ends early, or whose parts do not fit together.
    #[error("damaged pickle at byte {at}: {reason}; fetch or copy the file again")]
    Pickle {
        /// Where in the pickle.
        at: usize,
        /// What does not fit.
        reason: String,
    },
    /// The archive around the pickle is damaged, or not one that `torch.save` writes.
    #[error("damaged archive: {0}; fetch or copy the file again")]
    Archive(String),
    /// A kind of file that this crate does not read.
    #[error("{0}")]
    Unsupported(String),
    /// A file of another format.
    #[error("{}", other_form(*.0))]
    Form(Form),
    /// Several dictionaries of tensors; the caller must choose one.
    #[error(
        "it holds {} dictionaries of tensors: {}; choose one with `--key` (with `--init-key` for initial weights), or write it to a file of \
         its own with `unlearn convert --key`",
        candidates.len(), listed(candidates)
    )]
    Several {
        /// All the dictionaries.
        candidates: Vec<Candidate>,
    },
    /// One dictionary that holds the tensors of several models, or of a model and more, under prefixes.
    #[error(
        "its tensors lie under several prefixes, and those of a model under {}; choose one with `--key` (with `--init-key` for initial \
         weights)", parts.join(", ")
    )]
    Parts {
        /// Each prefix under which a model lies, with the number of its tensors.
        parts: Vec<String>,
    },
    /// No dictionary of tensors has the requested key.
    #[error("no dictionary of tensors has the key `{key}`; {}", keys(held))]
    Key {
        /// The requested key.
        key: String,
        /// The keys that exist.
        held: Vec<String>,
    },
    /// A tensor whose description does not fit its values.
    #[error("tensor `{name}`: {reason}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// The file is undamaged but holds no tensors by name.
    #[error("no state dict in the file: {0}")]
    NoStateDict(String),
    /// A safetensors file that is damaged or incomplete.
    #[error("not a whole safetensors file: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Says what a file of another format is, and how to proceed.
fn other_form(form: Form) -> String {
    let expected = "a model is a safetensors file or one that `torch.save` wrote";
    match form {
        Form::Tar => format!(
            "it is {form}, and {expected}; unpack it with `tar -xf`, or if PyTorch before 0.1.10 wrote it, load and save it with \
             a newer one"
        ),
        Form::Pickle => format!(
            "it is {form}, and not one that `torch.save` wrote; load it in Python and write its weights with \
             `torch.save(model.state_dict(), …)`"
        ),
        Form::ShardIndex => {
            format!("it is {form}, and holds no tensors itself; give its path, with the shards beside it")
        }
        _ => match form.advice() {
            Some(advice) => format!("it is {form}, and {expected}; {advice}"),
            None => format!("it is {form}, and {expected}"),
        },
    }
}

/// Describes the candidates, up to a limit.
fn listed(candidates: &[Candidate]) -> String {
    const NAMED: usize = 8;
    let mut named: Vec<_> = candidates.iter().take(NAMED).map(ToString::to_string).collect();
    if let Some(more) = candidates.len().checked_sub(NAMED).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

fn keys(held: &[String]) -> String {
    match held {
        [] => "the file is a single dictionary of tensors, and needs no key".to_owned(),
        [only] if only.is_empty() => "the file is a single dictionary of tensors, and needs no key".to_owned(),
        _ => {
            let keys: Vec<_> = held.iter().map(|key| format!("`{key}`")).collect();
            format!("these have one: {}", keys.join(", "))
        }
    }
}
