//! How often an attack is fitted, and on which samples.

use std::num::NonZero;
use std::thread;

use crate::{MemberSelection, features::Feature};

/// How often an attack is fitted, and on which samples each time.
///
/// The figure of one draw says little: it moves by tens of points with the members that happen to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// How members and non-members are chosen where there are more than the attack takes.
    pub members: MemberSelection,
    /// How many times, at least once.
    pub count: usize,
    /// Decides every draw.
    pub seed: u64,
}

impl Draws {
    /// These draws, less those that a feature is too dear for.
    pub(crate) fn of(self, feature: &Feature) -> Self {
        Self { count: self.count.min(feature.most_draws()), ..self }
    }

    /// The figures of all draws, in their order, computed side by side; `of` gives that of one, from what chooses so many rows of a set
    /// by its labels. Set 0 is that of the members, set 1 that of the non-members.
    pub(crate) fn each<T: Send, E: Send>(&self, of: impl Fn(&Choose<'_>) -> Result<T, E> + Sync) -> Result<Vec<T>, E> {
        let draw = |number: usize| {
            // The streams of draws do not touch; those of the first are 0 and 1.
            let stream = |set: usize| 2 * number as u128 + set as u128;
            of(&|set, labels, count| self.members.choose(labels, count, self.seed, stream(set)))
        };
        let workers = thread::available_parallelism().map_or(1, NonZero::get).min(self.count);
        if workers < 2 {
            return (0..self.count).map(draw).collect();
        }
        let (draw, work) = (&draw, |worker: usize| (worker..self.count).step_by(workers));
        let shares: Vec<Vec<Result<T, E>>> = thread::scope(|scope| {
            let started: Vec<_> =
                (0..workers).map(|worker| scope.spawn(move || work(worker).map(draw).collect())).collect();
            started
                .into_iter()
                .map(|share| share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut shares: Vec<_> = shares.into_iter().map(Vec::into_iter).collect();
        (0..self.count).filter_map(|number| shares[number % workers].next()).collect()
    }
}

/// Chooses so many rows of a set, by the set's number and its labels.
type Choose<'a> = dyn Fn(usize, &[u32], usize) -> Vec<usize> + 'a;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_keep_their_order_and_the_first_error_is_the_answer() {
        let labels = vec![0; 1000];
        let draws = Draws { members: MemberSelection::Stratified, count: 9, seed: 4 };
        let all: Vec<Vec<usize>> = draws.each(|choose| Ok::<_, ()>(choose(1, &labels, 20))).unwrap();
        let alone: Vec<_> = (0..9).map(|n| draws.members.choose(&labels, 20, 4, 2 * n + 1)).collect();
        assert_eq!(all, alone);
        let failing = draws.each(|choose| if choose(0, &labels, 20) == [0; 0] { Ok(()) } else { Err("full") });
        assert_eq!(failing, Err("full"));
    }
}
