//! The requests of a suite, drawn with one seed. Each `[[forget]]` table is one request, or a sequence of several.

use unlearn_run_store::Turn;
use unlearn_samples::{Dataset, ForgetSpec, ForgetSplit, Sampler, Split, forget};

use crate::suite::ForgetSection;

/// A request, alone or in a sequence.
pub(crate) struct Forget {
    pub(crate) scenario: &'static str,
    pub(crate) label: String,
    pub(crate) turn: Option<Turn>,
    /// The request itself. A request that lists positions in a file holds the positions, so that it does not depend
    /// on the file's path.
    pub(crate) spec: ForgetSpec,
    /// D_f of this request alone, and D_r.
    pub(crate) split: ForgetSplit,
    /// Everything that the model must have forgotten after this request, in ascending order.
    pub(crate) forgotten: Vec<u32>,
    /// Classes of which the forgotten samples leave nothing.
    pub(crate) whole_classes: Vec<u32>,
}

impl Forget {
    /// Whether the request removes all samples of each class that it concerns.
    pub(crate) fn is_of_whole_classes(&self, dataset: &Dataset) -> bool {
        let labels = &dataset.train.labels;
        let whole = forget::whole_classes(labels, &self.split.forget, &self.split.retain);
        self.split.forget.iter().all(|position| whole.contains(&labels[*position as usize]))
    }

    /// Whether it is the first in its sequence, or alone.
    pub(crate) fn is_first(&self) -> bool {
        self.turn.as_ref().is_none_or(|turn| turn.number == 1)
    }
}

/// The kind of every request in a sequence.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Materials, suite::DataSection};

    fn drawn(section: &serde_json::Value) -> (std::sync::Arc<Dataset>, Vec<Forget>) {
        let dataset = Materials::default().dataset("fashion-mnist-mini").unwrap();
        let data = json!({ "name": "fashion-mnist-mini", "train-limit": 200, "seed": 2 });
        let data: DataSection = serde_json::from_value(data).unwrap();
        let split = data.split(&dataset).unwrap();
        let section: ForgetSection = serde_json::from_value(section.clone()).unwrap();
        let requests = draw(&section, &dataset, &split, Sampler::NumpyLegacy, 2).unwrap();
        (dataset, requests)
    }

    #[test]
    fn a_request_in_turn_is_drawn_from_what_is_left_and_judged_on_all_so_far() {
        let requests = [json!({ "kind": "class", "class": 3 }), json!({ "kind": "random", "count": 9 })];
        let (dataset, requests) = drawn(&json!({ "kind": "sequence", "requests": requests }));
        let [first, second] = requests.try_into().ok().unwrap();
        assert_eq!((first.label.as_str(), first.scenario), ("sequence 1 of 2: class 3", "sequence"));
        assert!(first.is_first() && !second.is_first());
        assert!(first.is_of_whole_classes(&dataset) && !second.is_of_whole_classes(&dataset));
        assert_eq!((first.forgotten.len(), second.split.forget.len(), second.forgotten.len()), (18, 9, 27));
        assert!(second.split.forget.iter().all(|position| first.split.retain.contains(position)));
        assert!(second.forgotten.is_sorted());
        assert_eq!(second.whole_classes, [3], "a class that was forgotten stays out of the test set");
    }

    #[test]
    fn a_list_that_empties_a_class_is_that_whole_class_and_its_positions_are_the_request() {
        let (_, whole) = drawn(&json!({ "kind": "class", "class": 1 }));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.txt");
        let lines: Vec<String> = whole[0].forgotten.iter().map(ToString::to_string).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        let (dataset, listed) = drawn(&json!({ "kind": "indices", "path": file }));
        assert_eq!((&listed[0].whole_classes[..], listed[0].scenario), (&[1][..], "indices"));
        assert!(listed[0].is_of_whole_classes(&dataset));
        assert_eq!(listed[0].spec, ForgetSpec::Positions { positions: whole[0].forgotten.clone() });
        std::fs::write(&file, lines[1..].join("\n")).unwrap();
        let (dataset, part) = drawn(&json!({ "kind": "indices", "path": file }));
        assert!(part[0].whole_classes.is_empty() && !part[0].is_of_whole_classes(&dataset));
    }
}
