//! The dictionaries of tensors in a pickle: a state dict alone, or one or several of them among other values that a training script
//! saves.

use std::{collections::HashSet, fmt};

use crate::{
    Error, Result,
    pickle::{Id, Pickle, Value},
};

/// A dictionary that holds tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The keys that lead to it, joined by dots; empty for the file's own object.
    pub key: String,
    /// How many tensors it holds.
    pub tensors: usize,
    /// The names of its first tensors.
    pub names: Vec<String>,
    /// Keys of the values beside it in the file; for the file's own object, keys of the values beside its tensors.
    pub(crate) companions: Vec<String>,
    pub(crate) id: Id,
}

impl Candidate {
    /// Whether its key says that it holds the initial weights of a training.
    pub fn is_beginning(&self) -> bool {
        let last = self.key.rsplit('.').next().unwrap_or_default();
        BEGINNINGS.contains(&last)
    }
}

/// Text such as "`state_dict_ema` (62 tensors: `conv1.weight`, …)".
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        let more = if self.tensors > names.len() { ", …" } else { "" };
        let key = if self.key.is_empty() { "its own, `--key ''`".to_owned() } else { format!("`{}`", self.key) };
        write!(f, "{key} ({} tensors: {}{more})", self.tensors, names.join(", "))
    }
}

/// Keys of the initial weights of a training. Pruning scripts save these beside the trained weights.
const BEGINNINGS: [&str; 6] =
    ["init_weight", "init_weights", "initial_weights", "init_state_dict", "initial_state_dict", "rewind_state_dict"];

/// The greatest depth of nested dictionaries that are searched.
const DEPTH: usize = 8;
/// The greatest number of candidates.
const MOST: usize = 64;
/// The number of tensor names that a candidate lists.
const NAMES: usize = 3;
/// The number of characters of a name or key that a message shows.
const SHOWN: usize = 80;

/// Finds every dictionary of tensors that can be reached by keys of text or numbers.
pub(crate) fn find(pickle: &Pickle<'_>) -> Result<Vec<Candidate>> {
    if let Some(reason) = no_dictionary(pickle.root()) {
        return Err(Error::NoStateDict(reason));
    }
    let mut walk = Walk { pickle, seen: HashSet::new(), layered: Vec::new(), flat: Vec::new() };
    walk.visit(pickle.root_id(), &mut Vec::new());
    // The tensors of a model are named after its layers. Dictionaries of other tensors count only if there is no model.
    let found = if walk.layered.is_empty() { walk.flat } else { walk.layered };
    if found.is_empty() {
        let keys: Vec<_> =
            keys(pickle, pickle.root_id()).into_iter().take(NAMES).map(|key| format!("`{key}`")).collect();
        let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        return Err(Error::NoStateDict(format!(
            "no dictionary in it holds tensors by name (its first keys: {keys}); save the model's weights, `torch.save(model.state_dict(), …)`, \
             and NumPy arrays as tensors, `torch.save({{k: torch.from_numpy(v) for k, v in arrays.items()}}, …)`"
        )));
    }
    Ok(found)
}

/// Why a file's object is not a dictionary that could hold tensors by name, and the line of Python that mends it.
fn no_dictionary(object: &Value<'_>) -> Option<String> {
    let again = "save the model's weights by name: `torch.save(model.state_dict(), …)`";
    let one = "if one of them is a state dict, save that alone: `torch.save(torch.load(…)[0], …)`";
    Some(match object {
        Value::Dict(_) => return None,
        Value::List(items) => format!("its object is a list of {} values; {one}", items.len()),
        Value::Tuple(items) => format!("its object is a tuple of {} values; {one}", items.len()),
        Value::Tensor(_) => format!("its object is a single tensor without a name; {again}"),
        Value::None => format!("its object is None; {again}"),
        _ => format!("its object is not a dictionary; {again}"),
    })
}

struct Walk<'p, 'a> {
    pickle: &'p Pickle<'a>,
    /// Objects that were visited: each is visited once, however often the file refers to it.
    seen: HashSet<Id>,
    /// Dictionaries with names such as `fc.weight`.
    layered: Vec<Candidate>,
    /// Dictionaries that hold only tensors, with other names.
    flat: Vec<Candidate>,
}

impl Walk<'_, '_> {
    fn visit(&mut self, id: Id, path: &mut Vec<String>) {
        let Value::Dict(entries) = self.pickle.get(id) else { return };
        if !self.seen.insert(id) || path.len() > DEPTH || self.layered.len().max(self.flat.len()) >= MOST {
            return;
        }
        let named: Vec<(&str, Id)> = entries
            .iter()
            .filter_map(|(key, value)| match self.pickle.get(*key) {
                Value::Text(key) => Some((*key, *value)),
                _ => None,
            })
            .collect();
        let is_tensor = |id: Id| matches!(self.pickle.get(id), Value::Tensor(_));
        let tensors: Vec<&str> = named.iter().filter(|(_, id)| is_tensor(*id)).map(|(name, _)| *name).collect();
        let layered = tensors.iter().any(|name| name.contains('.'));
        if layered || (!tensors.is_empty() && tensors.len() == entries.len()) {
            let companions = match path.first() {
                Some(first) => {
                    keys(self.pickle, self.pickle.root_id()).into_iter().filter(|key| key != first).collect()
                }
                None => named.iter().filter(|(_, id)| !is_tensor(*id)).map(|(name, _)| shown(name)).collect(),
            };
            let names = tensors.iter().take(NAMES).map(|name| shown(name)).collect();
            let candidate = Candidate { key: path.join("."), tensors: tensors.len(), names, companions, id };
            if layered { self.layered.push(candidate) } else { self.flat.push(candidate) }
        }
        for (key, value) in entries {
            if let Some(key) = key_of(self.pickle, *key) {
                path.push(key);
                self.visit(*value, path);
                path.pop();
            }
        }
    }
}

/// A key as text. A list of models may be saved as a dictionary with numbers for keys.
fn key_of(pickle: &Pickle<'_>, key: Id) -> Option<String> {
    match pickle.get(key) {
        Value::Text(text) => Some(shown(text)),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The keys of a dictionary.
fn keys(pickle: &Pickle<'_>, id: Id) -> Vec<String> {
    let Value::Dict(entries) = pickle.get(id) else { return Vec::new() };
    entries.iter().filter_map(|(key, _)| key_of(pickle, *key)).collect()
}

/// Text from the file may reach a terminal, so it is shortened and its control characters are escaped.
fn shown(name: &str) -> String {
    name.escape_debug().take(SHOWN).collect()
}
