//! The batches that the steps of a run use.

use unlearn_samples::{Batch, BatchPlan};

use crate::{Error, Recipe, Result};

/// The batches that the steps of a run use. The batches of a step depend on its epoch and number only.
#[derive(Debug, Clone, Copy)]
pub enum Course<'a> {
    /// One plan: every epoch is a pass over the same samples.
    Alone(&'a BatchPlan),
    /// Two plans: every step uses a batch of each, one after the other, and their gradients are added. An epoch is a
    /// pass over the first plan. The second plan starts again when it ends.
    Together(&'a BatchPlan, &'a BatchPlan),
    /// One plan for each epoch of the recipe.
    InTurn(&'a [&'a BatchPlan]),
}

impl<'a> Course<'a> {
    /// Checks that every step has a batch.
    pub(crate) fn check(&self, recipe: &Recipe) -> Result<()> {
        let plans = match self {
            Self::Alone(plan) => vec![*plan],
            Self::Together(first, second) => vec![*first, *second],
            Self::InTurn(plans) if plans.len() != recipe.epochs => {
                let (found, expected) = (plans.len(), recipe.epochs);
                return Err(Error::Recipe(format!("{found} batch plans for `epochs = {expected}`")));
            }
            Self::InTurn(plans) => plans.to_vec(),
        };
        if plans.iter().any(|plan| plan.batches_per_epoch() == 0) { Err(Error::Empty("train on")) } else { Ok(()) }
    }

    /// Number of steps in an epoch.
    pub(crate) fn steps(&self, epoch: usize) -> usize {
        self.main(epoch).batches_per_epoch()
    }

    /// The batches of each step of `epoch`, starting with step `first`, in bytes or values.
    pub(crate) fn epoch(
        &self,
        epoch: usize,
        first: usize,
        in_bytes: bool,
    ) -> Box<dyn Iterator<Item = Result<Vec<Batch>>> + 'a> {
        let main = self.main(epoch).clone().in_bytes(in_bytes).epoch(epoch as u64, first);
        let Self::Together(_, second) = *self else { return Box::new(main.map(|batch| Ok(vec![batch?]))) };
        let seen = epoch * self.steps(epoch) + first;
        let (round, start) = (seen / second.batches_per_epoch(), seen % second.batches_per_epoch());
        let second = second.clone().in_bytes(in_bytes);
        let others =
            (round..).flat_map(move |number| second.epoch(number as u64, if number == round { start } else { 0 }));
        Box::new(main.zip(others).map(|(batch, other)| Ok(vec![batch?, other?])))
    }

    fn main(&self, epoch: usize) -> &'a BatchPlan {
        match *self {
            Self::Alone(plan) | Self::Together(plan, _) => plan,
            Self::InTurn(plans) => plans[epoch],
        }
    }
}

#[cfg(test)]
mod tests {
    use unlearn_samples::{BatchOptions, ImageSet};

    use super::*;

    fn plan(count: u32, batch_size: usize) -> BatchPlan {
        let images = ImageSet::new([1, 1, 1], vec![0; 20], vec![0; 20]).unwrap();
        let indices: Vec<u32> = (0..count).collect();
        BatchPlan::new(&images, indices, BatchOptions { shuffle: true, ..BatchOptions::evaluation(batch_size) })
            .unwrap()
    }

    #[test]
    fn the_second_plan_goes_round_and_can_be_entered_anywhere() {
        let (retain, forget) = (plan(10, 2), plan(6, 2));
        let course = Course::Together(&retain, &forget);
        let whole: Vec<Vec<Batch>> =
            (0..3).flat_map(|epoch| course.epoch(epoch, 0, false)).map(Result::unwrap).collect();
        let rounds: Vec<Batch> = (0..5).flat_map(|round| forget.epoch(round, 0)).map(|batch| batch.unwrap()).collect();
        assert_eq!(whole.len(), 15);
        for (step, batches) in whole.iter().enumerate() {
            assert_eq!(batches[1], rounds[step]);
            assert_eq!(course.epoch(step / 5, step % 5, step % 2 == 0).next().unwrap().unwrap(), *batches);
        }
    }

    #[test]
    fn plans_in_turn_need_one_for_each_epoch() {
        let plans = [&plan(4, 2), &plan(6, 2)];
        let course = Course::InTurn(&plans);
        assert_eq!((course.steps(0), course.steps(1)), (2, 3));
        let recipe = Recipe { epochs: 3, ..Recipe::default() };
        assert!(course.check(&recipe).unwrap_err().to_string().contains("2 batch plans for `epochs = 3`"));
    }
}
