//! The input of a criterion, and gradients of the loss that several criteria need.

use unlearn_network::{Mode, Network};
use unlearn_random::{choice, stream};
use unlearn_samples::{Batch, BatchOptions, BatchPlan, ImageSet};
use unlearn_training::{CrossEntropy, Objective};

use crate::Result;

/// A network to be scored, and the data for scoring it.
pub struct Subject<'a> {
    /// The network, pruned or not.
    pub network: &'a mut Network,
    /// The official training images.
    pub images: &'a ImageSet,
    /// Positions to draw samples from.
    pub train: &'a [u32],
    /// Seed of all randomness.
    pub seed: u64,
}

/// Samples per batch of [`Subject::balanced_batches`].
const BATCH_SIZE: usize = 250;

impl Subject<'_> {
    /// Batches of images without augmentation, `per_class` of every class (or all of a class with fewer), drawn by
    /// the seed and `purpose`. Classes alternate, so that each batch of 250 is balanced too.
    pub(crate) fn balanced_batches(&self, purpose: &str, per_class: usize) -> Result<Vec<Batch>> {
        let classes = self.network.graph().classes() as u32;
        let drawn: Vec<Vec<u32>> = (0..classes)
            .map(|class| {
                let own = self.train.iter().copied().filter(|i| self.images.labels[*i as usize] == class);
                choice(&mut stream(purpose, &[self.seed, class.into()]), &own.collect::<Vec<_>>(), per_class)
            })
            .collect();
        let turns = (0..per_class).flat_map(|turn| drawn.iter().filter_map(move |own| own.get(turn).copied()));
        let positions: Vec<u32> = turns.collect();
        if positions.is_empty() {
            return Err(unlearn_training::Error::Empty("score weights on").into());
        }
        let plan = BatchPlan::new(self.images, positions, BatchOptions::evaluation(BATCH_SIZE));
        let batches = plan.and_then(|plan| plan.epoch(0, 0).collect());
        Ok(batches.map_err(unlearn_training::Error::from)?)
    }

    /// Calls `visit` for each batch with the batch's share of the samples, the parameters, and the gradients of the
    /// mean cross-entropy of the logits divided by `temperature`. Normalisation uses batch statistics, because an
    /// untrained network has no others. The running statistics are restored.
    pub(crate) fn for_each_gradient(
        &mut self,
        batches: &[Batch],
        temperature: f32,
        mut visit: impl FnMut(f32, &[Vec<f32>], &[Vec<f32>]),
    ) -> Result<()> {
        let state = self.network.state().clone();
        let samples: usize = batches.iter().map(Batch::len).sum();
        let (mut logits, mut dlogits) = (Vec::new(), Vec::new());
        for batch in batches {
            let training = |error| unlearn_training::Error::Network(error);
            self.network.forward(&batch.images, Mode::Train, &mut logits).map_err(training)?;
            divide(&mut logits, temperature);
            dlogits.resize(logits.len(), 0.0);
            CrossEntropy::default().loss(batch, &logits, &mut dlogits);
            divide(&mut dlogits, temperature);
            self.network.backward(&dlogits).map_err(training)?;
            let share = batch.len() as f32 / samples as f32;
            visit(share, self.network.state().parameters(), &self.network.gradients().parameters);
        }
        self.network.set_state(state);
        Ok(())
    }

    /// The gradient of the mean cross-entropy over the batches, for each parameter. Logits are divided by
    /// `temperature`.
    pub(crate) fn mean_gradient(&mut self, batches: &[Batch], temperature: f32) -> Result<Vec<Vec<f32>>> {
        let mut mean: Vec<Vec<f32>> = self.network.state().parameters().iter().map(|p| vec![0.0; p.len()]).collect();
        self.for_each_gradient(batches, temperature, |share, _, gradients| {
            for (mean, gradient) in mean.iter_mut().zip(gradients) {
                mean.iter_mut().zip(gradient).for_each(|(m, g)| *m += share * g);
            }
        })?;
        Ok(mean)
    }
}

fn divide(values: &mut [f32], divisor: f32) {
    for value in values {
        *value /= divisor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests;

    #[test]
    fn a_draw_holds_as_many_of_each_class_as_there_are_and_repeats() {
        let (mut network, images) = (tests::network(), tests::images());
        // There are six samples of class 0, five of classes 1 and 2, and one of class 3.
        let train: Vec<u32> = (0..24).filter(|i| ![1, 2, 3, 7, 11, 15, 19].contains(i)).collect();
        let subject = Subject { network: &mut network, images: &images, train: &train, seed: 4 };
        for (per_class, expected) in [(1, [1, 1, 1, 1]), (3, [3, 3, 3, 1]), (100, [6, 5, 5, 1])] {
            let batches = subject.balanced_batches("test", per_class).unwrap();
            assert_eq!(batches, subject.balanced_batches("test", per_class).unwrap());
            let drawn: Vec<u32> = batches.into_iter().flat_map(|batch| batch.indices).collect();
            let of_class = |class| drawn.iter().filter(|i| **i % 4 == class).count();
            assert_eq!([0, 1, 2, 3].map(of_class), expected);
            assert!(drawn.iter().enumerate().all(|(n, i)| train.contains(i) && !drawn[..n].contains(i)), "{drawn:?}");
        }
        let nothing = Subject { train: &[], ..subject };
        assert!(nothing.balanced_batches("test", 3).unwrap_err().to_string().contains("score weights on"));
    }
}
