//! The requests of a suite as one seed draws them: each `[[forget]]` table is one, or several served one after the other.

use unlearn_run_store::Turn;
use unlearn_samples::{Dataset, ForgetSpec, ForgetSplit, Sampler, Split, forget};

use crate::{judgement::Sets, suite::ForgetSection};

/// A request, alone or in its turn.
pub(crate) struct Forget {
    pub(crate) scenario: &'static str,
    pub(crate) label: String,
    pub(crate) turn: Option<Turn>,
    pub(crate) spec: ForgetSpec,
    /// What the model was asked to forget before, oldest first.
    pub(crate) served: Vec<ForgetSpec>,
    /// D_f of this request alone, and D_r.
    pub(crate) split: ForgetSplit,
    /// All that the model must have forgotten when it has served this request; ascending.
    pub(crate) forgotten: Vec<u32>,
    /// Classes of which nothing is left by a request for all of them.
    pub(crate) whole_classes: Vec<u32>,
}

impl Forget {
    /// What a model that has served this request is judged on.
    pub(crate) fn sets<'a>(&'a self, dataset: &'a Dataset, split: &'a Split) -> Sets<'a> {
        Sets {
            dataset,
            forget: &self.forgotten,
            retain: &self.split.retain,
            validation: &split.validation,
            whole_classes: &self.whole_classes,
        }
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
    let (mut forgotten, mut whole_classes) = (Vec::new(), Vec::new());
    let requests = section.requests.iter().zip(drawn).enumerate().map(|(position, (spec, split))| {
        forgotten.extend(&split.forget);
        forgotten.sort_unstable();
        whole_classes.extend(spec.whole_class());
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
            spec: spec.clone(),
            served: section.requests[..position].to_vec(),
            split,
            forgotten: forgotten.clone(),
            whole_classes: whole_classes.clone(),
        }
    });
    Ok(requests.collect())
}
