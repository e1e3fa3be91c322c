//! The saved state of a run, as bytes of a safetensors file. It holds the weights, the running statistics, the
//! optimiser's memory, the kept weights (1 or 0, for parameters with pruned weights), the best weights and the
//! snapshots so far, and the run's log as metadata. Randomness needs no state: order and augmentation are functions
//! of seed, epoch and sample.

use std::collections::BTreeSet;

use unlearn_network::{Kept, Network, State};
use unlearn_tensor_files::{NamedTensor, TensorFile};

use crate::{
    Error, Result,
    run::{Log, Progressing},
    update::Optimizer,
};

const CURRENT: &str = "current";
const BEST: &str = "best";
const SNAPSHOT: &str = "snapshot";
const KEPT: &str = "kept";

pub(crate) fn to_bytes(network: &Network, optimizer: &Optimizer, progressing: &Progressing) -> Result<Vec<u8>> {
    let graph = network.graph();
    let mut tensors: Vec<NamedTensor<'_>> = Vec::new();
    let mut push_state = |prefix: &str, state| {
        for (name, shape, values) in State::named(state, graph) {
            tensors.push((format!("{prefix}/{name}"), shape, values));
        }
    };
    push_state(CURRENT, network.state());
    if let Some(best) = &progressing.best {
        push_state(BEST, best);
    }
    for (epoch, state) in &progressing.snapshots {
        push_state(&format!("{SNAPSHOT}-{epoch}"), state);
    }
    for (memory, values) in optimizer.memory() {
        for (parameter, values) in graph.parameters.iter().zip(values) {
            tensors.push((format!("{memory}/{}", parameter.name), &parameter.shape, values));
        }
    }
    let as_values = |kept: &Vec<bool>| kept.iter().map(|kept| f32::from(u8::from(*kept))).collect::<Vec<_>>();
    let kept: Vec<_> = network.kept().iter().map(|kept| kept.as_ref().map(as_values)).collect();
    for (parameter, kept) in graph.parameters.iter().zip(&kept) {
        if let Some(kept) = kept {
            tensors.push((format!("{KEPT}/{}", parameter.name), &parameter.shape, kept));
        }
    }
    let log = serde_json::to_string(&progressing.log).map_err(|e| Error::Resume(e.to_string()))?;
    unlearn_tensor_files::encode(&tensors, log).map_err(|e| Error::Resume(e.to_string()))
}

pub(crate) fn restore(
    bytes: &[u8],
    network: &mut Network,
    optimizer: &mut Optimizer,
    progressing: &mut Progressing,
) -> Result<()> {
    let fail = |reason: String| Error::Resume(reason);
    let file = TensorFile::open(bytes).map_err(|e| fail(e.to_string()))?;
    let log = file.json().ok_or_else(|| fail("it has no log".into()))?;
    let log: Log = serde_json::from_str(log).map_err(|e| fail(e.to_string()))?;
    let graph = network.graph().clone();
    let state = |prefix: &str| State::from_named(&graph, |name| file.tensor(&format!("{prefix}/{name}")));

    let kept = |name: &str| {
        let (_, values) = file.tensor(&format!("{KEPT}/{name}"))?;
        Some(values.into_iter().map(|kept| kept != 0.0).collect())
    };
    let kept: Kept = graph.parameters.iter().map(|parameter| kept(&parameter.name)).collect();
    if kept.iter().any(Option::is_some) {
        network.prune(kept)?;
    }
    network.set_state(state(CURRENT)?);
    progressing.best = if log.best.is_some() { Some(state(BEST)?) } else { None };
    let prefixes: BTreeSet<&str> = file.names().into_iter().filter_map(|n| n.split_once('/')).map(|p| p.0).collect();
    for prefix in prefixes {
        if let Some(epoch) = prefix.strip_prefix(SNAPSHOT).and_then(|rest| rest.strip_prefix('-')?.parse().ok()) {
            progressing.snapshots.insert(epoch, state(prefix)?);
        }
    }
    for (memory, all) in optimizer.memory_mut() {
        for (parameter, values) in graph.parameters.iter().zip(all) {
            let name = format!("{memory}/{}", parameter.name);
            let (_, saved) = file.tensor(&name).ok_or_else(|| fail(format!("`{name}` is missing")))?;
            if saved.len() != values.len() {
                return Err(fail(format!("`{name}` has {} values, expected {}", saved.len(), values.len())));
            }
            *values = saved;
        }
    }
    progressing.log = log;
    Ok(())
}
