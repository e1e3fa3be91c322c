//! Random wrong labels for the forget set, drawn again in each epoch.

use rand::RngExt;
use unlearn_network::LossTerm;
use unlearn_random::stream;
use unlearn_samples::Batch;
use unlearn_training::{CrossEntropy, Objective, Result};

use crate::Request;

/// Cross-entropy with random wrong labels on D_f and the true labels elsewhere.
pub(crate) struct WrongLabels {
    forgotten: Vec<bool>,
    classes: u32,
    seed: u64,
    labels: Vec<u32>,
}

impl WrongLabels {
    /// The objective for a request with wrong labels ([`needs_wrong_labels`](crate::Prospect::needs_wrong_labels)).
    pub(crate) fn new(request: &Request<'_>) -> Self {
        let classes = request.network.graph().classes() as u32;
        Self { forgotten: request.forgotten(), classes, seed: request.task.seed, labels: vec![] }
    }
}

impl Objective for WrongLabels {
    fn prepare(&mut self, epoch: usize, batch: &Batch) -> Result<()> {
        self.labels.clone_from(&batch.labels);
        for (label, position) in self.labels.iter_mut().zip(&batch.indices) {
            if self.forgotten[*position as usize] {
                *label = wrong_label(self.seed, epoch, *position, *label, self.classes);
            }
        }
        Ok(())
    }

    fn loss(&mut self, _: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        CrossEntropy::default().against(&self.labels, logits, dlogits)
    }

    fn known_loss<'a>(&'a self, _: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        Some(vec![CrossEntropy::default().term(1.0, &self.labels, None)])
    }
}

/// One of the `classes` other than `label`, as a function of seed, epoch and position.
fn wrong_label(seed: u64, epoch: usize, position: u32, label: u32, classes: u32) -> u32 {
    let mut random = stream("wrong label", &[seed, epoch as u64, u64::from(position)]);
    (label + random.random_range(1..classes)) % classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_always_wrong_evenly_spread_and_change_by_epoch() {
        let draw = |epoch, position| wrong_label(3, epoch, position, position % 4, 4);
        let mut distances = [0; 4];
        for position in 0..3000 {
            distances[((draw(0, position) + 4 - position % 4) % 4) as usize] += 1;
        }
        assert_eq!(distances[0], 0);
        // The bounds are five standard deviations of a binomial count with mean 1000.
        assert!(distances[1..].iter().all(|count| (870..1130).contains(count)), "{distances:?}");
        let changed = (0..3000).filter(|position| draw(0, *position) != draw(1, *position)).count();
        assert!((1870..2130).contains(&changed), "{changed} of 3000");
        assert_eq!(draw(5, 17), draw(5, 17));
    }

    #[test]
    fn only_forgotten_samples_get_other_labels() {
        let mut objective = WrongLabels { forgotten: vec![true, false], classes: 2, seed: 1, labels: vec![] };
        let batch = Batch { labels: vec![0, 0], indices: vec![1, 0], ..Batch::default() };
        objective.prepare(0, &batch).unwrap();
        assert_eq!(objective.labels, [0, 1]);
        let mut found = [0.0; 4];
        let mut expected = [0.0; 4];
        let logits = [0.5, -1.0, 2.0, 0.25];
        let loss = objective.loss(&batch, &logits, &mut found);
        assert_eq!(loss, CrossEntropy::default().against(&[0, 1], &logits, &mut expected));
        assert_eq!(found, expected);
    }
}
