//! The number of times that an attack is fitted, and the samples of each draw.

use std::num::NonZero;
use std::thread;

use crate::{MemberSelection, features::Feature};

/// The number of times that an attack is fitted, and the samples of each draw.
///
/// A single draw is unreliable: the figure varies by tens of points with the members that are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// Selection of members and non-members if there are more than the attack uses.
    pub members: MemberSelection,
    /// Number of draws, at least one.
    pub count: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Draws {
    /// The same with no more draws than the feature's limit, which depends on its cost.
    pub(crate) fn of(self, feature: &Feature) -> Self {
        Self { count: self.count.min(feature.most_draws()), ..self }
    }

    /// The figures of all draws, in order, computed in parallel. `of` returns the figure of one draw. Its argument
    /// chooses a number of rows of a set, given the set's number and labels. Set 0 is that of the members, set 1 that
    /// of the non-members.
    pub(crate) fn each<T: Send, E: Send>(&self, of: impl Fn(&Choose<'_>) -> Result<T, E> + Sync) -> Result<Vec<T>, E> {
        let draw = |number: usize| {
            // Every draw has its own streams. The first draw has streams 0 and 1.
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

/// Chooses a number of rows of a set, given the set's number and its labels.
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
