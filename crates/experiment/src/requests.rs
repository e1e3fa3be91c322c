//! The requests of a suite as one seed draws them: each `[[forget]]` table is one, or several served one after the other.

use unlearn_run_store::Turn;
use unlearn_samples::{Dataset, ForgetSpec, ForgetSplit, Sampler, Split, forget};

use crate::suite::ForgetSection;

/// A request, alone or in its turn.
pub(crate) struct Forget {
    pub(crate) scenario: &'static str,
    pub(crate) label: String,
    pub(crate) turn: Option<Turn>,
    /// What is asked for; positions, where a file lists them, so that the request is the same wherever the file has gone.
    pub(crate) spec: ForgetSpec,
    /// D_f of this request alone, and D_r.
    pub(crate) split: ForgetSplit,
    /// All that the model must have forgotten when it has served this request; ascending.
    pub(crate) forgotten: Vec<u32>,
    /// Classes of which all that was forgotten leaves nothing.
    pub(crate) whole_classes: Vec<u32>,
}

impl Forget {
    /// Whether the request leaves nothing of every class that it asks for.
    pub(crate) fn is_of_whole_classes(&self, dataset: &Dataset) -> bool {
        let labels = &dataset.train.labels;
        let whole = forget::whole_classes(labels, &self.split.forget, &self.split.retain);
        self.split.forget.iter().all(|position| whole.contains(&labels[*position as usize]))
    }

    /// Whether it is the first, or alone.
    pub(crate) fn is_first(&self) -> bool {
        self.turn.as_ref().is_none_or(|turn| turn.number == 1)
    }
}

/// Kind of forget set of every request in a sequence.
const SEQUENCE: &str = "sequence";

/// Draws the requests of one table.
pub(crate) fn draw(
    section: &ForgetSection,
    dataset: &Dataset,
    split: &Split,
    sampler: Sampler,
    seed: u64,
) -> unlearn_samples::Result<Vec<Forget>> {
    let drawn = forget::resolve_in_turn(&section.requests, dataset, split, sampler, seed)?;
    let alone = !section.sequence;
    let mut forgotten = Vec::new();
    let requests = section.requests.iter().zip(drawn).enumerate().map(|(position, (spec, split))| {
        forgotten.extend(&split.forget);
        forgotten.sort_unstable();
        let whole_classes = forget::whole_classes(&dataset.train.labels, &forgotten, &split.retain);
        let sequence = section.name.clone().unwrap_or_else(|| SEQUENCE.into());
        let (number, of) = (position + 1, section.requests.len());
        Forget {
            scenario: if alone { spec.scenario() } else { SEQUENCE },
            label: match &section.name {
                Some(name) if alone => name.clone(),
                None if alone => spec.label(),
                _ => format!("{sequence} {number} of {of}: {}", spec.label()),
            },
            turn: (!alone).then_some(Turn { sequence, number, of }),
            spec: match spec {
                ForgetSpec::Indices { .. } => ForgetSpec::Positions { positions: split.forget.clone() },
                other => other.clone(),
            },
            split,
            forgotten: forgotten.clone(),
            whole_classes,
        }
    });
    Ok(requests.collect())
}
