//! The requests of a suite, drawn with one seed. Each `[[forget]]` table is one request, or a sequence of several.

use unlearn_run_store::Turn;
use unlearn_samples::{ForgetSpec, ForgetSplit, Sampler, forget};

use crate::{
    data::{Data, Poisoning},
    hard::Hard,
    subclass::Subclass,
    suite::ForgetSection,
    wanted::{Detector, Ranked, Wanted},
};

/// A request, alone or in a sequence.
pub(crate) struct Forget {
    pub(crate) scenario: &'static str,
    pub(crate) label: String,
    pub(crate) turn: Option<Turn>,
    /// How a stage gets the samples.
    pub(crate) samples: Samples,
    /// D_f of this request alone, and D_r. For samples that a stage has yet to find, it stands for them in checks.
    pub(crate) split: ForgetSplit,
    /// Everything that the model must have forgotten after this request, in ascending order.
    pub(crate) forgotten: Vec<u32>,
    /// Classes of which the forgotten samples leave nothing.
    pub(crate) whole_classes: Vec<u32>,
    /// Whether the request removes all samples of each class that it concerns.
    pub(crate) is_of_whole_classes: bool,
}

/// How a stage gets the samples of a request.
pub(crate) enum Samples {
    /// They are drawn as this says. A request that lists positions in a file holds the positions, so that it does not depend on the
    /// file's path.
    Drawn(ForgetSpec),
    /// A detector finds them.
    Found(Detector),
    /// They are the classes that a ranking puts first or last.
    Ranked(Ranked),
    /// They are at one end of a ranking of all samples.
    Hard(Hard),
}

/// The share of the training split that stands for samples which a detector has yet to find, where the poison is unknown.
const STAND_IN: f64 = 0.1;

impl Forget {
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
    Data { dataset, split, part, poisoning }: &Data,
    sampler: Sampler,
    seed: u64,
) -> Result<Vec<Forget>, String> {
    let wanted = section.requests.iter().map(|wanted| wanted.numbered(dataset)).collect::<Result<Vec<_>, String>>()?;
    let poison = poisoning.as_ref().map(|poisoning| ForgetSpec::Positions { positions: poisoning.positions.clone() });
    let stand_in = |ranked: &Ranked| {
        ranked.check(dataset.classes.len()).map_err(|reason| format!("[[forget]] of `kind = \"ranked\"`: {reason}"))?;
        let first = |position: &u32| (dataset.train.labels[*position as usize] as usize) < ranked.count;
        Ok(ForgetSpec::Positions { positions: split.train.iter().copied().filter(first).collect() })
    };
    // Samples of subclasses are sought among those that earlier requests left, as those of a class are.
    let members = |asked: &Subclass, left: &[u32]| {
        let members = asked.members(dataset, split, left);
        members.map_err(|reason| format!("[[forget]] of `kind = \"subclass\"`: {reason}"))
    };
    let spec = |wanted: &Wanted, left: &[u32]| match wanted {
        Wanted::Subclass(asked) => Ok(ForgetSpec::Positions { positions: members(asked, left)?.positions }),
        // The first classes stand for those that a ranking will choose.
        Wanted::Ranked(ranked) => stand_in(ranked),
        // Samples at even distances stand for those that a ranking will choose.
        Wanted::Hard(hard) => {
            let positions = hard.check().and_then(|()| hard.stand_in(&split.train));
            let positions = positions.map_err(|reason| format!("[[forget]] of {reason}"))?;
            Ok(ForgetSpec::Positions { positions })
        }
        Wanted::Samples(spec) => Ok(spec.clone()),
        Wanted::NamedClass { class, .. } => Err(format!("class `{class}` has no number yet")),
        Wanted::Detected(_) => {
            Ok(poison.clone().unwrap_or(ForgetSpec::Random { fraction: Some(STAND_IN), count: None }))
        }
        Wanted::Pool => {
            match part {
                Some(part) => Ok(ForgetSpec::Positions { positions: part.forget.clone() }),
                None => Err("[[forget]] of `kind = \"pool\"` is for pools, which `unlearn attack` makes of any suite"
                    .to_owned()),
            }
        }
        Wanted::Poisoned => poison.clone().ok_or_else(|| {
            "[[forget]] of `kind = \"poisoned\"` needs a poisoned training set; add a section [data.poison]".to_owned()
        }),
    };
    let mut left = split.clone();
    let (mut specs, mut drawn) = (Vec::with_capacity(wanted.len()), Vec::with_capacity(wanted.len()));
    for wanted in &wanted {
        let spec = spec(wanted, &left.train)?;
        let request = forget::resolve(&spec, dataset, &left, sampler, seed).map_err(|error| error.to_string())?;
        left.train.clone_from(&request.retain);
        specs.push(spec);
        drawn.push(request);
    }
    let labels = wanted.iter().map(|wanted| match wanted {
        Wanted::Subclass(asked) => Ok(members(asked, &split.train)?.label),
        wanted => Ok(label(wanted, poisoning.as_deref())),
    });
    let labels = labels.collect::<Result<Vec<String>, String>>()?;
    let alone = !section.sequence;
    let mut forgotten = Vec::new();
    let requests = wanted.iter().zip(specs).zip(drawn).enumerate().map(|(position, ((wanted, spec), split))| {
        forgotten.extend(&split.forget);
        forgotten.sort_unstable();
        let whole_classes = forget::whole_classes(&dataset.train.labels, &forgotten, &split.retain);
        let sequence = section.name.clone().unwrap_or_else(|| SEQUENCE.into());
        let (number, of) = (position + 1, section.requests.len());
        Forget {
            scenario: if alone { wanted.scenario() } else { SEQUENCE },
            label: match &section.name {
                Some(name) if alone => name.clone(),
                None if alone => labels[position].clone(),
                _ => format!("{sequence} {number} of {of}: {}", labels[position]),
            },
            turn: (!alone).then_some(Turn { sequence, number, of }),
            samples: match (wanted, spec) {
                (Wanted::Detected(detector), _) => Samples::Found(detector.clone()),
                (Wanted::Ranked(ranked), _) => Samples::Ranked(*ranked),
                (Wanted::Hard(hard), _) => Samples::Hard(*hard),
                (_, ForgetSpec::Indices { .. }) => {
                    Samples::Drawn(ForgetSpec::Positions { positions: split.forget.clone() })
                }
                (_, spec) => Samples::Drawn(spec),
            },
            is_of_whole_classes: is_of_whole_classes(&dataset.train.labels, &split),
            split,
            forgotten: forgotten.clone(),
            whole_classes,
        }
    });
    Ok(requests.collect())
}

/// Whether a request removes all samples of each class that it concerns.
fn is_of_whole_classes(labels: &[u32], ForgetSplit { forget, retain }: &ForgetSplit) -> bool {
    let whole = forget::whole_classes(labels, forget, retain);
    forget.iter().all(|position| whole.contains(&labels[*position as usize]))
}

/// The label of a request in reports.
fn label(wanted: &Wanted, poisoning: Option<&Poisoning>) -> String {
    let poison = poisoning.map_or("poison", |poisoning| &poisoning.label);
    match wanted {
        Wanted::Samples(spec) => spec.label(),
        Wanted::NamedClass { class, .. } => format!("class {class}"),
        Wanted::Ranked(ranked) => ranked.label(),
        Wanted::Hard(hard) => hard.label(),
        Wanted::Subclass(_) => "subclass".to_owned(),
        Wanted::Pool => "a third of the pool".to_owned(),
        Wanted::Poisoned => format!("poison: {poison}"),
        Wanted::Detected(detector) if poisoning.is_some() => format!("found by {}: {poison}", detector.name),
        Wanted::Detected(detector) => format!("found by {}", detector.name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Materials;

    fn drawn(section: &serde_json::Value) -> Vec<Forget> {
        let data = json!({ "name": "fashion-mnist-mini", "train-limit": 200, "seed": 2 });
        let data = Materials::default().data(&serde_json::from_value(data).unwrap()).unwrap();
        let section: ForgetSection = serde_json::from_value(section.clone()).unwrap();
        draw(&section, &data, Sampler::NumpyLegacy, 2).unwrap()
    }

    #[test]
    fn a_request_in_turn_is_drawn_from_what_is_left_and_judged_on_all_so_far() {
        let requests = [json!({ "kind": "class", "class": 3 }), json!({ "kind": "random", "count": 9 })];
        let requests = drawn(&json!({ "kind": "sequence", "requests": requests }));
        let [first, second] = requests.try_into().ok().unwrap();
        assert_eq!((first.label.as_str(), first.scenario), ("sequence 1 of 2: class 3", "sequence"));
        assert!(first.is_first() && !second.is_first());
        assert!(first.is_of_whole_classes && !second.is_of_whole_classes);
        assert_eq!((first.forgotten.len(), second.split.forget.len(), second.forgotten.len()), (18, 9, 27));
        assert!(second.split.forget.iter().all(|position| first.split.retain.contains(position)));
        assert!(second.forgotten.is_sorted());
        assert_eq!(second.whole_classes, [3], "a class that was forgotten stays out of the test set");
    }

    #[test]
    fn a_list_that_empties_a_class_is_that_whole_class_and_its_positions_are_the_request() {
        let whole = drawn(&json!({ "kind": "class", "class": 1 }));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.txt");
        let lines: Vec<String> = whole[0].forgotten.iter().map(ToString::to_string).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        let listed = drawn(&json!({ "kind": "indices", "path": file }));
        assert_eq!((&listed[0].whole_classes[..], listed[0].scenario), (&[1][..], "indices"));
        assert!(listed[0].is_of_whole_classes);
        let Samples::Drawn(spec) = &listed[0].samples else { panic!("known samples") };
        assert_eq!(*spec, ForgetSpec::Positions { positions: whole[0].forgotten.clone() });
        std::fs::write(&file, lines[1..].join("\n")).unwrap();
        let part = drawn(&json!({ "kind": "indices", "path": file }));
        assert!(part[0].whole_classes.is_empty() && !part[0].is_of_whole_classes);
    }
}
