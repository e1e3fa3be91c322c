//! What the page shows beside the results: training curves, what stored scores tell, pictures of samples, and every
//! stage.

use std::collections::{BTreeMap, BTreeSet};

use unlearn_run_store::{Manifest, Stage, StageKey, Store, SuiteIndex, SuiteRow};

use crate::curves::{self, Curve};
use crate::error::{ReportError, Result};
use crate::results::Results;
use crate::scored::{self, Sample, Scored};

/// Where pictures of samples come from. A report cannot make them: the store holds no data.
pub trait SamplePictures {
    /// The pictures of the samples at these positions of the training set of the model that the stage `unlearn` made.
    ///
    /// # Errors
    /// A reason for users: the data cannot be opened, or are others than the model was trained on.
    fn of(&self, unlearn: &Stage, positions: &[u32]) -> std::result::Result<Thumbnails, String>;
}

/// Pictures of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnails {
    /// A PNG file for each position.
    pub images: Vec<Vec<u8>>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// Some forgotten samples of one request on one model, with what each method's model answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// Title of the forget set and its model.
    pub title: String,
    /// "dense", or "95 % omp".
    pub variant: String,
    /// Whether these are the samples that the most methods still recognise. Otherwise the fewest do.
    pub still: bool,
    /// Positions and classes of the samples.
    pub samples: Vec<(u32, u32)>,
    /// A PNG file for each.
    pub images: Vec<Vec<u8>>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Each method with its answer for each sample.
    pub answers: Vec<(String, Vec<u32>)>,
}

/// What the page shows beside the results.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Details {
    /// Training curves.
    pub curves: Vec<Curve>,
    /// What stored scores show, seed by seed.
    pub scored: Vec<Scored>,
    /// Pictures of forgotten samples. `None` if none were asked for.
    pub recognised: Option<Vec<Recognised>>,
    /// The manifests of all stages that the suite rests on, inputs first.
    pub stages: Vec<Manifest>,
}

/// Samples in one table of pictures.
const SHOWN: usize = 12;

impl Details {
    /// Gathers everything that the store holds, and pictures if there is somebody to give them.
    ///
    /// # Errors
    /// [`ReportError::Store`] if a stage is damaged, [`ReportError::Pictures`].
    pub fn gather(
        store: &Store,
        index: &SuiteIndex,
        results: &Results,
        pictures: Option<&dyn SamplePictures>,
    ) -> Result<Self> {
        let scored = scored::gather(store, index, results)?;
        Ok(Self {
            curves: curves::collect(store, index)?,
            recognised: pictures.map(|pictures| recognised(store, &scored, pictures)).transpose()?,
            scored,
            stages: stages(store, index)?,
        })
    }
}

/// The manifests of the stages that the rows rest on, inputs first.
pub(crate) fn stages(store: &Store, index: &SuiteIndex) -> Result<Vec<Manifest>> {
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for key in index.rows.iter().flat_map(SuiteRow::stages) {
        visit(store, key, &mut seen, &mut found)?;
    }
    Ok(found)
}

fn visit(store: &Store, first: &StageKey, seen: &mut BTreeSet<StageKey>, found: &mut Vec<Manifest>) -> Result<()> {
    // A stage is written when all of its inputs are.
    let mut open = vec![(first.clone(), None::<Manifest>)];
    while let Some((key, manifest)) = open.pop() {
        if let Some(manifest) = manifest {
            found.push(manifest);
            continue;
        }
        if !seen.insert(key.clone()) {
            continue;
        }
        let Some(stage) = store.locate(&key)? else { continue };
        let manifest = stage.manifest().clone();
        let inputs: Vec<StageKey> = manifest.inputs.values().rev().cloned().collect();
        open.push((key, Some(manifest)));
        open.extend(inputs.into_iter().map(|input| (input, None)));
    }
    Ok(())
}

/// For each forget set and pruning, and the first seed: the samples that the fewest methods recognise, and those that the most do.
fn recognised(store: &Store, scored: &[Scored], pictures: &dyn SamplePictures) -> Result<Vec<Recognised>> {
    let mut found: Vec<Recognised> = Vec::new();
    let seed = scored.first().map(|scored| scored.seed);
    for group in scored.chunk_by(Scored::is_beside).filter(|group| Some(group[0].seed) == seed) {
        let chosen = choose(group);
        let Some(first) = group.iter().find(|scored| !scored.is_end()).or_else(|| group.first()) else { continue };
        for (still, samples) in [false, true].into_iter().zip(chosen) {
            if samples.is_empty() {
                continue;
            }
            let positions: Vec<u32> = samples.iter().map(|sample| sample.position).collect();
            let stage = store.stage("unlearn", &first.unlearn)?;
            let Thumbnails { images, classes } = pictures
                .of(&stage, &positions)
                .map_err(|problem| ReportError::Pictures { forget: first.title.clone(), problem })?;
            let answer = |scored: &Scored, position: u32| {
                scored.samples.iter().find(|sample| sample.position == position).map(|sample| sample.predicted)
            };
            let answers = group.iter().filter_map(|scored| {
                let said: Option<Vec<u32>> = positions.iter().map(|position| answer(scored, *position)).collect();
                Some((scored.method.clone(), said?))
            });
            found.push(Recognised {
                title: first.title.clone(),
                variant: first.variant.label(),
                still,
                samples: samples.iter().map(|sample| (sample.position, sample.label)).collect(),
                images,
                classes,
                answers: answers.collect(),
            });
        }
    }
    Ok(found)
}

/// The samples that the fewest methods recognise, and those that the most do. Retrain and the model before unlearning do not count. No
/// sample is in both.
fn choose(group: &[Scored]) -> [Vec<Sample>; 2] {
    let methods: Vec<&Scored> = group.iter().filter(|scored| !scored.is_end()).collect();
    let Some(first) = methods.first() else { return [Vec::new(), Vec::new()] };
    let mut recognised: BTreeMap<u32, usize> = BTreeMap::new();
    for sample in methods.iter().flat_map(|scored| &scored.samples) {
        *recognised.entry(sample.position).or_default() += usize::from(sample.is_recognised());
    }
    let count = |sample: &Sample| recognised.get(&sample.position).copied().unwrap_or(0);
    let mut samples = first.samples.clone();
    samples.sort_by_key(|sample| (count(sample), sample.position));
    let mut still: Vec<Sample> = samples.iter().rev().filter(|sample| count(sample) > 0).take(SHOWN).copied().collect();
    still.sort_by_key(|sample| (std::cmp::Reverse(count(sample)), sample.position));
    let is_free = |sample: &&Sample| still.iter().all(|other| other.position != sample.position);
    let forgotten = samples.iter().filter(|sample| count(sample) < methods.len()).filter(is_free).take(SHOWN);
    [forgotten.copied().collect(), still]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Variant;

    fn scored(method: &str, predicted: &[u32]) -> Scored {
        let sample =
            |(at, predicted): (usize, &u32)| Sample { position: 10 * at as u32, label: 1, predicted: *predicted };
        Scored {
            title: "t".to_owned(),
            forget: "class 1".to_owned(),
            variant: Variant { sparsity: 0.0, pruning: "none".to_owned() },
            method: method.to_owned(),
            seed: 1,
            unlearn: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            attack: None,
            forgotten: Vec::new(),
            tested: Vec::new(),
            samples: predicted.iter().enumerate().map(sample).collect(),
        }
    }

    #[test]
    fn pictures_are_of_what_the_fewest_and_the_most_methods_recognise() {
        // Retrain and raw do not count. Position 0 is recognised by nobody, 10 by both, 20 by one.
        let group = [
            scored("retrain", &[1, 1, 1]),
            scored("raw", &[1, 1, 1]),
            scored("ft", &[0, 1, 1]),
            scored("ga", &[0, 1, 0]),
        ];
        let [forgotten, still] = choose(&group).map(|samples| samples.iter().map(|s| s.position).collect::<Vec<_>>());
        assert_eq!((forgotten, still), (vec![0], vec![10, 20]));
        assert!(choose(&group[..2]).iter().all(Vec::is_empty));
    }
}
